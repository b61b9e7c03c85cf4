"""Which of the two files counts, what survives a re-run, what a changed source opens again, and who may approve."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import mapping_case as case
from crmbook import decision_files, decisions, desk, map_history, pipeline, runs
from crmbook.errors import ConfigError, UsageError

CSV_EDIT = ("contacts,cf_seats,integer,proposed", "contacts,cf_places,integer,changed")
NUMBERS_AS_TEXT = tuple(
    {**person, "p_seats": text} for person, text in zip(case.PEOPLE, ("three", "12", None), strict=True)
)


@pytest.fixture
def record(mapped_customer: Path, customers: Path) -> runs.Record:
    """A run whose mapping is proposed and written."""
    return case.copied(mapped_customer, customers)


def _edit_csv(record: runs.Record, old: str = CSV_EDIT[0], new: str = CSV_EDIT[1]) -> None:
    path = case.csv_file(record)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _age(path: Path, seconds: int) -> None:
    moment = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(moment, moment))


def _row(record: runs.Record, entity: str, field: str) -> dict[str, str]:
    rows = case.rows_of_csv(case.csv_file(record))
    return next(r for r in rows if (r["entity"], r["source_field"]) == (entity, field))


def _approved(record: runs.Record) -> None:
    pipeline.approve(case.CUSTOMER, "mapping", record.folder.name, "Eva", None, lambda _: None)


def test_the_file_that_was_changed_is_read(record: runs.Record, capsys: pytest.CaptureFixture[str]) -> None:
    """Named in the notebook, in the log and beside the offer; the other one is written with the same content."""
    _edit_csv(record)
    capsys.readouterr()

    case.mapped(record)

    told = "decisions read from decisions.csv, the file that was changed"
    assert told in capsys.readouterr().out.splitlines()
    assert map_history.offered(record)["told"] == told
    log = [
        json.loads(line) for line in (record.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert told in [line.get("source") for line in log]
    assert case.rows_of_csv(case.csv_file(record)) == case.rows_of_workbook(case.workbook(record))
    assert _row(record, "contact", "p_seats")["target_field"] == "cf_places"


@pytest.mark.parametrize(("older", "expected"), [("csv", "cf_chairs"), ("xlsx", "cf_places")])
def test_of_two_changed_files_the_last_one_counts(record: runs.Record, older: str, expected: str) -> None:
    """The other one is named and kept beside it."""
    _edit_csv(record)
    case.edit(
        case.workbook(record), case.put("contact", "p_seats", target_field="cf_chairs", decision="changed")
    )
    files = {"csv": case.csv_file(record), "xlsx": case.workbook(record)}
    _age(files[older], 60)
    lost = files[older].read_bytes()

    found = case.read(record)

    names = [files[older].name, next(f.name for kind, f in files.items() if kind != older)]
    assert found.told.startswith(
        f"decisions read from {names[1]}, changed last; {names[0]} was changed too, earlier"
    )
    assert found.decisions is not None
    assert case.cells(found.decisions.mapping, "source_field", "target_field")["p_seats"] == expected
    kept = files[older].with_name(f"{files[older].stem}.not-read{files[older].suffix}")
    assert kept.read_bytes() == lost


def test_a_file_only_opened_and_saved_does_not_win(record: runs.Record) -> None:
    """Somebody edits decisions.csv, then looks at the workbook and saves it."""
    _edit_csv(record)
    _age(case.csv_file(record), 60)
    case.edit(case.workbook(record), lambda book: setattr(book["contact"]["A1"], "comment", None))

    found = case.read(record)

    assert found.told == "decisions read from decisions.csv, the file that was changed"
    assert found.decisions is not None
    assert case.cells(found.decisions.mapping, "source_field", "target_field")["p_seats"] == "cf_places"


def test_files_nobody_touched_count_as_unchanged(record: runs.Record) -> None:
    """Although the workbook is written again once the losses are counted."""
    assert case.read(record).told == "decisions read from decisions.csv"


def test_a_broken_file_counts_as_changed_where_it_is_the_last(record: runs.Record) -> None:
    """An older good edit is not taken in its place in silence."""
    _edit_csv(record)
    _age(case.csv_file(record), 60)
    case.workbook(record).write_bytes(b"cut off")

    with pytest.raises(ConfigError, match=r"^mapping.xlsx: not an Excel workbook"):
        case.read(record)


def test_either_file_may_be_missing(record: runs.Record) -> None:
    """The other one has everything; without both, nothing is decided."""
    case.csv_file(record).unlink()
    assert case.read(record).told == "decisions read from mapping.xlsx"
    case.workbook(record).unlink()
    assert case.read(record) == decision_files.Found()


def test_files_without_their_memory_are_read_all_the_same(record: runs.Record) -> None:
    """A folder copied without its hidden files: the newest of the two counts."""
    (record.folder / "02_mapping" / decision_files.MEMORY).unlink()
    _edit_csv(record)

    found = case.read(record)

    assert found.told.startswith(
        "decisions read from decisions.csv, changed last; mapping.xlsx was changed too"
    )


def test_what_is_remembered_holds_no_value(record: runs.Record) -> None:
    """Hashes and kinds; neither an address nor a choice."""
    memory = (record.folder / "02_mapping" / decision_files.MEMORY).read_text(encoding="utf-8")

    assert not [word for word in ("ann@", "Silver", "Gold", "Fair", "vip", "p_plan") if word in memory]
    assert "integer declared and integer found" in memory


def test_a_note_on_a_proposal_stays(record: runs.Record) -> None:
    """A question somebody wrote beside a row; the row is still a proposal."""
    case.edit(case.workbook(record), case.put("contact", "p_seats", note="ask Eva"))
    case.edit(case.workbook(record), case.put("list", "list:5", note="old?"))
    approved = case.digest(record)

    case.mapped(record)

    rows = [_row(record, *key) for key in (("contact", "p_seats"), ("list", "list:5"))]
    assert [("proposed", "ask Eva"), ("proposed", "old?")] == [(r["decision"], r["note"]) for r in rows]
    assert case.digest(record) == approved


def _decided(record: runs.Record) -> None:
    case.edit(
        case.workbook(record), case.put("contact", "p_seats", target_field="cf_places", decision="changed")
    )
    case.edit(case.workbook(record), case.put("stage", "1/11", target_stage="Sent", decision="changed"))
    case.edit(
        case.workbook(record), case.put("owner", "8", target_field="bob@a.example", decision="confirmed")
    )
    case.mapped(record)


def test_a_new_run_starts_from_what_was_decided_in_the_approved_one(
    record: runs.Record, customers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its map is the same, so it needs no new approval; decisions of a run nobody approved are left alone."""
    _decided(record)
    unapproved = case.new_run(customers)
    case.mapped(unapproved)
    assert case.digest(unapproved) != case.digest(record)

    _approved(record)
    capsys.readouterr()
    again = case.new_run(customers)
    case.mapped(again)

    assert "decisions taken over from test-01, whose mapping is approved" in capsys.readouterr().out
    assert case.digest(again) == case.digest(record)
    assert [] == desk.status(case.CUSTOMER, again.folder.name, lambda _: None)["runs"][0]["waits_for"]


