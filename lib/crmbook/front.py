"""What the run's report says, as frames and sentences: read from the run's tables and its run.json, in a customer's words.

Nothing is computed here but sums, and no table with values about people is opened but for its counts. Whatever
`crmbook verify` recomputes must be read from files the archive seals, never from the clock or from another run.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from crmbook import runs
from crmbook.phases import loss_words
from crmbook.phases.carriage import OBJECTS
from crmbook.phases.link_check import pictured

TABLES: Final = (
    ("05_load", "forecast"), ("05_load", "forecast_error"), ("06_reconciliation", "class_balance"),
    ("06_reconciliation", "link_balance"), ("06_reconciliation", "field_fidelity"),
    ("06_reconciliation", "history_class_balance"), ("06_reconciliation", "history_fidelity"),
    ("06_reconciliation", "history_chain"), ("06_reconciliation", "instant_balance"),
    ("06_reconciliation", "lost_fields"), ("06_reconciliation", "owner_queue"), ("06_reconciliation", "flow"),
    ("06_reconciliation", "flow_left"), ("07_handoff", "moved"), ("07_handoff", "open_items"),
)  # fmt: skip
_TITLES: Final = {
    "01_discovery": "The source is read", "02_mapping": "Every field gets its place", "03_workspace": "Freshsales is prepared",
    "04_normalization": "The records are made", "05_load": "The records are written",
    "06_reconciliation": "Freshsales is read back", "07_handoff": "The hand-over",
}  # fmt: skip
_APPROVED: Final = {
    "mapping": "where every field goes, and what that loses", "plan": "every single write, before the first one",
    "reconciliation": "the result: what Freshsales holds beside what the source held",
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """The tables of a run by name, empty where their phase has not written them, and its run.json."""

    record: runs.Record
    content: dict[str, Any]
    tables: dict[str, pl.DataFrame]

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self.tables[name]

    def total(self, names: str | Iterable[str], *columns: str) -> int:
        """The sum of *columns* over the tables called *names*."""
        frames = [self.tables[n] for n in ([names] if isinstance(names, str) else names)]
        return sum(int(frame[c].sum()) for frame in frames for c in columns if c in frame.columns)

    def status(self, phase: str) -> str:
        return str(self.content["phases"].get(phase, {}).get("status", "not run"))


def read(record: runs.Record) -> Facts:
    """What the report of *record* is made of."""
    found = {}
    for phase, name in TABLES:
        path = record.folder / phase / "data" / f"{name}.parquet"
        found[name] = pl.read_parquet(path) if path.exists() else pl.DataFrame()
    return Facts(record, record.get(), found)


BALANCES: Final = ("class_balance", "history_class_balance")
FIDELITIES: Final = ("field_fidelity", "history_fidelity")


def findings(facts: Facts) -> dict[str, int]:
    """What would need a person, by what it is; all zero in a good run."""
    return {
        "records missing or doubled": facts.total(BALANCES, "missing", "duplicated", "unexpected"),
        "links missing or wrong": facts.total("link_balance", "missing", "extra", "wrong_primary"),
        "field values that differ": facts.total(FIDELITIES, "different"),
        "dates and times that differ": facts.total("instant_balance", "different"),
    }


def headline(facts: Facts) -> list[tuple[str, str]]:
    """The numbers that matter, each with what it counts."""
    numbers = {
        "companies, contacts and deals in Freshsales": facts.total("class_balance", "loaded"),
        "records of their history in Freshsales": facts.total("history_class_balance", "loaded"),
        **findings(facts),
    }
    return [(label, f"{number:,}") for label, number in numbers.items()]


def verdict(facts: Facts) -> str:
    """How the run stands, in one or two sentences."""
    if told := facts.content.get("rollback"):
        return "This run was taken back." if told["state"] == "done" else "This run is being taken back."
    if facts.status("06_reconciliation") != "passed":
        return "The target has not been reconciled yet."
    count = sum(findings(facts).values())
    signed = [a for a in facts.content["approvals"] if a["what"] == "reconciliation"]
    found = "Nothing is missing, doubled or different." if not count else f"{count:,} findings need a person."
    return found + (f" Signed off by {signed[-1]['by']}." if signed else " Not signed off yet.")


def state(facts: Facts) -> str:
    """How far the run is, in a few words."""
    if told := facts.content.get("rollback"):
        return "taken back" if told["state"] == "done" else "being taken back"
    stations = {name: facts.status(name) for name in runs.NAMES}
    words = {"waiting": "waits for a person in", "failed": "stopped in", "running": "goes on in"}
    for name, status in stations.items():
        if status in words:
            return f"{words[status]} {name}"
    due = [name for name, status in stations.items() if status != "passed"]
    if not due:
        return "finished"
    return "not begun" if due[0] == runs.NAMES[0] else f"{due[0]} is next"


def moved(facts: Facts) -> pl.DataFrame:
    """What moved of each kind of thing, in the order a reader thinks of them, and why the rest did not."""
    return _objects(facts).select(
        pl.col("object").alias("what"), pl.col("in_source").alias("in User.com"),
        pl.col("in_target").alias("in Freshsales"), pl.col("not_moved"), pl.col("why").alias("why the rest stayed behind"),
    ) if facts["moved"].height else facts["moved"]  # fmt: skip


def carried(facts: Facts) -> pl.DataFrame:
    """As what each kind of thing stands in Freshsales."""
    return _objects(facts).select(
        pl.col("object").alias("what"), pl.col("carrier").alias("stands as"), "kept", pl.col("lossy").alias("changed or lost")
    ) if facts["moved"].height else facts["moved"]  # fmt: skip


def _objects(facts: Facts) -> pl.DataFrame:
    order = {name: i for i, name in enumerate(OBJECTS)}
    return facts["moved"].sort(pl.col("object").replace_strict(order, default=len(order)))


def todo(facts: Facts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What has to be done, and what only has to be accepted."""
    items = facts["open_items"]
    if items.is_empty():
        return items, items
    accepts = pl.col("action").str.starts_with("accept")
    return items.filter(~accepts), items.filter(accepts)


