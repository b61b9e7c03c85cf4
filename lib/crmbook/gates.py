"""The suites between the phases: does every table that leaves a phase keep what it promises?

A suite is a file `expectations/NN_phase.<table>.json` in Great Expectations' own form; its name is the
wiring. The result of a gate holds counts only: no value of any record enters it. A suite that loads fewer
expectations than it declares is an error, because Great Expectations drops a misspelled one and then passes.

Importing Great Expectations takes seconds, so whoever runs several phases keeps one process with it warm
(`warm`); a notebook opened by hand validates in its own process.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import polars as pl

from crmbook import gx, runs, secrecy, tables
from crmbook.errors import GateFailed, UsageError

SOCKET: Final = "CRMBOOK_GATE_SOCKET"
KEY: Final = "CRMBOOK_GATE_KEY"
_OF_GX: Final = ("batch_id",)


@dataclass(frozen=True)
class Check:
    """
    One expectation's outcome; `failed` of `checked` rows break it (1 of 1 for a statement on the table).

    `kwargs` are the suite's own, so that the verdict says by itself what was asked.
    """

    id: str
    table: str
    type: str
    column: str
    severity: str
    passed: bool
    checked: int
    failed: int
    notes: str
    kwargs: dict[str, Any] = field(default_factory=dict)


def suites(phase: str) -> dict[str, Path]:
    """The suite files of *phase* by the table they guard; UsageError for a table nobody declared."""
    folder = runs.project() / "expectations"
    found = {path.name.split(".")[1]: path for path in sorted(folder.glob(f"{phase}.*.json"))}
    for table in found:
        tables.of(table)
    return found


def check(run: runs.Run) -> pl.DataFrame:
    """
    Every check of the phase, worst first, also kept in gate.json.

    Raises:
        GateFailed: a critical check failed; names the checks and where to read about them.
    """
    is_delta = bool(run.record.get().get("delta"))
    listed = suites(run.phase)
    checks: list[Check] = []
    for number, (table, suite) in enumerate(listed.items(), 1):
        told = validate(run.path_of(table), suite, table)
        checks += [one for one in told if not (is_delta and one.id in _whole_only(suite))]
        run.progress("checks by table", number, len(listed))
    failed = stopping(checks)
    runs.write_json(
        run.phase_folder / "gate.json",
        {
            "phase": run.phase,
            "passed": not failed,
            "checks": [asdict(c) for c in sorted(checks, key=lambda c: c.id)],
        },
    )
    run.log("gate", checks=len(checks), failed=len(failed))
    if failed:
        worst = ", ".join(f"{c.id} ({c.table}.{c.column}: {c.failed:,} of {c.checked:,})" for c in failed[:5])
        raise GateFailed(
            f"{run.phase}: {len(failed)} of {len(checks)} checks failed: {worst};"
            f" see {run.run_id}/{run.phase}/gate.json",
            checks,
        )
    order = {"critical": 0, "warning": 1, "info": 2}
    rows = sorted(checks, key=lambda c: (c.passed, order.get(c.severity, 3), c.id))
    return pl.DataFrame(
        {
            "check": [c.id for c in rows],
            "table": [c.table for c in rows],
            "column": [c.column for c in rows],
            "passed": ["yes" if c.passed else f"NO ({c.severity})" for c in rows],
            "rows checked": [c.checked for c in rows],
            "failed": [c.failed for c in rows],
            "why": [c.notes for c in rows],
        }
    )


def stopping(checks: Iterable[Check]) -> list[Check]:
    """Those of *checks* for which the run stops here, with exit code 3."""
    return [c for c in checks if not c.passed and c.severity == "critical"]


def _whole_only(suite: Path) -> set[str]:
    """The ids of checks that don't hold of a delta run: what changes nothing writes nothing."""
    declared = json.loads(suite.read_text(encoding="utf-8"))["expectations"]
    return {e["meta"]["id"] for e in declared if e["meta"].get("runs") == "whole"}


def validate(data: Path, suite: Path, table: str) -> list[Check]:
    """The checks of *suite* on the parquet file *data*, by the warm process if there is one."""
    return cast("list[Check]", ask("validate", str(data), str(suite), table))


def ask(task: str, *given: str) -> Any:
    """The answer of the warm process if there is one; when it is gone, of this one, only slower."""
    address, key = os.environ.get(SOCKET), os.environ.get(KEY)
    if address and key and Path(address).exists():
        try:
            with Client(address, authkey=bytes.fromhex(key)) as connection:
                connection.send((task, *given))
                answer = connection.recv()
        except (OSError, EOFError):
            return _TASKS[task](*given)
        if isinstance(answer, Exception):
            raise answer
        return answer
    return _TASKS[task](*given)


