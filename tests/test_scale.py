"""A small edition of the big account: what is fast at two million records says the same as at two thousand."""

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from bench.scale import exports, in_pandas, small_decisions, tasks, world
from crmbook import extract_columns, tables
from crmbook.phases import compare, opportunities, organizations, people
from crmbook.phases.edition import MODULES
from crmbook.phases.normalization import balance, links
from crmbook.vendors.usercom_csv import UserComCsv

CONTACTS = 2_000


def test_the_exports_of_an_account_read_as_its_tables(tmp_path: Path) -> None:
    """What the generator writes as CSV is what it gives as tables, custom properties and lists included."""
    account = world.account(CONTACTS)
    exports.write_csv(account, tmp_path)
    client = UserComCsv(tmp_path)

    for entity, route, table in (
        ("contact", "users", tables.SOURCE_CONTACTS),
        ("company", "companies", tables.SOURCE_COMPANIES),
        ("deal", "deals", tables.SOURCE_DEALS),
        ("", "activities", tables.HISTORY_ACTIVITIES),
    ):
        declared = account["attributes"].filter(pl.col("entity") == entity)["property"]
        columns = extract_columns.Columns(table, declared)
        for page in client.pages(route):
            columns.add(page.records)
        assert_frame_equal(account[table.name], columns.frame())

    assert client.rejects == {}


def test_every_record_of_a_generated_account_is_accounted_for() -> None:
    """Rows in = rows out + merged + rejected + excluded, and each of these happens; every link has an outcome."""
    account, decided = world.account(CONTACTS), small_decisions.decisions()
    contacts, companies, deals = (account[f"source_{name}"] for name in ("contacts", "companies", "deals"))
    parts = {"company": organizations.accounts(companies, decided, None)}
    parts["contact"] = people.contacts(contacts, decided, source_deals=deals, accounts=parts["company"])
    parts["deal"] = opportunities.deals(deals, decided, accounts=parts["company"], contacts=parts["contact"])

    rows_in = {"company": companies.height, "contact": contacts.height, "deal": deals.height}
    counted = balance(rows_in, parts)
    linked = links(
        contacts, deals, decided, accounts=parts["company"], contacts=parts["contact"], deals=parts["deal"]
    )

    assert counted["unaccounted"].to_list() == [0, 0, 0]
    assert counted.filter(pl.col("entity") == "contact").select("merged", "rejected", "excluded").row(0) > (
        0,
        0,
        0,
    )
    assert set(linked["state"]) == {"kept", "repointed", "dropped"}


def test_the_peer_in_pandas_does_the_same_work(tmp_path: Path) -> None:
    """What the bench compares with keeps, merges, leaves out and refuses as many contacts; whoever has no twin is the same."""
    tasks.made(tmp_path, CONTACTS)
    ours, source = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("contacts", "source_contacts"))

    counts = in_pandas.normalized(tmp_path / "source_contacts.parquet", tmp_path / "pandas.parquet")
    theirs = pl.read_parquet(tmp_path / "pandas.parquet")

    alone = source.filter(pl.col("email").str.to_lowercase().is_unique())
    mine, peers = (f.join(alone, on="source_id", how="semi").sort("source_id") for f in (ours, theirs))
    shared = [
        "source_id",
        "email",
        "mobile_number",
        "first_name",
        "last_name",
        "city",
        "cf_income",
        "cf_remark",
    ]
    sums = counts.kept + counts.merged + counts.excluded + counts.rejected
    assert (ours.height, CONTACTS) == (counts.kept, sums)
    assert mine.select(shared).rows() == peers.select(shared).rows()


def test_the_comparison_finds_every_change_and_no_other(tmp_path: Path) -> None:
    """One record in a hundred of the target's answer says another city; nothing else differs."""
    tasks.made(tmp_path, CONTACTS)
    ours, actual = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("contacts", "actual"))
    classes = tasks.found(actual)

    seen = compare.compare(
        normalized={"contact": ours}, actual={"contact": actual}, classes=classes,
        crosswalk=tables.CROSSWALK.empty(), ids=small_decisions.ids(),
    )  # fmt: skip

    assert MODULES["contact"] == classes["module"].unique().item()
    assert seen.differences["field"].unique().to_list() == ["city"]
    assert ours.height // 100 == seen.differences.height
