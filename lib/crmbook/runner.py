"""One phase after another: papermill runs the template, the executed notebook becomes the evidence.

A template and its parameters are never changed; a repeated phase moves its old folder to `<phase>~N`; a failed
notebook is kept and named. Errors of the library keep their exit code on the way out of the kernel.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import nbformat
from jupyter_client.manager import AsyncKernelManager
from traitlets import default

from crmbook import config, errors, progress, report, runs, secrecy
from crmbook.errors import CrmbookError, ParameterError, UsageError, Waiting

Watch = Callable[[Mapping[str, Any]], None]
_CARRIED: Final = ("decisions.csv", "mapping.xlsx", ".written.json", "automations.csv")
# what is being written is named after the process that writes it; what it has read of a history is kept, and no part of one
_HALF_WRITTEN: Final = re.compile(r"\..+\.\d+(-\d+)?")
_TYPES: Final = {"str": str, "int": int, "float": float, "bool": bool}


class PrivateKernelManager(AsyncKernelManager):
    """
    A kernel reached by sockets in a private folder instead of open ports on the machine.

    `withheld` are the variables of the environment it is not given.
    """

    withheld: frozenset[str] = frozenset()

    @default("transport")
    def _transport(self) -> str:
        return "ipc"

    @default("ip")
    def _ip(self) -> str:
        # Not in the phase's folder: a kernel that is killed leaves its sockets, and they are no evidence.
        self._sockets = tempfile.TemporaryDirectory(prefix="crmbook-")
        return f"{self._sockets.name}/kernel"

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        # What a kernel says on its own streams is about itself; the notebook keeps what the cells say.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        given = {**(kw.get("env") or os.environ), "CRMBOOK_RUNS": str(runs.root())}
        here = {"env": {name: value for name, value in given.items() if name not in self.withheld}}
        await super()._async_launch_kernel(kernel_cmd, **quiet | kw | here)


def template(phase: str) -> Path:
    return runs.project() / "notebooks" / f"{phase}.ipynb"


def declared(phase: str) -> dict[str, dict[str, str]]:
    """The parameters a template declares: name to its type, default and help."""
    import papermill

    with _quiet():
        found = papermill.inspect_notebook(str(template(phase)))
    return {
        name: {"type": info["inferred_type_name"], "default": info["default"], "help": info["help"]}
        for name, info in found.items()
    }


def coerced(phase: str, given: Mapping[str, str]) -> dict[str, Any]:
    """
    The values of `--set name=value` in the types the template declares.

    Raises:
        ParameterError: no such parameter (the declared ones are listed), or not of its type.
    """
    known = declared(phase)
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in known:
            raise ParameterError(f"--set {name}: {phase} declares {', '.join(sorted(known))}")
        values[name] = _typed(name, text, known[name]["type"])
    return values


def _typed(name: str, text: str, kind: str) -> Any:
    if kind == "bool":
        if text.lower() not in ("true", "false", "1", "0"):
            raise ParameterError(f"--set {name}={text}: expected true or false")
        return text.lower() in ("true", "1")
    try:
        return _TYPES.get(kind, str)(text)
    except ValueError:
        raise ParameterError(f"--set {name}={text}: expected {kind}") from None


def run_phase(
    record: runs.Record, phase: str, parameters: Mapping[str, Any], *, watch: Watch | None = None
) -> None:
    """
    *phase* executed into the run folder.

    Raises:
        CrmbookError: whatever stopped the notebook, with its exit code; the failed notebook is named.
        UsageError: another process carries out a phase of this run.
    """
    with _alone(record):
        _run_alone(record, phase, parameters, watch)


def _run_alone(record: runs.Record, phase: str, parameters: Mapping[str, Any], watch: Watch | None) -> None:
    folder = record.folder / phase
    set_aside(folder)
    notebook = folder / "notebook.ipynb"
    try:
        with _watching(record.folder / progress.NAME, watch):
            _execute(phase, notebook, parameters, _keys_withheld(record, phase))
    except CrmbookError as stop:
        state = "waiting" if isinstance(stop, Waiting) else "failed"
        record.change_phase(phase, status=state, finished_at=runs.now(), error=str(stop))
        raise
    finally:
        (record.folder / progress.NAME).unlink(missing_ok=True)
        if notebook.exists():
            _normalize(notebook)
            report.write_notebook(notebook, folder / "report.html")
    record.change_phase(
        phase, error="", notebook=runs.sha256(notebook), template=runs.sha256(template(phase))
    )


@contextlib.contextmanager
def _alone(record: runs.Record) -> Iterator[None]:
    """The run's folder is this process's as long as the block lasts; it ends with the process, however that dies."""
    descriptor = os.open(record.folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{record.folder.name}: another process carries out a phase of this run; wait until it ends"
            ) from None
        yield
    finally:
        os.close(descriptor)


def set_aside(folder: Path) -> None:
    """The folder of an earlier attempt, kept beside the new one with what a person wrote carried over."""
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
        return
    taken = [
        int(m[1]) for p in folder.parent.glob(f"{folder.name}~*") if (m := re.fullmatch(r".*~(\d+)", p.name))
    ]
    old = folder.with_name(f"{folder.name}~{max(taken, default=0) + 1}")
    folder.rename(old)
    # Half a table of a killed process is personal, may be large, and is nobody's.
    for part in (old / "data").glob(".*"):
        if _HALF_WRITTEN.fullmatch(part.name):
            part.unlink()
    folder.mkdir(mode=0o700)
    for name in _CARRIED:
        if (old / name).exists():
            shutil.copy2(old / name, folder / name)


def _keys_withheld(record: runs.Record, phase: str) -> frozenset[str]:
    customer = config.read(record.folder.parent / "customer.toml")
    return secrecy.withheld(customer, record.get()["env"], phase)


def _execute(
    phase: str, notebook: Path, parameters: Mapping[str, Any], withheld: frozenset[str] = frozenset()
) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from crmbook import engine

    try:
        with _quiet():
            papermill.execute_notebook(
                str(template(phase)), str(notebook), parameters=dict(parameters), kernel_name="python3",
                engine_name=engine.NAME, progress_bar=False, log_output=False, cwd=str(notebook.parent),
                kernel_manager_class=type("KernelManager", (PrivateKernelManager,), {"withheld": withheld}),
                # All it was asked for is on disk by then, and it takes a second to say goodbye.
                shutdown_kernel="immediate",
            )  # fmt: skip
    except PapermillExecutionError as problem:
        raise _restored(
            problem.ename, problem.evalue, f"{notebook.parent.parent.name}/{phase}/notebook.ipynb"
        ) from None
    except DeadKernelError:
        raise CrmbookError(
            f"{phase}: the kernel died (out of memory, or killed); run again to continue"
        ) from None


def _restored(ename: str, evalue: str, where: str) -> CrmbookError:
    """The error a notebook stopped with, as the class it was, so its exit code survives the kernel."""
    kind = getattr(errors, ename, None)
    if kind is Waiting:
        what, _, command = evalue.rpartition("; then: ")
        return Waiting(what, command)
    if isinstance(kind, type) and issubclass(kind, CrmbookError):
        stop = kind.__new__(kind)
        stop.args = (f"{evalue} [{where}]",)
        return stop
    return errors.disk_error(where, Exception(evalue)) or CrmbookError(f"{ename}: {evalue} [{where}]")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Libraries' own log lines and warnings stay out of a person's terminal."""
    for name in ("papermill", "nbclient", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _watching(path: Path, watch: Watch | None) -> Iterator[None]:
    """*watch* is called with each new state the notebook reports, from a thread, until the block ends."""
    if watch is None:
        yield
        return
    over = threading.Event()

    def follow() -> None:
        last = ""
        while not over.wait(0.25):
            with contextlib.suppress(OSError, ValueError):
                text = path.read_text(encoding="utf-8")
                if text != last:
                    last = text
                    watch(json.loads(text))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _normalize(path: Path) -> None:
    """The executed notebook without times, paths and random ids, so the same data gives the same bytes."""
    notebook = nbformat.read(path, as_version=4)
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "papermill": {"parameters": dict(sorted(given.items()))},
        }
    )
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            if output.output_type in ("display_data", "execute_result"):
                output.metadata = nbformat.from_dict({})
    runs.write_text(path, nbformat.writes(notebook, version=4) + "\n")
