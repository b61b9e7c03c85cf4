"""What does a notebook cost beyond the functions it calls, and `--help` beyond importing click? `python tests/bench/overhead.py [times]`

A small customer is taken to its map once; then 02_mapping is carried out *times* times as a notebook (a kernel of its own,
gate warm, page written) and as the very same cells in this process. Of each the best is taken; the last column is the ratio.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import batch_case as case
from crmbook import gates, pipeline, runner, runs

PHASE = "02_mapping"
LINE = "| {:<52} | {:>9} | {:>9} | {:>8} | {:>6} |"


def best_s(times: int, work: Callable[[], object]) -> float:
    found = []
    for _ in range(times):
        before = time.perf_counter()
        work()
        found.append(time.perf_counter() - before)
    return min(found)


def as_cells(record: runs.Record, parameters: dict[str, object]) -> None:
    """The code of the phase's template, its parameters set, in this process."""
    scope = dict(parameters)
    first, *rest = [
        c.source for c in nbformat.read(runner.template(PHASE), as_version=4).cells if c.cell_type == "code"
    ]
    assert all(name in first for name in parameters)
    with contextlib.redirect_stdout(io.StringIO()):
        for source in rest:
            exec(compile(source, PHASE, "exec"), scope)


def phase_s(times: int) -> tuple[float, float]:
    """Seconds of the phase as a notebook and as its cells."""
    with tempfile.TemporaryDirectory() as folder, case.opened(["acme"], Path(folder)) as customers:
        os.environ |= {"CRMBOOK_RUNS": folder, **customers["acme"].tokens}
        pipeline.run("acme", "test", lambda _line: None, last=PHASE)
        record = runs.Record(Path(folder) / "acme" / "test-01")
        known = runner.declared(PHASE)
        defaults = {name: eval(told["default"]) for name, told in known.items()}
        given = defaults | {"customer": "acme", "run_id": "test-01"}
        with gates.warm():
            as_cells(record, given)
            notebook = best_s(times, lambda: runner.run_phase(record, PHASE, given))
            cells = best_s(times, lambda: as_cells(record, given))
    return notebook, cells


def command_s(times: int, *arguments: str) -> float:
    return best_s(
        times, lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    )


def main(times: int) -> None:
    print(LINE.format("what", "with", "without", "overhead", "ratio"))
    print("|---|--:|--:|--:|--:|")
    pairs = {
        f"{PHASE} as a notebook, and its functions alone": phase_s(times),
        "crmbook --help, and importing click": (
            command_s(times, "-m", "crmbook", "--help"), command_s(times, "-c", "import click"),
        ),
    }  # fmt: skip
    for what, (whole, part) in pairs.items():
        print(
            LINE.format(
                what, f"{whole:.2f} s", f"{part:.2f} s", f"{whole - part:.2f} s", f"{whole / part:.1f}"
            )
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
