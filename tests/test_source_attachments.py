"""The customer's folder of attachments: every plain file with its size and digest, every oddity named by its place."""

import hashlib
import os
from pathlib import Path

import pytest

from crmbook import extract, runs, source_attachments, tables
from crmbook.errors import ConfigError
from crmbook.sandbox.server import Sandbox
from history_account import Open, open_run, scenario

__all__ = ["open_run"]


def _put(folder: Path, *files: str, content: bytes = b"x") -> Path:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_a_file_is_known_by_record_name_size_and_digest(tmp_path: Path) -> None:
    """Each below its record's folder; the path is relative, whatever the machine."""
    _put(tmp_path, "contact/41/Ümlaut & co.pdf", content=b"hello")
    _put(tmp_path, "deal/a-1/empty.txt", content=b"")

    assert [
        ("contact", "41", "Ümlaut & co.pdf", "contact/41/Ümlaut & co.pdf", 5, hashlib.sha256(b"hello").hexdigest()),
        ("deal", "a-1", "empty.txt", "deal/a-1/empty.txt", 0, hashlib.sha256(b"").hexdigest()),
    ] == source_attachments.read(tmp_path).rows()  # fmt: skip


def test_the_same_name_in_two_folders_is_two_files(tmp_path: Path) -> None:
    """Also where only the case differs."""
    _put(tmp_path, "contact/1/a.pdf", "contact/2/a.pdf", "contact/2/A.pdf", "company/1/a.pdf")

    assert [("company", "1", "a.pdf"), ("contact", "1", "a.pdf"), ("contact", "2", "A.pdf"), ("contact", "2", "a.pdf")] == (
        source_attachments.read(tmp_path).select("entity", "source_id", "name").rows()
    )  # fmt: skip


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    """Nobody meant to move it, and nobody has to clean it up."""
    _put(
        tmp_path,
        ".DS_Store",
        "contact/.DS_Store",
        "contact/1/Thumbs.db",
        "contact/1/.x",
        "__MACOSX/y",
        "contact/1/a",
    )

    assert ["contact/1/a"] == source_attachments.read(tmp_path).get_column("path").to_list()


def test_an_empty_folder_is_an_empty_table(tmp_path: Path) -> None:
    """In the table's shape."""
    assert source_attachments.read(tmp_path).equals(tables.SOURCE_FILES.empty())


def _link(folder: Path, place: str, target: Path) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _pipe(folder: Path, place: str) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("message", "plant"),
    [
        pytest.param("contact/7: holds a symbolic link; put the file itself there",
                     lambda f: _link(f, "contact/7/secret name.pdf", Path("/etc/hostname")), id="link to a file"),
        pytest.param("contact/7: holds a symbolic link; put the file itself there",
                     lambda f: _link(f, "contact/7/secret name.pdf", Path("nowhere")), id="dangling link"),
        pytest.param("contact/7: is a symbolic link; expected a folder",
                     lambda f: _link(f, "contact/7", Path("/etc")), id="link to a folder"),
        pytest.param("company: is a symbolic link; expected a folder",
                     lambda f: _link(f, "company", Path("/etc")), id="linked entity"),
        pytest.param("contact/7: holds a folder; expected files only",
                     lambda f: _put(f, "contact/7/secret name/x"), id="too deep"),
        pytest.param("contact/7: is a file; expected a folder", lambda f: _put(f, "contact/7"), id="no source id"),
        pytest.param("contact, entry 2 by name: expected a folder named by a source id",
                     lambda f: _put(f, "contact/1/x", "contact/secret name/x"), id="odd source id"),
        pytest.param("the top folder: expected only the folders contact, company, deal",
                     lambda f: _put(f, "secret name/1/x"), id="unknown entity"),
        pytest.param("deal: is a file; expected a folder", lambda f: _put(f, "deal"), id="entity is a file"),
        pytest.param("contact/7: holds something that is no plain file; take it away",
                     lambda f: _pipe(f, "contact/7/secret name"), id="pipe"),
        pytest.param("contact/7: holds a file whose name has unreadable characters; rename it",
                     lambda f: _put(f, "contact/7/secret name\n.pdf"), id="line break"),
        pytest.param("contact/7: holds a file whose name has unreadable characters; rename it",
                     lambda f: _put(f, os.fsdecode(b"contact/7/secret name\xff.pdf")), id="no UTF-8"),
    ],
)  # fmt: skip
def test_anything_else_stops_the_reading_with_its_place(tmp_path: Path, message: str, plant) -> None:
    """In one line, and without the name of a file, which may be somebody's."""
    plant(tmp_path)

    with pytest.raises(ConfigError) as caught:
        source_attachments.read(tmp_path)

    assert f"source.files: {message}" == str(caught.value)
    assert "secret name" not in str(caught.value)


def test_a_folder_that_is_not_there_is_an_error_that_shows_the_form(tmp_path: Path) -> None:
    """A typing mistake in customer.toml."""
    with pytest.raises(
        ConfigError, match="source.files: no such folder; expected one with <entity>/<source id>/<file>"
    ):
        source_attachments.read(tmp_path / "typo")


def test_progress_counts_the_files(tmp_path: Path) -> None:
    """Digests of many large files take their time."""
    seen: list[tuple[int, int]] = []
    source_attachments.read(
        _put(tmp_path, "deal/1/a", "deal/1/b"), progress=lambda *state: seen.append(state)
    )
    assert [(1, 2), (2, 2)] == seen


def test_discovery_reads_the_folder_beside_customer_toml(open_run: Open, customers: Path) -> None:
    """A relative folder is the customer's own; the inventory counts the files."""
    _put(customers / "acme" / "attachments", "contact/1/a.pdf", "deal/41/b.pdf")
    with Sandbox(scenario()) as box:
        run = open_run(box, source='files = "attachments"')
        extract.fetch(run)

    assert ["contact/1/a.pdf", "deal/41/b.pdf"] == run.read("source_files").get_column("path").to_list()
    assert ("files", None, 2, 0, 2, True, "file", 0) == _row(run, "files")


def test_without_a_folder_there_are_no_files(open_run: Open) -> None:
    """An empty table, and nothing in the inventory: nobody was asked."""
    with Sandbox(scenario()) as box:
        run = open_run(box)
        extract.fetch(run)

    assert 0 == run.read("source_files").height
    assert _row(run, "files") is None


def test_a_wrong_folder_is_told_before_anything_is_requested(open_run: Open, customers: Path) -> None:
    """Not after hours of reading."""
    with Sandbox(scenario()) as box:
        run = open_run(box, source='files = "typo"')
        with pytest.raises(ConfigError, match="no such folder"):
            extract.fetch(run)
        assert {"total": 0, "by_route": {}} == box.admin("GET", "/requests?realm=usercom")


def _row(run: runs.Run, entity: str) -> tuple[object, ...] | None:
    rows = [row for row in run.read("inventory").iter_rows() if row[0] == entity]
    return rows[0] if rows else None
