"""The ways of fields that a rule of `clean.RULES` carries: there, back, and beside what stands in the target's row.

In: pairs of source and target rows (`roundtrip.paired`) and the decisions of 02. Out: ways for `roundtrip.measured`. A
rule's own loss is the source value against its way there and back; what stands in the row against what the rule gives is
the doing of merges, suffixes, or of the target.
"""

from typing import Any, Final

import polars as pl

from crmbook import clean, parse
from crmbook.phases.dedupe import OPT_OUT
from crmbook.phases.roundtrip import DataType, Pairs, Way, as_list, lacks, x, y
from crmbook.phases.shape import CARRIED_BY_STRUCTURE, CHOICE_RULES, SKIPPED, Decisions
from crmbook.phases.standard_map import ORIGINAL_ID

_NONE: Final = pl.lit(None, dtype=pl.String)
_NOTHING: Final = pl.lit([], dtype=pl.List(pl.String))
# The one record of several keeps its own; the others' differ in case at most, or they would not be the same.
_KEYS_OF_MERGES: Final = (("company", "name"), ("contact", "email"))
# What is worked out of a row, layer after layer; `parse` takes text under such a name as trimmed.
_RAW, _TEXT, _VALUE, _VALID, _OWN = "w:raw", f"{parse.TRIMMED}w", "w:value", "w:valid", "w:own"
_BACK, _MINE, _THEIRS = "w:back", "w:mine", "w:theirs"
_FOUND, _RETURNED, _SHARED, _LOST = "w:found", "w:returned", "w:shared", "w:lost"


def values(entity: str, pairs: Pairs, decided: Decisions) -> list[Way]:
    """The ways of the fields that a rule of `clean.RULES` carries."""
    carried = decided.mapping.filter(
        pl.col("entity") == entity,
        pl.col("decision") != SKIPPED,
        pl.col("target_field") != "",
        pl.col("rule") != CARRIED_BY_STRUCTURE,
    ).sort("source_field")
    ways, schema = [], pairs.schema
    for row in carried.iter_rows(named=True):
        name, target, rule = row["source_field"], row["target_field"], row["rule"]
        dtype = schema[f"x:{name}"]
        held = schema.get(f"y:{target}", clean.RULES[rule].dtype)
        if rule in CHOICE_RULES:
            ways.append(_choice_way(entity, row, dtype, held, decided))
        else:
            ways.append(_way(entity, name, target, clean.RULES[rule], dtype, decided.time_zone))
    return ways


def _way(entity: str, name: str, target: str, rule: clean.Rule, dtype: pl.DataType, time_zone: str) -> Way:
    is_first = isinstance(dtype, pl.List) and rule.name == "phone"
    raw = clean.filled(x(name)).list.get(0, null_on_oob=True) if is_first else clean.as_text(x(name), dtype)
    text, value, own = pl.col(_TEXT), pl.col(_VALUE), pl.col(_OWN)
    layers = (
        {_RAW: raw},
        {_TEXT: parse.tidied(pl.col(_RAW))},
        {_VALUE: rule.read(text)},
        {_VALID: rule.accepts(text, value)},
        {_OWN: rule.settled(value, pl.col(_VALID))},
        {_BACK: rule.back(own), _MINE: clean.written(own), _THEIRS: clean.written(y(target))},
    )
    kinds = [_of_rule(rule, time_zone), _of_row(entity, target, rule)]
    if rule.notice == "too_long":
        kinds.append(pl.when(kinds[0] == rule.loses).then(pl.lit("to_note")))
    is_same = pl.col(_MINE).eq_missing(pl.col(_THEIRS)) & ~(pl.col("is_merged") & (target == "name"))
    is_plain = (text.is_null() | (pl.col(_RAW) == pl.col(_BACK)).fill_null(value=False)) & is_same
    return Way(name, target, rule.name, text.is_not_null(), tuple(kinds), layers=layers, is_plain=is_plain)


def _of_rule(rule: clean.Rule, time_zone: str) -> pl.Expr:
    """The way there and back of one rule: the raw text, and what the rule makes of it."""
    raw, text, own, back = (pl.col(name) for name in (_RAW, _TEXT, _OWN, _BACK))
    gone = "to_note" if rule.refusal == "too_long" else "dropped"
    left = pl.lit(rule.loses or "changed")
    if rule.name == "date":
        there = parse.instant(text).dt.convert_time_zone(time_zone).dt.date()
        left = pl.when((there != own).fill_null(value=False)).then(pl.lit("shifted")).otherwise(left)
    squeezed = [clean.trimmed(told).str.replace_all(r"\s+", " ") for told in (text, back)]
    return (
        pl.when(text.is_null()).then(_NONE)
        .when(own.is_null()).then(pl.lit(gone))
        .when(raw == back).then(_NONE)
        .when(squeezed[0] == squeezed[1]).then(pl.lit("whitespace"))
        .when(squeezed[0].str.to_lowercase() == squeezed[1].str.to_lowercase()).then(pl.lit("case"))
        .when(rule.same(text) == rule.same(back)).then(pl.lit("notation"))
        .otherwise(left)
    )  # fmt: skip


