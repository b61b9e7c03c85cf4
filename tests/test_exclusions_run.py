"""A customer who leaves contacts behind by decision, by typed commands: the map, the records, the proof and the report say so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from conftest import Finished
from crmbook import exclusion_file
from crmbook.sandbox.server import Sandbox
from customer_setup import Customer, scenario

REASON = "not seen for two years"
DECIDED = f"by decision: {REASON}"
# Anna has a company, a tag and a deal; Hugo tags; 404 nobody in the account.
NAMED = ("1", "10", "404")


@dataclass(frozen=True)
class Walk:
    """What each command printed, and where the run is."""

    customer: Customer
    malformed: Finished
    mapped: Finished
    ended: Finished
    again: Finished
    edited: Finished

    def table(self, phase: str, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.customer.folder / "test-01" / phase / "data" / f"{name}.parquet")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """acme in a sandbox of its own: a file with a fault, the file put right, and the whole run."""
    with Sandbox(scenario()) as box:
        acme = Customer(box, tmp_path_factory.mktemp("exclusions") / "runs")
        acme.write_settings()
        path = acme.folder / "source" / exclusion_file.NAME
        path.write_text("source_id,reason\n1,\n", encoding="utf-8")
        malformed = acme.run("test", "--to", "02_mapping")
        path.unlink()
        exclusion_file.exclude(path.parent, NAMED, REASON)
        mapped = acme.run("test", "--to", "03_workspace")
        acme.approve(mapped)
        acme.run("test", "--to", "03_workspace")
        acme.configure("freshsales_test", acme.checklist("test-01"))
        ended = acme.run("test", "--approve-all", "--by", "Eva Nowak")
        again = acme.run("test", "--run", "test-01")
        edited = _edited(acme, path)
        yield Walk(acme, malformed, mapped, ended, again, edited)


def _edited(acme: Customer, path: Path) -> Finished:
    """The file changed after the load: the finished run is asked for again, then the file stands as it was."""
    before = path.read_bytes()
    exclusion_file.exclude(path.parent, ["7"], "a test account")
    again = acme.run("test", "--run", "test-01")
    path.write_bytes(before)
    return again


def test_a_malformed_file_stops_the_map_in_one_line(walk: Walk) -> None:
    """Exit 2 with file, row, column and what was expected."""
    assert walk.malformed.code == 2
    assert walk.malformed.err.count("\n") == 1
    assert walk.malformed.err.startswith("exclusions.csv line 2, column reason: is empty; expected why")


def test_the_map_that_waits_says_who_stays_behind(walk: Walk) -> None:
    """Whoever approves the map is told how many contacts are left out by decision."""
    assert walk.mapped.code == 4
    assert "; 3 contacts left out by decision" in walk.mapped.err


def test_the_run_ends_with_every_gate_passed(walk: Walk) -> None:
    """Rows in are rows out, merged, rejected or excluded; whoever is named and there is left out, nobody is written."""
    assert (walk.ended.code, walk.ended.err) == (0, "")
    obeyed = walk.table("04_normalization", "exclusions_obeyed").rows()
    assert obeyed == [(REASON, 3, 2, 2, 0, 0)]
    excluded = walk.table("04_normalization", "excluded")
    assert excluded.filter(reason=DECIDED)["source_id"].to_list() == ["1", "10"]
    assert walk.table("04_normalization", "balance")["unaccounted"].sum() == 0


def test_reconciliation_classes_them_as_excluded_by_decision(walk: Walk) -> None:
    """They are excluded, not missing; their relations are dropped for that reason and the deal is there."""
    classes = walk.table("06_reconciliation", "classes")
    named = classes.filter(pl.col("entity") == "contact", pl.col("source_id").is_in(NAMED))
    assert named.select("class", "reason").unique().rows() == [("excluded", DECIDED)]
    assert classes.filter(entity="deal", source_id="31")["class"].to_list() == ["loaded"]
    links = walk.table("06_reconciliation", "link_classes").filter(relation="deal_contact", from_id="31")
    assert links.filter(to_id="1")["reason"].to_list() == [f"contact excluded: {DECIDED}"]
    balance = walk.table("06_reconciliation", "class_balance")
    assert balance.select(pl.col("missing", "unexpected", "unaccounted").sum()).rows() == [(0, 0, 0)]


def test_the_target_does_not_hold_them(walk: Walk) -> None:
    """The tenant's own list of contacts has neither of the two."""
    held = walk.customer.box.admin("GET", "/freshsales_test/contacts")
    marks = {str(row.get("external_id")) for row in held}
    assert marks & set(NAMED) == set()
    assert "9" in marks


def test_the_report_names_the_decision(walk: Walk) -> None:
    """What moved and why the rest did not: counted under the reason that was given."""
    moved = walk.table("07_handoff", "moved").filter(object="contacts")
    assert f"2 excluded: {DECIDED}" in moved["why"].item()
    page = (walk.customer.folder / "test-01" / "index.html").read_text(encoding="utf-8")
    assert DECIDED in page


def test_a_finished_run_does_not_ask_the_file_again(walk: Walk) -> None:
    """With the file as it was, and with the file changed after the load, the run writes nothing and exits 0."""
    assert [(done.code, done.out) for done in (walk.again, walk.edited)] == [
        (0, walk.again.out), (0, walk.again.out)
    ]  # fmt: skip
    assert "nothing to do" in walk.again.out or "report:" in walk.again.out
