"""Every rule on what it accepts, refuses, changes and loses."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmbook import clean, parse
from crmbook.phases import choosing

RAW = pl.col("raw")
TEXT_LIKE = ("copy", "name", "text", "textarea", "json_text", "email", "phone", "url", "datetime")


def frame(*raw: str | None) -> pl.LazyFrame:
    return pl.LazyFrame({"raw": raw}, schema={"raw": pl.String})


def applied(rule: str, *raw: str | None) -> list[Any]:
    return frame(*raw).select(clean.RULES[rule].apply(RAW).alias("v")).collect()["v"].to_list()


def valid(rule: str, *raw: str | None) -> list[bool]:
    return frame(*raw).select(clean.RULES[rule].is_valid(RAW).alias("v")).collect()["v"].to_list()


def exact(rule: str, *raw: str | None) -> list[bool]:
    return frame(*raw).select(clean.RULES[rule].is_exact(RAW).alias("v")).collect()["v"].to_list()


def read(function: Any, *raw: str | None) -> list[Any]:
    return frame(*raw).select(function(RAW).alias("v")).collect()["v"].to_list()


@pytest.mark.parametrize("name", sorted(set(clean.RULES) - {"identity"}))
def test_every_rule_gives_the_type_it_declares_and_takes_blank_for_nothing(name: str) -> None:
    """Null, empty and blank text are null under every rule, valid and without loss."""
    rule = clean.RULES[name]
    made = (
        frame(None, "", " \t\n\u00a0\ufeff")
        .select(v=rule.apply(RAW), ok=rule.is_valid(RAW), whole=rule.is_exact(RAW))
        .collect()
    )
    assert made.schema["v"] == rule.dtype
    assert made.rows() == [(None, True, True)] * 3


def test_a_rule_is_known_by_its_own_name() -> None:
    """The table of rules and the rules agree, and each says what it means."""
    assert {rule.name for rule in clean.RULES.values()} == set(clean.RULES)
    assert [name for name, rule in clean.RULES.items() if not rule.meaning] == []


@pytest.mark.parametrize(
    ("rule", "raw", "expected"),
    [
        ("copy", "  Zoë 😀\u200d🔥 \u00a0", "Zoë 😀\u200d🔥"),
        ("copy", "a\x00b\x07c", "abc"),
        ("copy", "two\nlines\tkept", "two\nlines\tkept"),
        ("copy", "=SUM(A1)", "=SUM(A1)"),
        ("copy", "<b>&amp;</b>", "<b>&amp;</b>"),
        ("name", "Zoe\u0308", "Zoë"),
        ("name", "Jo\u200bsé\ufeff", "José"),
        ("email", "  Ola.Nowak@EXAMPLE.com ", "Ola.Nowak@example.com"),
        ("email", "o'neil+tag@sub.c.example", "o'neil+tag@sub.c.example"),
        ("email", "a@xn--mller-kva.example", "a@xn--mller-kva.example"),
        ("phone", "+48 600-100-200", "+48600100200"),
        ("phone", "+1 (555) 010-0199", "+15550100199"),
        ("phone", "600 100  200", "600 100 200"),
        ("phone", "+48 (0) 600 100 200", "+48 (0) 600 100 200"),
        ("phone", "+1 555 010 0199 x12", "+1 555 010 0199 x12"),
        ("url", "Acme.Example/Path?Q=A", "https://acme.example/Path?Q=A"),
        ("url", "HTTP://WWW.Acme.example", "http://www.acme.example"),
        ("url", "https://żółw.example:8080/#x", "https://żółw.example:8080/#x"),
        ("checkbox", "t", True),
        ("checkbox", " Yes ", True),
        ("checkbox", "F", False),
        ("checkbox", "0", False),
        ("integer", "12.0", 12),
        ("integer", "-3", -3),
        ("integer", "99999999999", 99_999_999_999),
        ("number", "1e3", 1000.0),
        ("number", "-.5", -0.5),
        ("number", "1.23456", 1.2346),
        ("number", "99999999999.9999", 99_999_999_999.9999),
        ("money", "811.00", 811.0),
        ("money", "-20.5", -20.5),
        ("money", "9007199254740991", 9_007_199_254_740_991.0),
        ("date", "2024-03-31T23:30:00-05:00", date(2024, 3, 31)),
        ("date", "2024-03-31 00:15:00+14", date(2024, 3, 31)),
        ("date", "1969-07-20", date(1969, 7, 20)),
        ("date", "2999-12-31", date(2999, 12, 31)),
        ("datetime", "2024-03-31T01:30:00+02:00", "2024-03-30T23:30:00Z"),
        ("datetime", "2025-10-26T02:30:00+02:00", "2025-10-26T00:30:00Z"),
        ("datetime", "2025-10-26T02:30:00+01:00", "2025-10-26T01:30:00Z"),
        ("datetime", "2024-03-31 01:30:00.548068+00", "2024-03-31T01:30:00.548068Z"),
        ("datetime", "1969-07-20T20:17:40Z", "1969-07-20T20:17:40Z"),
        ("datetime", "2999-12-31T23:59:59Z", "2999-12-31T23:59:59Z"),
        ("datetime", "2024-03-31T10:00", "2024-03-31T10:00:00Z"),
        ("datetime", "2024-03-31", "2024-03-31"),
        ("choice", '["pro"]', "pro"),
        ("choice", "{pro}", "pro"),
        ("choice", '{"a, b"}', "a, b"),
        ("choice", "one, two", "one, two"),
        ("choice", "[]", None),
        ("choices", '["a","b","a"," "]', ["a", "b"]),
        ("choices", r'{a,"b, \"c\"",NULL,"NULL"}', ["a", 'b, "c"', "NULL"]),
        ("choices", '[1,true,null,"x"]', ["1", "true", "x"]),
        ("choices", '["\\ud83d\\ude00"]', ["😀"]),
        ("choices", '["\\ud83d"]', ['["\\ud83d"]']),
        ("choices", "[01]", ["[01]"]),
        ("choices", "{}", None),
        ("json_text", '{"a":1}', '{"a":1}'),
        ("json_text", "{broken", "{broken"),
    ],
)  # fmt: skip
def test_a_value_as_the_target_holds_it(rule: str, raw: str, expected: Any) -> None:
    """What a rule makes of a value it accepts."""
    assert (applied(rule, raw), valid(rule, raw)) == ([expected], [True])


@pytest.mark.parametrize(
    ("rule", "raw"),
    [
        ("copy", "x" * 256),
        ("text", "x" * 257),
        ("textarea", "x" * 10_001),
        ("json_text", "[" + "1," * 5_000 + "1]"),
        *[("email", e) for e in (
            "a@b", "a b@c.example", "x..y@c.example", ".a@c.example", "a.@c.example", "@c.example", "a@@b.example",
            "a@b.example.", "a@-b.example", "a@b.1", "Name <a@b.example>", "a@b.example, c@d.example",
            "x" * 65 + "@b.example", "a@" + "b." * 130 + "example")],
        *[("phone", p) for p in ("abc", "brak", "call after 6 pm", "1" * 31)],
        *[("url", u) for u in ("ftp://a.example", "acme", "http://u:p@a.example", "a b.example", "https://", "x" * 250 + ".example")],
        *[("checkbox", c) for c in ("maybe", "2", "tak", "truee")],
        *[("integer", i) for i in ("12.5", "1e3", "100000000000", "9007199254740993", "1 000", "0x10")],
        *[("number", n) for n in ("1,5", "NaN", "inf", "100000000000", "1 000", "1_0", "--1")],
        *[("money", m) for m in ("9007199254740992", "12 EUR", "1,5")],
        *[("date", d) for d in ("31.03.2024", "2024-02-30", "2024-3-1", "20240301", "03/04/2024", "2024-03-01x")],
        *[("datetime", d) for d in ("2024-13-01T00:00:00Z", "2024-01-01T25:00:00Z", "2016-12-31T23:59:60Z", "yesterday")],
        ("choice", '["a","b"]'),
    ],
)  # fmt: skip
def test_a_value_a_rule_refuses(rule: str, raw: str) -> None:
    """It becomes null and is reported, never guessed or cut."""
    assert (applied(rule, raw), valid(rule, raw)) == ([None], [False])


@pytest.mark.parametrize(
    ("rule", "raw", "kind"),
    [
        ("name", "x" * 256, "truncated"),
        ("number", "1.23456", "rounded"),
        ("number", "12345678901.12345", "rounded"),
        ("money", "1234567890123456.78", "rounded"),
        ("date", "2024-03-31T23:30:00-05:00", "truncated"),
        ("datetime", "2024-03-31T01:30:00.1234567Z", "truncated"),
        ("json_text", "{broken", ""),
    ],
)
def test_a_value_that_loses_something(rule: str, raw: str, kind: str) -> None:
    """It is carried, and the rule says that and what it lost."""
    assert (valid(rule, raw), exact(rule, raw), clean.RULES[rule].loses) == ([True], [False], kind)


@pytest.mark.parametrize(
    ("rule", "raw"),
    [
        ("name", "x" * 255),
        ("number", "99999999999.9999"),
        ("number", "0.00010"),
        ("money", "9007199254740991"),
        ("money", "1234567890123.45"),
        ("money", "0000000000000000000001.50"),
        ("date", "2024-03-31"),
        ("date", "2024-03-31T00:00:00.000+02:00"),
        ("datetime", "2024-03-31T01:30:00.1234560Z"),
        ("datetime", "2024-03-31"),
        ("json_text", "null"),
    ],
)
def test_a_value_that_loses_nothing(rule: str, raw: str) -> None:
    """The edge of what fits is whole."""
    assert (valid(rule, raw), exact(rule, raw)) == ([True], [True])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.text(max_size=40) | st.text('[]{}",\\ 0123456789-+:TZ.@ntfu', max_size=30), min_size=1, max_size=30
    )
)
def test_no_text_breaks_a_rule(raw: list[str]) -> None:
    """Whatever stands in a field: every rule gives an answer, null exactly where it refuses or nothing is there."""
    blank = [not t for t in read(parse.trimmed, *raw)]
    for name, rule in clean.RULES.items():
        values, is_valid = applied(name, *raw), valid(name, *raw)
        if name in ("identity", "choice", "choices"):
            continue
        assert [v is None for v in values] == [b or not ok for b, ok in zip(blank, is_valid, strict=True)], (
            rule.name
        )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=30))
def test_cleaning_what_is_clean_changes_nothing(raw: list[str]) -> None:
    """A second pass gives the first one's result, so a file read back and cleaned again is the same file."""
    for name in TEXT_LIKE:
        once = applied(name, *raw)
        assert applied(name, *once) == once, name


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1), max_size=6))
def test_the_two_spellings_of_a_list_mean_the_same(choices: list[str]) -> None:
    """A JSON array of the API and a braced list of an export give the same values."""
    texts = [t for t in read(parse.trimmed, *choices) if t]
    expected = list(dict.fromkeys(texts))
    quoted = [t.replace("\\", "\\\\").replace('"', '\\"') for t in texts]
    braced = "{" + ",".join(f'"{t}"' for t in quoted) + "}"
    assert (
        read(parse.elements, json.dumps(texts), json.dumps(texts, ensure_ascii=False), braced)
        == [expected] * 3
    )


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(timezones=OFFSETS).filter(lambda moment: 1 < moment.year < 9999)