def test_a_source_that_changed_opens_the_rows_it_touches(record: runs.Record, customers: Path) -> None:
    """The decision stands there as a proposal, with the person's target and why; the others stay decided."""
    _decided(record)
    _approved(record)

    later = case.new_run(customers, NUMBERS_AS_TEXT)
    case.mapped(later)

    opened = _row(later, "contact", "p_seats")
    assert (opened["target_field"], opened["decision"]) == ("cf_places", "proposed")
    assert (
        opened["note"] == "re-opened: integer declared and integer found, now integer declared and text found"
    )
    assert _row(later, "stage", "1/11")["decision"] == "changed"
    assert _row(later, "owner", "8")["decision"] == "confirmed"
    assert map_history.offered(later)["open"] == {"contact": 1}
    assert case.digest(later) != case.digest(record)

    # It stays open over re-runs, and is settled by a person alone; then it is the map that was approved.
    case.mapped(later)
    assert _row(later, "contact", "p_seats") == opened
    case.edit(case.workbook(later), case.put("contact", "p_seats", decision="confirmed"))
    case.mapped(later)
    case.mapped(later)
    assert _row(later, "contact", "p_seats")["decision"] == "confirmed"
    assert case.digest(later) == case.digest(record)


def test_a_field_that_was_left_behind_comes_up_again_as_a_proposal(
    record: runs.Record, customers: Path
) -> None:
    """Somebody skipped numbers; now they are words."""
    case.edit(case.workbook(record), case.put("contact", "p_seats", decision="skip", note="only counts"))
    case.mapped(record)
    _approved(record)

    later = case.new_run(customers, NUMBERS_AS_TEXT)
    case.mapped(later)

    row = _row(later, "contact", "p_seats")
    assert (row["target_field"], row["rule"], row["decision"]) == ("cf_seats", "text", "proposed")
    assert row["note"].startswith("re-opened: was left behind; integer declared and integer found, now ")
    assert row["note"].endswith(" · only counts")