def _validate(data_path: str, suite_file: str, table: str) -> list[Check]:
    data, suite_path = Path(data_path), Path(suite_file)
    declared = json.loads(suite_path.read_text(encoding="utf-8"))
    suite = _loaded(declared, suite_path)
    wanted = sorted({c for e in declared["expectations"] for c in _columns(e["kwargs"])})
    frame = _frame(data, wanted, suite_path)
    batch = gx.frames().get_batch({"dataframe": frame})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = batch.validate(
            suite,
            result_format={
                "result_format": "BASIC",
                "exclude_unexpected_values": True,
                "partial_unexpected_count": 0,
            },
        )
    return [_check(outcome, table) for outcome in result.results]


def _loaded(declared: dict[str, Any], path: Path) -> Any:
    number = len(declared.get("expectations", []))
    if not number:
        raise UsageError(
            f"expectations/{path.name}: declares no expectation; a gate that checks nothing is a defect"
        )
    try:
        suite = gx.warmed().ExpectationSuite(**declared)
    except Exception as problem:
        raise UsageError(
            f"expectations/{path.name}: not a suite Great Expectations reads: {problem}"
        ) from None
    if len(suite.expectations) != number:
        loaded = {e.expectation_type for e in suite.expectations}
        lost = sorted({e["type"] for e in declared["expectations"]} - loaded)
        raise UsageError(
            f"expectations/{path.name}: {number} declared, {len(suite.expectations)} loaded; unknown: {lost}"
        )
    return suite


def _columns(kwargs: dict[str, Any]) -> list[str]:
    named = [kwargs[k] for k in ("column", "column_A", "column_B") if k in kwargs]
    return named + list(kwargs.get("column_list", kwargs.get("sum_columns", [])))


def _frame(data: Path, columns: list[str], suite: Path) -> Any:
    """Arrow-typed pandas of only the columns a suite reads: the default conversion corrupts null integers and dates."""
    lazy = pl.scan_parquet(data)
    schema = lazy.collect_schema()
    if missing := [c for c in columns if c not in schema]:
        raise UsageError(
            f"expectations/{suite.name}: no such columns {missing}; the table has {list(schema)}"
        )
    chosen = columns or list(schema)[:1]
    return lazy.select(chosen).collect().to_pandas(use_pyarrow_extension_array=True)


def _check(outcome: Any, table: str) -> Check:
    config, result = outcome.expectation_config, outcome.result or {}
    raised = [e for e in _exceptions(outcome.exception_info) if e]
    if raised:
        raise UsageError(
            f"expectations of {table}, {config.meta.get('id', config.type)}: cannot be evaluated: {raised[0]}"
        )
    on_rows = "unexpected_count" in result
    return Check(
        id=str(config.meta["id"]),
        table=table,
        type=config.type,
        column=", ".join(_columns(config.kwargs)) or "(table)",
        severity=getattr(config.severity, "value", str(config.severity)),
        passed=bool(outcome.success),
        checked=int(result.get("element_count", 0)) if on_rows else 1,
        failed=int(result["unexpected_count"]) if on_rows else int(not outcome.success),
        notes=str(config.notes or ""),
        kwargs={k: v for k, v in config.kwargs.items() if k not in _OF_GX},
    )


def _exceptions(info: Any) -> list[str]:
    if not isinstance(info, dict):
        return []
    if "raised_exception" in info:
        return [str(info["exception_message"])] if info["raised_exception"] else []
    return [message for part in info.values() for message in _exceptions(part)]


@contextmanager
def warm() -> Iterator[None]:
    """Great Expectations in a process of its own until the block ends; inside another such block it is that one's."""
    address = os.environ.get(SOCKET)
    # The folder is there before the process listens, and goes with its block.
    if address and Path(address).parent.is_dir():
        yield
        return
    with Server() as server, secrecy.environment(server.environment):
        yield


class Server:
    """A process with Great Expectations warm; ends with the `with` block."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="crmbook-")
        self._key = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a kernel needs in its environment to reach this process."""
        return {SOCKET: f"{self._folder.name}/gate", KEY: self._key}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from crmbook import gates; gates.serve()"],
            env={**secrecy.helper_environment(os.environ), **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def _document(folder: str) -> None:
    from crmbook import data_docs

    data_docs.write(Path(folder))


_TASKS: Final[dict[str, Callable[..., Any]]] = {"validate": _validate, "document": _document}


def serve() -> None:
    """Answers validations on the socket named by the environment; ends when its parent does, however that ends."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    with Listener(os.environ[SOCKET], authkey=bytes.fromhex(os.environ[KEY])) as listener:
        gx.warmed()
        while True:
            # A kernel that is killed amid its question must not take the answers of the others with it.
            with suppress(OSError, EOFError, AuthenticationError), listener.accept() as connection:
                _answer(connection)


def _answer(connection: Connection) -> None:
    task, *given = connection.recv()
    try:
        answer = _TASKS[task](*given)
    except Exception as problem:
        answer = problem
    connection.send(answer)
