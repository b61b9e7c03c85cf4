"""What the command line accepts, refuses and answers, before any vendor is asked."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from conftest import Finished, crmbook
from crmbook import desk, pipeline
from crmbook.cli import main
from crmbook.errors import GateFailed, RateLimited, UpstreamError, Waiting
from test_config import GOOD

COMMANDS = sorted(main.commands)
RUN = ["run", "acme", "--env", "test"]
SETTINGS = (
    GOOD
    + """
[target.production]
edition = "suite"
plan = "growth"
base_url = "https://acme.myfreshworks.com/crm/sales/api"
token_env = "ACME_TOKEN"
"""
)


@pytest.fixture
def acme(customers: Path) -> Path:
    """The folder of a customer whose settings are in order and whose hosts do not exist."""
    folder = customers / "acme"
    folder.mkdir()
    (folder / "customer.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


def typed(*arguments: str) -> Finished:
    """The command in this process: its code and both streams."""
    done = CliRunner().invoke(main, arguments)
    return Finished(done.exit_code, done.stdout, done.stderr)


def test_the_commands_are_the_contracts() -> None:
    """Every command the contract lists, and `worker` of the batch; no other."""
    promised = (
        "approve batch demo doctor lab new pack purge reassign rollback run sandbox status verify worker"
    )
    assert promised == " ".join(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(command: str) -> None:
    """`--help` ends well with a sentence; `--json` stands on every command but lab."""
    shown = typed(command, "--help")
    assert shown.code == 0
    assert re.search(r"Usage: [^\n]*\n\n  [A-Z][^\n]*(\n  \S[^\n]*)*[.)]\n\n", shown.out)
    assert ("--json" in shown.out) == (command != "lab")


def test_the_help_of_the_program_lists_every_command() -> None:
    """Each with its line."""
    shown = typed("--help").out
    assert [c for c in COMMANDS if not re.search(rf"^  {c} +\S", shown, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--set", "rowz=1"], "--set rowz: no such parameter; declared are capabilities_max_age_h", id="unknown parameter"),
        pytest.param(["--set", "rows=many"], "--set rows=many: expected int", id="wrong type"),
        pytest.param(["--set", "rows"], "--set rows: expected NAME=VALUE", id="no value"),
        pytest.param(["--set", "run_id=x"], "--set run_id: set by the command itself", id="own parameter"),
        pytest.param(["--only", "07_handoff", "--set", "sample=2"], "--set sample: no such", id="of another phase"),
        pytest.param(["--approve-all"], "--approve-all needs --by NAME", id="nameless approval"),
        pytest.param(["--approve-all", "--by", " "], "--approve-all needs --by NAME", id="blank name"),
        pytest.param(["--only", "02_mapping", "--from", "01_discovery"], "--only stands alone", id="only and from"),
        pytest.param(["--only", "02_mapping", "--to", "03_workspace"], "--only stands alone", id="only and to"),
        pytest.param(["--from", "05_load", "--to", "02_mapping"], "--from 05_load comes after --to 02_mapping", id="backwards"),
        pytest.param(["--run", "Über"], "--run: no name of a customer or run; expected letters", id="no name for a folder"),
        pytest.param(["--delta"], "--delta: acme has no test run on this target whose reconciliation is approved", id="delta"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_before_anything_runs(
    acme: Path, arguments: list[str], expected: str
) -> None:
    """Exit 2, one line that names it, and no run folder."""
    told = typed(*RUN, *arguments)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(expected)
    assert told.err.count("\n") == 1
    assert [p.name for p in acme.iterdir()] == ["customer.toml"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--approve-all", "--by", "Eva"], "--approve-all is refused for production", id="approve all"),
        pytest.param(["--sample", "5"], "--sample never opens production", id="sample"),
    ],
)  # fmt: skip
def test_production_takes_no_shortcut(acme: Path, arguments: list[str], expected: str) -> None:
    """On a host that is not this machine every step is approved by a person, for every record."""
    told = typed("run", "acme", "--env", "production", *arguments)
    assert told.code == 2
    assert told.err.startswith(expected)
    assert [p.name for p in acme.iterdir()] == ["customer.toml"]


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "10.0.0.1"])
def test_only_a_loopback_address_is_loopback(acme: Path, host: str) -> None:
    """A name that looks like one is not."""
    text = SETTINGS.replace("https://acme.myfreshworks.com", f"https://{host}")
    (acme / "customer.toml").write_text(text, encoding="utf-8")
    told = typed("run", "acme", "--env", "production", "--approve-all", "--by", "Eva")
    assert told.err.startswith("--approve-all is refused for production")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["frob"], id="no such command"),
        pytest.param(["run"], id="no customer"),
        pytest.param(["run", "acme"], id="no environment"),
        pytest.param([*RUN, "--only", "08_party"], id="no such phase"),
        pytest.param([*RUN, "--sample", "-1"], id="negative sample"),
        pytest.param(["approve", "acme", "everything", "--run", "test-01", "--by", "Eva"], id="nothing of that name"),
        pytest.param(["approve", "acme", "plan", "--run", "test-01"], id="approval without a name"),
        pytest.param(["approve", "acme", "plan", "--run", "test-09", "--by", "Eva"], id="no such run"),
        pytest.param(["status", "nobody"], id="no such customer"),
        pytest.param(["new", "../elsewhere"], id="no name for a customer"),
        pytest.param(["new", "acme"], id="a customer that exists"),
        pytest.param(["doctor", "nobody"], id="no settings"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_carried_out_is_exit_2(acme: Path, arguments: list[str]) -> None:
    """In words on stderr, or with --json as one object on stdout that names the code."""
    assert typed(*arguments).code == 2
    told = typed(*arguments, "--json")
    assert told.code == 2
    assert told.json["exit_code"] == 2
    assert told.json["error"]
    assert told.out.count("\n") == 1


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        pytest.param(UpstreamError("a.parquet: changed"), 2, id="upstream"),
        pytest.param(GateFailed("2 critical checks failed"), 3, id="gate"),
        pytest.param(Waiting("the plan waits", "crmbook approve"), 4, id="waiting"),
        pytest.param(RateLimited("GET", "/users", retry_after_s=90.0), 5, id="quota"),
        pytest.param(ZeroDivisionError("boom"), 1, id="a bug"),
        pytest.param(KeyboardInterrupt(), 130, id="interrupted"),
    ],
)
def test_every_stop_has_its_exit_code(
    acme: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int
) -> None:
    """The same with and without --json; an object names code and kind."""

    def stopped(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr(pipeline, "run", stopped)
    assert typed(*RUN).code == code
    told = typed(*RUN, "--json")
    assert told.code == code
    assert told.json["exit_code"] == code


def test_a_stop_that_waits_tells_a_script_what_to_type(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it waits for and the command stand apart in the object."""

    def stopped(*_: object, **__: object) -> None:
        raise Waiting("the plan waits", "crmbook approve acme")

    monkeypatch.setattr(pipeline, "run", stopped)
    told = typed(*RUN, "--json").json
    assert (told["waits_for"], told["command"]) == ("the plan waits", "crmbook approve acme")


