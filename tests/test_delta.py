"""What counts as changed in the source, and who survives a merge once somebody stands in the target."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crmbook import config, cutover, runs, tables
from crmbook.errors import ConfigError, UsageError
from crmbook.phases import dedupe, delta, delta_heirs
from customer_setup import KEY
from load_case import frame

CONTACT = delta.KINDS["contact"]


def people(*rows: dict[str, Any], **custom: Any) -> pl.DataFrame:
    return frame(tables.SOURCE_CONTACTS, *rows, **custom)


def verdicts(now: pl.DataFrame, before: pl.DataFrame) -> dict[str, str]:
    made = delta.compare(CONTACT, "contact", now=now, before=before)
    return dict(made.select("source_id", "change").iter_rows())


def test_every_row_then_or_now_has_one_verdict() -> None:
    """New, changed, deleted, same; both sides add up."""
    before = people({"source_id": "1", "name": "A"}, {"source_id": "2", "name": "B"}, {"source_id": "3"})
    now = people({"source_id": "1", "name": "A"}, {"source_id": "2", "name": "C"}, {"source_id": "4"})
    assert verdicts(now, before) == {"1": "same", "2": "changed", "3": "deleted", "4": "new"}
    made = delta.compare(CONTACT, "contact", now=now, before=before)
    balance = delta.balance(made, {"contact": (3, 3)})
    assert balance.rows() == [("contact", 3, 3, 1, 1, 1, 1, 0)]
    assert delta.moved(balance) == 3
    assert delta.balance(made, {"contact": (4, 3)})["unaccounted"].to_list() == [1]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        pytest.param({"last_seen": None, "page_views": 7, "browser": "B"}, "same", id="a visit"),
        pytest.param({"last_contacted": None}, "changed", id="a call"),
        pytest.param({"tags": ["x"]}, "changed", id="a tag"),
        pytest.param({"score": 1}, "changed", id="the score"),
        pytest.param({"p_plan": ""}, "changed", id="an emptied property"),
    ],
)
def test_what_a_visit_changes_makes_no_row_changed(change: dict[str, Any], verdict: str) -> None:
    """Counters and the last visit are volatile; what says something about the person is not."""
    row = {"source_id": "1", "page_views": 3, "last_contacted": None, "p_plan": "pro"}
    stamped = people(row, p_plan=pl.String).with_columns(
        pl.lit("2026-01-01T00:00:00Z").str.to_datetime(time_unit="us", time_zone="UTC").alias(name)
        for name in ("last_seen", "last_contacted")
    )
    now = stamped.with_columns(pl.lit(v, stamped.schema[k]).alias(k) for k, v in change.items())
    assert verdicts(now, stamped) == {"1": verdict}


def test_a_property_nobody_filled_changes_nothing() -> None:
    """A column that came or went empty is no change, and the row is the old one whole."""
    before = people({"source_id": "1", "page_views": 3, "p_old": None}, p_old=pl.String)
    now = people({"source_id": "1", "page_views": 9, "p_new": None}, p_new=pl.String)
    made = delta.compare(CONTACT, "contact", now=now, before=before)
    kept = delta.settled(CONTACT, made, now=now, before=before)
    assert made["change"].to_list() == ["same"]
    assert (kept["page_views"].to_list(), kept.columns) == ([3], now.columns)


def test_what_else_changed_takes_the_counters_along() -> None:
    """A changed row is the new one, with its volatile fields."""
    before, now = (
        people({"source_id": "1", "name": name, "page_views": views}) for name, views in (("A", 3), ("B", 9))
    )
    made = delta.compare(CONTACT, "contact", now=now, before=before)
    assert delta.settled(CONTACT, made, now=now, before=before)["page_views"].to_list() == [9]


def test_a_message_is_known_by_its_place() -> None:
    """Rows without an id of their own are told apart by their key."""
    kind = delta.KINDS["message"]
    rows = [{"conversation_id": "7", "position": n, "content": "x"} for n in (1, 2)]
    made = delta.compare(
        kind,
        "message",
        now=frame(tables.HISTORY_MESSAGES, *rows),
        before=frame(tables.HISTORY_MESSAGES, rows[0]),
    )
    assert made.select("source_id", "change").rows() == [("7:1", "same"), ("7:2", "new")]


def test_who_stands_in_the_target_survives() -> None:
    """Fuller or not: the target record stays the survivor's; of two, the one that stands under the shared e-mail."""
    rows = pl.DataFrame({"source_id": ["1", "2", "3"], "email": ["a@x.example"] * 3, "_filled": [1, 5, 9]})
    there = pl.DataFrame({"source_id": ["1", "2"], "email": ["A@x.example", "old@x.example"]})
    ranked = dedupe.standing(rows, there)
    assert dict(ranked.select("source_id", "_stands").iter_rows()) == {"1": 0, "2": 1, "3": 2}
    assert dedupe.standing(rows, None)["_stands"].to_list() == [0, 0, 0]


def plan_of(*rows: tuple[str, str, int | None]) -> pl.DataFrame:
    made = [
        {"op_id": f"{e}:{i}", "seq": n, "entity": e, "action": "update" if t else "create", "source_id": i, "target_id": t,
         "payload": "{}", "payload_sha256": "", "after": []}
        for n, (e, i, t) in enumerate(rows, 1)
    ]  # fmt: skip
    return pl.DataFrame(made, schema=tables.PLAN.columns)


