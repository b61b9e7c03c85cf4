"""Tags: one place per module, every tag word for word, whatever a merge puts on one record."""

from typing import Any

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import organizations, people, tagging
from normalization_case import decided, mapping
from source_rows import companies, contacts, deals

LONG = "t" * 41
NO_FIELDS = tables.CUSTOM_FIELDS.empty()
NOBODY = frozenset[str]()


def _used(*tags: list[str] | None, placeholder: str | None = None, **first: Any) -> pl.DataFrame:
    rows = [
        {"source_id": str(n), "email": f"c{n}@a.example", "tags": t, **(first if n == 0 else {})}
        for n, t in enumerate(tags)
    ]
    return tagging.used(
        contacts=contacts(*rows), companies=companies(), deals=deals(), placeholder=placeholder
    )


def _plan(used: pl.DataFrame, policy: str = "auto", left: frozenset[str] = NOBODY) -> dict[str, Any]:
    made = tagging.plan(used, policy=policy, left=left, taken=NO_FIELDS)
    return made.filter(pl.col("module") == "contacts").row(0, named=True)


@pytest.mark.parametrize(
    ("expected", "tags", "policy"),
    [
        pytest.param(("contact_type", "cf_contact_type"), [["a"], ["b"], []], "auto", id="one a record"),
        pytest.param(("multi_select", "cf_tags"), [["a", "b"], ["b"]], "auto", id="two on one"),
        pytest.param(("native", ""), [[f"t{n}"] for n in range(301)], "auto", id="more than a field takes"),
        pytest.param(
            ("contact_type", "cf_contact_type"), [[f"t{n}"] for n in range(300)], "auto", id="just as many"
        ),
        pytest.param(("native", ""), [[], None], "auto", id="none"),
        pytest.param(("native", ""), [["a"]], "native", id="native by policy"),
        pytest.param(("multi_select", "cf_tags"), [["a"]], "multi_select", id="several by policy"),
        pytest.param(
            ("contact_type", "cf_contact_type"), [["a", "b"]], "contact_type", id="dropdown by policy"
        ),
        pytest.param(
            ("native", ""), [[f"t{n}"] for n in range(301)], "multi_select", id="no policy makes room"
        ),
        pytest.param(("contact_type", "cf_contact_type"), [["a", "a "]], "auto", id="the same twice is one"),
    ],
)
def test_the_place_follows_from_the_tags_and_the_policy(
    expected: tuple[str, str], tags: list[list[str] | None], policy: str
) -> None:
    """As the vendor-pair specification says."""
    made = _plan(_used(*tags), policy)

    assert expected == (made["mode"], made["api_name"])


def test_records_that_become_one_count_as_one() -> None:
    """Two contacts of one address bring two tags to the survivor: a dropdown would lose one."""
    apart, together = _used(["a"], ["b"]), _used(["a"], ["b"], email="C1@a.example ")

    assert ("contact_type", "multi_select") == (_plan(apart)["mode"], _plan(together)["mode"])


def test_companies_that_may_merge_count_as_one() -> None:
    """By name; whether their web sites agree is decided later."""
    rows = [
        {"source_id": "1", "name": "Acme ", "tags": ["a"]},
        {"source_id": "2", "name": "acme", "tags": ["b"]},
    ]
    used = tagging.used(contacts=contacts(), companies=companies(*rows), deals=deals(), placeholder=None)

    made = tagging.plan(used, policy="auto", left=NOBODY, taken=NO_FIELDS)

    assert {"multi_select"} == set(made.filter(pl.col("module") == "sales_accounts")["mode"])


def test_the_placeholder_tag_needs_its_place_too() -> None:
    """Under that policy a contact without an address gets one tag more."""
    used = _used(["a"], placeholder="no-email", email=None)

    assert "multi_select" == _plan(used)["mode"]
    fields = tagging.custom_fields(tagging.plan(used, policy="auto", left=NOBODY, taken=NO_FIELDS), used)
    assert ["a", "no-email"] == fields["choices"].item().to_list()


def test_tags_left_behind_by_the_mapping_need_no_field() -> None:
    """The decision stands in the mapping."""
    made = _plan(_used(["a"]), left=frozenset({"contacts"}))

    assert ("native", "left behind by the mapping") == (made["mode"], made["reason"])


