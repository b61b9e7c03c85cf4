"""Does the target hold every task, meeting, activity, note, list, membership and file once, and nothing else?

In: what each record should look like, the records as the target tells them (both of `compare_history`), and the crosswalk.
Out: HISTORY_CLASSES, HISTORY_TARGET_ONLY, MEMBER_CLASSES, their balance, and the chain back to the source. These records
carry no mark of ours: the crosswalk is where one is, its content is how a copy is told. Each is in exactly one class.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.compare_history import MODULES, Module, places
from crmbook.phases.narrow import Frame, only

LOCATED: Final = ("loaded", "duplicated")
MEMBERS: Final = "list_members"
KEPT: Final = "kept_by_target"
_RANK: Final = "rank"


def classes(
    *,
    expected: Mapping[str, Frame],
    actual: Mapping[str, Frame],
    crosswalk: pl.DataFrame,
    refused: pl.DataFrame,
    created: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    Every row of *expected* in one class, and the target's records that are not the place of one.

    HISTORY_CLASSES and HISTORY_TARGET_ONLY. A record the crosswalk lost sight of that stands in the target all the same,
    by its whole content, is loaded and says so; a further one like it is a copy and makes the record `duplicated`.
    *refused* (entity, source_id) are records the target refused; *created* is the crosswalk of what this run itself made,
    where that is not all of it.
    """
    found, strange = [tables.HISTORY_CLASSES.empty()], [tables.HISTORY_TARGET_ONLY.empty()]
    loaded = places(crosswalk if created is None else created).filter("is_created").select("parent").unique()
    for module, shape in MODULES.items():
        written = _of(crosswalk, shape.entity).select("source_id", "target_id")
        wanted, shown = (
            side[module].lazy().select(key, *shape.alike)
            for side, key in ((expected, "source_id"), (actual, "target_id"))
        )
        there, lost, strangers = _placed(wanted, shown, written)
        recovered = _paired(lost, strangers, shape.alike)
        strangers = strangers.join(recovered, on="target_id", how="anti")
        copies = _copies(strangers, wanted, shape.alike)
        lost = lost.join(recovered, on="source_id", how="anti")
        found += [
            _located(module, there, copies, ""),
            _located(module, recovered, copies, "found by its content"),
            _lost(module, lost, written, _of(refused, shape.entity)),
        ]
        strange.append(_strange(module, shape, strangers, copies, loaded))
    return (
        tables.conform(pl.concat(found), tables.HISTORY_CLASSES),
        tables.conform(pl.concat(strange), tables.HISTORY_TARGET_ONLY),
    )


def member_classes(
    *, members: pl.DataFrame, actual_members: pl.DataFrame, classes: pl.DataFrame, crosswalk: pl.DataFrame
) -> pl.DataFrame:
    """Every membership of 04 in one class, and those of the loaded lists nobody asked for; MEMBER_CLASSES."""
    is_list = (pl.col("module") == "lists") & pl.col("class").is_in(LOCATED)
    lists = classes.filter(is_list).select(list_key="source_id", list_id="target_id")
    people = crosswalk.filter(pl.col("entity") == "contact").select(
        contact_id="source_id", contact_target="target_id"
    )
    wanted = members.join(lists, on="list_key", how="left").join(people, on="contact_id", how="left")
    there = actual_members.rename({"contact_id": "contact_target"})
    pair = ["list_id", "contact_target"]
    judged = wanted.join(there.with_columns(is_there=True), on=pair, how="left")
    reason = (
        pl.when(pl.col("is_there")).then(pl.lit(""))
        .when(pl.col("list_id").is_null()).then(pl.lit("its list is not in the target"))
        .when(pl.col("contact_target").is_null()).then(pl.lit("its contact is not in the target"))
        .otherwise(pl.lit("not in the list in the target"))
    )  # fmt: skip
    verdict = pl.when(pl.col("is_there")).then(pl.lit("found")).otherwise(pl.lit("missing"))
    kept = judged.select("list_key", "contact_id", verdict.alias("class"), reason.alias("reason"))
    beyond = there.join(wanted.select(pair).drop_nulls(), on=pair, how="anti").join(lists, on="list_id")
    named = beyond.join(people.unique("contact_target", keep="first"), on="contact_target", how="left")
    extra = named.select(
        "list_key",
        contact_id=pl.coalesce("contact_id", pl.format("target:{}", "contact_target")),
        **{"class": pl.lit("extra")},
        reason=pl.lit("in the list in the target only"),
    )
    return tables.conform(pl.concat([tables.MEMBER_CLASSES.empty(), kept, extra]), tables.MEMBER_CLASSES)


