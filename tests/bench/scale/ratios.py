"""How far from the limit are normalization and comparison? `python tests/bench/scale/ratios.py [contacts]`

Contacts are normalized by us, by the same rules in pandas, and merely read and written; they are compared with the
target's answer by us, by datacompy on Polars' frames and on pandas' (installed into an environment of its own on demand),
and merely joined. Each is a process of its own, one after another in one run, and stands in the table as a ratio to ours:
seconds, and processor seconds, which say less of what else the machine does.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any, Final

TESTS: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))

from bench.scale import tasks  # noqa: E402  the tests' folder is put in front first

SIZE: Final = 200_000
DATACOMPY: Final = ("datacompy", "pandas", "polars", "pyarrow")
ROUTINE: Final = "| {:<32} | {:>9} | {:>9} | {:>11} | {:>12} |"
_GROUPS: Final = {
    "normalize": ("pandas", "bare_copy"),
    "compared": ("datacompy polars", "datacompy pandas", "bare_join"),
}


def measured(name: str, folder: Path) -> dict[str, Any]:
    """One task in a process of its own."""
    arguments = [sys.executable, "-m", "bench.scale.tasks", name, str(folder)]
    if name.startswith("datacompy"):
        script = str(Path(__file__).with_name("with_datacompy.py"))
        arguments = [str(_environment()), script, str(folder), name.split()[1]]
    done = subprocess.run(
        arguments,
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment() -> Path:
    """The interpreter of the environment datacompy lives in, made where it is not there yet."""
    folder = Path(tempfile.gettempdir()) / "crmbook-bench-datacompy"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *DATACOMPY], check=True)
        (folder / "ready").touch()
    return python


def main(contacts: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks.made(folder, contacts)
        print(f"{contacts:,} contacts")
        print(ROUTINE.format("work", "seconds", "processor", "ours : this", "by processor"))
        print("|---|--:|--:|--:|--:|")
        for ours, others in _GROUPS.items():
            own = measured(ours, folder)
            _line(ours, own, own)
            for other in others:
                _line(other, measured(other, folder), own)


def _line(name: str, found: dict[str, Any], own: dict[str, Any]) -> None:
    print(
        ROUTINE.format(
            name, f"{found['seconds']:.2f}", f"{found['cpu_s']:.2f}", f"{own['seconds'] / found['seconds']:.2f}",
            f"{own['cpu_s'] / found['cpu_s']:.2f}",
        ),
        flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE)