def test_a_proposal_that_was_approved_opens_where_it_would_go_elsewhere(
    record: runs.Record, customers: Path
) -> None:
    """Approved as a whole number, it would now be text; a proposal that stays the same does not open."""
    case.edit(case.workbook(record), case.put("company", "p_vat", decision="confirmed"))
    case.mapped(record)
    _approved(record)

    later = case.new_run(customers, NUMBERS_AS_TEXT)
    case.mapped(later)

    row = _row(later, "contact", "p_seats")
    assert (row["rule"], row["decision"]) == ("text", "proposed")
    assert row["note"].startswith("re-opened: cf_seats (integer) when approved; ")
    assert map_history.offered(later)["open"] == {"contact": 1}


def test_a_decision_beside_fields_opens_when_its_proposal_changes(record: runs.Record) -> None:
    """The stage has another name in the source; the person's stays in place."""
    _decided(record)
    path = record.folder / "02_mapping" / decision_files.MEMORY
    memory = json.loads(path.read_text(encoding="utf-8"))
    memory["evidence"][decision_files.digest_of("stage", "1/11")] = "another"
    path.write_text(json.dumps(memory), encoding="utf-8")

    run = case.mapped(record)

    assert _row(record, "stage", "1/11")["note"] == "re-opened: the source changed since this was decided"
    assert "Sent" in run.read("stages")["target_stage"].to_list()
    case.mapped(record)
    assert _row(record, "stage", "1/11")["decision"] == "proposed"


