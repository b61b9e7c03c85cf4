"""The Airbyte connector's manifest from PyPI, run by today's airbyte-cdk against the sandbox over TLS."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from clients.crm import FUTURE, PAST, Crm, serving
from clients.environments import python_client

Message = dict[str, Any]


@pytest.fixture(scope="module")
def crm() -> Iterator[Crm]:
    with serving("suite", tls=True) as made:
        yield made


class Connector:
    """The connector's commands; `said` holds the messages of the last one."""

    def __init__(self, crm: Crm, folder: Path, token: str | None = None) -> None:
        self._bin = python_client("airbyte")
        self._manifest = next(
            self._bin.parent.glob("lib/python*/site-packages/source_freshsales/manifest.yaml")
        )
        self._folder = folder
        trust = {"REQUESTS_CA_BUNDLE": str(crm.ca_file), "SSL_CERT_FILE": str(crm.ca_file)}
        self._environment = {**os.environ, **trust}
        self._config = self._written("config", {"domain_name": crm.host, "api_key": token or crm.token})

    def run(self, command: str, **files: Any) -> list[Message]:
        options = ["--manifest-path", self._manifest, "--config", self._config]
        for name, content in files.items():
            options += [f"--{name}", self._written(name, content)]
        done = subprocess.run(
            [self._bin / "source-declarative-manifest", command, *options],
            env=self._environment, cwd=self._folder, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    def _written(self, name: str, content: Any) -> Path:
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(content))
        return path


def _only(messages: list[Message], kind: str) -> list[Any]:
    found = [message for message in messages if message["type"] == kind]
    return [message[{"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())] for message in found]


@pytest.fixture(scope="module")
def connector(crm: Crm, tmp_path_factory: pytest.TempPathFactory) -> Connector:
    return Connector(crm, tmp_path_factory.mktemp("airbyte"))


@pytest.fixture(scope="module")
def streams(connector: Connector) -> dict[str, Any]:
    (catalog,) = _only(connector.run("discover"), "CATALOG")
    return {stream["name"]: stream for stream in catalog["streams"]}


@pytest.fixture(scope="module")
def read(connector: Connector, streams: dict[str, Any]) -> dict[str, list[Message]]:
    """The records of every stream, read once."""
    whole = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    catalog = {"streams": [{"stream": stream, **whole} for stream in streams.values()]}
    messages = connector.run("read", catalog=catalog)
    found: dict[str, list[Message]] = {name: [] for name in streams}
    for record in _only(messages, "RECORD"):
        found[record["stream"]].append(record["data"])
    return found


def test_the_connection_check_succeeds(connector: Connector) -> None:
    """The connector's own question whether host and key are good."""
    assert ["SUCCEEDED"] == [
        status["status"] for status in _only(connector.run("check"), "CONNECTION_STATUS")
    ]


def test_the_connection_check_fails_with_a_wrong_key(crm: Crm, tmp_path: Path) -> None:
    """A check that could not fail would prove nothing."""
    refused = Connector(crm, tmp_path, token="wrong").run("check")
    assert ["FAILED"] == [status["status"] for status in _only(refused, "CONNECTION_STATUS")]


EXPECTED = {
    "contacts_filters": lambda crm: crm.ids("views", module="contacts"),
    "sales_accounts_filter": lambda crm: crm.ids("views", module="sales_accounts"),
    "deals_filter": lambda crm: crm.ids("views", module="deals"),
    "contacts": lambda crm: crm.ids("contacts"),
    "accounts": lambda crm: crm.ids("sales_accounts"),
    # the three streams read every view of deals: the manifest's `filter` parameter is not one of the vendor's
    "open_deals": lambda crm: crm.ids("deals"),
    "won_deals": lambda crm: crm.ids("deals"),
    "lost_deals": lambda crm: crm.ids("deals"),
    "open_tasks": lambda crm: crm.ids("tasks", status=0),
    "completed_tasks": lambda crm: crm.ids("tasks", status=1),
    "past_appointments": lambda crm: crm.ids("appointments", end_date=PAST),
    "upcoming_appointments": lambda crm: crm.ids("appointments", end_date=FUTURE),
}


def test_every_stream_of_the_connector_is_known(streams: dict[str, Any]) -> None:
    """A new release's new stream is noticed instead of left untested."""
    assert set(EXPECTED) == set(streams)


@pytest.mark.parametrize("stream", EXPECTED)
def test_a_stream_brings_exactly_what_the_tenant_holds(
    stream: str, crm: Crm, read: dict[str, list[Message]]
) -> None:
    """Nothing is lost between pages and views, the recycle bin is a view too, and nothing is made up."""
    expected = EXPECTED[stream](crm)
    assert expected
    assert expected == {record["id"] for record in read[stream]}


@pytest.mark.parametrize("stream", EXPECTED)
def test_the_records_have_the_types_the_connector_declares(
    stream: str, streams: dict[str, Any], read: dict[str, list[Message]]
) -> None:
    """The connector's schemas were drawn up from real tenants."""
    checker = jsonschema.Draft7Validator(streams[stream]["json_schema"])
    wrong = {
        (*error.path, error.validator, str(error.validator_value))
        for record in read[stream]
        for error in checker.iter_errors(record)
    }
    assert set() == wrong