MERGED = frame(
    tables.MERGES, {"entity": "contact", "source_id": "2", "survivor_id": "1", "rule": "email"},
    {"entity": "contact", "source_id": "3", "survivor_id": "1", "rule": "email"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        pytest.param([("contact", "2", None)], {("contact", "2"): 71}, id="the survivor is gone"),
        pytest.param([("contact", "1", 71), ("contact", "2", None)], {("contact", "1"): 71}, id="it is still there"),
        pytest.param([("contact", "2", None), ("contact", "3", None)], {("contact", "2"): 71}, id="two heirs, one place"),
        pytest.param([("contact", "9", 71), ("contact", "2", None)], {("contact", "1"): 71}, id="somebody else matched it"),
        pytest.param([("company", "2", None)], {("contact", "1"): 71}, id="another entity"),
    ],
)  # fmt: skip
def test_the_place_of_a_survivor_that_is_gone(whole: list[Any], expected: dict[Any, int]) -> None:
    """Its heir takes the target record over, once, and only where nobody else has it."""
    assert delta_heirs.places(plan_of(*whole), MERGED, {("contact", "1"): 71}) == expected


def delta_run(customers: Path, run_id: str, base: str, **facts: Any) -> runs.Record:
    record = runs.create(KEY, "test", parameters={"sample": 0}, run_id=run_id, base=base)
    record.change_phase("06_reconciliation", status="passed")
    record.offer("reconciliation", "f" * 64, "")
    if facts.pop("approved", True):
        record.approve("reconciliation", by="Eva")
    if base:
        record.change(delta={"base": base, **facts})
    return record


EMPTY = {"changes": 0, "writes": 0, "is_whole": True}


@pytest.mark.parametrize(
    ("first", "second", "proven", "says"),
    [
        pytest.param(EMPTY, EMPTY, True, "two empty deltas in a row (test-02, read", id="proven"),
        pytest.param(EMPTY | {"is_whole": False}, EMPTY, True, "cutover proven", id="the older one spared calls"),
        pytest.param(EMPTY, EMPTY | {"is_whole": False}, False, "--set whole=true", id="the newer one spared calls"),
        pytest.param(EMPTY | {"changes": 3}, EMPTY, False, "test-02: 3 rows of the source moved", id="the first moved"),
        pytest.param(EMPTY, EMPTY | {"writes": 2}, False, "test-03: 2 writes", id="the second wrote"),
        pytest.param(EMPTY, {"changes": 0}, False, "test-03: not finished", id="not finished"),
        pytest.param(EMPTY, EMPTY | {"approved": False}, False, "not approved", id="not signed off"),
    ],
)  # fmt: skip
def test_two_empty_deltas_prove_the_cutover(
    customers: Path, first: dict[str, Any], second: dict[str, Any], proven: bool, says: str
) -> None:
    """In a row, both approved, the newer one with everybody's history; else it says what is missing."""
    for run_id, base, facts in (
        ("test-01", "", {}),
        ("test-02", "test-01", first),
        ("test-03", "test-02", second),
    ):
        delta_run(customers, run_id, base, **facts)
    found = cutover.state(KEY, "test")
    assert (found.is_proven, says in found.sentence) == (proven, True), found.sentence


def test_one_empty_delta_proves_nothing(customers: Path) -> None:
    """The one before it is the whole run."""
    delta_run(customers, "test-01", "")
    assert "no delta run yet" in cutover.state(KEY, "test").sentence
    delta_run(customers, "test-02", "test-01", **EMPTY)
    assert cutover.state(KEY, "test").sentence.startswith("one empty delta (test-02, read")


def settings(customers: Path, policy: str) -> config.Customer:
    folder = customers / KEY
    folder.mkdir(exist_ok=True)
    text = config.TEMPLATE.format(customer=KEY, variable="ACME") + policy
    (folder / "customer.toml").write_text(text, encoding="utf-8")
    return config.read(folder / "customer.toml")


def test_the_conflict_policy_is_read_per_field(customers: Path) -> None:
    """The target wins unless told otherwise."""
    known = settings(
        customers, '[policy.conflict_fields]\n"contacts.job_title" = "source"\n"deals.cf_x" = "source"\n'
    )
    assert (known.policy.conflicts, known.policy.conflict_fields) == (
        "target", {"contacts.job_title": "source", "deals.cf_x": "source"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param('"people.name" = "source"', "people.name: expected <module>.<field>", id="module"),
        pytest.param('"contacts.nickname" = "source"', "contacts.nickname: no such field", id="field"),
        pytest.param('"contacts.job_title" = "newest"', "policy.conflict_fields", id="winner"),
    ],
)
def test_an_unknown_field_of_the_conflict_policy_is_refused(customers: Path, line: str, says: str) -> None:
    """Exit 2, naming it."""
    with pytest.raises(ConfigError, match=says):
        settings(customers, f"[policy.conflict_fields]\n{line}\n")


def test_a_delta_needs_an_approved_run(customers: Path) -> None:
    """Without one it says what to run first; a sample never goes with it."""
    from crmbook import pipeline

    settings(customers, "")
    with pytest.raises(UsageError, match="finish one first: crmbook run acme --env test"):
        pipeline.run(KEY, "test", print, delta=True)
    with pytest.raises(UsageError, match="--delta never goes with --sample"):
        pipeline.run(KEY, "test", print, delta=True, sample=3)
    assert runs.all_runs(KEY) == []
