"""The run folder: where tables, evidence and approvals of one migration run live, and what may be read.

`open` starts a phase and checks that everything upstream passed and is unaltered; `Run.read` and `Run.save`
move tables; `Run.close` records the outcome. Files are replaced by rename, personal ones are 0600, and
run.json always says what happened: it is the only state the command line looks at.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, cast

import polars as pl

from crmbook import config, lab_tables, run_shape, tables
from crmbook import progress as progressing
from crmbook.errors import ConfigError, ParameterError, UpstreamError, UsageError, Waiting, on_disk

Status = Literal["running", "passed", "failed", "waiting"]
RUN_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_GROUP: Final = 100_000
_RECORDED: Final = ("crmbook", "polars", "great-expectations", "papermill", "httpx", "plotly", "nbconvert")


@dataclass(frozen=True)
class Phase:
    """
    One notebook of the line; `approval` is what a person approves before the next phase may start.

    `asks` is whom it talks to, and so whose key its kernel gets: `source`, `target`, `model`, or nobody.
    """

    name: str
    question: str
    approval: str = ""
    asks: Literal["source", "target", "model", ""] = ""


PHASES: Final = (
    Phase(
        "01_discovery",
        "What is in the source account, what is billable, what will the move cost?",
        asks="source",
    ),
    Phase(
        "02_mapping", "Where does every object, field, choice, stage and owner go?", "mapping", asks="model"
    ),
    Phase("03_workspace", "Is the target workspace configured for that map?", asks="target"),
    Phase("04_normalization", "What will be written, what is left out, and why?"),
    Phase("05_load", "What is the plan, and has exactly that plan been applied?", "plan", asks="target"),
    Phase("06_reconciliation", "Does the target say what was loaded?", "reconciliation", asks="target"),
    Phase("07_handoff", "What does the customer need on day one and in the hypercare week?"),
)
NAMES: Final = tuple(phase.name for phase in PHASES)
# A notebook of a run that has no place in the line.
ROLLBACK: Final = Phase("rollback", "What of this run can be taken back, and has it been?", asks="target")


def check_name(what: str, name: str) -> None:
    """Raises ParameterError unless *name* can be the name of a folder beside its like, and of nothing else."""
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{what}: no name of a customer or run; expected letters, digits, dot, dash or underscore, at most 61"
        )


def root() -> Path:
    """The folder of all customers: CRMBOOK_RUNS, else runs/ beside the project; of a store, where it is worked on here."""
    if address := store_address():
        name = re.sub(r"[^A-Za-z0-9.-]+", "-", address)
        return Path(os.environ.get("CRMBOOK_WORK") or Path.home() / ".cache" / "crmbook" / name).absolute()
    return Path(os.environ.get("CRMBOOK_RUNS") or project() / "runs").absolute()


def store_address() -> str:
    """The address in CRMBOOK_RUNS where it names an object store, else empty."""
    given = os.environ.get("CRMBOOK_RUNS", "")
    return given.rstrip("/") if "://" in given else ""


def project() -> Path:
    """The checkout: templates and suites are read from it, so only an editable install can work."""
    return Path(__file__).resolve().parents[2]


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, content: Any, *, mode: int = 0o644) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n", mode=mode)


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """*text* at *path*, whole or not at all."""
    write_bytes(path, text.encode(), mode=mode)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """*content* at *path*, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with on_disk(_short(path)):
        try:
            part.write_bytes(content)
            part.chmod(mode)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Record:
    """run.json, read and changed; every change is on disk before the method returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "run.json"

    def exists(self) -> bool:
        return self.path.exists()

    def get(self) -> dict[str, Any]:
        """Raises UsageError where there is no run, UpstreamError where run.json is not readable."""
        try:
            content = json.loads(text := self.path.read_text(encoding="utf-8"))
            if "\\ud" in text.lower():  # half a character, which can be spelled but not written
                json.dumps(content, ensure_ascii=False).encode()
        except FileNotFoundError:
            raise UsageError(
                f"{_short(self.folder)}: no such run; list them with: crmbook status CUSTOMER"
            ) from None
        except ValueError as problem:
            raise UpstreamError(
                f"{_short(self.path)}: not valid JSON ({_place(problem)}); restore it or start a new run"
            ) from None
        except (OSError, RecursionError) as problem:
            why = getattr(problem, "strerror", "nested too deep")
            raise UpstreamError(
                f"{_short(self.path)}: {why}; make it readable, restore it or start a new run"
            ) from None
        if fault := run_shape.fault(content):
            raise UpstreamError(f"{_short(self.path)}: {fault}; restore it or start a new run")
        return cast("dict[str, Any]", content)

    def change(self, **changes: Any) -> dict[str, Any]:
        before = self.get()
        content = {**before, **changes}
        if content != before:
            write_json(self.path, content)
        return content

    def phase(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.get()["phases"].get(name, {}))

    def change_phase(self, name: str, **changes: Any) -> None:
        phases = self.get()["phases"]
        phases[name] = {**phases.get(name, {}), **changes}
        self.change(phases=phases)

    def offer(self, what: str, digest: str, summary: str) -> None:
        """Something that waits for approval; a person approves this hash and no other."""
        self.change(offers={**self.get()["offers"], what: {"hash": digest, "summary": summary}})

    def approve(self, what: str, *, by: str, digest: str | None = None, note: str = "") -> dict[str, str]:
        """
        The approval now recorded for what is on offer; *note* tells what was approved unseen.

        Raises:
            UsageError: nothing is on offer, or *digest* is not the hash on offer.
        """
        content = self.get()
        offer = content["offers"].get(what)
        if not offer:
            raise UsageError(f"{content['run_id']}: no {what} to approve yet; run it first")
        if digest is not None and not offer["hash"].startswith(digest):
            raise UsageError(
                f"{content['run_id']}: the {what} on offer is {offer['hash'][:12]}, not {digest[:12]}"
            )
        approval = {"what": what, "hash": offer["hash"], "by": by, "at": now()} | (
            {"note": note} if note else {}
        )
        self.change(approvals=[*content["approvals"], approval])
        return approval

    def approved(self, what: str, digest: str) -> dict[str, str] | None:
        """The approval of exactly this hash, if there is one."""
        found = [a for a in self.get()["approvals"] if a["what"] == what and a["hash"] == digest]
        return cast("dict[str, str]", found[-1]) if found else None


def create(
    customer: str, env: config.Env, *, parameters: Mapping[str, Any], run_id: str = "", base: str = ""
) -> Record:
    """A new run of *customer*: `<env>-NN`, its folder 0700 and its run.json; *base* is the run a delta goes on from."""
    folder = root() / customer
    if not run_id:
        taken = [int(m[1]) for p in folder.glob(f"{env}-*") if (m := re.fullmatch(rf"{env}-(\d+)", p.name))]
        run_id = f"{env}-{max(taken, default=0) + 1:02d}"
    if not RUN_ID.fullmatch(run_id):
        raise ParameterError(f"--run {run_id}: expected lower-case letters, digits, dot, dash or underscore")
    record = Record(folder / run_id)
    record.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(
        record.path,
        {
            "customer": customer, "run_id": run_id, "env": env, "created_at": now(), "parameters": dict(parameters),
            "versions": {name: version(name) for name in _RECORDED}, "phases": {}, "offers": {}, "approvals": [],
            "approve_all": "", **({"delta": {"base": base}} if base else {}),
        },
    )  # fmt: skip
    return record


def all_runs(customer: str) -> list[Record]:
    """The customer's runs, oldest first."""
    found = [Record(path.parent) for path in (root() / customer).glob("*/run.json")]
    return sorted(found, key=lambda record: (record.get()["created_at"], record.folder.name))


