"""Is this archive complete, unaltered and in order? Needs Python 3.10+ and nothing else.

    python3 verify.py [FOLDER | ARCHIVE.zip]        without an argument: the folder this file lies in

Every step of a run (a phase, an approval, a reassignment, a rollback, a purge) is an entry of the chain in
manifest.json, and each entry holds the hash of the one before. A phase's own manifest.json names every file it
left with size and sha256. What is printed is the first thing wrong in each file; exit code 0 when nothing is, 2 else.
An archive packed without personal data, or purged of it, says so itself, and only those files may be missing.
"""

import hashlib
import io
import itertools
import json
import re
import sqlite3
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
PACKED = "PACK.json"
LEDGER = "ledger.db"
RUN = "run.json"
PHASE = re.compile(r"(\d\d_[a-z]+|rollback)(~\d+)?")
# What a purge empties; everything else a ledger holds is evidence: ids, hashes, outcomes.
VALUES = frozenset({"before", "error"})
_STAMP = (1980, 1, 1, 0, 0, 0)


class Files:
    """The files of an archive by their path in it, from a folder or a zip."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._zip = zipfile.ZipFile(place) if place.is_file() else None

    def names(self) -> list[str]:
        if self._zip:
            return sorted(self._zip.namelist())
        found = (p.relative_to(self.place) for p in self.place.rglob("*") if p.is_file())
        return sorted(p.as_posix() for p in found)

    def read(self, name: str) -> bytes:
        return self._zip.read(name) if self._zip else (self.place / name).read_bytes()

    def damaged(self) -> list[str]:
        """The packed files whose bytes can't be read as they were packed."""
        found = []
        for name in self._zip.namelist() if self._zip else ():
            try:
                self.read(name)
            except Exception as problem:
                found.append(f"{name}: not readable, {problem}")
        return found

    def has(self, name: str) -> bool:
        return name in self._zip.namelist() if self._zip else (self.place / name).is_file()


def canonical(content: Any) -> bytes:
    """The bytes an entry of the chain is hashed as."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def written(content: Any) -> bytes:
    """The bytes a manifest is stored as."""
    return (json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_evidence(name: str) -> bool:
    """Whether a file of a run belongs to its archive: no locks, no work in progress, no drafts."""
    parts = name.split("/")
    return not (
        any(part.startswith(".") for part in parts)
        or parts[0] == "drafts"
        or name.endswith((".lock", "-wal", "-shm"))
    )


def ledger_digests(path: Path) -> dict[str, str]:
    """A ledger as three digests: the file's `sha256`, its `evidence` (ids, hashes, outcomes) and its `values`."""
    evidence, values = hashlib.sha256(), hashlib.sha256()
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for table, columns in columns_of(db).items():
            for digest, kept in ((evidence, set(columns) - VALUES), (values, set(columns) & VALUES)):
                digest.update(canonical([table, sorted(kept)]))
                for row in _rows(db, table, sorted(kept), columns):
                    digest.update(canonical(row))
    finally:
        db.close()
    digests = {"evidence": evidence.hexdigest(), "values": values.hexdigest()}
    return {"sha256": sha256(path.read_bytes()), **digests}


