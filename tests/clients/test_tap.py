"""The Singer tap `tap-freshsales` from PyPI on a Classic tenant, its host replaced and its pauses left out.

Where it goes wrong the client is at fault, and the test shows by what.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clients.crm import Crm, serving
from clients.environments import python_client

# the tap waits two seconds before every request; its host is `<domain>.freshsales.io` and nothing else
START = """
import sys, time, types
import tap_freshsales
from tap_freshsales import tap_utils
tap_freshsales.BASE_URL = sys.argv.pop(1)
tap_utils.time = types.SimpleNamespace(time=time.time, sleep=lambda seconds: None)
tap_freshsales.main()
"""


def _run(crm: Crm, folder: Path, token: str | None = None) -> subprocess.CompletedProcess[str]:
    config = folder / "config.json"
    settings = {"api_key": token or crm.token, "domain": "x", "start_date": "2000-01-01T00:00:00Z"}
    config.write_text(json.dumps(settings))
    command = [python_client("tap") / "python", "-c", START, crm.origin, "--config", config]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with serving("classic") as made:
        yield made


@pytest.fixture(scope="module")
def said(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The Singer messages of one whole sync."""
    done = _run(crm, tmp_path_factory.mktemp("tap"))
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _records(said: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    return [one["record"] for one in said if one["type"] == "RECORD" and one["stream"] == stream]


STREAMS = {
    "contacts": "contacts",
    "accounts": "sales_accounts",
    "deals": "deals",
    "leads": "leads",
    "tasks": "tasks",
    "appointments": "appointments",
    # the tap declares the stream `sales_activities` and writes its records to this one
    "sale_activities": "sales_activities",
}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_brings_exactly_what_the_tenant_holds(
    stream: str, crm: Crm, said: list[dict[str, Any]]
) -> None:
    """All views together, pages of 100, and the recycle bin, which is a view too."""
    expected = crm.ids(STREAMS[stream])
    assert expected
    assert expected == {record["id"] for record in _records(said, stream)}


def test_the_misnamed_stream_is_the_taps_own_doing(said: list[dict[str, Any]]) -> None:
    """Its schema goes by another name than its records, before any answer of the tenant is involved."""
    declared = {one["stream"] for one in said if one["type"] == "SCHEMA"}
    assert {"sale_activities"} == set(STREAMS) - declared
    assert {"sales_activities"} == declared - set(STREAMS)


def test_the_records_have_the_types_the_tap_declares(said: list[dict[str, Any]]) -> None:
    """Its schemas say `text` where JSON schema knows `string`, and take a task's status for a boolean."""
    schemas = {one["stream"]: one["schema"] for one in said if one["type"] == "SCHEMA"}
    assert '"text"' in json.dumps(schemas)
    schemas = json.loads(json.dumps(schemas).replace('"text"', '"string"'))
    wrong = set()
    for stream, kind in STREAMS.items():
        checker = jsonschema.Draft7Validator(schemas.get(stream) or schemas[kind])
        errors = (error for record in _records(said, stream) for error in checker.iter_errors(record))
        wrong |= {(stream, *error.path, type(error.instance).__name__) for error in errors}
    assert {("tasks", "status", "int")} == wrong


def test_a_wrong_key_ends_the_sync_with_the_vendors_refusal(crm: Crm, tmp_path: Path) -> None:
    """The tap stops at the first 401 and prints its body, which is the one recorded by other clients."""
    done = _run(crm, tmp_path, token="wrong")
    assert 1 == done.returncode
    assert '[401 - b\'{"login":"failed","message":null}\']' in done.stderr


def test_a_deal_without_an_amount_breaks_the_tap_not_the_answer(tmp_path: Path) -> None:
    """It turns every amount into a float; the Airbyte connector's schema, from real tenants, allows null."""
    with serving("classic", filled=False) as crm:
        made = crm.send("POST", "deals", {"deal": {"name": "Open end"}})["deal"]
        done = _run(crm, tmp_path)
    assert made["amount"] is None
    assert 0 != done.returncode
    assert "float() argument must be a string or a real number, not 'NoneType'" in done.stderr


def test_the_tap_waits_as_long_as_a_retry_after_says(crm: Crm, tmp_path: Path) -> None:
    """One refused request costs it one repetition and no record."""
    crm.plan_fault(realm="freshsales_test", kind="status", status=429, headers={"retry-after": "0"}, times=1)
    done = _run(crm, tmp_path)
    assert 0 == done.returncode, done.stderr[-2000:]
    assert "Rate limit reached. Sleeping for 0 seconds" in done.stderr
    contacts = [json.loads(line) for line in done.stdout.splitlines()]
    assert crm.ids("contacts") == {record["id"] for record in _records(contacts, "contacts")}
