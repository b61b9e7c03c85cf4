"""What is left of every source value when it has been to the target and back?

In: the source's rows beside the target rows they became, and the decisions of 02. Out: per field and kind of
difference, how many rows. The target rows may be those a rehearsal made or those the target itself tells; the
question is the same. A rule's own loss is the source value against its way there and back; what stands in the row
against what the rule gives is the doing of merges, suffixes, or of the target. Invariant: no value leaves here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from crmbook import clean, parse
from crmbook.phases.dedupe import OPT_OUT
from crmbook.phases.shape import CARRIED_BY_STRUCTURE, CHOICE_RULES, SKIPPED, Decisions
from crmbook.phases.standard_map import ORIGINAL_ID

MEASURED: Final = {
    "entity": pl.String, "source_field": pl.String, "target_field": pl.String, "rule": pl.String,
    "kind": pl.String, "rows": pl.Int64, "filled": pl.Int64,
}  # fmt: skip
_X, _Y = "x:", "y:"
_NONE: Final = pl.lit(None, dtype=pl.String)
# The one record of several keeps its own; the others' differ in case at most, or they would not be the same.
_KEYS_OF_MERGES: Final = (("company", "name"), ("contact", "email"))


@dataclass(frozen=True)
class Way:
    """
    One source field on its way: `kinds` are texts naming a kind of difference, null where there is none; `is_told`
    is true where the source has a value. With `per_target` rows of one target record count once.
    """

    source_field: str
    target_field: str
    rule: str
    is_told: pl.Expr
    kinds: tuple[pl.Expr, ...]
    per_target: bool = False


def x(field: str) -> pl.Expr:
    """The source's value of a row of `paired`."""
    return pl.col(_X + field)


def y(field: str) -> pl.Expr:
    """The target's value of a row of `paired`."""
    return pl.col(_Y + field)


def paired(
    source: pl.DataFrame, rows: pl.DataFrame, fate: pl.DataFrame, *, matched: Sequence[str] = ()
) -> pl.DataFrame:
    """
    Every source row that lives on, beside the target row it lives on in.

    Args:
        source: one row per `source_id`.
        rows: the target's, by the `source_id` they are of.
        fate: `source_id` to `kept_id`; rows without one are left out.
        matched: ids of *rows* that were in the target before, with values that are none of ours.

    Returns:
        `x:<source field>` and `y:<target field>`; `source_id`, `kept_id`, `is_merged` (into another one),
        `is_survivor` (others were merged into it), `is_matched`.
    """
    kept = fate.select("source_id", "kept_id").drop_nulls("kept_id")
    several = kept.filter(pl.col("source_id") != pl.col("kept_id"))["kept_id"].unique()
    pairs = (
        source.select("source_id")
        .with_row_index("ours")
        .join(kept, on="source_id")
        .join(rows.select(kept_id="source_id").with_row_index("theirs"), on="kept_id")
        .sort("ours")
    )
    ours = source[pairs["ours"]].select(pl.all().name.prefix(_X))
    theirs = rows[pairs["theirs"]].select(pl.all().name.prefix(_Y))
    flags = pairs.select(
        "source_id",
        "kept_id",
        is_merged=pl.col("source_id") != pl.col("kept_id"),
        is_survivor=(pl.col("source_id") == pl.col("kept_id")) & pl.col("kept_id").is_in(several.implode()),
        is_matched=pl.col("kept_id").is_in(list(matched)),
    )
    return flags.hstack(ours).hstack(theirs)


def measured(entity: str, pairs: pl.DataFrame, ways: Sequence[Way]) -> pl.DataFrame:
    """Rows per way and kind (MEASURED); *pairs* as `paired` gives them, target columns that lack are null."""
    found: list[dict[str, Any]] = []
    for way in ways:
        names = {f"k{i}": kind for i, kind in enumerate(way.kinds)}
        seen = _with(pairs, way).select("kept_id", told=way.is_told, **names)
        filled = int(seen["told"].sum())
        counts: dict[str, int] = {}
        for name in names:
            told = seen.select("kept_id", kind=name).drop_nulls("kind")
            if way.per_target:
                told = told.unique()
            for kind, number in told.group_by("kind").len().iter_rows():
                counts[kind] = counts.get(kind, 0) + number
        found += [
            {"entity": entity, "source_field": way.source_field, "target_field": way.target_field, "rule": way.rule,
             "kind": kind, "rows": number, "filled": filled}
            for kind, number in sorted(counts.items())
        ]  # fmt: skip
    return pl.DataFrame(found, schema=MEASURED)


def values(entity: str, pairs: pl.DataFrame, decided: Decisions) -> list[Way]:
    """The ways of the fields that a rule of `clean.RULES` carries."""
    carried = decided.mapping.filter(
        pl.col("entity") == entity,
        pl.col("decision") != SKIPPED,
        pl.col("target_field") != "",
        pl.col("rule") != CARRIED_BY_STRUCTURE,
    ).sort("source_field")
    ways = []
    for row in carried.iter_rows(named=True):
        name, target, rule = row["source_field"], row["target_field"], row["rule"]
        dtype = pairs.schema[_X + name]
        held = pairs.schema.get(_Y + target, clean.RULES[rule].dtype)
        if rule in CHOICE_RULES:
            ways.append(_choice_way(entity, row, dtype, held, decided))
        else:
            ways.append(_way(entity, name, target, clean.RULES[rule], dtype, decided.time_zone))
    return ways


def _with(pairs: pl.DataFrame, way: Way) -> pl.DataFrame:
    wanted = {name for e in (way.is_told, *way.kinds) for name in e.meta.root_names()}
    return pairs.with_columns(
        pl.lit(None, dtype=pl.String).alias(name) for name in sorted(wanted - set(pairs.columns))
    )


