"""Does every field of every loaded history record say in the target what was loaded?

In: the tables of 04, the crosswalk and where each record was found. Out: what each record should look like in the target
(`expected`), HISTORY_DIFFERENCES and HISTORY_FIDELITY. Parents are `<kind>:<target id>`; instants count to the second,
which is what the target keeps. What the target does not tell (`untold`) is not compared, and counts as not compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from crmbook import tables
from crmbook.phases.narrow import Frame
from crmbook.phases.target_ids import TargetIds

F = TypeVar("F", pl.DataFrame, pl.LazyFrame)
NOWHERE: Final = "not in the target"
# the modules that share 04's table `documents`, and their rows of it
IN_DOCUMENTS: Final = {"documents": pl.col("kind") != "link", "document_links": pl.col("kind") == "link"}
_LOADED_PARENTS: Final = ("contact", "company", "deal", "lead")
_ACTUAL: Final = "actual:"


@dataclass(frozen=True)
class Module:
    """
    One kind of history record: its entity in the crosswalk, the fields to compare, and those in which only copies agree.

    `instant` is the field that tells when it happened; `untold` are fields the target may leave out of its answer.
    """

    entity: str
    fields: tuple[str, ...]
    alike: tuple[str, ...]
    instant: str = ""
    untold: tuple[str, ...] = ()


MODULES: Final = {
    "tasks": Module(
        "task",
        ("title", "due_date", "is_done", "description", "owner_id", "parent"),
        ("title", "due_date", "description", "parent"),
        "due_date",
    ),
    "appointments": Module(
        "appointment",
        ("title", "from_date", "end_date", "description", "time_zone", "attendees", "owner_id", "parent"),
        ("title", "from_date", "end_date", "parent"),
        "from_date",
        ("owner_id",),
    ),
    "sales_activities": Module(
        "sales_activity",
        ("activity_type", "title", "start_date", "end_date", "notes", "owner_id", "parent"),
        ("activity_type", "title", "start_date", "notes", "parent"),
        "start_date",
    ),
    "notes": Module("note", ("description", "parent"), ("description", "parent")),
    "lists": Module("list", ("name",), ("name",)),
    "documents": Module(
        "document",
        ("name", "size_bytes", "sha256", "parent"),
        ("name", "size_bytes", "parent"),
        untold=("sha256",),
    ),
    "document_links": Module("document_link", ("name", "url", "parent"), ("url", "parent")),
}


@dataclass(frozen=True)
class Comparison:
    """`differences` as HISTORY_DIFFERENCES, `fidelity` as HISTORY_FIDELITY."""

    differences: pl.DataFrame
    fidelity: pl.DataFrame


def expected(normalized: Mapping[str, F], crosswalk: pl.DataFrame, ids: TargetIds) -> dict[str, F]:
    """
    Per module `source_id` and the fields the target should show.

    *normalized* holds the tables of 04 by their names: tasks, appointments, sales_activities, notes, target_lists,
    documents. A parent that is not in the crosswalk is `NOWHERE`, which no record of the target has.
    """
    frames = {
        **{name: normalized[name] for name in ("tasks", "appointments", "sales_activities", "notes")},
        "lists": normalized["target_lists"],
        **{module: normalized["documents"].filter(is_mine) for module, is_mine in IN_DOCUMENTS.items()},
    }
    where = places(crosswalk).lazy()
    return {module: _expected(frames[module], shape, where, ids) for module, shape in MODULES.items()}


def actual(frames: Mapping[str, F]) -> dict[str, F]:
    """The frames `actual_*` of the history by module, each with `target_id` and the fields of `expected`."""
    documents = frames["actual_documents"]
    found = {name: frames[f"actual_{name}"] for name in MODULES if not name.startswith("document")}
    found |= {f"{kind}s": documents.filter(pl.col("kind") == kind) for kind in ("document", "document_link")}
    return {module: found[module].select("target_id", *shape.fields) for module, shape in MODULES.items()}


def compare(
    *, expected: Mapping[str, Frame], actual: Mapping[str, Frame], classes: pl.DataFrame
) -> Comparison:
    """What the target says otherwise, per module, record and field, of the records *classes* found in it."""
    differences, fidelity = [tables.HISTORY_DIFFERENCES.empty()], []
    for module, shape in MODULES.items():
        places = classes.filter((pl.col("module") == module) & pl.col("target_id").is_not_null())
        wanted, there = expected[module].lazy().collect(), actual[module].lazy().collect()
        # Only the keys are joined, and fields put side by side one after the other: the texts of a large account are long.
        pairs = (
            wanted.select("source_id")
            .with_row_index("ours")
            .join(places.select("source_id", "target_id"), on="source_id")
            .join(there.select("target_id").with_row_index("theirs"), on="target_id")
        )
        for field in shape.fields:
            both = pairs.select("source_id", "target_id").with_columns(
                wanted[field].gather(pairs["ours"]),
                there[field].gather(pairs["theirs"]).alias(_ACTUAL + field),
            )
            told = both.filter(_is_told(field, is_optional=field in shape.untold))
            wrong = told.filter(_plain(field).ne_missing(_plain(_ACTUAL + field)))
            differences.append(_rows(module, field, wrong))
            fidelity.append((module, field, told.height, told.height - wrong.height, wrong.height, 0))
    counted = pl.DataFrame(fidelity, schema=tables.HISTORY_FIDELITY.columns, orient="row")
    return Comparison(
        tables.conform(pl.concat(differences), tables.HISTORY_DIFFERENCES),
        tables.conform(counted, tables.HISTORY_FIDELITY),
    )


def _expected(rows: F, shape: Module, where: pl.LazyFrame, ids: TargetIds) -> F:
    schema = rows.lazy().collect_schema()
    made = rows.lazy().with_columns(
        pl.col(name).dt.truncate("1s") for name, dtype in schema.items() if dtype == tables.TIME
    )
    if "end_date" in shape.fields:
        # What has no end ends when it began, and a meeting without a zone is in UTC: the target wants both.
        made = made.with_columns(end_date=pl.coalesce("end_date", shape.instant))
    if "time_zone" in shape.fields:
        made = made.with_columns(pl.col("time_zone").fill_null("UTC"))
    if "owner_id" in shape.fields:
        made = made.with_columns(owner_id=ids.owner_id(pl.col("owner_agent_id")))
    if "attendees" in shape.fields:
        made = made.with_columns(attendees=pl.lit(0, pl.Int64))
    if "parent" in shape.fields:
        made = made.join(
            where, on=["parent_kind", "parent_id"], how="left", maintain_order="left"
        ).with_columns(pl.col("parent").fill_null(NOWHERE))
    told = made.select("source_id", *shape.fields)
    return told.collect() if isinstance(rows, pl.DataFrame) else told


def places(crosswalk: pl.DataFrame) -> pl.DataFrame:
    """parent_kind, parent_id -> `parent` as the target shows it, and whether the load `is_created` it."""
    found = crosswalk.filter(pl.col("entity").is_in(_LOADED_PARENTS))
    # A contact that went to the leads of Classic stands in the crosswalk as a lead.
    own = pl.when(pl.col("entity") == "lead").then(pl.lit("contact")).otherwise("entity")
    return found.select(
        parent_kind=own,
        parent_id="source_id",
        parent=pl.format("{}:{}", "entity", "target_id"),
        is_created=pl.col("origin") == "created",
    ).unique(["parent_kind", "parent_id"], keep="first", maintain_order=True)


def _is_told(field: str, *, is_optional: bool) -> pl.Expr:
    there = _plain(_ACTUAL + field).is_not_null()
    return there if is_optional else there | _plain(field).is_not_null()


def _plain(field: str) -> pl.Expr:
    """The field with empty text as null: the target shows both as nothing."""
    return pl.when(pl.col(field).cast(pl.String) != "").then(pl.col(field))


def _rows(module: str, field: str, wrong: pl.DataFrame) -> pl.DataFrame:
    left, right = _plain(field), _plain(_ACTUAL + field)
    kind = pl.when(right.is_null()).then(pl.lit("missing")).when(left.is_null()).then(pl.lit("extra"))
    return wrong.select(
        "source_id",
        "target_id",
        module=pl.lit(module),
        field=pl.lit(field),
        kind=kind.otherwise(pl.lit("changed")),
        expected=_text(left, wrong.schema[field]),
        actual=_text(right, wrong.schema[_ACTUAL + field]),
    ).select(list(tables.HISTORY_DIFFERENCES.columns))


def _text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    is_time = isinstance(dtype, pl.Datetime)
    return value.dt.strftime("%Y-%m-%dT%H:%M:%SZ") if is_time else value.cast(pl.String)
