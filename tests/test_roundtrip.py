"""There and back: every rule's own loss is what its round trip loses, and every difference has its kind."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import normalization_case as case
from crmbook import clean, tables
from crmbook.phases import loss_words, roundtrip, roundtrip_structure, roundtrip_values
from crmbook.phases.normalization import normalize

NUMBERS = r"[+-]?[0-9]{1,13}(\.[0-9]{0,8})?(e-?[0-9]{1,2})?"
TIMES = r"20[0-9]{2}-0[1-9]-[12][0-9]([T ][01][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[+-]0[0-9]:?[0-3]0)?)?"
SHAPES = {
    "integer": r"[+-]?[0-9]{1,12}(\.0{0,3})?", "number": NUMBERS, "money": NUMBERS, "date": TIMES, "datetime": TIMES,
    "phone": r"\+?[0-9 ()/.-]{3,20}", "url": r"([hH]ttps?://)?[A-Za-z]{2,5}\.[A-Za-z]{2,3}(/[A-Za-z/]{0,4})?",
    "checkbox": r" ?(t|T|true|no|0|YES|False) ?", "email": r" ?[A-Za-z.]{1,5}@[A-Za-z]{3,6}\.[A-Za-z]{2}",
}  # fmt: skip
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
RULES = [rule for name, rule in clean.RULES.items() if name not in ("identity", "choice", "choices")]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_rule_loses_what_its_way_back_lacks(rule: clean.Rule, data: st.DataObject) -> None:
    """Whether a rule says a value passes whole, and whether it comes back as the same value, is one question."""
    shaped = st.from_regex(SHAPES[rule.name], fullmatch=True) if rule.name in SHAPES else TEXTS
    values = data.draw(st.lists(st.one_of(shaped, TEXTS), min_size=1, max_size=20))
    raw = pl.col("raw")
    seen = pl.DataFrame({"raw": values}, schema={"raw": pl.String}).select(
        "raw",
        own=rule.apply(raw),
        # JSON that is none is kept as it is, and listed: nothing of it is lost.
        is_exact=rule.is_exact(raw) if rule.name != "json_text" else clean.always(raw),
        is_same=rule.same(raw).eq_missing(rule.same(rule.back(rule.apply(raw)))),
    )
    assert seen.drop_nulls("own").filter(pl.col("is_exact") != pl.col("is_same")).rows() == []


def kinds(
    rule: str, *values: Any, dtype: Any = pl.String, choices: tuple[tuple[str, str], ...] = ()
) -> dict[str, int]:
    """Rows per kind where each of *values* is a contact's property under *rule*, made by 04 itself."""
    people = pl.DataFrame(
        [
            {"source_id": str(i), "email": f"p{i}@x.example", "p_v": v, "name": "N"}
            for i, v in enumerate(values)
        ],
        schema={**tables.SOURCE_CONTACTS.columns, "p_v": dtype},
    )
    fields = (("contact", "email", "email", "email"), ("contact", "p_v", "cf_v", rule))
    return measured(people, fields, choices=case.choices(*(("contact", "p_v", *pair) for pair in choices)))


def measured(
    people: pl.DataFrame, fields: tuple[tuple[str, str, str, str], ...], field: str = "p_v", **changed: Any
) -> dict[str, int]:
    made = made_of(people, fields, **changed)
    return dict(made.filter(pl.col("source_field") == field).select("kind", "rows").iter_rows())


def made_of(
    people: pl.DataFrame, fields: tuple[tuple[str, str, str, str], ...], **changed: Any
) -> pl.DataFrame:
    decided = case.decided(mapping=case.mapping(*fields), **changed)
    empty = {"company": tables.SOURCE_COMPANIES.empty(), "deal": tables.SOURCE_DEALS.empty()}
    shaped = normalize({"contact": people, **empty}, decided)
    merged = shaped.merges.select("source_id", kept_id="survivor_id")
    kept = shaped.contacts.select("source_id", kept_id="source_id")
    pairs = roundtrip.paired(people, shaped.contacts, pl.concat([merged, kept]))
    ways = [
        *roundtrip_values.values("contact", pairs, decided),
        *roundtrip_structure.ways("contact", pairs, decided),
    ]
    return roundtrip.measured("contact", pairs, ways)