def links(facts: Facts) -> pl.DataFrame:
    """What became of the links between records."""
    balance = facts["link_balance"]
    if balance.is_empty():
        return balance
    words = pictured(balance)
    return balance.select(
        link=pl.format("{} {} {}", words["source"], words["relation"], words["target"]), **{"in User.com": "extracted"},
        found="found", **{"moved to another record": "repointed", "lost an end": "dropped"}, missing="missing", extra="extra",
    )  # fmt: skip


def fidelity(facts: Facts) -> pl.DataFrame:
    """How many values were compared in each kind of record, and how many are the same."""
    parts = [
        facts[name].select(pl.col(kind).str.replace_all("_", " ").alias("kind"), "field", "compared", "equal", "different")
        for name, kind in zip(FIDELITIES, ("entity", "module"), strict=True)
        if facts[name].height
    ]  # fmt: skip
    if not parts:
        return pl.DataFrame()
    every = pl.concat(parts).group_by("kind", maintain_order=True)
    made = every.agg(pl.len().cast(pl.Int64).alias("fields"), pl.col("compared", "equal", "different").sum())
    return made.rename({"compared": "values compared", "equal": "the same"})


def losses(facts: Facts) -> pl.DataFrame:
    """Values that are not in Freshsales as they were, by kind of record and of loss, with what that means."""
    frame = facts["lost_fields"]
    if frame.is_empty():
        return frame
    lost = frame.filter("is_loss").group_by("entity", "kind").agg(
        pl.col("source_field").n_unique().cast(pl.Int64).alias("fields"), pl.col("named", "found", "unnamed").sum()
    ).sort("entity", "kind")  # fmt: skip
    return lost.select(
        pl.col("entity").str.replace_all("_", " ").alias("of"), "fields", pl.col("named").alias("named before"),
        pl.col("found").alias("found after"), pl.col("unnamed").alias("never named"),
        pl.col("kind").replace(loss_words.LOSSES).alias("what that means"),
    )  # fmt: skip


def accepted(facts: Facts) -> str:
    """Who accepted the losses and when: the approval of the map, as this run stood on it."""
    offer = facts.content["offers"].get("mapping", {}).get("hash", "")
    given = [a for a in facts.content["approvals"] if a["what"] == "mapping" and a["hash"] == offer]
    given = given or _stood_on(facts.record)
    if not given:
        return "Nobody has accepted the map yet."
    said, where = given[-1], f" in {given[-1]['run']}" if "run" in given[-1] else ""
    return f"Accepted with the map by {said['by']} on {_day(said['at'])}{where}."


