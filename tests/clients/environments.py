"""Other people's clients, each in its own environment in `.venv/clients`, kept while its lock is the same.

Python clients are installed from `<name>.txt`, after `<name>_build.txt` if source archives have to be built.
Both carry hashes and no index address. They are made like the project's own lock, from `airbyte-cdk
airbyte-source-freshsales` with the override `airbyte-cdk>=7`, and from `tap-freshsales` with the override
`requests>=2.32`: what these two packages pin no longer imports on every Python here. The npm client comes
from its folder's `package-lock.json`.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CLIENTS = HERE.parents[1] / ".venv" / "clients"


def python_client(name: str) -> Path:
    """The `bin` folder of the client's virtual environment."""
    locks = [path for path in (HERE / f"{name}_build.txt", HERE / f"{name}.txt") if path.exists()]

    def build(folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet"]
        options = "--disable-pip-version-check --no-compile --no-deps --no-build-isolation --require-hashes"
        for lock in locks:
            _run([*pip, *options.split(), "--requirement", lock])

    return _kept(name, locks, build) / "bin"


def npm_client(name: str) -> Path:
    """The `node_modules` folder of the client."""
    files = [HERE / name / "package.json", HERE / name / "package-lock.json"]
    npm = tool("npm")

    def build(folder: Path) -> None:
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder)

    return _kept(name, files, build) / "node_modules"


def tool(name: str) -> str:
    """A program of the machine; without it the test says so, and CI fails instead."""
    found = shutil.which(name)
    if found is None and os.environ.get("CRMBOOK_REQUIRE_BROWSER"):
        pytest.fail(f"no {name} on this machine, and CRMBOOK_REQUIRE_BROWSER is set")
    if found is None:
        pytest.skip(f"no {name} on this machine; .ci/run installs one")
    return found


def _kept(name: str, locks: list[Path], build: Callable[[Path], None]) -> Path:
    folder, stamp = CLIENTS / name, CLIENTS / f"{name}.sha256"
    content = b"".join([sys.version.encode(), *(lock.read_bytes() for lock in locks)])
    wanted = hashlib.sha256(content).hexdigest()
    with _alone(CLIENTS / f"{name}.lock"):
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            stamp.write_text(wanted)
    return folder


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two sessions at once would build the same folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[object], cwd: Path | None = None) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} could not install the client:\n{done.stdout}{done.stderr}"
