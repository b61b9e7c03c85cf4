"""Every relation of the source once, with what became of it."""

import polars as pl
import pytest

import source_rows as source
from crmbook import tables
from crmbook.phases import links


def fate(*rows: tuple[str, str | None, str]) -> pl.DataFrame:
    schema = {"source_id": pl.String, "kept_id": pl.String, "reason": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def kept(*ids: str) -> pl.DataFrame:
    return fate(*((i, i, "") for i in ids))


def owned(*rows: tuple[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"source_id": pl.String, "owner_agent_id": pl.String}, orient="row")


NOBODY = owned()


def test_every_relation_is_listed_once() -> None:
    """Accounts, participants and owners; repeats and blanks are none; the oldest company is primary."""
    contacts = source.contacts({"source_id": "1", "company_ids": ["50", "51", "50"], "assigned_to": "7"})
    deals = source.deals(
        {"source_id": "9", "contact_id": "1", "participants": ["2", "1"], "company_id": "51"},
        {"source_id": "8", "participants": ["2"], "assigned_to": "7"},
    )
    assert sorted(links.relations(contacts, deals).rows()) == [
        ("contact_account", "1", "50", True),
        ("contact_account", "1", "51", False),
        ("contact_owner", "1", "7", True),
        ("deal_account", "9", "51", True),
        ("deal_contact", "8", "2", False),
        ("deal_contact", "9", "1", True),
        ("deal_contact", "9", "2", False),
        ("deal_owner", "8", "7", True),
    ]


@pytest.mark.parametrize(
    ("contact", "company", "expected"),
    [
        (("1", "1", ""), ("50", "50", ""), ("1", "50", "kept", "")),
        (("1", "3", ""), ("50", "50", ""), ("3", "50", "repointed", "")),
        (("1", "1", ""), ("50", "40", ""), ("1", "40", "repointed", "")),
        (
            ("1", None, "contact rejected: x"),
            ("50", "50", ""),
            (None, None, "dropped", "contact rejected: x"),
        ),
        (("1", "1", ""), ("50", None, "company rejected: y"), (None, None, "dropped", "company rejected: y")),
        (("1", "1", ""), ("60", "60", ""), (None, None, "dropped", "not in the source")),
    ],
    ids=["kept", "contact merged", "company merged", "contact gone", "company gone", "company never there"],
)
def test_a_link_follows_its_ends(
    contact: tuple[str, str | None, str],
    company: tuple[str, str | None, str],
    expected: tuple[str | None, ...],
) -> None:
    """It is kept, re-pointed to survivors, or dropped with the reason of the end that is gone."""
    relations = links.relations(source.contacts({"source_id": "1", "company_ids": ["50"]}), source.deals())
    fates = {"contact": fate(contact), "company": fate(company), "deal": kept(), "agent": kept()}
    made = links.resolve(relations, fates=fates, owners={"contact": NOBODY, "deal": NOBODY})
    assert made.select("kept_from", "kept_to", "state", "reason").rows() == [expected]


def test_an_owner_link_counts_only_where_the_survivor_has_that_owner() -> None:
    """A merged record's owner is kept if the survivor took it over, else dropped; an unknown agent leads nowhere."""
    contacts = source.contacts(
        {"source_id": "1", "assigned_to": "7"},
        {"source_id": "2", "assigned_to": "8"},
        {"source_id": "3", "assigned_to": "99"},
        {"source_id": "4", "assigned_to": "8"},
    )
    agents = pl.DataFrame({"agent_id": ["7", "8", "99"], "is_known": [True, True, False]})
    made = links.resolve(
        links.relations(contacts, source.deals()),
        fates={
            "contact": fate(("1", "1", ""), ("2", "1", ""), ("3", "3", ""), ("4", "5", "")),
            "company": kept(), "deal": kept(), "agent": links.agents(agents),
        },
        owners={"contact": owned(("1", "7"), ("3", "99"), ("5", "8")), "deal": NOBODY},
    )  # fmt: skip
    assert made.sort("from_id").select("from_id", "kept_from", "kept_to", "state", "reason").rows() == [
        ("1", "1", "7", "kept", ""),
        ("2", None, None, "dropped", "the surviving record has another owner"),
        ("3", None, None, "dropped", "agent not in the agents list"),
        ("4", "5", "8", "repointed", ""),
    ]


def test_primary_is_the_account_that_stands_first_after_merging() -> None:
    """Two primaries merged into one contact leave one primary; a dropped link keeps what it was at the source."""
    rows = [
        ("contact_account", "1", "50", "1", "50", True, "kept", ""),
        ("contact_account", "2", "51", "1", "51", True, "repointed", ""),
        ("contact_account", "3", "50", None, None, True, "dropped", "x"),
        ("deal_account", "9", "50", "9", "50", True, "kept", ""),
    ]
    listed = pl.DataFrame(rows, schema=tables.LINKS.columns, orient="row")
    contacts = pl.DataFrame({"source_id": ["1"], "account_ids": [["50", "51"]]})
    made = links.with_primary(listed, contacts)
    assert made["is_primary"].to_list() == [True, False, True, True]


def test_ids_are_repointed_in_columns_and_lists() -> None:
    """Survivors stand once, in the order of the first of them; what is gone leaves no gap."""
    rows = pl.DataFrame({"source_id": ["9", "8"], "one": ["2", "4"], "all": [["2", "1", "4", "3"], []]})
    went = fate(("1", "1", ""), ("2", "1", ""), ("3", "3", ""), ("4", None, "x"))
    made = links.repointed(links.repointed(rows, "one", went), "all", went)
    assert made.select("source_id", "one", "all").rows() == [("9", "1", ["1", "3"]), ("8", None, [])]


def test_the_fate_of_every_row() -> None:
    """A survivor, the first blocking reason, or the exclusion; a warning ends nothing."""
    rejects = pl.DataFrame(
        [
            ("contact", "2", "a", "f", True),
            ("contact", "2", "b", "f", True),
            ("contact", "1", "c", "f", False),
        ],
        schema=tables.REJECTS.columns,
        orient="row",
    )
    made = links.fate(
        source.contacts(*({"source_id": i} for i in "1234")),
        entity="contact",
        merges=pl.DataFrame([("contact", "3", "1", "r")], schema=tables.MERGES.columns, orient="row"),
        rejects=rejects,
        excluded=pl.DataFrame([("contact", "4", "chat_only")], schema=tables.EXCLUDED.columns, orient="row"),
    )
    assert made.rows() == [
        ("1", "1", ""),
        ("2", None, "contact rejected: a"),
        ("3", "1", ""),
        ("4", None, "contact excluded: chat_only"),
    ]