def columns_of(db: sqlite3.Connection) -> dict[str, list[str]]:
    """The tables of a ledger with their columns, by name."""
    tables = [
        name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    return {name: [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')] for name in tables}


def _rows(db: sqlite3.Connection, table: str, kept: list[str], columns: list[str]) -> Iterator[list[Any]]:
    if kept:
        order = ", ".join(f'"{name}"' for name in columns[:2])
        shown = ", ".join(f'"{name}"' for name in kept)
        for row in db.execute(f'SELECT {shown} FROM "{table}" ORDER BY {order}'):  # noqa: S608  names of the file
            yield list(row)


def check(place: Path) -> list[str]:
    """One line per thing that is wrong, naming the file; empty where the archive is what it says it is."""
    try:
        files = Files(place)
        found = files.damaged() or list(_problems(files))
        if place.is_file() and not found and repacked(files) != place.read_bytes():
            found.append(f"{place.name}: the archive's own framing was altered, its files were not")
    except Exception as problem:
        # whatever a spoilt zip or a forged manifest makes Python raise: it is no archive of ours
        name = place.name if place.is_file() else MANIFEST
        return [f"{name}: not of an archive that was ever sealed ({type(problem).__name__}: {problem})"]
    return found


def repacked(files: Files) -> bytes:
    """The one zip of these files, the same bytes on every machine: sorted, stored, without dates."""
    out = io.BytesIO()
    write_zip(out, {name: files.read(name) for name in files.names()})
    return out.getvalue()


def write_zip(stream: Any, members: dict[str, bytes]) -> None:
    """*members* as a zip into *stream*; stored, because compressors differ between machines."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _STAMP)
            info.create_system, info.external_attr = 3, 0o100600 << 16
            archive.writestr(info, content)


def _problems(files: Files) -> Iterator[str]:
    root = _json(files, MANIFEST)
    if not is_whole(root):
        yield f"{MANIFEST}: missing, not readable or not as it was sealed; without it nothing can be said"
        return
    if own := list(_of_manifest(files, root)):
        # what an altered manifest says of the other files is nobody's word
        yield from own
        return
    chain, listed = root["chain"], set(root["files"])
    missing_ok = _may_be_missing(files, chain)
    for name, said in sorted(root["files"].items()):
        yield from _one(files, name, said, missing_ok)
    for folder, entry in _phases(files, chain):
        if folder is None:
            name = _altered(files, entry["phase"], chain)
            listed |= {other for other in files.names() if other.startswith(name.removesuffix(MANIFEST))}
            yield f"{name}: gone or altered, entry {entry['number']} of the chain has another hash of it"
            continue
        listed.add(f"{folder}/{MANIFEST}")
        content = _json(files, f"{folder}/{MANIFEST}")
        if not _is_phase(content):
            yield f"{folder}/{MANIFEST}: sealed, but no manifest of a phase"
            continue
        yield from _out_of_order(f"{folder}/{MANIFEST}", content, entry, chain)
        for name, said in sorted(content["files"].items()):
            listed.add(f"{folder}/{name}")
            yield from _one(files, f"{folder}/{name}", said, missing_ok)
    yield from _packed(files, root, listed)
    yield from _ledger(files, chain)
    yield from _approvals(files, chain)
    for name in files.names():
        if is_evidence(name) and name not in listed and name not in (MANIFEST, PACKED, LEDGER):
            yield f"{name}: not part of the archive; it was added afterwards"


def is_whole(root: Any) -> bool:
    """Whether *root* has the keys and kinds of a manifest with at least one entry; true or false is another question."""
    if not isinstance(root, dict) or set(root) != {"chain", "files"} or not _are_files(root["files"]):
        return False
    chain = root["chain"]
    return isinstance(chain, list) and bool(chain) and all(map(_is_entry, chain))


def _is_entry(entry: Any) -> bool:
    if not _has(entry, "event", "sha256", "previous") or type(entry.get("number")) is not int:
        return False
    kinds = {"phase": ("phase", "manifest"), "approval": ()}
    approvals = (
        [*entry["stood_on"]] if isinstance(entry.get("stood_on", []), list) and "stood_on" in entry else []
    )
    approvals += [entry.get("approval")] if entry["event"] == "approval" else []
    return (
        entry["event"].replace("_", "").isalpha()
        and _has(entry, *kinds.get(entry["event"], ()))
        and all(_has(given, "what", "hash", "by") for given in approvals)
        and isinstance(entry.get("stood_on", []), list)
        and (not entry.get("ledger") or _has(entry["ledger"], "sha256", "evidence"))
    )


def _are_files(files: Any) -> bool:
    return isinstance(files, dict) and all(
        _has(said, "sha256") and type(said.get("size_bytes")) is int and type(said.get("personal")) is bool
        for said in files.values()
    )


def _has(part: Any, *keys: str) -> bool:
    return isinstance(part, dict) and all(isinstance(part.get(key), str) for key in keys)


def _is_phase(content: Any) -> bool:
    return _has(content, "previous") and _are_files(content.get("files")) and "approvals" in content


def _of_manifest(files: Files, root: dict[str, Any]) -> Iterator[str]:
    if files.read(MANIFEST) != written(root):
        yield f"{MANIFEST}: altered, it is not written as it was sealed"
    yield from _unlinked(root["chain"])
    if sha256(canonical(root["files"])) != _last(root["chain"]).get("files"):
        yield f"{MANIFEST}: its list of files is not the one that was sealed"


def _out_of_order(
    name: str, content: dict[str, Any], entry: dict[str, Any], chain: list[dict[str, Any]]
) -> Iterator[str]:
    """A phase's manifest holds the hash of what was sealed before it, and the approvals its entry stands on."""
    before = {"", *(sealed["sha256"] for sealed in chain[: entry["number"] - 1])}
    if content["previous"] not in before or content["approvals"] != entry.get("stood_on"):
        yield f"{name}: it does not follow what was sealed before it, or stands on other approvals than its entry"


def _unlinked(chain: list[dict[str, Any]]) -> Iterator[str]:
    before = ""
    for number, entry in enumerate(chain, 1):
        content = {key: value for key, value in entry.items() if key != "sha256"}
        if entry.get("sha256") != sha256(canonical(content)):
            yield f"{MANIFEST}: entry {number} ({entry.get('event')}) was altered"
        if entry.get("previous") != before or entry.get("number") != number:
            yield f"{MANIFEST}: entry {number} ({entry.get('event')}) does not follow the one before it"
        before = str(entry.get("sha256"))


def _one(files: Files, name: str, said: dict[str, Any], missing_ok: bool) -> Iterator[str]:
    if not files.has(name):
        if not (missing_ok and said["personal"]):
            yield f"{name}: missing"
        return
    content = files.read(name)
    if said.get("grows"):
        content = content[: said["size_bytes"]]
    if len(content) != said["size_bytes"]:
        yield f"{name}: {len(content)} bytes, the manifest says {said['size_bytes']}"
    elif sha256(content) != said["sha256"]:
        yield f"{name}: altered, its sha256 is not the one in the manifest"


def _phases(files: Files, chain: list[dict[str, Any]]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    there = {}
    for name in files.names():
        folder, _, rest = name.partition("/")
        if rest == MANIFEST and PHASE.fullmatch(folder):
            there[sha256(files.read(name))] = folder
    for entry in chain:
        if entry["event"] == "phase":
            yield there.get(entry["manifest"]), entry


def _altered(files: Files, phase: str, chain: list[dict[str, Any]]) -> str:
    """The manifest that an entry of *phase* lacks: the one that no entry knows, or the one that would be there."""
    known = {entry.get("manifest") for entry in chain}
    for name in files.names():
        folder, _, rest = name.partition("/")
        if rest == MANIFEST and folder.partition("~")[0] == phase and sha256(files.read(name)) not in known:
            return name
    return f"{phase}/{MANIFEST}"


def _ledger(files: Files, chain: list[dict[str, Any]]) -> Iterator[str]:
    sealed = [entry for entry in chain if entry.get("ledger")]
    if not sealed:
        return
    for before, after in itertools.pairwise(sealed):
        if after["event"] == "purge" and before["ledger"]["evidence"] != after["ledger"]["evidence"]:
            yield f"{LEDGER}: the purge of entry {after['number']} changed more than values"
    if not files.has(LEDGER):
        if not files.has(PACKED):
            yield f"{LEDGER}: missing"
        return
    if sha256(files.read(LEDGER)) != sealed[-1]["ledger"]["sha256"]:
        yield f"{LEDGER}: altered, its sha256 is not the one that was sealed"
    if files.has(f"{LEDGER}-wal") and files.read(f"{LEDGER}-wal"):
        yield f"{LEDGER}-wal: writes that were never sealed; run the phase to its end"


def _packed(files: Files, root: dict[str, Any], listed: set[str]) -> Iterator[str]:
    """What an archive left out by its own word is what it lacks, and all of it personal."""
    if not files.has(PACKED):
        return
    said, run = (_json(files, name) for name in (PACKED, RUN))
    said, run = (told if isinstance(told, dict) else {} for told in (said, run))
    lacking = sorted(name for name in listed if not files.has(name))
    if any(e.get("ledger") for e in root["chain"]) and not files.has(LEDGER):
        lacking = sorted([*lacking, LEDGER])
    expected = {
        "customer": run.get("customer"), "run": run.get("run_id"), "with_data": LEDGER not in lacking, "left_out": lacking,
    }  # fmt: skip
    if files.read(PACKED) != canonical(expected | {"with_data": said.get("with_data")}):
        yield f"{PACKED}: altered, it does not say what this archive lacks"


def _approvals(files: Files, chain: list[dict[str, Any]]) -> Iterator[str]:
    run = _json(files, RUN)
    sealed = [entry["approval"] for entry in chain if entry["event"] == "approval"]
    if isinstance(run, dict) and run.get("approvals") != sealed:
        yield f"{RUN}: its approvals are not those of the chain"
    given = set()
    for entry in chain:
        if entry["event"] == "approval":
            given.add((entry["approval"]["what"], entry["approval"]["hash"], entry["approval"]["by"]))
        for stood in entry.get("stood_on", ()):
            if not stood.get("run") and (stood["what"], stood["hash"], stood["by"]) not in given:
                yield f"{MANIFEST}: entry {entry['number']} stands on an approval of {stood['what']} nobody gave before it"


def _may_be_missing(files: Files, chain: list[dict[str, Any]]) -> bool:
    packed = _json(files, PACKED)
    purged = any(entry["event"] == "purge" for entry in chain)
    return purged or (isinstance(packed, dict) and not packed.get("with_data"))


def _last(chain: list[dict[str, Any]]) -> dict[str, Any]:
    return chain[-1] if chain else {}


def _json(files: Files, name: str) -> Any:
    try:
        content = json.loads(files.read(name)) if files.has(name) else None
        canonical(content)  # half a character, which JSON can spell, can't have been written
    except (ValueError, RecursionError):
        return None
    return content


def main(arguments: list[str]) -> int:
    place = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    if not place.exists():
        print(f"{place}: no such folder or archive", file=sys.stderr)
        return 2
    problems = check(place)
    for line in problems:
        print(line, file=sys.stderr)
    if not problems:
        chain = _json(Files(place), MANIFEST)["chain"]
        print(
            f"complete, unaltered and in order: {len(chain)} entries, the last is {_last(chain)['sha256'][:16]}"
        )
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