def _of_row(entity: str, target: str, rule: clean.Rule) -> pl.Expr:
    """What stands in the row against what the rule gives."""
    is_number = rule.dtype in (pl.Int64, pl.Float64)
    mine, theirs = (parse.number_key(pl.col(n)) if is_number else pl.col(n) for n in (_MINE, _THEIRS))
    extra: list[tuple[pl.Expr, pl.Expr]] = []
    if (entity, target) == ("company", "name"):
        suffix = pl.concat_str(pl.lit(" ("), "kept_id", pl.lit(")"))
        bare = theirs.str.strip_suffix(suffix)
        is_cut = pl.lit(value=True) & mine.str.starts_with(bare) & (mine != bare)
        is_suffixed = (theirs != bare) & (is_cut | (mine == bare)) & ~pl.col("is_merged")
        extra = [(is_suffixed, pl.when(is_cut).then(pl.lit("truncated")).otherwise(pl.lit("suffixed")))]
        theirs = pl.when(pl.col("is_merged")).then(bare).otherwise(theirs)
    is_same_word = mine.str.to_lowercase() == theirs.str.to_lowercase()
    if (entity, target) in _KEYS_OF_MERGES:
        is_same_word = clean.name_key(mine) == clean.name_key(theirs)
        extra.append((pl.col("is_merged") & is_same_word.fill_null(value=False), pl.lit("case")))
    if target == ORIGINAL_ID:
        # The id of a merged record stands in the crosswalk; it is told with the record.
        extra.append((pl.col("is_merged"), _NONE))
    if target == OPT_OUT:
        extra.append((pl.col("is_survivor") & (theirs == "true"), pl.lit("opted_out")))
    silent = pl.col("is_matched") if rule.dtype != pl.Boolean else pl.col("is_matched") | (theirs == "false")
    kind = pl.when(mine.eq_missing(theirs)).then(_NONE).when(pl.col("is_merged") & mine.is_null()).then(_NONE)
    for test, name in extra:
        kind = kind.when(test.fill_null(value=False) & mine.is_not_null()).then(name)
    return (
        kind.when(mine.is_null() & silent.fill_null(value=False)).then(_NONE)
        .when(mine.is_null()).then(pl.lit("filled"))
        .when(theirs.is_null()).then(pl.lit("missing"))
        .when(pl.col("is_merged")).then(pl.lit("collapsed"))
        .when(is_same_word).then(pl.lit("case"))
        .otherwise(pl.lit("changed"))
    )  # fmt: skip


def _choice_way(
    entity: str, row: dict[str, Any], dtype: pl.DataType, held: DataType, decided: Decisions
) -> Way:
    name, rule = row["source_field"], row["rule"]
    mine = (pl.col("entity") == entity) & (pl.col("source_field") == name)
    there = dict(decided.choices.filter(mine).select("source_value", "target_value").iter_rows())
    raw = clean.filled(x(name)) if isinstance(dtype, pl.List) else parse.elements(x(name))
    taken = [word for word in there.values() if word]
    back = {word: source for source, word in there.items() if word and taken.count(word) == 1}
    shared = [source for source, word in there.items() if word and taken.count(word) > 1]
    found, own, lost, several = (pl.col(n) for n in (_FOUND, _VALUE, _LOST, _SHARED))
    is_refused = (found.list.len() > 1) if rule == "choice" else pl.lit(value=False)
    layers = (
        {_FOUND: raw.fill_null(_NOTHING)},
        {_VALUE: _swapped(found, there) if there else found},
        {_RETURNED: _swapped(own, back) if there else own},
        {_LOST: found.list.set_difference(pl.col(_RETURNED))},
        {_SHARED: lost.list.set_intersection(pl.lit(shared, dtype=pl.List(pl.String))).list.len()},
        {
            _VALID: ~is_refused & (lost.list.len() <= several),
            _OWN: pl.when(is_refused).then(_NOTHING).otherwise(own),
            _THEIRS: as_list(y(row["target_field"]), held),
        },
    )
    return Way(
        name, row["target_field"], rule, found.list.len() > 0, _of_choices(is_refused, several), layers=layers
    )


def _of_choices(is_refused: pl.Expr, several: pl.Expr) -> tuple[pl.Expr, ...]:
    own, theirs, is_whole, merged = (pl.col(n) for n in (_OWN, _THEIRS, _VALID, "is_merged"))
    fewer, more, empty = lacks(own, theirs), lacks(theirs, own), theirs.list.len() == 0
    return (
        pl.when(~is_whole).then(pl.lit("dropped")),
        pl.when(~is_refused & (several > 0)).then(pl.lit("collapsed")),
        pl.when(is_whole & (several == 0) & lacks(own, pl.col(_FOUND))).then(pl.lit("renamed")),
        pl.when(fewer & empty).then(pl.lit("missing"))
        .when(fewer & merged).then(pl.lit("collapsed"))
        .when(fewer).then(pl.lit("changed"))
        .when(more & ~merged & ~pl.col("is_matched")).then(pl.lit("filled")),
    )  # fmt: skip


def _swapped(words: pl.Expr, table: dict[str, str]) -> pl.Expr:
    old, new = list(table), [word or None for word in table.values()]
    swapped = pl.element().replace_strict(old, new, default=None, return_dtype=pl.String)
    return words.list.eval(swapped).list.drop_nulls().list.unique(maintain_order=True)