@pytest.mark.parametrize(
    ("rule", "value", "kind"),
    [
        ("text", "as it is", None),
        ("text", None, None),
        ("text", "   ", None),
        ("text", " blanks around ", "whitespace"),
        ("text", "x" * 257, "to_note"),
        ("textarea", "x" * 10_001, "to_note"),
        ("json_text", "{not json", None),
        ("name", "e\u0301", "notation"),
        ("name", "x" * 256, "truncated"),
        ("email", "A@EXAMPLE.ORG", "case"),
        ("email", "nobody", "dropped"),
        ("phone", "+48 600 100 200", "notation"),
        ("phone", "call me", "dropped"),
        ("url", "example.org", "notation"),
        ("url", "https://EXAMPLE.org/Path", "case"),
        ("checkbox", "true", None),
        ("checkbox", "t", "notation"),
        ("checkbox", "maybe", "dropped"),
        ("integer", "12.0", "notation"),
        ("integer", "12.5", "dropped"),
        ("integer", "123456789012", "dropped"),
        ("number", "1.50", "notation"),
        ("number", "1.23456", "rounded"),
        ("number", "0.30000000000000004", "rounded"),
        ("money", "9007199254740993", "dropped"),
        ("money", "1234567890.123456", None),
        ("date", "2026-03-01", None),
        ("date", "2026-03-01T00:00:00Z", "notation"),
        ("date", "2026-03-01T10:00:00Z", "truncated"),
        ("date", "2026-03-01T23:30:00Z", "shifted"),
        ("date", "1 March", "dropped"),
        ("datetime", "2026-03-01T10:00:00+01:00", "notation"),
        ("datetime", "2026-03-01T10:00:00.1234567Z", "truncated"),
        ("datetime", "2026-03-01", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_every_difference_has_its_kind(rule: str, value: str | None, kind: str | None) -> None:
    """Precision, length, day, notation, case, blanks: told apart by what comes back."""
    found = kinds(rule, value)
    assert found.pop("to_note", 0) == int(
        kind in ("to_note", "truncated") and rule in ("text", "textarea", "name")
    )
    assert found == ({} if kind in (None, "to_note") else {kind: 1})


def test_choices_that_become_one_are_collapsed() -> None:
    """Two source choices of one target can't be told apart any more; a choice renamed or dropped says so."""
    there = (("a", "A"), ("b", "A"), ("c", "C"), ("d", ""))
    assert kinds("choice", '["a"]', '["b"]', '["c"]', '["d"]', choices=there) == {
        "collapsed": 2, "renamed": 1, "dropped": 1,
    }  # fmt: skip
    assert kinds("choices", '["a","d"]', '["c"]', choices=there) == {
        "collapsed": 1,
        "dropped": 1,
        "renamed": 1,
    }
    assert kinds("choice", '["a","b"]') == {"dropped": 1}
    assert kinds("choices", '["a","b"]', "plain", "[]") == {}


def person(source_id: str, **cells: Any) -> dict[str, Any]:
    return {"source_id": source_id, "email": "a@x.example", **cells}


def test_a_merged_records_other_value_is_collapsed() -> None:
    """What differs from the survivor's is gone; what it lacks is filled, what both have is nothing."""
    people = pl.DataFrame(
        [
            person("1", p_v="one", city="Hel", name="Ola Nowak"),
            person("2", p_v="two", name="ola  nowak", region="PM"),
        ],
        schema={**tables.SOURCE_CONTACTS.columns, "p_v": pl.String},
    )
    fields = (
        ("contact", "email", "email", "email"), ("contact", "p_v", "cf_v", "text"), ("contact", "city", "city", "copy"),
        ("contact", "region", "state", "copy"),
    )  # fmt: skip
    made = made_of(people, fields)
    assert sorted(made.select("source_field", "kind", "rows").iter_rows()) == [
        ("name", "collapsed", 1), ("p_v", "collapsed", 1), ("region", "filled", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Ola Nowak", {}),
        (" Ola   Nowak", {"whitespace": 1}),
        ("Ola\u200b Nowak", {"notation": 1}),
        (None, {"filled": 1}),
        (f"Ola {'x' * 300}", {"truncated": 1, "to_note": 1}),
        (" ".join(["ab"] * 120), {}),
    ],
    ids=["same", "blanks", "zero width", "none", "word too long", "long"],
)
def test_a_name_in_two_parts_is_put_together_again(name: str | None, found: dict[str, int]) -> None:
    """First and last name with a blank between are the name, or the difference has a kind."""
    people = pl.DataFrame([person("1", name=name)], schema=tables.SOURCE_CONTACTS.columns)
    assert measured(people, (("contact", "email", "email", "email"),), "name") == found


def target_says(told: dict[str, Any], *, matched: bool = False) -> dict[str, int]:
    """Kinds where a target tells *told* of a contact whose city is Hel and whose score is 5, and no more."""
    decided = case.decided(mapping=case.mapping(("contact", "city", "city", "copy"), ("contact", "p_score", "cf_score", "integer"),
                                                ("contact", "p_vip", "cf_vip", "checkbox")))  # fmt: skip
    source = pl.DataFrame(
        [{"source_id": "1", "city": "Hel", "p_score": "5", "p_vip": None}],
        schema={**tables.SOURCE_CONTACTS.columns, "p_score": pl.String, "p_vip": pl.String},
    )
    rows = pl.DataFrame(
        [{"source_id": "1", "city": "Hel", "cf_score": 5.0, "cf_vip": False, **told}],
        schema={"source_id": pl.String, "city": pl.String, "cf_score": pl.Float64, "cf_vip": pl.Boolean},
    )
    fate = pl.DataFrame({"source_id": ["1"], "kept_id": ["1"]})
    pairs = roundtrip.paired(source, rows, fate, matched=["1"] if matched else [])
    made = roundtrip.measured("contact", pairs, roundtrip_values.values("contact", pairs, decided))
    return {f"{r['source_field']} {r['kind']}": r["rows"] for r in made.iter_rows(named=True)}


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, {}),
        ({"city": None}, {"city missing": 1}),
        ({"city": "Gdynia"}, {"city changed": 1}),
        ({"city": "hel"}, {"city case": 1}),
        ({"cf_score": 6.0}, {"p_score changed": 1}),
        ({"cf_vip": True}, {"p_vip filled": 1}),
    ],
    ids=["the same", "emptied", "another value", "other case", "another number", "never said"],
)
def test_what_the_target_lost_is_seen(told: dict[str, Any], found: dict[str, int]) -> None:
    """A value that is not the source's is a loss of its own; an unset checkbox reads false and is none."""
    assert target_says(told) == found


def test_a_value_the_target_had_before_is_not_ours() -> None:
    """The record was there already; where the source says nothing, what stands there stays."""
    assert target_says({"cf_vip": True}, matched=True) == {}


def test_every_kind_says_what_follows() -> None:
    """A kind is a loss or a change, never both, and has words for every rule."""
    assert set(loss_words.LOSSES) & set(loss_words.CHANGES) == set()
    rules = (*clean.RULES, loss_words.HISTORY, "")
    assert all(
        loss_words.consequence(kind, rule)
        for kind in (*loss_words.LOSSES, *loss_words.CHANGES)
        for rule in rules
    )
    with pytest.raises(KeyError):
        loss_words.is_loss("something")