def _stood_on(record: runs.Record) -> list[dict[str, str]]:
    """The approval of the map a phase stood on, as it was sealed; another run of the customer may have given it."""
    for path in sorted(record.folder.glob("0[34]_*/manifest.json")):
        said = json.loads(path.read_text(encoding="utf-8"))["approvals"]
        if found := [a for a in said if a["what"] == "mapping"]:
            return found
    return []


def approvals(facts: Facts) -> pl.DataFrame:
    """Who approved what, when, and the fingerprint of exactly that."""
    rows = [
        (
            a["what"],
            _APPROVED.get(a["what"], ""),
            a["by"],
            _moment(a["at"]),
            a["hash"][:12],
            a.get("note", ""),
        )
        for a in facts.content["approvals"]
    ]
    return pl.DataFrame(
        rows, schema=["approved", "that is", "by", "at (UTC)", "fingerprint", "remark"], orient="row"
    )


def queue(facts: Facts) -> pl.DataFrame:
    """Owners whose records wait with the administrator, without their names."""
    frame = facts["owner_queue"]
    if frame.is_empty():
        return frame
    return frame.select(
        pl.format("agent {}", "agent_id").alias("owner in User.com"),
        "contacts",
        "deals",
        pl.col("reason").alias("why"),
    )


def phases(facts: Facts) -> tuple[pl.DataFrame, dict[str, str]]:
    """The phases with their question, state and duration, and where each one's notebook is."""
    known = [*runs.PHASES, *([runs.ROLLBACK] if runs.ROLLBACK.name in facts.content["phases"] else [])]
    rows = []
    for phase in known:
        state = facts.content["phases"].get(phase.name, {})
        took = _took(state.get("started_at"), state.get("finished_at"))
        rows.append((phase.name, _TITLES.get(phase.name, ""), phase.question, facts.status(phase.name), took))
    links = {
        p.name: f"{p.name}/report.html"
        for p in known
        if (facts.record.folder / p.name / "report.html").exists()
    }
    frame = pl.DataFrame(rows, schema=["notebook", "what happens", "it asks", "state", "took"], orient="row")
    return frame, links


def quota(facts: Facts, plan: str) -> str:
    """How many calls the load took, how far the forecast was off, and what that is in hours at the plan's rate."""
    told = (
        facts["forecast_error"].filter(pl.col("entity") == "total")
        if facts["forecast_error"].height
        else None
    )
    if told is None or told.is_empty():
        return "Nothing has been written yet, so no call has been spent on it."
    ahead, used = told["forecast"][0], told["used"][0]
    rate = facts["forecast"].filter(pl.col("plan") == plan)["requests_per_hour"].to_list()
    off = (
        f"exactly as forecast ({ahead:,})"
        if ahead == used
        else f"{ahead:,} were forecast, {abs(used - ahead):,} {'more' if used > ahead else 'fewer'} were used"
    )
    hours = (
        f" At the {rate[0]:,} calls an hour of this workspace that is {_hours(used / rate[0])}."
        if rate
        else ""
    )
    return f"The load took {used:,} calls to Freshsales: {off}.{hours}"


def calls(facts: Facts) -> pl.DataFrame:
    """Calls by kind of record, forecast and used."""
    frame = facts["forecast_error"]
    if frame.is_empty():
        return frame
    rest = frame.filter(pl.col("entity") != "total")
    return rest.select(pl.col("entity").str.replace_all("_", " ").alias("for"), "forecast", "used")


def span(facts: Facts) -> str:
    """From when to when the run went, and how much of that the phases took."""
    states = [
        s
        for s in facts.content["phases"].values()
        if "" < s.get("started_at", "") <= s.get("finished_at", "")
    ]
    if not states:
        return ""
    first, last = min(s["started_at"] for s in states), max(s["finished_at"] for s in states)
    busy = sum((_elapsed(s["started_at"], s["finished_at"]) for s in states), timedelta())
    return f"From {_moment(first)} to {_moment(last)} UTC; the phases themselves took {_duration(busy)}."


def _elapsed(start: str, end: str) -> timedelta:
    return datetime.fromisoformat(end) - datetime.fromisoformat(start)


def _took(start: str | None, end: str | None) -> str:
    return _duration(_elapsed(start, end)) if start and end and end >= start else ""


def _duration(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{max(1, round(60 * hours))} minutes"


def _moment(at: str) -> str:
    return at[:16].replace("T", " ")


def _day(at: str) -> str:
    return at[:10]
