"""The run store: CRMBOOK_RUNS as the address of an object store, `s3://bucket/prefix`, worked on in a local folder.

A command fetches its customer's folder, works, and brings back what changed: after each phase and at its end. Every file
is read back and compared by hash before the store's index names it, and compared again where it is fetched. One command at a time
works on a customer: a lease lies in the store, and only the machine that took it may take it over. Personal data goes along,
because a run can't be continued without; CRMBOOK_STORE_DATA=none keeps it here, and the store a pure archive.
"""

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from crmbook import archive, runs, verifier
from crmbook.errors import ConfigError, CrmbookError, DataError, UsageError

DATA: Final = "CRMBOOK_STORE_DATA"
INDEX: Final = ".store.json"
LEASE: Final = ".lease.json"
_STAYS: Final = (INDEX, ".batch.lock", "batch.log", ".progress.json")
_NOT_KEPT: Final = (".zip", "-shm")
_HEAVY: Final = ("data", "source")

Known = dict[str, list[Any]]


@contextlib.contextmanager
def checked_out(customer: str, *, writes: bool = True) -> Iterator[None]:
    """
    The customer's folder as the store has it; what the block changed in it is in the store afterwards, however it ends.

    Without *writes* nothing goes back, and personal data is not fetched. A no-op where CRMBOOK_RUNS is a folder.

    Raises:
        UsageError: another machine works on the customer, or a file was changed both here and there.
        DataError: a file is not what the index says, or the store can't be reached.
        ConfigError: the store's client is not installed, or a setting is wrong.
    """
    if not runs.store_address():
        yield
        return
    store = Store(runs.store_address())
    with store.lease(customer) if writes else contextlib.nullcontext():
        store.pull(customer, with_data=writes)
        try:
            yield
        finally:
            if writes:
                store.push(customer)


def keep(customer: str) -> None:
    """What stands in the customer's folder now is in the store too; a no-op where CRMBOOK_RUNS is a folder."""
    if runs.store_address():
        Store(runs.store_address()).push(customer)


class Store:
    """The folders of customers under *address*, any that fsspec opens."""

    def __init__(self, address: str) -> None:
        import fsspec  # type: ignore[import-untyped]

        kind = address.partition("://")[0]
        try:
            # a kept instance would go on with the endpoint and keys it was made with
            self._fs, self._prefix = fsspec.core.url_to_fs(address, skip_instance_cache=True)
        except ImportError:
            raise ConfigError(
                f'CRMBOOK_RUNS: the client for {kind}:// is not installed; pip install "crmbook[{kind}]"'
            ) from None
        except ValueError:
            raise ConfigError(
                f"CRMBOOK_RUNS: {kind}:// is no store; expected a folder or s3://bucket/prefix"
            ) from None

    def pull(self, customer: str, *, with_data: bool = True) -> None:
        """What the store has newer, here; what was changed here since the last time is left as it is."""
        folder, index = runs.root() / customer, self._index(customer)
        known = _known(folder)
        for name, digest in index.items():
            if not with_data and _is_heavy(name):
                continue
            here, base = _digest(folder / name, known.get(name)), known.get(name, [""])[0]
            if here not in ("", digest, base) and digest != base:
                raise UsageError(
                    f"{customer}/{name}: changed here and in the store; move one of them away, then run again"
                )
            if here in ("", base) and here != digest:
                self._get(customer, name, digest)
            if _digest(folder / name, None) == digest:
                known[name] = _noted(folder / name, digest)
        for name in [n for n in known if n not in index]:
            if _digest(folder / name, known[name]) == known.pop(name)[0]:
                (folder / name).unlink()
        _note(folder, known)

    def push(self, customer: str) -> None:
        """What stands here, in the store: changed files first, the index that names them, then what is gone removed."""
        folder, before, known = runs.root() / customer, self._index(customer), _known(runs.root() / customer)
        after = {name: _digest(folder / name, known.get(name)) for name in _listed(folder)}
        for name, digest in after.items():
            if before.get(name) != digest:
                self._put(customer, name, digest)
        if after != before:
            content = {"files": after, "by": _place(), "at": runs.now()}
            with _reached(f"{customer}/{INDEX}"):
                self._fs.pipe_file(self._path(customer, INDEX), json.dumps(content, sort_keys=True).encode())
        for name in [n for n in before if n not in after]:
            with _reached(f"{customer}/{name}"), contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._path(customer, name))
        _note(folder, {name: _noted(folder / name, digest) for name, digest in after.items()})

    @contextlib.contextmanager
    def lease(self, customer: str) -> Iterator[None]:
        """The customer for this process alone; what a dead process of this machine left is taken over."""
        path = self._path(customer, LEASE)
        mine = {"place": _place(), "pid": os.getpid(), "since": runs.now()}
        with _reached(f"{customer}/{LEASE}"):
            try:
                self._fs.pipe_file(path, json.dumps(mine).encode(), mode="create")
            except FileExistsError:
                _refuse_foreign(customer, json.loads(self._fs.cat_file(path)))
                self._fs.pipe_file(path, json.dumps(mine).encode())
        try:
            yield
        finally:
            with _reached(f"{customer}/{LEASE}"):
                self._fs.rm_file(path)

    def _path(self, customer: str, name: str) -> str:
        return f"{self._prefix}/{customer}/{name}"

    def _index(self, customer: str) -> dict[str, str]:
        with _reached(f"{customer}/{INDEX}"):
            try:
                text = self._fs.cat_file(self._path(customer, INDEX))
            except FileNotFoundError:
                return {}
            return dict(json.loads(text)["files"])

    def _put(self, customer: str, name: str, digest: str) -> None:
        path = self._path(customer, name)
        with _reached(f"{customer}/{name}"):
            self._fs.put_file(str(runs.root() / customer / name), path)
            with self._fs.open(path, "rb") as stream:
                there = hashlib.file_digest(stream, "sha256").hexdigest()
        if there != digest:
            raise DataError(
                f"{customer}/{name}: arrived in the store as {there[:12]}, sent was {digest[:12]}; run again"
            )

    def _get(self, customer: str, name: str, digest: str) -> None:
        path = runs.root() / customer / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with _reached(f"{customer}/{name}"):
                os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
                self._fs.get_file(self._path(customer, name), str(part))
            if (there := runs.sha256(part)) != digest:
                raise DataError(
                    f"{customer}/{name}: the store holds {there[:12]}, its index says {digest[:12]}; it was altered or"
                    " half uploaded: run again on the machine that worked on it last, or restore it"
                )
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _refuse_foreign(customer: str, owner: dict[str, Any]) -> None:
    if owner["place"] != _place():
        raise UsageError(
            f"{customer}: {owner['place']} works on it since {owner['since']}; wait until it ends. If that machine is gone for"
            f" good, delete {customer}/{LEASE} in the store; if it was loading, --rebuild-ledger comes first"
        )
    if owner["pid"] != os.getpid() and Path(f"/proc/{owner['pid']}").exists():
        raise UsageError(
            f"{customer}: process {owner['pid']} of this machine works on it; wait until it ends"
        )


