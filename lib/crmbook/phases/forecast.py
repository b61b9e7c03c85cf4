"""How many calls does the plan take, and how long at each plan's hourly quota?

In: the plan, the way each entity goes out, and what the target holds. Out: calls per entity, and after the load
how far they were off. Counted is what the load does when nothing goes wrong: each write, what is read before a
change, the questions for a job's end, and the reading back. Pure arithmetic over the same waves the load cuts.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases import strategies
from crmbook.phases.edition import MODULES
from crmbook.phases.narrow import Frame
from crmbook.phases.strategies import A_CALL, FEW, LINKS, THEN_LINKS, Way

GUARDS: Final = "guards"
TOTAL: Final = "total"
# Two questions for the end of a lone job; several are given the time their predecessors took, and need one.
_ASKED_ALONE: Final = 2
_ASKED_AMONG: Final = 1
_LEARNING: Final = 4  # the first wave of several finds out how long that is
_PEOPLE: Final = ("contact", "lead")
_UNTOUCHED: Final = (
    "document",
    "document_link",
)  # nothing public changes one: a matched one is only looked at


def forecast(
    planned: Frame,
    limits_by_plan: Mapping[str, int],
    *,
    chosen: Mapping[str, Way],
    existing: pl.DataFrame,
    guard_calls: int = 0,
) -> pl.DataFrame:
    """
    Calls and hours at each plan's hourly quota; FORECAST, with the rows `guards` and `total` per plan.

    *chosen* are the ways by entity, *existing* (EXISTING) what the target held when the plan was made; *guard_calls*
    are spent on watching over the load.
    """
    by_entity = calls(planned, chosen, existing) | {GUARDS: guard_calls}
    by_entity |= {TOTAL: sum(by_entity.values())}
    counted = pl.DataFrame(
        {"entity": list(by_entity), "calls": list(by_entity.values())},
        schema={"entity": pl.String, "calls": pl.Int64},
    )
    limits = pl.DataFrame(
        {"plan": list(limits_by_plan), "requests_per_hour": list(limits_by_plan.values())},
        schema={"plan": pl.String, "requests_per_hour": pl.Int64},
    )
    made = counted.join(limits, how="cross").with_columns(hours=pl.col("calls") / pl.col("requests_per_hour"))
    return tables.conform(made.select(list(tables.FORECAST.columns)), tables.FORECAST)


def calls(planned: Frame, chosen: Mapping[str, Way], existing: pl.DataFrame) -> dict[str, int]:
    """Calls by entity of the plan."""
    marked = planned.lazy().select("seq", "entity", "action", is_linked=_is_linked()).collect()
    learning, found = _LEARNING, {}
    for (entity,), ops in marked.sort("seq").group_by("entity", maintain_order=True):
        name, way = str(entity), chosen.get(str(entity))
        if way is None or not way.is_bulk:
            found[name] = _one_by_one(ops)
            continue
        held = existing.filter(pl.col("module") == MODULES[name]).height
        found[name], several = _in_bulk(ops, way, held)
        if several:
            found[name] += learning
            learning = 0
    return found


def looks(planned: pl.DataFrame, chosen: Mapping[str, Way], *, first: int, every: int) -> tuple[int, int]:
    """
    How many people are created, and how often the load pauses to look after them: after *first*, then when
    *every* more are there. A wave of bulk calls is not broken off for it.
    """
    people = planned.filter(pl.col("entity").is_in(_PEOPLE) & (pl.col("action") == "create")).sort("seq")
    count = pauses = 0
    due = first
    for (entity,), ops in people.group_by("entity", maintain_order=True):
        way = chosen.get(str(entity))
        is_bulk = way is not None and way.is_bulk
        kind = strategies.stage(str(entity), "create")
        for rows in strategies.waves(ops.height, way, kind) if way and is_bulk else [1] * ops.height:
            count += rows
            if count >= due:
                due, pauses = count + every, pauses + 1
    return count, pauses


def error(forecasted: pl.DataFrame, used: Mapping[str, int]) -> pl.DataFrame:
    """FORECAST_ERROR: *forecasted* (FORECAST) beside the calls *used* by entity, with their total."""
    expected = dict(forecasted.unique("entity").select("entity", "calls").iter_rows())
    spent = {entity: used.get(entity, 0) for entity in expected.keys() | used.keys() if entity != TOTAL}
    spent[TOTAL] = sum(spent.values())
    rows = [
        {"entity": entity, "forecast": expected.get(entity, 0), "used": calls}
        for entity, calls in spent.items()
    ]
    frame = pl.DataFrame(rows, schema_overrides={"forecast": pl.Int64, "used": pl.Int64})
    off = (pl.col("used") - pl.col("forecast")) / pl.col("forecast")
    return tables.conform(
        frame.with_columns(error=pl.when(pl.col("forecast") > 0).then(off.round(4))), tables.FORECAST_ERROR
    )


def numbers(errors: pl.DataFrame) -> dict[str, int]:
    """The two totals of FORECAST_ERROR, for a summary."""
    total = errors.row(by_predicate=pl.col("entity") == TOTAL, named=True)
    return {"calls_forecast": total["forecast"], "calls_used": total["used"]}


def _one_by_one(ops: pl.DataFrame) -> int:
    """A record is read before it is changed; up to a hundred members of a list are one call."""
    read_first = (ops["action"] == "update").sum() if ops["entity"][0] not in _UNTOUCHED else 0
    return ops.height + int(read_first)


def _in_bulk(ops: pl.DataFrame, way: Way, held: int) -> tuple[int, bool]:
    """Calls of one entity's stages, and whether a wave of several jobs is among them."""
    total, several, posts = 0, False, 0
    for stage in _stages(ops):
        kind = strategies.stage(stage["entity"][0], stage["action"][0])
        start, updates = 0, stage.filter(pl.col("action") == "update").height
        for rows in strategies.waves(stage.height, way, kind):
            wave = stage.slice(start, rows)
            start += rows
            if rows <= FEW:
                total += _one_by_one(wave)
                updates -= wave.filter(pl.col("action") == "update").height
                continue
            batches = -(-rows // A_CALL)
            several |= batches > 1
            posts += batches
            total += 2 * batches + (_ASKED_ALONE if batches == 1 else _ASKED_AMONG)
            total += int(wave["is_linked"].sum()) if way.strategy == THEN_LINKS else 0
        total += min(-(-held // A_CALL), updates + 1) if updates else 0
    # The view with all records is looked up once.
    return total + bool(posts), several


def _stages(ops: pl.DataFrame) -> list[pl.DataFrame]:
    kind = pl.when(pl.col("action").is_in(["create", "update"])).then(pl.lit("primary")).otherwise("action")
    return ops.with_columns(_kind=kind).partition_by("_kind", maintain_order=True)


def _is_linked() -> pl.Expr:
    """Whether a write carries links that bulk may drop; quotes inside a value are escaped in JSON, keys' are not."""
    tests = [
        (pl.col("entity") == entity) & pl.col("payload").str.contains(f'"{key}":', literal=True)
        for entity, keys in LINKS.items()
        for key in keys
    ]
    return pl.any_horizontal(tests)