def class_balance(
    *,
    classes: pl.DataFrame,
    target_only: pl.DataFrame,
    members: pl.DataFrame,
    differences: pl.DataFrame,
    normalized: Mapping[str, int],
) -> pl.DataFrame:
    """
    The rows of 04 beside the sum of their classes, per module; HISTORY_CLASS_BALANCE.

    *normalized* is counted from 04's tables: module, and `list_members`, to rows. A copy is counted as unexpected too.
    """
    rows = []
    for module in MODULES:
        mine = dict(_in(classes, module).group_by("class").len().iter_rows())
        strange = _in(target_only, module).filter(pl.col("class") != "foreign").height
        different = _in(differences, module)["source_id"].n_unique()
        rows.append(_counted(module, normalized[module], mine, strange, different))
    joined = dict(members.group_by("class").len().iter_rows())
    extra = joined.pop("extra", 0)
    mine = joined | {"loaded": joined.get("found", 0)}
    rows.append(_counted(MEMBERS, normalized[MEMBERS], mine, extra, 0))
    made = pl.DataFrame(rows, schema=tables.HISTORY_CLASS_BALANCE.columns)
    return tables.conform(made, tables.HISTORY_CLASS_BALANCE)


def chain(*, standing: pl.DataFrame, extracted: Mapping[str, int]) -> pl.DataFrame:
    """
    The rows of the source beside what became of them in the target, per kind of history; HISTORY_CHAIN.

    *extracted* is counted from the source tables, entity to rows. `lost` rows were carried by a record that is not there.
    """
    fates = {(of, fate): rows for of, fate, rows in standing.group_by("entity", "fate").len().iter_rows()}
    rows = []
    for entity, number in sorted(extracted.items()):
        told = {name: fates.get((entity, name), 0) for name in ("found", "rejected", "skipped", "lost", KEPT)}
        rows.append(
            {"entity": entity, "extracted": number, **told, "unaccounted": number - sum(told.values())}
        )
    made = pl.DataFrame(rows, schema=tables.HISTORY_CHAIN.columns)
    return tables.conform(made, tables.HISTORY_CHAIN)