@settings(max_examples=60, deadline=None)
@given(MOMENTS)
def test_an_instant_is_never_moved(moment: datetime) -> None:
    """Any offset, any year: the instant is the one that was written."""
    assert read(parse.instant, moment.isoformat()) == [moment.astimezone(UTC)]


@settings(max_examples=60, deadline=None)
@given(MOMENTS)
def test_a_date_is_the_one_written(moment: datetime) -> None:
    """The offset behind a timestamp does not move its date."""
    assert read(parse.date, moment.isoformat()) == [moment.date()]


@settings(max_examples=60, deadline=None)
@given(st.decimals(-99_999_999_999, 99_999_999_999, places=4))
def test_a_number_within_the_limits_keeps_every_digit(number: Decimal) -> None:
    """11 digits and 4 decimals go through a float and back unharmed, and the rule says so."""
    text = format(number, "f")
    assert (applied("number", text), exact("number", text)) == ([float(number)], [True])
    assert Decimal(repr(applied("number", text)[0])) == number


@settings(max_examples=60, deadline=None)
@given(st.decimals(-(10**15), 10**15, places=2))
def test_an_amount_is_exact_or_told(number: Decimal) -> None:
    """An amount the rule calls exact comes back as the same decimal."""
    text = format(number, "f")
    if exact("money", text) == [True]:
        assert Decimal(repr(applied("money", text)[0])) == number
    else:
        assert len(text.replace(".", "").lstrip("-0")) > 15


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.Acme.example/x", "acme.example"),
        ("acme.example", "acme.example"),
        ("http://shop.acme.example:8080", "shop.acme.example"),
        (None, None),
    ],
)
def test_the_site_of_an_address(url: str | None, site: str | None) -> None:
    """Scheme, www, port and path don't tell two companies apart."""
    assert read(parse.host, url) == [site]


