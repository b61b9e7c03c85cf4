"""The account as exports and over the API: the same tables, whatever the style of the files, and what can't be read."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from crmbook import config, desk, extract, runs, tables
from crmbook import demo as demo_customer
from crmbook.errors import ConfigError, Waiting
from crmbook.phases import discovery, mapping, normalization, structure
from crmbook.runs import Run
from crmbook.sandbox import demo as scenario
from crmbook.sandbox.server import Sandbox

Read = Callable[[Path], Run]

STYLES = {
    "commas": {},
    "database": {"times": "postgres", "delimiter": ";", "bom": True, "newline": "\r\n"},
    "marked null": {"null": "\\N", "delimiter": "\t", "members": "json"},
    "version 1": {"headers": "v1", "delimiter": "|"},
}
# What the account itself says differently: counts only the API gives, addresses, what it nests beyond the ids.
_OWN = (
    "inventory",
    "raw_contacts",
    "raw_companies",
    "raw_deals",
    "raw_conversations",
    "raw_segments",
    "raw_campaigns",
    "raw_events",
    "raw_emails",
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(scenario.scenario()) as running:
        yield running


@pytest.fixture(scope="module")
def by_api(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The demo account read over the API."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRMBOOK_RUNS", str(tmp_path_factory.mktemp("api")))
        demo_customer.prepare(box.ready)
        with demo_customer.environment(box.ready):
            run = _open("demo")
            extract.fetch(run)
            yield run


@pytest.fixture
def read(customers: Path, box: Sandbox) -> Read:
    """Reads a folder of exports as the demo customer's source."""

    def fetched(folder: Path) -> Run:
        demo_customer.prepare(box.ready)
        settings = customers / "demo" / "customer.toml"
        head, _, rest = settings.read_text(encoding="utf-8").partition("[source]")
        targets = rest.partition("[target.test]")[2]
        files = next(line for line in rest.splitlines() if line.startswith("files"))
        source = f'[source]\nkind = "csv"\npath = "{folder.name}"\n{files}\n\n[target.test]'
        settings.write_text(f"{head}{source}{targets}", encoding="utf-8")
        folder.rename(customers / "demo" / folder.name)
        run = _open("demo")
        extract.fetch(run)
        return run

    return fetched


def _open(customer: str) -> Run:
    run_id = runs.create(customer, "test", parameters={}).folder.name
    return runs.open("01_discovery", customer=customer, run_id=run_id)


def _export(box: Sandbox, folder: Path, **style: Any) -> Path:
    box.admin("POST", "usercom/export", {"folder": str(folder), "style": style})
    return folder


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_exports_and_api_give_the_same_bytes(
    by_api: Run, box: Sandbox, read: Read, tmp_path: Path, style: dict[str, Any]
) -> None:
    """Every table of the discovery but those that quote the API: no later phase can tell the difference."""
    by_csv = read(_export(box, tmp_path / "export", **style))
    expected, found = (
        {p.stem: p.read_bytes() for p in (run.phase_folder / "data").glob("*.parquet") if p.stem not in _OWN}
        for run in (by_api, by_csv)
    )

    assert {"source_contacts", "source_companies", "source_deals", "raw_activities"} <= set(expected)
    assert sorted(expected) == sorted(found)
    assert "" == " ".join(name for name in expected if expected[name] != found[name])
    assert by_csv.read("source_rejects").is_empty()


def test_normalized_tables_are_the_same_bytes(by_api: Run, box: Sandbox, read: Read, tmp_path: Path) -> None:
    """Contacts, accounts, deals, links, rejects, changes and losses of the whole demo account."""
    by_csv = read(_export(box, tmp_path / "export", **STYLES["database"]))
    expected, found = (_normalized(run, tmp_path / way) for way, run in (("api", by_api), ("csv", by_csv)))

    assert 300 == by_csv.read("source_contacts").height
    assert {"contacts", "sales_accounts", "deals", "links"} <= set(expected)
    assert expected == found