def test_the_field_gets_a_name_of_its_own() -> None:
    """A property of the source may have taken it; the label gives the api name."""
    taken = pl.DataFrame(
        [("contacts", "cf_tags", "Tags", "text", [], False)],
        schema=tables.CUSTOM_FIELDS.columns,
        orient="row",
    )
    used = _used(["a", "b"])

    planned = tagging.plan(used, policy="auto", left=NOBODY, taken=taken)

    made = tagging.custom_fields(planned, used).row(0, named=True)
    assert ("cf_tags_2", "Tags 2", "multi_select_dropdown", ["a", "b"]) == (
        made["api_name"], made["label"], made["field_type"], made["choices"],
    )  # fmt: skip


def test_a_person_may_choose_the_mode() -> None:
    """Only where it is possible; the rest stays as planned."""
    planned = tagging.plan(_used(["a", "b"]), policy="auto", left=NOBODY, taken=NO_FIELDS)
    edited = pl.DataFrame({"source_field": ["contact", "deal"], "target_field": ["native", "multi_select"]})

    made = tagging.with_decisions(planned, edited, NO_FIELDS)

    modes = dict(made.select("module", "mode").iter_rows())
    assert {"contacts": "native", "deals": "native", "sales_accounts": "native"} == modes
    assert {""} == set(made["api_name"])


def _placed(mode: str, *tags: list[str]) -> tagging.Placed:
    planned = tagging.plan(_used(*tags), policy=mode, left=NOBODY, taken=NO_FIELDS)
    rows = pl.DataFrame({"source_id": [str(n) for n in range(len(tags))], "tags": list(tags)})
    return tagging.placed(rows, planned, "contact")


def test_native_tags_stay_and_long_ones_are_listed() -> None:
    """Listed for review before the load, not cut."""
    placed = _placed("native", [LONG, "b"], ["c"])

    assert [[LONG, "b"], ["c"]] == placed.rows["tags"].to_list()
    assert [("contact", "0", "tag_over_40", "tags", False)] == placed.rejects.rows()


def test_several_tags_move_to_the_field_word_for_word() -> None:
    """Case and punctuation too; nothing stays behind as a tag."""
    placed = _placed("multi_select", ["VIP", "vip", "a, b;c"], [])

    assert [["VIP", "vip", "a, b;c"], None] == placed.rows["cf_tags"].to_list()
    assert [[], []] == placed.rows["tags"].to_list()


def test_a_forced_dropdown_names_what_it_loses() -> None:
    """The first tag stays; the record is listed and the loss counted."""
    placed = _placed("contact_type", ["a", "b"], ["c"])

    assert ["a", "c"] == placed.rows["cf_contact_type"].to_list()
    assert [("contact", "tags", "collapsed", 1)] == placed.loss.rows()
    assert [("0", "tags_several")] == placed.rejects.select("source_id", "rule").rows()


def test_merged_contacts_bring_their_tags_to_the_field() -> None:
    """The whole way through normalization."""
    source = contacts(
        {"source_id": "1", "email": "a@b.example", "name": "A B", "tags": ["x"]},
        {"source_id": "2", "email": "A@b.example", "tags": ["y"]},
    )
    used = tagging.used(contacts=source, companies=companies(), deals=deals(), placeholder=None)
    planned = tagging.plan(used, policy="auto", left=NOBODY, taken=NO_FIELDS)
    plan = decided(tag_plan=planned, mapping=mapping(("contact", "email", "email", "email")))
    made = people.contacts(
        source, plan, source_deals=deals(), accounts=organizations.accounts(companies(), plan)
    )

    assert [["x", "y"]] == made.rows["cf_tags"].to_list()


def test_the_scoping_expects_the_field() -> None:
    """Before the mapping is made, from the fields' own figures."""
    row = {"entity": "contact", "field": "tags", "filled": 3, "distinct": 4, "max_choices": 2}
    fields = pl.DataFrame(
        [row, {**row, "entity": "deal", "max_choices": 1}, {**row, "entity": "company", "distinct": 301}]
    )

    assert [("contacts", "multi_select_dropdown"), ("deals", "dropdown")] == tagging.expected(fields)
