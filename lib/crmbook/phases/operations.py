"""Planned writes, and how the writes of a plan are numbered and wait for one another.

A part of a plan (PART) is a frame of writes of one kind. A write that refers to other records names them in `needs` as
`<entity>:<source_id>`; numbering turns that into the writes it has to come after. Invariant: what a write comes after
stands before it in the plan.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.errors import SchemaError
from crmbook.phases.narrow import Frame
from crmbook.phases.payloads import canonical, digest

PRIMARY: Final = ("create", "update")
PART: Final = {name: dtype for name, dtype in tables.PLAN.columns.items() if name not in ("seq", "after")} | {
    "needs": tables.TEXTS
}
_REF: Final = pl.concat_str("entity", pl.lit(":"), "source_id")
NOTHING: Final = pl.lit([], dtype=tables.TEXTS)

Op = dict[str, Any]


def op(
    entity: str,
    action: str,
    source_id: str,
    body: Mapping[str, Any],
    *,
    target_id: int | None = None,
    needs: Iterable[str] = (),
    part: int | None = None,
) -> Op:
    """
    One write; *needs* are the records it refers to, *part* tells several writes of one record apart.

    Whatever is done to a record after its first write needs that write.
    """
    payload = canonical(body)
    wanted = set(needs) if action in PRIMARY else {*needs, f"{entity}:{source_id}"}
    return {
        "op_id": f"{entity}:{action}:{source_id}" + (f":{part}" if part else ""),
        "entity": entity,
        "action": action,
        "source_id": source_id,
        "target_id": target_id,
        "payload": payload,
        "payload_sha256": digest(payload),
        "needs": sorted(wanted),
    }


def primary(
    entity: str,
    source_id: str,
    found: Mapping[str, int],
    body: Mapping[str, Any],
    *,
    needs: Iterable[str] = (),
) -> Op:
    """The write that creates a record, or updates the one *found* holds for it."""
    target_id = found.get(source_id)
    action = "create" if target_id is None else "update"
    return op(entity, action, source_id, body, target_id=target_id, needs=needs)


def few(ops: Iterable[Op]) -> pl.DataFrame:
    """PART of writes made one by one."""
    return pl.DataFrame(list(ops), schema=PART)


def primaries(
    entity: str, rows: pl.DataFrame, found: Mapping[str, int], payloads: pl.Series, needs: pl.Expr = NOTHING
) -> pl.DataFrame:
    """PART of the writes that create *rows* (`source_id`) or update what *found* holds; *needs* is evaluated on *rows*."""
    target_id = pl.col("source_id").replace_strict(
        list(found), list(found.values()), default=None, return_dtype=pl.Int64
    )
    made = rows.select(
        "source_id",
        target_id=target_id if found else pl.lit(None, dtype=pl.Int64),
        needs=needs,
    )
    action = pl.when(pl.col("target_id").is_null()).then(pl.lit("create")).otherwise(pl.lit("update"))
    return _part(made.with_columns(action=action), entity, payloads)


def changes(entity: str, action: str, rows: pl.DataFrame, payloads: pl.Series) -> pl.DataFrame:
    """PART of what is done to *rows* (`source_id`) after their first writes."""
    made = rows.select(
        "source_id",
        action=pl.lit(action),
        target_id=pl.lit(None, dtype=pl.Int64),
        needs=pl.concat_list(pl.lit(f"{entity}:") + pl.col("source_id")),
    )
    return _part(made, entity, payloads)


def named(entity: str, ids: pl.Expr) -> pl.Expr:
    """A list of source ids as records that are needed."""
    return ids.list.eval(pl.lit(f"{entity}:") + pl.element()).fill_null(NOTHING)


def numbered(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """
    *parts* in their order as PLAN, by `seq`; a contact's lifecycle stage also waits for its deals.

    Where the parts come without their payloads, so does the plan: a large one is numbered while those lie on disk.
    """
    ops = pl.concat(list(parts)).with_row_index("seq", offset=1)
    needed = ops.select("seq", ref="needs").explode("ref", empty_as_null=False, keep_nulls=False).unique()
    updated = ops.filter(pl.col("action") == "update").select(_REF).to_series()
    firsts = needed.select("seq", op_id=_first(pl.col("ref"), updated)).sort("seq", "op_id")
    waits = pl.concat([firsts, _deals_first(ops, needed)])
    after = waits.group_by("seq").agg(after="op_id")
    made = ops.drop("needs").join(after, on="seq", how="left", maintain_order="left")
    made = made.with_columns(pl.col("after").fill_null(NOTHING))
    columns = {name: dtype for name, dtype in tables.PLAN.columns.items() if name in made.columns}
    return made.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def is_in_order(planned: Frame) -> bool:
    """Whether the writes of the plan stand as they go out."""
    return bool(planned.lazy().select((pl.col("seq").diff() > 0).all()).collect().item())


def require_unique(planned: pl.DataFrame) -> None:
    """Raises SchemaError where two writes of the plan have one name: the second would never be carried out."""
    if repeats := planned.height - planned["op_id"].n_unique():
        raise SchemaError(f"plan: op_id has {repeats} repeats; run 04_normalization again")


def _deals_first(ops: pl.DataFrame, needed: pl.DataFrame) -> pl.DataFrame:
    """Per lifecycle stage (`seq`) the `op_id` of each deal of its contact, in their order."""
    deals = ops.filter(pl.col("entity") == "deal").select("seq", "op_id")
    of_contact = needed.join(deals, on="seq").sort("seq").select("ref", "op_id")
    waiting = ops.filter(pl.col("action") == "lifecycle").select("seq", ref=_REF)
    return waiting.join(of_contact, on="ref", maintain_order="left_right").select("seq", "op_id")


def _first(ref: pl.Expr, updated: pl.Series) -> pl.Expr:
    """The op id of the first write of a record that is named `<entity>:<source_id>`."""
    made = ref.str.replace(":", ":create:", literal=True)
    if updated.is_empty():
        return made
    changed = ref.str.replace(":", ":update:", literal=True)
    return pl.when(ref.is_in(updated.implode())).then(changed).otherwise(made)


def _part(made: pl.DataFrame, entity: str, payloads: pl.Series) -> pl.DataFrame:
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in payloads]
    return made.with_columns(
        op_id=pl.concat_str(pl.lit(f"{entity}:"), "action", pl.lit(":"), "source_id"),
        entity=pl.lit(entity),
        payload=payloads,
        payload_sha256=pl.Series(digests, dtype=pl.String),
    ).select(list(PART))