def standing(carried: pl.DataFrame, classes: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """*carried* with `target_id` of the carrier and the row's `fate`: found, lost, rejected, skipped, kept_by_target."""
    is_kept = pl.col("class") == KEPT
    found = pl.when(is_kept).then(pl.lit(KEPT)).otherwise(pl.lit("found"))
    records = classes.filter(pl.col("class").is_in(LOCATED) | is_kept).select(
        carrier_module="module", carrier_id="source_id", target_id="target_id", there=found
    )
    joined = members.filter((pl.col("class") == "found") | is_kept).select(
        carrier_module=pl.lit(MEMBERS),
        carrier_id=pl.format("{}:{}", "list_key", "contact_id"),
        target_id=pl.lit(None, pl.Int64),
        there=found,
    )
    known = pl.concat([records, joined])
    # 04 keeps files and links in one table.
    known = known.with_columns(pl.col("carrier_module").replace("document_links", "documents"))
    both = carried.join(known, on=["carrier_module", "carrier_id"], how="left")
    fate = (
        pl.when(pl.col("state") != "carried").then("state")
        .otherwise(pl.col("there").fill_null("lost"))
    )  # fmt: skip
    return both.with_columns(fate=fate).drop("there")


def _of(frame: pl.DataFrame, entity: str) -> pl.DataFrame:
    return frame.filter(pl.col("entity") == entity)


def _in(frame: pl.DataFrame, module: str) -> pl.DataFrame:
    return frame.filter(pl.col("module") == module)


def _counted(
    module: str, normalized: int, counts: Mapping[str, int], unexpected: int, different: int
) -> dict[str, object]:
    told = {name: counts.get(name, 0) for name in ("loaded", "missing", "duplicated", "rejected", KEPT)}
    return {
        "module": module, "normalized": normalized, **told, "unexpected": unexpected, "different": different,
        "unaccounted": normalized - sum(told.values()),
    }  # fmt: skip


def _placed(
    wanted: pl.LazyFrame, actual: pl.LazyFrame, written: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """source_id and target_id of what stands where the crosswalk says; the rest of *wanted*; the rest of *actual*."""
    known = only(wanted, "source_id").join(written, on="source_id").join(
        only(actual, "target_id"), on="target_id", how="semi"
    )  # fmt: skip
    # One target record stands for one source record: a second claim on it is a loss.
    there = known.sort("source_id").unique("target_id", keep="first", maintain_order=True)
    return there, _besides(wanted, there, "source_id"), _besides(actual, there, "target_id")


def _besides(frame: pl.LazyFrame, there: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows of *frame* that are not *there*. Mostly none is left, and what their like holds need not be read."""
    left = only(frame, key).join(there, on=key, how="anti")
    if left.is_empty():
        return pl.DataFrame(schema=frame.collect_schema())
    return frame.join(left.lazy(), on=key, how="semi", maintain_order="left").collect()


def _paired(lost: pl.DataFrame, strangers: pl.DataFrame, alike: tuple[str, ...]) -> pl.DataFrame:
    """source_id and target_id of lost records and strangers of the same content, one to one."""
    number = pl.int_range(pl.len()).over(alike).alias(_RANK)
    left = lost.sort("source_id").select("source_id", *alike, number)
    right = strangers.sort("target_id").select("target_id", *alike, number)
    both = left.join(right, on=[*alike, _RANK], nulls_equal=True)
    return both.select("source_id", "target_id")


def _copies(strangers: pl.DataFrame, wanted: pl.LazyFrame, alike: tuple[str, ...]) -> pl.DataFrame:
    """target_id of strangers and the first source_id of the same content."""
    if strangers.is_empty():
        return strangers.select("target_id", pl.lit("").alias("source_id"))
    same = wanted.join(strangers.lazy(), on=list(alike), how="semi", nulls_equal=True).collect()
    first = same.sort("source_id").unique(list(alike), keep="first", maintain_order=True)
    both = strangers.join(first.select("source_id", *alike), on=list(alike), nulls_equal=True)
    return both.select("target_id", "source_id")


def _located(module: str, there: pl.DataFrame, copies: pl.DataFrame, reason: str) -> pl.DataFrame:
    doubled = pl.col("source_id").is_in(copies["source_id"].implode())
    return there.select(
        "source_id",
        "target_id",
        module=pl.lit(module),
        reason=pl.when(doubled).then(pl.lit("in several target records")).otherwise(pl.lit(reason)),
        **{"class": pl.when(doubled).then(pl.lit("duplicated")).otherwise(pl.lit("loaded"))},
    ).select(list(tables.HISTORY_CLASSES.columns))


def _lost(module: str, lost: pl.DataFrame, written: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    is_refused = pl.col("source_id").is_in(refused["source_id"].implode())
    is_written = pl.col("source_id").is_in(written["source_id"].implode())
    reason = (
        pl.when(is_refused).then(pl.lit("refused by the target"))
        .when(is_written).then(pl.lit("gone from the target"))
        .otherwise(pl.lit("never written"))
    )  # fmt: skip
    return lost.select(
        "source_id",
        target_id=pl.lit(None, pl.Int64),
        module=pl.lit(module),
        reason=reason,
        **{"class": pl.when(is_refused).then(pl.lit("rejected")).otherwise(pl.lit("missing"))},
    ).select(list(tables.HISTORY_CLASSES.columns))


def _strange(
    module: str, shape: Module, strangers: pl.DataFrame, copies: pl.DataFrame, loaded: pl.DataFrame
) -> pl.DataFrame:
    """A stranger on a record the load made can only come from afterwards; on others it may be the tenant's own."""
    if "parent" in shape.fields:
        parts = strangers.select("target_id", parent=pl.col("parent").str.split(" ")).explode("parent")
        ours = parts.join(loaded, on="parent", how="semi").select("target_id").unique()
    else:
        ours = strangers.select("target_id").clear()
    is_ours = pl.col("target_id").is_in(ours["target_id"].implode())
    named = strangers.select("target_id").join(copies, on="target_id", how="left")
    verdict = (
        pl.when(pl.col("source_id").is_not_null()).then(pl.lit("copy"))
        .when(is_ours).then(pl.lit("unexpected")).otherwise(pl.lit("foreign"))
    )  # fmt: skip
    return named.select("target_id", "source_id", module=pl.lit(module), **{"class": verdict}).select(
        list(tables.HISTORY_TARGET_ONLY.columns)
    )
