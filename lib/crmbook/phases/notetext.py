"""Long text as notes: escaped, in order, in numbered parts, nothing cut.

In: blocks of text in HTML, each with the note it belongs to and its place there. Out: notes of at most
NOTE_LIMIT characters whose lines are divided by `<br>`; the first line is the note's head with the source id,
numbered `(1/3)` where there are several. How much a note takes is not published: the limit is the vendor's for
text areas, which is also below 65,535 bytes whatever the script.
"""

from typing import Final, NamedTuple

import polars as pl

from crmbook import tables

NOTE_LIMIT: Final = 10_000
LINE: Final = "<br>"
INSTANT: Final = "%Y-%m-%d %H:%M:%S UTC"
EXACT_INSTANT: Final = "%Y-%m-%d %H:%M:%S%.6f UTC"
HEAD_LIMIT: Final = 600
BLOCKS: Final = {
    "key": pl.String, "parent_kind": pl.String, "parent_id": pl.String, "head": pl.String, "position": pl.Int64,
    "html": pl.String,
}  # fmt: skip
PLACES: Final = {"key": pl.String, "position": pl.Int64, "note_id": pl.String}

# A piece is at most 400 characters of text, each up to 6 once escaped; it ends after a blank where there is one.
_PIECE: Final = 2_400
_CHARACTER: Final = r"(?:&(?:amp|lt|gt|quot);|</?br?>|[^&<])"
_PIECES: Final = rf"(?s){_CHARACTER}{{1,399}}(?:\s|\z)|{_CHARACTER}{{1,400}}"
_NUMBER_ROOM: Final = 30


class Noted(NamedTuple):
    """`notes` as `tables.NOTES`; `places` tells the note each block begins in (`key`, `position`, `note_id`)."""

    notes: pl.DataFrame
    places: pl.DataFrame


def escaped(text: pl.Expr) -> pl.Expr:
    """*text* as HTML that shows exactly it: markup escaped, line ends as `<br>`; null stays null."""
    plain = text.str.replace_all("&", "&amp;", literal=True)
    for character, entity in (("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        plain = plain.str.replace_all(character, entity, literal=True)
    return plain.str.replace_all(r"\r\n|\r|\n", LINE)


def instant(at: pl.Expr) -> pl.Expr:
    """*at* as a person reads it, in UTC, with a fraction only where it has one."""
    is_whole = at.dt.microsecond() == 0
    return pl.when(is_whole).then(at.dt.strftime(INSTANT)).otherwise(at.dt.strftime(EXACT_INSTANT))


def pack(blocks: pl.LazyFrame) -> Noted:
    """
    The notes that *blocks* make, each `<key>:<part>` by its id.

    *blocks* has the columns of BLOCKS, one row per (key, position); `head` is plain text of at most HEAD_LIMIT
    characters, the same for all blocks of a key, `html` is never null.
    """
    pieces = _pieces(blocks.with_columns(escaped(pl.col("head")))).collect()
    room = NOTE_LIMIT - pl.col("head").str.len_chars() - _NUMBER_ROOM - _PIECE
    # A piece is shorter than the room, so no part is left out.
    parted = pieces.lazy().with_columns(part=pl.col("start") // room + 1)
    note_id = pl.concat_str("key", pl.lit(":"), pl.col("part").cast(pl.String))
    joined = (
        parted.group_by("key", "part", maintain_order=True)
        .agg(pl.col("parent_kind", "parent_id", "head").first(), text=pl.col("piece").str.join(""))
        .with_columns(parts=pl.len().over("key"))
    )
    number = pl.format(" ({}/{})", "part", "parts")
    head = pl.concat_str("head", pl.when(pl.col("parts") > 1).then(number).otherwise(pl.lit("")))
    notes = joined.select(
        source_id=note_id,
        description=pl.concat_str(head, pl.lit(LINE), pl.col("text").str.strip_prefix(LINE)),
        parent_kind="parent_kind",
        parent_id="parent_id",
    )
    places = parted.filter("is_first").select("key", "position", note_id=note_id)
    return Noted(tables.conform(notes.collect(), tables.NOTES), places.collect())


def _pieces(blocks: pl.LazyFrame) -> pl.LazyFrame:
    """The pieces in order, each with where it starts in its note's text and whether it begins a block."""
    html = pl.col("html")
    # Few blocks are long: the pattern must not run over the others.
    long = pl.when(html.str.len_chars() > _PIECE).then(html)
    pieces = pl.coalesce(long.str.extract_all(_PIECES), pl.concat_list(html))
    ordered = blocks.sort("key", "position").with_row_index("_block").with_columns(piece=pieces).drop("html")
    exploded = ordered.explode("piece")
    begun = exploded.with_columns(
        is_first=pl.col("_block").ne_missing(pl.col("_block").shift(1))
    ).with_columns(piece=pl.when("is_first").then(pl.lit(LINE) + pl.col("piece")).otherwise("piece"))
    size = pl.col("piece").str.len_chars().cast(pl.Int64)
    return begun.with_columns(start=size.cum_sum().over("key") - size)
