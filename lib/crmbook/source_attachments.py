"""Files the customer gives beside the account: `<entity>/<source id>/<file>` under the folder of `source.files`.

In: that folder. Out: `source_files`, each file with its size in bytes and SHA-256. User.com has no interface for
files, so this folder is the only way they come along. Whether a file's record moves is decided later.
Invariant: nothing outside the folder is read. A link or anything else that is no plain file stops the reading
with the place; names of files are personal and stand in no message.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import tables
from crmbook.errors import ConfigError
from crmbook.extract_history_talks import Note
from crmbook.runs import Run

ENTITIES: Final = ("contact", "company", "deal")
_SOURCE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# What systems leave in folders by themselves; nobody means to move it.
_LITTER: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def fetch(run: Run, *, note: Note) -> None:
    """
    `source_files` of the customer's folder, empty where customer.toml names none; and its inventory row.

    A relative folder is meant from the customer's own.

    Raises:
        ConfigError: as `read`.
    """
    named = run.customer.source.files
    frame = tables.SOURCE_FILES.empty()
    if named:
        folder = run.customer_folder / Path(named).expanduser()
        frame = read(folder, progress=lambda done, total: run.progress("files", done, total))
    run.save("source_files", frame)
    if named:
        note("files", fetched=frame.height, origin="file")


def read(folder: Path, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> pl.DataFrame:
    """
    The files under *folder* as `tables.SOURCE_FILES`, `path` relative to it with `/` between its parts.

    Hidden files and what systems leave behind (Thumbs.db …) are passed over.

    Raises:
        ConfigError: there is no such folder, it cannot be read, or something in it is not
            `<entity>/<source id>/<file>`; says which record's folder and what was expected.
    """
    if not folder.is_dir():
        raise ConfigError(
            "customer.toml: source.files: no such folder; expected one with <entity>/<source id>/<file>"
        )
    try:
        found = list(_files(folder))
        rows = []
        for done, (entity, source_id, path) in enumerate(found, 1):
            rows.append(_row(folder, entity, source_id, path))
            progress(done, len(found))
    except OSError as error:
        raise _fault(
            "a folder or file", f"cannot be read ({error.strerror}); check its permissions"
        ) from None
    return tables.conform(pl.DataFrame(rows, schema=tables.SOURCE_FILES.columns), tables.SOURCE_FILES)


def _files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    for top in _entries(folder):
        if top.name not in ENTITIES:
            raise _fault("the top folder", f"expected only the folders {', '.join(ENTITIES)}")
        _require_folder(top, top.name)
        for number, parent in enumerate(_entries(top), 1):
            if not _SOURCE_ID.fullmatch(parent.name):
                raise _fault(f"{top.name}, entry {number} by name", "expected a folder named by a source id")
            where = f"{top.name}/{parent.name}"
            _require_folder(parent, where)
            for entry in _entries(parent):
                _require_file(entry, where)
                yield top.name, parent.name, Path(entry.path)


def _entries(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        kept = [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _LITTER]
    return sorted(kept, key=lambda entry: os.fsencode(entry.name))


def _require_folder(entry: os.DirEntry[str], where: str) -> None:
    if not entry.is_dir(follow_symlinks=False):
        kind = "a symbolic link" if entry.is_symlink() else "a file"
        raise _fault(where, f"is {kind}; expected a folder")


def _require_file(entry: os.DirEntry[str], where: str) -> None:
    if entry.is_symlink():
        raise _fault(where, "holds a symbolic link; put the file itself there")
    if entry.is_dir(follow_symlinks=False):
        raise _fault(where, "holds a folder; expected files only")
    if not entry.is_file(follow_symlinks=False):
        raise _fault(where, "holds something that is no plain file; take it away")
    if _CONTROL.search(entry.name):
        raise _fault(where, "holds a file whose name has unreadable characters; rename it")


def _row(folder: Path, entity: str, source_id: str, path: Path) -> dict[str, Any]:
    # Between listing and opening a file may have become a link; it is not followed.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise _fault(f"{entity}/{source_id}", "holds something that is no plain file; take it away")
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size_bytes = stream.tell()
    return {
        "entity": entity, "source_id": source_id, "name": path.name,
        "path": path.relative_to(folder).as_posix(), "size_bytes": size_bytes, "sha256": digest,
    }  # fmt: skip


def _fault(where: str, problem: str) -> ConfigError:
    return ConfigError(f"source.files: {where}: {problem}")