def _place() -> str:
    """The machine and its working folder: who may take over what it left."""
    return f"{socket.gethostname()}:{runs.root()}"


@contextlib.contextmanager
def _reached(what: str) -> Iterator[None]:
    try:
        yield
    except (CrmbookError, FileExistsError, FileNotFoundError):
        raise
    except Exception as problem:
        raise DataError(
            f"run store, {what}: {type(problem).__name__}; check address, access and network, then run again"
        ) from problem


def _listed(folder: Path) -> list[str]:
    """The files of a customer that belong in the store."""
    every = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    names = [
        n
        for n in every
        if Path(n).name not in _STAYS and not n.startswith("drafts/") and not n.endswith(_NOT_KEPT)
    ]
    how = os.environ.get(DATA, "") or "all"
    if how not in ("all", "none"):
        raise ConfigError(f"{DATA}: expected all or none")
    return names if how == "all" else [n for n in names if _is_harmless(n)]


def _is_harmless(name: str) -> bool:
    within = name.partition("/")[2]
    if not within or _is_heavy(name):
        return name == "customer.toml"
    return verifier.is_evidence(within) and not archive.is_personal(within)


def _is_heavy(name: str) -> bool:
    """Tables, the ledger and what the customer gave: personal, and only needed by who works on the run."""
    path = Path(name)
    return any(part in _HEAVY for part in path.parts[:-1]) or path.name.startswith(verifier.LEDGER)


def _digest(path: Path, known: list[Any] | None) -> str:
    """The file's hash, empty where there is none; read only where size or time differ from what is *known*."""
    if not path.is_file():
        return ""
    if known and known[1:] == _noted(path, "")[1:]:
        return str(known[0])
    return runs.sha256(path)


def _noted(path: Path, digest: str) -> list[Any]:
    told = path.stat()
    return [digest, told.st_size, told.st_mtime_ns]


def _known(folder: Path) -> Known:
    """The files as they were when store and folder were last the same."""
    try:
        return dict(json.loads((folder / INDEX).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _note(folder: Path, known: Known) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    runs.write_json(folder / INDEX, known, mode=0o600)