def test_typed_columns_become_the_text_rules_read() -> None:
    """Booleans, instants, dates, numbers and lists have one spelling each."""
    source = pl.DataFrame(
        {
            "flag": [True],
            "at": [datetime(2024, 3, 31, 1, 30, 0, 500, UTC)],
            "day": [date(2024, 3, 31)],
            "count": [7],
            "names": [["b ", "a", "", None, "b"]],
            "none": [[""]],
        }
    )
    made = source.select(clean.as_text(pl.col(c), source.schema[c]).alias(c) for c in source.columns)
    assert made.row(0) == ("true", "2024-03-31T01:30:00.000500Z", "2024-03-31", "7", "b, a", None)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.none() | st.text(max_size=12) | st.lists(st.text(max_size=5), max_size=3).map(json.dumps),
        min_size=1,
        max_size=20,
    )
)
def test_choices_parsed_once_per_text_equal_the_rules(raw: list[str | None]) -> None:
    """The quick way through the different texts gives what the rule gives row by row."""
    column = pl.Series("raw", raw, dtype=pl.String)
    for rule in ("choice", "choices"):
        made = choosing.chosen(column, rule=rule, replacements={})
        assert made["value"].to_list() == applied(rule, *raw)
        assert (~made["is_refused"]).to_list() == valid(rule, *raw)