def test_a_bug_is_reported_with_its_lines(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback goes to stderr, so that the object on stdout stays one object."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(desk, "status", broken)
    told = typed("status", "acme", "--json")
    assert (told.code, told.json["kind"]) == (1, "ZeroDivisionError")
    assert 'raise ZeroDivisionError("boom")' in told.err


def test_a_new_customer_starts_with_settings_to_fill_in(customers: Path) -> None:
    """The file is read by the next command, which names the first thing that is missing."""
    assert typed("new", "nowak-sons").code == 0
    assert (customers / "nowak-sons" / "source").stat().st_mode & 0o777 == 0o700
    told = typed("doctor", "nowak-sons")
    assert told.code == 2
    assert "NOWAK_SONS_USERCOM_TOKEN, which is not set" in told.out


def test_the_status_of_a_customer_without_runs(acme: Path) -> None:
    """It says how to start one."""
    assert typed("status", "acme").out == "acme: no run yet; start with: crmbook run acme --env test\n"
    assert typed("status", "acme", "--json").json == {"customer": "acme", "runs": [], "cutover": []}


def test_the_program_runs_as_a_module(customers: Path) -> None:
    """`python -m crmbook` is the same program, with the same exit codes."""
    told = crmbook("status", "nobody", runs=customers)
    assert (told.code, told.out) == (2, "")
    assert told.err == "nobody: no such customer; write its folder with: crmbook new nobody\n"


def test_the_sandbox_tells_a_script_where_it_is(tmp_path: Path) -> None:
    """One line of JSON when it answers, and nothing else until it is interrupted."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crmbook", "sandbox", "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdout
    ready = json.loads(process.stdout.readline())
    answered = {
        realm: httpx.get(ready[realm]["base_url"].rstrip("/") + path, headers=headers).status_code
        for realm, path, headers in (
            ("usercom", "/users/", {"Authorization": f"Token {ready['usercom']['token']}"}),
            ("freshsales_test", "/settings/deals/fields",
             {"Authorization": f"Token token={ready['freshsales_test']['token']}"}),
            ("freshsales_production", "/settings/deals/fields", {"Authorization": "Token token=wrong"}),
            ("admin", "/clock", {}),
        )
    }  # fmt: skip
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert answered == {"usercom": 200, "freshsales_test": 200, "freshsales_production": 401, "admin": 200}
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--scenario", "nowhere"], "nowhere: no such folder", id="no such scenario"),
        pytest.param(["--edition", "modern"], "Invalid value for '--edition'", id="no such edition"),
    ],
)
def test_a_sandbox_that_cannot_start_says_why(customers: Path, arguments: list[str], expected: str) -> None:
    """Exit 2 before any port is open."""
    told = typed("sandbox", "--port", "0", *arguments, "--json")
    assert told.code == 2
    assert expected in told.json["error"]
