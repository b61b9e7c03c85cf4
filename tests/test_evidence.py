"""verify, pack and purge: the archive of the demo, altered in every way, is never taken for the real one."""

import json
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from conftest import Demo, Finished, crmbook
from crmbook import archive, evidence, recount, runs, tables, verifier

RUN = "test-01"
MADE_OF_PERSONAL = {
    "index.html",
    "01_discovery",
    "02_mapping",
    "04_normalization",
    "05_load",
    "06_reconciliation",
    "07_handoff",
}


@pytest.fixture(scope="module")
def kept(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's customers, never changed by a test."""
    folder = tmp_path_factory.mktemp("evidence") / "runs"
    shutil.copytree(demo.runs, folder)
    return folder


@pytest.fixture
def copied(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy a test may spoil; returns the run's folder."""
    folder = tmp_path / "runs"
    shutil.copytree(kept, folder)
    monkeypatch.setenv("CRMBOOK_RUNS", str(folder))
    return folder / "demo" / RUN


def typed(run: Path, *arguments: str) -> Finished:
    return crmbook(arguments[0], "demo", "--run", RUN, *arguments[1:], runs=run.parents[1])


def alone(place: Path, tmp_path: Path) -> Finished:
    """The verifier that lies in the run, without crmbook: an isolated interpreter, no packages."""
    script = tmp_path / "verify.py"
    shutil.copyfile(verifier.__file__, script)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(place)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def flipped(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_an_untouched_archive_verifies(copied: Path, tmp_path: Path) -> None:
    """With crmbook, numbers included, and without it, offline; neither changes anything."""
    before = {p: runs.sha256(p) for p in copied.rglob("*") if p.is_file() and verifier.is_evidence(p.name)}
    told = typed(copied, "verify", "--json")
    assert (told.code, told.json["findings"], told.json["recomputed"]) == (0, [], True)
    assert alone(copied, tmp_path).code == 0
    assert {p: runs.sha256(p) for p in before} == before


def test_one_changed_byte_names_its_file(copied: Path) -> None:
    """Every file of the archive, its first, middle and last byte and one at random; in files without a say on others at once."""
    chance = random.Random(1)
    held = {
        name: path.read_bytes()
        for path in sorted(p for p in copied.rglob("*") if p.is_file())
        if verifier.is_evidence(name := path.relative_to(copied).as_posix())
    }
    places = {
        name: (0, len(content) // 2, len(content) - 1, chance.randrange(len(content)))
        for name, content in held.items()
        if content
    }
    single = [name for name in places if Path(name).name in ("manifest.json", "run.json", "log.jsonl")]
    assert len(single) > 5
    together = [name for name in places if name not in single]
    for names in (together, *([name] for name in single)):
        for round_ in range(4):
            for name in names:
                flipped(copied / name, places[name][round_])
            found = verifier.check(copied)
            unnamed = [n for n in names if not any(line.startswith(f"{n}: ") for line in found)]
            assert unnamed == [], (round_, found)
            for name in names:
                (copied / name).write_bytes(held[name])
    assert verifier.check(copied) == []


@pytest.mark.parametrize(
    "name", ["manifest.json", "run.json", "06_reconciliation/manifest.json", "log.jsonl"]
)
def test_no_byte_of_what_holds_the_archive_together_can_change(copied: Path, name: str) -> None:
    """Forty bytes at random, each by a random bit: whatever it turns the file into, the file is named."""
    path, chance = copied / name, random.Random(2)
    content = path.read_bytes()
    for at in chance.sample(range(len(content)), 40):
        changed = bytearray(content)
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        found = verifier.check(copied)
        assert any(line.startswith(f"{name}: ") for line in found), (at, found)


@pytest.mark.parametrize("with_data", [False, True], ids=["evidence", "with data"])
def test_a_packed_archive_verifies_and_no_byte_of_it_can_change(
    copied: Path, tmp_path: Path, with_data: bool
) -> None:
    """The zip is the same each time; a byte changed in a file, a header or the directory is found."""
    flag = ["--with-data"] if with_data else []
    first = typed(copied, "pack", *flag, "--json").json
    packed = Path(first["file"])
    assert alone(packed, tmp_path).code == 0
    assert typed(copied, "pack", *flag, "--json").json["sha256"] == first["sha256"]
    content = packed.read_bytes()
    for at in range(0, len(content), len(content) // 60):
        changed = bytearray(content)
        changed[at] ^= 1
        packed.write_bytes(changed)
        assert verifier.check(packed) != [], at
    tail = len(content) - 10
    packed.write_bytes(content[:tail] + bytes([content[tail] ^ 1]) + content[tail + 1 :])
    assert verifier.check(packed) != []


def test_a_byte_changed_in_a_pack_names_the_file_it_is_in(copied: Path) -> None:
    """Of every file a byte in its middle; of the zip's own framing every byte of what begins and ends it."""
    packed = Path(typed(copied, "pack", "--json").json["file"])
    content = packed.read_bytes()
    with zipfile.ZipFile(packed) as pack:
        members = [
            (i.filename, i.header_offset + 30 + len(i.filename.encode()), i.file_size)
            for i in pack.infolist()
        ]
        directory = pack.start_dir
    places = [(start + size // 2, name) for name, start, size in members if size]
    ends = (range(30), range(directory, directory + 46), range(len(content) - 22, len(content)))
    places += [(at, "") for span in ends for at in span]
    for at, name in places:
        packed.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        found = verifier.check(packed)
        assert any(line.startswith(f"{name}: " if name else "") for line in found), (at, name, found)
    packed.write_bytes(content)
    assert verifier.check(packed) == []


def test_a_pack_holds_no_personal_data_unless_asked(copied: Path) -> None:
    """No value of a contact stands in the bytes of a plain pack; a pack with data is its owner's alone."""
    contacts = pl.read_parquet(copied / "01_discovery/data/source_contacts.parquet")
    mails = contacts["email"].drop_nulls().to_list()
    plain = Path(typed(copied, "pack", "--json").json["file"])
    with zipfile.ZipFile(plain) as pack:
        text = b"\n".join(pack.read(n) for n in pack.namelist() if not n.endswith(".parquet"))
        frames = [pl.read_parquet(pack.read(n)) for n in pack.namelist() if n.endswith(".parquet")]
    held = text.decode(errors="replace").lower() + "".join(
        frame.write_json().lower() for frame in frames if frame.width
    )
    assert len(mails) > 100
    assert [mail for mail in mails if "@" in mail and mail.strip().lower() in held] == []
    whole = Path(typed(copied, "pack", "--with-data", "--json").json["file"])
    assert whole.stat().st_mode & 0o777 == 0o600
    assert "ledger.db" in zipfile.ZipFile(whole).namelist()


def _swap_approval(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["approvals"][1]["by"] = "Somebody Else"
    runs.write_json(run / "run.json", record)


def _delete_phase(run: Path) -> None:
    shutil.rmtree(run / "06_reconciliation")


def _edit_number(run: Path) -> None:
    page = run / "index.html"
    page.write_text(re.sub(r"<b>0</b>", "<b>1</b>", page.read_text(), count=1))


def _add_file(run: Path) -> None:
    (run / "05_load" / "extra.csv").write_text("a\n")


def _drop_entry(run: Path) -> None:
    content = json.loads((run / "manifest.json").read_text())
    del content["chain"][3]
    runs.write_json(run / "manifest.json", content)


def _edit_ledger(run: Path) -> None:
    with sqlite3.connect(run / "ledger.db") as db:
        db.execute("UPDATE writes SET state = 'rejected' WHERE seq = 1")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(_swap_approval, "run.json", id="approval given by another"),
        pytest.param(_delete_phase, "06_reconciliation", id="deleted phase"),
        pytest.param(_edit_number, "index.html", id="edited number"),
        pytest.param(_add_file, "05_load/extra.csv", id="added file"),
        pytest.param(_drop_entry, "manifest.json", id="dropped entry"),
        pytest.param(_edit_ledger, "ledger.db", id="edited ledger"),
    ],
)
def test_what_was_done_to_the_archive_is_named(
    copied: Path, tmp_path: Path, spoil: Callable[[Path], None], named: str
) -> None:
    """Exit 2 and a line that begins with the file, from crmbook, from the verifier alone, and of a zip of the same."""
    spoil(copied)
    zipped = tmp_path / "spoilt.zip"
    files = {p.relative_to(copied).as_posix(): p for p in copied.rglob("*") if p.is_file()}
    with zipped.open("wb") as stream:
        verifier.write_zip(stream, {n: p.read_bytes() for n, p in files.items() if verifier.is_evidence(n)})
    told, lone, packed = typed(copied, "verify"), alone(copied, tmp_path), alone(zipped, tmp_path)
    assert (told.code, lone.code, packed.code) == (2, 2, 2)
    for said in (told.out, lone.err, packed.err):
        assert any(line.startswith(named) for line in said.splitlines()), said


def _other_number(run: Path) -> None:
    page = run / "index.html"
    page.write_text(re.sub(r"<b>0</b>", "<b>1</b>", page.read_text(), count=1))


def _other_class(run: Path) -> None:
    path = run / "06_reconciliation/data/class_balance.parquet"
    frame = pl.read_parquet(path).with_columns(loaded=pl.col("loaded") + 1)
    tables.conform(frame, tables.CLASS_BALANCE).write_parquet(path)


def _other_loss(run: Path) -> None:
    path = run / "06_reconciliation/data/lost_fields.parquet"
    frame = pl.read_parquet(path).with_columns(found=pl.col("found") - 1)
    tables.conform(frame, tables.LOST_FIELDS).write_parquet(path)


def _other_outcome(run: Path) -> None:
    with sqlite3.connect(run / "ledger.db") as db:
        db.execute("UPDATE writes SET state = 'rejected' WHERE seq = 1")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(_other_number, "index.html: it says “1” where the tables give “0”", id="report"),
        pytest.param(_other_class, "06_reconciliation/data/class_balance.parquet: column loaded", id="table"),
        pytest.param(_other_loss, "06_reconciliation/data/lost_fields.parquet: column found", id="loss"),
        pytest.param(_other_outcome, "05_load/data/outcomes.parquet", id="ledger"),
    ],
)
def test_a_forged_archive_that_was_sealed_again_does_not_recompute(
    copied: Path, spoil: Callable[[Path], None], named: str
) -> None:
    """Hashes can be made anew by who holds the folder; numbers still have to follow from their tables."""
    record = runs.Record(copied)
    spoil(copied)
    content = record.get()
    (copied / "manifest.json").unlink()
    for aside in copied.glob("*~*"):
        # an earlier attempt still holds the hash of the chain that was removed: a forger takes it away too
        shutil.rmtree(aside)
    for phase, state in content["phases"].items():
        state["outputs"] = {key: runs.sha256(copied / key) for key in state["outputs"]}
        archive.seal_phase(record, phase)
    record.change(phases=content["phases"])
    archive.seal(record)
    assert verifier.check(copied) == []
    assert [line for line in recount.recount(record).findings if line.startswith(named)] != []


def test_a_purged_run_keeps_its_evidence_and_nothing_personal(copied: Path, tmp_path: Path) -> None:
    """Without --yes nothing goes; afterwards hashes and order still verify, and the purge is in the chain."""
    assert typed(copied, "purge").code == 2
    assert (copied / "01_discovery/data/source_contacts.parquet").exists()
    mails = (
        pl.read_parquet(copied / "01_discovery/data/source_contacts.parquet")["email"].drop_nulls().to_list()
    )
    told = typed(copied, "purge", "--yes")
    assert told.code == 0
    assert "no longer possible: rollback" in told.out
    left = b"".join(p.read_bytes() for p in copied.rglob("*") if p.is_file()).decode(errors="replace").lower()
    assert [mail for mail in mails if "@" in mail and mail.strip().lower() in left] == []
    after = typed(copied, "verify", "--json")
    assert (after.code, after.json["recomputed"]) == (0, False)
    assert {line.split()[0] for line in after.json["not_recomputed"]} == MADE_OF_PERSONAL
    assert "not recomputed: 04_normalization is made of tables that are gone" in typed(copied, "verify").out
    chain = json.loads((copied / "manifest.json").read_text())["chain"]
    assert [entry["state"] for entry in chain if entry["event"] == "purge"] == ["begun", "done"]
    assert alone(copied, tmp_path).code == 0
    (copied / "05_load/summary.json").write_text("{}")
    assert typed(copied, "verify").code == 2


def test_a_purge_that_was_cut_short_is_finished_by_the_next(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files were gone and the values in the ledger were not: the archive holds again, and is purged."""

    def cut(_path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evidence, "_empty_values", cut)
        with pytest.raises(KeyboardInterrupt):
            evidence.purge("demo", RUN, print, yes=True)
    assert not (copied / "01_discovery/data/source_contacts.parquet").exists()
    evidence.purge("demo", RUN, print, yes=True)
    assert verifier.check(copied) == []
    with sqlite3.connect(copied / "ledger.db") as db:
        assert db.execute("SELECT count(*) FROM writes WHERE before IS NOT NULL").fetchone() == (0,)
    db.close()


def test_a_run_that_was_never_sealed_says_so(copied: Path) -> None:
    """Exit 2, and what to do."""
    (copied / "manifest.json").unlink()
    told = typed(copied, "verify")
    assert (told.code, told.err) == (2, f"demo/{RUN}: nothing was sealed yet; run its phases first\n")