def _way(entity: str, name: str, target: str, rule: clean.Rule, dtype: pl.DataType, time_zone: str) -> Way:
    is_first = isinstance(dtype, pl.List) and rule.name == "phone"
    raw = clean.filled(x(name)).list.get(0, null_on_oob=True) if is_first else clean.as_text(x(name), dtype)
    own = rule.apply(raw)
    is_told = clean.trimmed(raw).is_not_null()
    kinds = [_of_rule(rule, raw, own, time_zone), _of_row(entity, target, rule, own)]
    if rule.notice == "too_long":
        kinds.append(pl.when(kinds[0] == rule.loses).then(pl.lit("to_note")))
    return Way(name, target, rule.name, is_told, tuple(kinds))


def _of_rule(rule: clean.Rule, raw: pl.Expr, own: pl.Expr, time_zone: str) -> pl.Expr:
    """The way there and back of one rule: *raw*, and *own*, which the rule makes of it."""
    back = rule.back(own)
    gone = "to_note" if rule.refusal == "too_long" else "dropped"
    left = pl.lit(rule.loses or "changed")
    if rule.name == "date":
        there = parse.instant(raw).dt.convert_time_zone(time_zone).dt.date()
        left = pl.when((there != own).fill_null(value=False)).then(pl.lit("shifted")).otherwise(left)
    squeezed = [clean.trimmed(text).str.replace_all(r"\s+", " ") for text in (raw, back)]
    return (
        pl.when(clean.trimmed(raw).is_null()).then(_NONE)
        .when(own.is_null()).then(pl.lit(gone))
        .when(raw == back).then(_NONE)
        .when(squeezed[0] == squeezed[1]).then(pl.lit("whitespace"))
        .when(squeezed[0].str.to_lowercase() == squeezed[1].str.to_lowercase()).then(pl.lit("case"))
        .when(rule.same(raw) == rule.same(back)).then(pl.lit("notation"))
        .otherwise(left)
    )  # fmt: skip


def _of_row(entity: str, target: str, rule: clean.Rule, own: pl.Expr) -> pl.Expr:
    """What stands in the row against what the rule gives."""
    is_number = rule.dtype in (pl.Int64, pl.Float64)
    mine, theirs = (
        parse.number_key(clean.written(e)) if is_number else clean.written(e) for e in (own, y(target))
    )
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


def as_list(value: pl.Expr, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """The elements of a target's value, empty where there is none."""
    if isinstance(dtype, pl.List):
        return value.fill_null(pl.lit([], dtype=pl.List(pl.String)))
    return pl.when(value.is_not_null()).then(pl.concat_list(value.cast(pl.String))).otherwise(
        pl.lit([], dtype=pl.List(pl.String))
    )  # fmt: skip


def lacks(ours: pl.Expr, theirs: pl.Expr) -> pl.Expr:
    """True where *theirs* has not all elements of *ours*."""
    return ours.list.set_difference(theirs).list.len() > 0


def _choice_way(
    entity: str,
    row: dict[str, Any],
    dtype: pl.DataType,
    held: pl.DataType | type[pl.DataType],
    decided: Decisions,
) -> Way:
    name, rule = row["source_field"], row["rule"]
    mine = (pl.col("entity") == entity) & (pl.col("source_field") == name)
    there = dict(decided.choices.filter(mine).select("source_value", "target_value").iter_rows())
    found = clean.filled(x(name)) if isinstance(dtype, pl.List) else parse.elements(x(name))
    found = found.fill_null(pl.lit([], dtype=pl.List(pl.String)))
    is_refused = (found.list.len() > 1) if rule == "choice" else pl.lit(value=False)
    taken = [word for word in there.values() if word]
    back = {word: source for source, word in there.items() if word and taken.count(word) == 1}
    shared = [source for source, word in there.items() if word and taken.count(word) > 1]
    own = _swapped(found, there) if there else found
    returned = _swapped(own, back) if there else own
    lost = found.list.set_difference(returned)
    several = lost.list.set_intersection(pl.lit(shared, dtype=pl.List(pl.String)))
    is_gone = is_refused | (lost.list.len() > several.list.len())
    own = pl.when(is_refused).then(pl.lit([], dtype=pl.List(pl.String))).otherwise(own)
    theirs = as_list(y(row["target_field"]), held)
    fewer, more = lacks(own, theirs), lacks(theirs, own)
    empty, merged = theirs.list.len() == 0, pl.col("is_merged")
    return Way(
        name,
        row["target_field"],
        rule,
        found.list.len() > 0,
        (
            pl.when(is_gone).then(pl.lit("dropped")),
            pl.when(~is_refused & (several.list.len() > 0)).then(pl.lit("collapsed")),
            pl.when(~is_refused & ~is_gone & (several.list.len() == 0) & lacks(own, found)).then(pl.lit("renamed")),
            pl.when(fewer & empty).then(pl.lit("missing"))
            .when(fewer & merged).then(pl.lit("collapsed"))
            .when(fewer).then(pl.lit("changed"))
            .when(more & ~merged & ~pl.col("is_matched")).then(pl.lit("filled")),
        ),
    )  # fmt: skip


def _swapped(words: pl.Expr, table: dict[str, str]) -> pl.Expr:
    old, new = list(table), [word or None for word in table.values()]
    swapped = pl.element().replace_strict(old, new, default=None, return_dtype=pl.String)
    return words.list.eval(swapped).list.drop_nulls().list.unique(maintain_order=True)