def _normalized(run: Run, folder: Path) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    contacts, companies, deals, attributes, stages, agents = run.frames(
        "source_contacts", "source_companies", "source_deals", "attributes", "source_stages", "agents"
    )
    fields = discovery.fields(contacts, companies, deals, attributes)
    decided = mapping.propose(fields)
    under = normalization.Decisions(
        mapping=decided, custom_fields=mapping.custom_fields(decided, fields),
        choices=mapping.choices(decided, contacts=contacts, companies=companies, deals=deals),
        stages=structure.stages(stages, deals), owners=structure.owners(agents, contacts, deals),
        policy=config.Policy(), time_zone="Europe/Warsaw", account_name_unique=True,
    )  # fmt: skip
    made = normalization.normalize({"contact": contacts, "company": companies, "deal": deals}, under)
    for name, frame in vars(made).items():
        tables.conform(frame, tables.of(name)).write_parquet(folder / f"{name}.parquet")
    return {path.stem: path.read_bytes() for path in folder.iterdir()}


def test_raw_records_hold_what_the_api_sends(by_api: Run, box: Sandbox, read: Read, tmp_path: Path) -> None:
    """Key by key, but for what only the account knows: names of companies beside their ids."""
    by_csv = read(_export(box, tmp_path / "export", members="json"))

    for entity in ("contacts", "companies"):
        decoded = [
            {i: _filled(raw) for i, raw in run.read(f"raw_{entity}").iter_rows()} for run in (by_api, by_csv)
        ]
        assert decoded[0] == decoded[1], entity


def _filled(raw: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(raw).items() if value is not None}


def test_bad_lines_are_counted_and_the_rest_is_read(box: Sandbox, read: Read, tmp_path: Path) -> None:
    """Their file and line are in a table and their number in the inventory; no value is."""
    folder = _export(box, tmp_path / "export")
    path = folder / "users.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    header = lines[0].split(",")
    broken = lines[1].split(",")
    broken[header.index("page_views")] = "secret"
    path.write_text("\n".join([lines[0], "1,2,3", ",".join(broken), *lines[2:]]), encoding="utf-8")
    run = read(folder)

    counted = run.read("inventory").filter(pl.col("entity") == "contacts").row(0, named=True)
    assert [("users.csv", 2), ("users.csv", 3)] == run.read("source_rejects").select("file", "line").rows()
    assert "column page_views: expected a whole number" == run.read("source_rejects").row(1)[2]
    assert (None, 299, 2, "csv") == tuple(counted[k] for k in ("reported", "fetched", "rejected", "origin"))
    assert 299 == run.read("source_contacts").height


def test_what_no_export_tells_a_person_fills_in(
    box: Sandbox, read: Read, tmp_path: Path, customers: Path
) -> None:
    """The stop comes after everything else is saved, with what could not be read."""
    folder = _export(box, tmp_path / "export")
    (folder / "pipelines.csv").unlink()
    with (folder / "tags.csv").open("a", encoding="utf-8") as file:
        file.write("1,2,3\n")

    with pytest.raises(Waiting, match=r"pipelines.csv \(pipeline_id"):
        read(folder)

    saved = customers / "demo" / "test-01" / "01_discovery" / "data"
    assert 300 == pl.read_parquet(saved / "source_contacts.parquet").height
    assert [("tags.csv", 22)] == pl.read_parquet(saved / "source_rejects.parquet").select(
        "file", "line"
    ).rows()


def test_a_folder_that_is_not_there_is_named(read: Read, tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "export").mkdir()
    with pytest.raises(ConfigError, match=r"source.path: users.csv, companies.csv, deals.csv not in export"):
        read(tmp_path / "export")


def test_doctor_looks_into_the_exports(box: Sandbox, read: Read, tmp_path: Path) -> None:
    """Headers are understood, what only a person knows is asked for."""
    folder = _export(box, tmp_path / "export")
    (folder / "activity_types.csv").unlink()
    read(folder)
    said: list[str] = []
    with demo_customer.environment(box.ready):
        desk.doctor("demo", "test", said.append)

    assert "ok   source: the exports are there, their columns understood" in said
    assert "ok   source pipelines: the exports tell" in said
    assert "ok   source activity_types: not available; fill in source/activity_types.csv" in said


def test_an_export_is_never_written_over_files(box: Sandbox, tmp_path: Path) -> None:
    """The sandbox's admin side writes into new folders only, in a style that exists."""
    (tmp_path / "kept.txt").write_text("")
    for folder, style in ((tmp_path, {}), (tmp_path / "new", {"colour": "red"})):
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            _export(box, folder, **style)

    assert ["kept.txt"] == [path.name for path in tmp_path.iterdir()]
