"""Files and links: on the record that survived, or listed with the reason."""

import polars as pl
import pytest

from crmbook import tables
from crmbook.phases import attachments
from history_rows import FATES, files, only, states
from normalization_case import mapping
from source_rows import companies, contacts, deals

NO_LINKS = mapping()
LINKED = mapping(("contact", "p_contract", "document_links", "identity"))


def _sources(**contact: str | None) -> dict[str, pl.DataFrame]:
    rows = [{"source_id": source_id[1:], "p_contract": url} for source_id, url in contact.items()]
    return {"contact": contacts(*rows), "company": companies(), "deal": deals()}


def _files(*rows: dict[str, object], links: pl.DataFrame = NO_LINKS) -> tuple[pl.DataFrame, pl.DataFrame]:
    whole = {
        "entity": "contact",
        "source_id": "2",
        "name": "a b.pdf",
        "path": "contact/2/a b.pdf",
        "size_bytes": 5,
        "sha256": "aa",
    }
    return attachments.documents(files(*({**whole, **r} for r in rows)), _sources(), links, FATES)


def test_a_file_hangs_on_the_survivor() -> None:
    """With name, size and hash, so that it can be found again."""
    made, carried = _files({})

    assert {
        "source_id": "file:contact:2:a b.pdf", "kind": "file", "name": "a b.pdf", "path": "contact/2/a b.pdf", "url": None,
        "size_bytes": 5, "sha256": "aa", "parent_kind": "contact", "parent_id": "1",
    } == only(made)  # fmt: skip
    assert {"contact:2:a b.pdf": ("carried", "")} == states(carried)


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        pytest.param("file_over_150_mb", {"size_bytes": 150 * 1024 * 1024 + 1}, id="too large"),
        pytest.param("file_empty", {"size_bytes": 0}, id="empty"),
        pytest.param("contact rejected: email_missing", {"source_id": "3"}, id="record rejected"),
        pytest.param("deal not in the source", {"entity": "deal", "source_id": "51"}, id="no such record"),
    ],
)
def test_what_cannot_be_attached_is_listed(reason: str, changed: dict[str, object]) -> None:
    """Never attached to something else."""
    made, carried = _files(changed)

    assert [("rejected", reason)] == list(states(carried).values())
    assert made.height == 0


def test_a_file_of_just_150_mb_is_taken() -> None:
    """The vendor's own limit is allowed."""
    assert _files({"size_bytes": 150 * 1024 * 1024})[0].height == 1


def test_a_url_property_sent_to_document_links_is_a_link() -> None:
    """Only by decision, and only what is a web address."""
    sources = _sources(_1="https://Files.example/a?x=1", _2="not a link", _3="https://x.example", _4=None)

    made, carried = attachments.documents(files(), sources, LINKED, FATES)

    row = only(made)
    assert ("link:contact:1:p_contract", "link", "contract", "https://files.example/a?x=1", "1") == tuple(
        row[c] for c in ("source_id", "kind", "name", "url", "parent_id")
    )
    assert {
        "contact:1:p_contract": ("carried", ""),
        "contact:2:p_contract": ("rejected", "url_invalid"),
        "contact:3:p_contract": ("rejected", "contact rejected: email_missing"),
    } == states(carried)
    assert {"link"} == set(carried["entity"])


def test_without_a_decision_no_property_is_a_link() -> None:
    """A web address stays in its field."""
    made, carried = attachments.documents(files(), _sources(_1="https://x.example"), NO_LINKS, FATES)

    assert (0, 0) == (made.height, carried.height)
    assert made.schema == pl.Schema(tables.DOCUMENTS.columns)
