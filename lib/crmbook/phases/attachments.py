"""Files and links as documents of the records they belong to.

In: the files of the customer's folder, and URL properties that the mapping sends to `document_links`. Out:
documents on the surviving record, and an account of every file and link. What the target can't take is
rejected with the reason, never attached to something else.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import parse, tables
from crmbook.phases import parents
from crmbook.phases.narrow import Frame

LINKS: Final = "document_links"
LARGEST_BYTES: Final = 150 * 1024 * 1024  # vendor docs
FILE, LINK = "file", "link"
_ENTITIES: Final = ("contact", "company", "deal")


def documents(
    files: pl.DataFrame, sources: Mapping[str, Frame], mapping: pl.DataFrame, fates: parents.Fates
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The documents to attach (`tables.DOCUMENTS`), and what becomes of every file and link (`tables.CARRIED`)."""
    fate = pl.concat(
        [fates[entity].lazy().with_columns(entity=pl.lit(entity)) for entity in _ENTITIES]
    ).select("entity", "source_id", "kept_id", why="reason")
    rows = (
        pl.concat([_files(files), *(_links(sources[e].lazy(), mapping, e) for e in _ENTITIES)])
        .join(fate, on=["entity", "source_id"], how="left", maintain_order="left")
        .with_columns(reason=_reason())
        .collect()
    )
    there = rows.filter(pl.col("reason") == "")
    made = there.select(
        "kind",
        "name",
        "path",
        "url",
        "size_bytes",
        "sha256",
        source_id="document_id",
        parent_kind="entity",
        parent_id="kept_id",
    )
    is_there = pl.col("reason") == ""
    account = rows.lazy().select(
        entity="kind",
        source_id=pl.col("document_id").str.replace("^[^:]*:", ""),
        carrier_module=pl.when(is_there).then(pl.lit("documents")),
        carrier_id=pl.when(is_there).then("document_id"),
        state=pl.when(is_there).then(pl.lit("carried")).otherwise(pl.lit("rejected")),
        reason="reason",
    )
    return tables.conform(made.select(list(tables.DOCUMENTS.columns)), tables.DOCUMENTS), parents.carried(
        [account]
    )


def _files(files: pl.DataFrame) -> pl.LazyFrame:
    return files.lazy().select(
        "entity",
        "source_id",
        kind=pl.lit(FILE),
        document_id=pl.concat_str(pl.lit(FILE), "entity", "source_id", "name", separator=":"),
        name="name",
        path="path",
        url=pl.lit(None, dtype=pl.String),
        size_bytes="size_bytes",
        sha256="sha256",
    )


def _links(source: pl.LazyFrame, mapping: pl.DataFrame, entity: str) -> pl.LazyFrame:
    marked = mapping.filter(
        pl.col("entity") == entity, pl.col("target_field") == LINKS, pl.col("decision") != "skip"
    )["source_field"]
    nothing, there = pl.lit(None, dtype=pl.String), source.collect_schema()
    parts = [
        source.filter(parse.trimmed(pl.col(field)).is_not_null()).select(
            entity=pl.lit(entity),
            source_id="source_id",
            kind=pl.lit(LINK),
            document_id=pl.concat_str(
                pl.lit(LINK), pl.lit(entity), "source_id", pl.lit(field), separator=":"
            ),
            name=pl.lit(field.removeprefix("p_").replace("_", " ")),
            path=nothing,
            url=pl.when(parse.is_url(pl.col(field))).then(parse.url(pl.col(field))),
            size_bytes=pl.lit(None, dtype=pl.Int64),
            sha256=nothing,
        )
        for field in marked
        if field in there
    ]
    return pl.concat([_files(tables.SOURCE_FILES.empty()), *parts])


def _reason() -> pl.Expr:
    return pl.coalesce(
        pl.when(pl.col("size_bytes") > LARGEST_BYTES).then(pl.lit("file_over_150_mb")),
        pl.when((pl.col("kind") == FILE) & (pl.col("size_bytes") == 0)).then(pl.lit("file_empty")),
        pl.when((pl.col("kind") == LINK) & pl.col("url").is_null()).then(pl.lit("url_invalid")),
        pl.when(pl.col("kept_id").is_null()).then(
            pl.coalesce("why", pl.format("{} not in the source", "entity"))
        ),
        pl.lit(""),
    )