def rolled_back(record: Record) -> str:
    """When a rollback of this run began, empty where none did: such a run is over, and nothing builds on it."""
    return str(record.get().get("rollback", {}).get("at", ""))


def refuse_rolled_back(record: Record) -> None:
    """Raises UsageError where a rollback of the run has begun."""
    if rolled_back(record):
        content = record.get()
        raise UsageError(
            f"run {record.folder.name} was rolled back; start a new one with:"
            f" crmbook run {content['customer']} --env {content['env']} --run NEW"
        )


def mapping_approval(customer: str, digest: str) -> dict[str, str] | None:
    """The approval of this mapping in any run of the customer: approved once, it counts for all."""
    approvals = [a for record in all_runs(customer) if (a := record.approved("mapping", digest))]
    return approvals[-1] if approvals else None


@dataclass
class Run:
    """One phase of one run, open: the only way a notebook reaches tables, settings and approvals."""

    record: Record
    phase: str
    customer: config.Customer
    env: config.Env
    parameters: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=dict)
    _saved: set[str] = field(default_factory=set)
    _shown: progressing.UnderTheCell = field(default_factory=progressing.UnderTheCell)

    def __post_init__(self) -> None:
        self.pace = progressing.Pace(self.phase)

    @property
    def run_id(self) -> str:
        return self.record.folder.name

    @property
    def folder(self) -> Path:
        return self.record.folder

    @property
    def phase_folder(self) -> Path:
        return self.folder / self.phase

    @property
    def data_folder(self) -> Path:
        """Where this phase's tables lie."""
        return self.phase_folder / "data"

    @property
    def customer_folder(self) -> Path:
        return self.folder.parent

    @property
    def source_folder(self) -> Path:
        return self.customer_folder / "source"

    @property
    def ledger_path(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def quota_path(self) -> Path:
        return root() / ".quota.db"

    @property
    def target(self) -> config.Target:
        return self.customer.target(self.env)

    @property
    def policy(self) -> config.Policy:
        return self.customer.policy

    @property
    def sample(self) -> int:
        return int(self.parameters.get("sample", 0))

    def path_of(self, table: str) -> Path:
        return self.folder / tables.of(table).phase / "data" / f"{table}.parquet"

    def has(self, table: str) -> bool:
        return self.path_of(table).exists()

    def read(self, table: str) -> pl.DataFrame:
        """The table, from this phase or an earlier one that passed; raises UpstreamError as `scan` does."""
        return self.scan(table).collect()

    def frames(self, *names: str) -> list[pl.DataFrame]:
        return [self.read(name) for name in names]

    def scan(self, table: str) -> pl.LazyFrame:
        """
        The table, lazily.

        Raises:
            UpstreamError: its phase has not passed, the file is gone, or it is not the file that phase wrote.
        """
        path, owner = self.path_of(table), tables.of(table).phase
        if owner != self.phase:
            key = f"{owner}/data/{table}.parquet"
            known = self.record.phase(owner).get("outputs", {}).get(key)
            if known is None or not path.exists():
                raise UpstreamError(
                    f"{key}: not there; run crmbook run {self.customer.key} --env {self.env} --run {self.run_id}"
                    f" --from {owner}"
                )
            if key not in self.inputs:
                if sha256(path) != known:
                    raise UpstreamError(
                        f"{key}: changed since {owner} wrote it; run {owner} again with"
                        f" crmbook run {self.customer.key} --env {self.env} --run {self.run_id} --from {owner}"
                    )
                self.inputs[key] = known
        elif not path.exists():
            raise UpstreamError(f"{owner}/data/{table}.parquet: not written yet by this phase")
        return pl.scan_parquet(path)

    def save(self, table: str, frame: pl.DataFrame) -> pl.DataFrame:
        """*frame* conformed and written as this phase's table; SchemaError as `tables.conform`."""
        contract = self._own(table)
        shaped = tables.conform(frame, contract)
        self._write_table(table, lambda part: shaped.write_parquet(part, compression="zstd", statistics=True))
        return shaped

    def sink(self, table: str, frame: pl.LazyFrame) -> None:
        """
        As `save`, for a table too large to hold: *frame* has the columns in order and is sorted by its key, each key once.

        Raises:
            SchemaError: a column is missing, extra or of another type.
        """
        contract = self._own(table)
        tables.conform(pl.DataFrame(schema=frame.collect_schema()), contract)
        # Small groups of rows: as many as there are threads are held at once, by whoever writes and whoever reads.
        self._write_table(
            table,
            lambda part: frame.sink_parquet(
                part, compression="zstd", statistics=True, row_group_size=_GROUP, maintain_order=True
            ),
        )

    def _own(self, table: str) -> tables.Table:
        contract = tables.of(table)
        if contract.phase != self.phase:
            raise UsageError(f"{table} belongs to {contract.phase}, not to {self.phase}")
        return contract

    def _write_table(self, table: str, write: Callable[[Path], None]) -> None:
        path = self.path_of(table)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        with on_disk(_short(path)):
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write(part)
                part.chmod(0o600)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        self._saved.add(table)
        self.progress("tables written", len(self._saved))

    def save_all(self, **frames: pl.DataFrame) -> None:
        for name, frame in frames.items():
            self.save(name, frame)

    def write(self, name: str, content: str | bytes) -> Path:
        """*content* as this phase's file *name*, for a person to open; readable by its owner only."""
        path = self.phase_folder / name
        write_bytes(path, content.encode() if isinstance(content, str) else content, mode=0o600)
        return path

    def progress(self, entity: str, done: int, total: int | None = None) -> None:
        """Where the phase stands, for whoever watches from another process; at most five times a second."""
        self._tell(self.pace.told(entity, done, total))

    def wait(self, wait_s: float, reason: str) -> None:
        """The vendor lets nothing through for so long: in the log, and for whoever watches."""
        self.log("waiting", wait_s=round(wait_s, 1), reason=reason)
        self._tell(self.pace.waiting(wait_s, reason))

    def _tell(self, state: progressing.State | None) -> None:
        if state is None:
            return
        write_json(self.folder / progressing.NAME, state)
        if lab_tables.is_on():
            self._shown.show(state)

    def log(self, event: str, **fields: float | str | None) -> None:
        """One line in log.jsonl; callers pass names and counts, never values or secrets."""
        line = json.dumps({"at": now(), "phase": self.phase, "event": event, **fields}, ensure_ascii=False)
        path = self.folder / "log.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with on_disk(_short(path)), os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def offer(self, what: str, digest: str, summary: str) -> None:
        """What the next phase may not start without; the command line asks for it."""
        self.record.offer(what, digest, summary)

    def require_approval(self, what: str, digest: str, summary: str) -> dict[str, str]:
        """
        The approval of exactly this hash.

        Raises:
            Waiting: nobody approved it yet; what is on offer now stands in run.json.
        """
        found = self.record.approved(what, digest)
        if found:
            return found
        self.offer(what, digest, summary)
        if by := self.record.get()["approve_all"]:
            return self.record.approve(what, by=by, digest=digest)
        raise waiting_for(what, self.customer.key, self.run_id, digest, summary)

    def close(self, **numbers: float | str) -> None:
        """The phase has passed: its outputs are hashed, the numbers that matter are in summary.json."""
        write_json(self.phase_folder / "summary.json", numbers)
        outputs = {
            f"{self.phase}/{path.relative_to(self.phase_folder).as_posix()}": sha256(path)
            for path in sorted(self.phase_folder.rglob("*"))
            if path.is_file()
            and not path.name.startswith(".")
            and path.name not in ("notebook.ipynb", "report.html")
        }
        self.record.change_phase(
            self.phase,
            status="passed",
            finished_at=now(),
            inputs=dict(sorted(self.inputs.items())),
            outputs=outputs,
        )
        self.log("phase passed", tables=len(outputs))
        print(f"{self.phase} passed")
        for name, number in numbers.items():
            print(
                f"  {name.replace('_', ' ')}: {number:,}"
                if isinstance(number, int)
                else f"  {name.replace('_', ' ')}: {number}"
            )


def waiting_for(what: str, customer: str, run_id: str, digest: str, summary: str) -> Waiting:
    command = f"crmbook approve {customer} --run {run_id} {what} --by NAME --hash {digest[:12]}"
    return Waiting(f"{what} waits for approval: {summary}", command)


def open(phase: str, *, customer: str, run_id: str, **parameters: Any) -> Run:  # noqa: A001  runs.open reads as it is meant
    """
    The phase, started: upstream phases checked, its folder ready.

    Raises:
        ParameterError: a parameter has another type than the notebook declares.
        UpstreamError: the phase before has not passed in this run.
    """
    if phase not in (*NAMES, ROLLBACK.name):
        raise ParameterError(f"phase {phase}: expected one of {', '.join(NAMES)}")
    check_name("customer", customer)
    check_name("run_id", run_id)
    record = Record(root() / customer / run_id)
    content = record.get()
    _check_types(parameters)
    before = NAMES[NAMES.index(phase) - 1] if phase in NAMES[1:] else None
    if before and content["phases"].get(before, {}).get("status") != "passed":
        state = content["phases"].get(before, {}).get("status", "not run")
        raise UpstreamError(
            f"{phase} needs {before}, which is {state}; run crmbook run {customer} --env {content['env']} --run {run_id}"
        )
    run = Run(record, phase, config.read(record.folder.parent / "customer.toml"), content["env"], parameters)
    run.phase_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (run.phase_folder / "data").mkdir(mode=0o700, exist_ok=True)
    record.change_phase(phase, status="running", started_at=now(), parameters=parameters)
    print(
        f"{run.customer.name} · run {run_id} · {content['env']} · {phase}"
        + (f" · sample of {run.sample}" if run.sample else "")
    )
    return run


def _place(problem: ValueError) -> str:
    """Where it went wrong; the message of some of them quotes the whole text."""
    return str(problem) if isinstance(problem, json.JSONDecodeError) else type(problem).__name__


def _check_types(parameters: Mapping[str, Any]) -> None:
    """An interactive typo (a text where a switch is meant) is caught here; the command line checks its own."""
    for name, value in parameters.items():
        if name in ("reveal", "whole", "is_confirmed", "forget") and not isinstance(value, bool):
            raise ParameterError(f"{name}: expected True or False, got {type(value).__name__}")
        if name == "sample" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise ParameterError("sample: expected a whole number, 0 for all")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(root()))
    except ValueError:
        return path.name


def unknown_customer(customer: str) -> ConfigError:
    return ConfigError(f"{customer}: no such customer; write its folder with: crmbook new {customer}")
