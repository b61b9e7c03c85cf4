"""CRMBOOK_RUNS in an object store: whole, verified, continued on another machine, and never by two at once."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from conftest import crmbook
from crmbook import archive, runs, store
from crmbook.errors import ConfigError, DataError, UsageError
from test_config import GOOD

KEY = "acme"
FILES = {
    "customer.toml": GOOD,
    "source/agents.csv": "agent_id,name,email\n1,Ines Maas,ines@acme.example\n",
    "test-01/01_discovery/data/source_contacts.parquet": "ines@acme.example",
    "test-01/01_discovery/report.html": "<p>7 records</p>",
    "test-01/ledger.db-wal": "",
    "test-01/.progress.json": "{}",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server on loopback with an empty bucket."""
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def machine(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that makes this process a machine of its own over one store; it returns that machine's working folder."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": server, "NO_PROXY": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    bucket = tmp_path.name.replace("_", "-").lower()
    bucket = "runs-" + "".join(c for c in bucket if c.isalnum() or c == "-").strip("-")
    fs = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    fs.mkdir(bucket)
    monkeypatch.setenv("CRMBOOK_RUNS", f"s3://{bucket}/customers")

    def use(name: str) -> Path:
        monkeypatch.setenv("CRMBOOK_WORK", str(tmp_path / name))
        return tmp_path / name / KEY

    use.fs, use.place = fs, f"{bucket}/customers/{KEY}"  # type: ignore[attr-defined]
    return use


def written(folder: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
        for p in sorted(folder.rglob("*")) if p.is_file() and p.name != store.INDEX
    }  # fmt: skip


def stored(machine: Any) -> set[str]:
    return {path.removeprefix(machine.place + "/") for path in machine.fs.find(machine.place)}


def test_another_machine_goes_on_where_the_first_one_stopped(machine: Any) -> None:
    """Every file but what is in progress arrives there, for its owner alone; what changes there comes back."""
    written(machine("here"))
    with store.checked_out(KEY):
        pass
    there = machine("there")
    with store.checked_out(KEY):
        assert texts(there) == {n: t for n, t in FILES.items() if ".progress" not in n}
        assert {stat.S_IMODE(p.stat().st_mode) for p in there.rglob("*") if p.is_file()} == {0o600}
        (there / "test-01" / "02_mapping").mkdir()
        (there / "test-01" / "02_mapping" / "gate.json").write_text("{}", encoding="utf-8")
    here = machine("here")
    with store.checked_out(KEY):
        assert (here / "test-01" / "02_mapping" / "gate.json").read_text(encoding="utf-8") == "{}"


def test_what_is_deleted_in_a_command_is_deleted_in_the_store_and_elsewhere(machine: Any) -> None:
    """A purge reaches every copy; a file only missing here at the start of a command is fetched again."""
    name = "test-01/01_discovery/data/source_contacts.parquet"
    here = written(machine("here"))
    with store.checked_out(KEY):
        pass
    (here / name).unlink()
    with store.checked_out(KEY):
        assert (here / name).exists()
    there = machine("there")
    with store.checked_out(KEY):
        (there / name).unlink()
    assert name not in stored(machine)
    machine("here")
    with store.checked_out(KEY):
        assert not (here / name).exists()


def test_an_edit_here_is_kept_and_an_edit_in_both_places_is_refused(machine: Any) -> None:
    """A person's file is never overwritten by the store's."""
    here = written(machine("here"))
    with store.checked_out(KEY):
        pass
    (here / "source" / "agents.csv").write_text("mine", encoding="utf-8")
    with store.checked_out(KEY):
        assert (here / "source" / "agents.csv").read_text(encoding="utf-8") == "mine"
    there = machine("there")
    with store.checked_out(KEY):
        (there / "source" / "agents.csv").write_text("theirs", encoding="utf-8")
    machine("here")
    (here / "source" / "agents.csv").write_text("mine again", encoding="utf-8")
    with (
        pytest.raises(UsageError, match=r"acme/source/agents\.csv: changed here and in the store"),
        store.checked_out(KEY),
    ):
        pytest.fail("one of the two edits would be lost")


def test_a_file_altered_in_the_store_is_not_taken(machine: Any) -> None:
    """Its hash is not the index's: the line names the file, and nothing of it stays here."""
    written(machine("here"))
    with store.checked_out(KEY):
        pass
    name = "test-01/01_discovery/report.html"
    machine.fs.pipe_file(f"{machine.place}/{name}", b"<p>8 records</p>")
    there = machine("there")
    with (
        pytest.raises(DataError, match=r"acme/test-01/01_discovery/report\.html: the store holds"),
        store.checked_out(KEY),
    ):
        pytest.fail("an altered file was taken")
    assert not (there / name).exists()


def test_a_file_that_arrives_damaged_is_not_named_by_the_index(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent is read back; where it differs the command stops, and the index stays as it was."""
    written(machine("here"))
    kept = store.Store(runs.store_address())
    sent = kept._fs.put_file
    monkeypatch.setattr(
        kept._fs, "put_file", lambda local, there: (sent(local, there), kept._fs.pipe_file(there, b"?"))
    )
    with pytest.raises(DataError, match="arrived in the store as"):
        kept.push(KEY)
    assert store.INDEX not in stored(machine)


def test_one_machine_at_a_time_works_on_a_customer(machine: Any) -> None:
    """The other is refused and told who has it; looking on is free; afterwards it is free again."""
    written(machine("here"))
    with store.checked_out(KEY):
        machine("there")
        with (
            pytest.raises(UsageError, match=r"acme: .*here works on it since .*--rebuild-ledger"),
            store.checked_out(KEY),
        ):
            pytest.fail("both work on it")
        with store.checked_out(KEY, writes=False):
            pass
        machine("here")
    machine("there")
    with store.checked_out(KEY):
        assert store.LEASE in stored(machine)
    assert store.LEASE not in stored(machine)


def test_what_a_killed_process_of_this_machine_left_is_taken_over(machine: Any) -> None:
    """Its number belongs to nobody any more."""
    written(machine("here"))
    dead = {"place": store._place(), "pid": 2**22 + 1, "since": "2026-01-02T03:04:05+00:00"}
    machine.fs.pipe_file(f"{machine.place}/{store.LEASE}", json.dumps(dead).encode())
    with store.checked_out(KEY):
        assert json.loads(machine.fs.cat_file(f"{machine.place}/{store.LEASE}"))["pid"] == os.getpid()


def test_personal_data_stays_here_where_that_is_asked_for(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence and settings only; what was there before is taken out of the store."""
    written(machine("here"))
    with store.checked_out(KEY):
        pass
    assert any(
        "ines@acme.example" in machine.fs.cat_file(f"{machine.place}/{name}").decode()
        for name in stored(machine)
    )
    monkeypatch.setenv("CRMBOOK_STORE_DATA", "none")
    with store.checked_out(KEY):
        pass
    assert stored(machine) == {"customer.toml", "test-01/01_discovery/report.html", store.INDEX}
    monkeypatch.setenv("CRMBOOK_STORE_DATA", "some")
    with pytest.raises(ConfigError, match="CRMBOOK_STORE_DATA: expected all or none"), store.checked_out(KEY):
        pass


def test_looking_on_fetches_no_personal_data(machine: Any) -> None:
    """`crmbook status` on another machine needs run.json and the pages, and gets no more."""
    written(machine("here"))
    runs.create(KEY, "test", parameters={"sample": 0}, run_id="test-01")
    archive.seal(runs.Record(runs.root() / KEY / "test-01"))
    with store.checked_out(KEY):
        pass
    there = machine("there")
    shown = crmbook(
        "status", KEY, "--json", runs=_made(there.parent), env={"CRMBOOK_RUNS": os.environ["CRMBOOK_RUNS"]}
    )
    assert shown.code == 0, shown.err
    assert [run["run"] for run in shown.json["runs"]] == ["test-01"]
    assert not (there / "source").exists()
    assert not (there / "test-01" / "01_discovery" / "data").exists()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_an_unknown_kind_of_store_or_a_missing_client_is_one_line(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the extra to install, or what was expected."""
    monkeypatch.setenv("CRMBOOK_RUNS", "nowhere://bucket")
    with pytest.raises(ConfigError, match="nowhere:// is no store"):
        store.Store(runs.store_address())
    without = (
        "import sys; sys.modules['s3fs'] = None; from crmbook import store; store.Store('s3://bucket/prefix')"
    )
    told = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False).stderr
    assert 'CRMBOOK_RUNS: the client for s3:// is not installed; pip install "crmbook[s3]"' in told


def test_a_store_that_does_not_answer_is_one_line(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack, no key; what to check."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    machine("here")
    with (
        pytest.raises(DataError, match="run store, acme/.*check address, access and network"),
        store.checked_out(KEY),
    ):
        pass