def _weak(record: runs.Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mapping with two proposals that may not stand on their own."""
    from crmbook.phases import mapping

    proposals = mapping.propose

    def unsure(fields: pl.DataFrame) -> pl.DataFrame:
        is_weak = pl.col("source_field").is_in(["p_seats", "p_vat"])
        return proposals(fields).with_columns(confidence=pl.when(is_weak).then(0.49).otherwise("confidence"))

    monkeypatch.setattr(mapping, "propose", unsure)
    case.mapped(record)


def test_open_rows_are_told_and_refuse_the_approval(
    record: runs.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a person decides them."""
    _weak(record, monkeypatch)
    said: list[str] = []
    desk.status(case.CUSTOMER, "", said.append)
    told = "2 rows are undecided (company 1, contact 1), first contact.p_seats, company.p_vat"
    assert f"  mapping: {told}" in said

    with pytest.raises(
        UsageError, match=r"^test-01: 2 rows are undecided .*; decide them in 02_mapping/mapping.xlsx"
    ):
        _approved(record)

    for sheet, field in (("contact", "p_seats"), ("company", "p_vat")):
        case.edit(case.workbook(record), case.put(sheet, field, decision="confirmed"))
    case.mapped(record)
    _approved(record)
    assert record.get()["approvals"][0]["by"] == "Eva"


def test_approving_all_takes_the_proposals_as_they_stand(
    record: runs.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the approval says how many nobody looked at."""
    _weak(record, monkeypatch)
    settled = runs.open("02_mapping", customer=case.CUSTOMER, run_id=record.folder.name)
    settled.close()

    pipeline._check_approval(record, settled.customer, "02_mapping", "Eva")

    rows = case.rows_of_csv(case.csv_file(record))
    proposed = sum(row["decision"] == "proposed" for row in rows)
    approval = record.get()["approvals"][0]
    assert approval["note"] == f"{proposed} of {len(rows)} proposals as they stand, 2 of them open"


def test_a_plain_approval_needs_no_editing_where_no_row_is_open(record: runs.Record) -> None:
    """Proposals that stand on their own go as proposed."""
    _approved(record)

    assert "note" not in record.get()["approvals"][0]


def test_what_changed_since_the_approved_map_is_told_with_its_records(record: runs.Record) -> None:
    """Per field, stage, choice and owner; without a value of a choice or an address."""
    _approved(record)
    _decided(record)
    case.edit(
        case.workbook(record),
        case.put("choice", "contact.p_plan:Gold", target_field="Au", decision="changed"),
    )
    case.edit(case.workbook(record), case.put("company", "p_vat", decision="skip"))

    run = case.mapped(record)

    changes = {(r["entity"], r["source_field"]): (r["before"], r["after"], r["records"])
               for r in run.read("mapping_changes").iter_rows(named=True)}  # fmt: skip
    assert changes == {
        ("contact", "p_seats"): ("cf_seats (integer)", "cf_places (integer)", 2),
        ("company", "p_vat"): ("cf_vat (text)", "left behind", 1),
        ("stage", "1/11"): ("Sales // EU / Offer // sent", "Sales // EU / Sent", 1),
        ("owner", "8"): ("no user", "another user", 1),
        ("choice", "contact.p_plan"): ("its choices", "1 other targets, 0 new, 0 gone", 2),
    }
    said: list[str] = []
    state: dict[str, Any] = desk.status(case.CUSTOMER, "", said.append)
    assert "  mapping: 5 decisions differ from the map approved last" in said
    assert "  mapping: contact p_seats: cf_seats (integer) → cf_places (integer) (2 records)" in said
    assert state["runs"][0]["mapping"][0] == "5 decisions differ from the map approved last"

    # Approved in its turn, the map is compared with the one approved before it.
    _approved(record)
    again = case.mapped(record)
    assert again.read("mapping_changes").height == 5


def test_the_maps_that_were_offered_are_the_owners_alone(record: runs.Record) -> None:
    """They hold addresses and choices, folders included."""
    folder = record.folder / "02_mapping" / "data" / "maps"
    found = {path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")] if path.is_dir()}

    assert {0o700} == found
    assert {0o600} == {path.stat().st_mode & 0o777 for path in folder.rglob("*.parquet")}


def test_the_first_map_differs_from_none(record: runs.Record) -> None:
    """Nothing was approved before it, and nothing is told."""
    state = desk.status(case.CUSTOMER, "", lambda _: None)["runs"][0]

    assert state["mapping"] == []


def test_decisions_that_were_read_are_refused_once_they_change(record: runs.Record) -> None:
    """Whoever approves has seen what the file said before."""
    case.edit(case.workbook(record), case.put("contact", "p_seats", decision="confirmed"))

    with pytest.raises(UsageError, match=r"^02_mapping/mapping.xlsx changed since it was read"):
        _approved(record)


def test_every_row_is_in_both_files_once(record: runs.Record) -> None:
    """And each of the table's rows is in them."""
    rows = case.rows_of_csv(case.csv_file(record))
    table = pl.read_parquet(record.folder / "02_mapping" / "data" / "decision_rows.parquet")

    assert len({(r["entity"], r["source_field"]) for r in rows}) == len(rows) == table.height
    assert set(rows[0]) == set(decisions.COLUMNS)
