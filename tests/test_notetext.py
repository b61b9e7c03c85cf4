"""Notes hold every character in order, in parts no longer than the limit, and nothing in them is markup of others."""

import html
import re

import polars as pl
import pytest

from crmbook.phases import notetext

PARENT = {"parent_kind": "contact", "parent_id": "1"}
LONG_WORD = "ż" * 30_000
PROSE = 'Was für ein <Tag> & "Nacht"? ' * 2_000


def _blocks(*htmls: str, key: str = "conversation:9", head: str = "User.com chat 9") -> pl.LazyFrame:
    rows = [{"key": key, **PARENT, "head": head, "position": n, "html": h} for n, h in enumerate(htmls)]
    return pl.DataFrame(rows, schema=notetext.BLOCKS).lazy()


def _escaped(text: str) -> str:
    return pl.DataFrame({"t": [text]}).select(notetext.escaped(pl.col("t"))).item()


def _parts(noted: notetext.Noted) -> list[str]:
    number = pl.col("source_id").str.extract(r"(\d+)$").cast(pl.Int64)
    return noted.notes.sort(number)["description"].to_list()


def test_a_short_note_is_its_head_and_its_blocks() -> None:
    """One line each; no number where there is one part."""
    noted = notetext.pack(_blocks("first", "second"))

    assert ["User.com chat 9<br>first<br>second"] == _parts(noted)
    assert [("conversation:9:1", "contact", "1")] == noted.notes.select(
        "source_id", "parent_kind", "parent_id"
    ).rows()


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([PROSE], id="one long text"),
        pytest.param([LONG_WORD], id="a word without blanks"),
        pytest.param(['<&>"' * 10_000], id="all of it escaped"),
        pytest.param(["a\n" * 9_000], id="lines"),
        pytest.param([f"{n}: {PROSE[: n * 37]}" for n in range(300)], id="many blocks"),
    ],
)
def test_nothing_is_cut_and_no_part_is_too_long(texts: list[str]) -> None:
    """Parts joined are the blocks joined; no entity is torn in two."""
    parts = _parts(notetext.pack(_blocks(*map(_escaped, texts))))

    bodies = [part.partition("<br>")[2] for part in parts]
    assert max(map(len, parts)) <= notetext.NOTE_LIMIT
    assert [f"User.com chat 9 ({n}/{len(parts)})" for n in range(1, len(parts) + 1)] == [
        part.partition("<br>")[0] for part in parts
    ]
    shown = html.unescape("".join(bodies).replace("<br>", "\n"))
    assert "".join(texts).replace("\n", "") == shown.replace("\n", "")
    assert [b for b in bodies if re.search(r"&(?!(amp|lt|gt|quot);)", b)] == []


def test_parts_end_between_words() -> None:
    """A reader never meets half a word where there was a blank to stop at."""
    parts = _parts(notetext.pack(_blocks("word " * 5_000)))

    assert len(parts) > 2
    assert [part for part in parts[:-1] if not part.endswith("word ")] == []


def test_every_block_knows_the_note_it_begins_in() -> None:
    """A message that goes on in the next part is carried by the first."""
    noted = notetext.pack(_blocks("a" * 100, "b" * 20_000, "c"))

    places = dict(noted.places.select("position", "note_id").iter_rows())
    last = noted.notes.height
    assert {0: "conversation:9:1", 1: "conversation:9:1", 2: f"conversation:9:{last}"} == places


def test_notes_of_different_keys_do_not_mix() -> None:
    """Each key counts its own parts."""
    both = pl.concat([_blocks("x" * 15_000), _blocks("y", key="activity:1", head="User.com activity 1")])

    noted = notetext.pack(both)

    assert "User.com activity 1<br>y" in noted.notes["description"].to_list()
    assert noted.notes.filter(pl.col("source_id") == "activity:1:1").height == 1


def test_no_blocks_make_no_notes() -> None:
    """An account without history is no error."""
    assert notetext.pack(_blocks()).notes.height == 0


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        pytest.param("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>", id="markup"),
        pytest.param("1 &lt; 2 &amp;&amp; &quot;x&quot;", '1 < 2 && "x"', id="signs"),
        pytest.param("&amp;lt;b&amp;gt;", "&lt;b&gt;", id="escaped already stays visible"),
        pytest.param("a<br>b<br>c<br>d", "a\nb\r\nc\rd", id="line ends of three systems"),
    ],
)
def test_text_is_shown_as_it_is(expected: str, text: str) -> None:
    """What a person wrote is text, never markup of the note."""
    assert expected == _escaped(text)


@pytest.mark.parametrize(
    ("expected", "moment"),
    [
        pytest.param("2026-05-11 09:00:00 UTC", "2026-05-11T09:00:00", id="whole second"),
        pytest.param("2025-10-26 00:59:59.500000 UTC", "2025-10-26T00:59:59.5", id="fraction"),
        pytest.param("1931-04-01 08:00:00 UTC", "1931-04-01T08:00:00", id="before 1970"),
        pytest.param("2099-12-31 23:59:59 UTC", "2099-12-31T23:59:59", id="far ahead"),
    ],
)
def test_an_instant_is_told_exactly(expected: str, moment: str) -> None:
    """UTC, with a fraction only where there is one."""
    frame = pl.DataFrame({"at": [moment]}).select(
        pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC")
    )

    assert expected == frame.select(notetext.instant(pl.col("at"))).item()
