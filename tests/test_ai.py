"""The optional model: told names only, believed only where the offline rules would allow it, never depended upon."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import Demo
from crmbook import ai, config, deciding, runs, tables
from crmbook.phases import discovery, mapping, proposal_model
from crmbook.phases.proposal_model import Suggestion
from load_case import frame
from model_stub import Stub, serving, suggested
from source_rows import attributes, companies, contacts, deals

DECLARED = attributes(
    ("contact", "kontor", "Kontor", "string"),
    ("contact", "gata_x", "Gata xyz", "string"),
    ("contact", "klub", "Klub", "fixed"),
    ("company", "kudos", "Kudos", "integer"),
)
PEOPLE: list[dict[str, object]] = [
    {"source_id": str(n), "city": "Oslo", "p_kontor": f"Secret place {n}", "p_gata_x": f"Hidden {n}", "p_klub": '["Gold"]'}
    for n in range(4)
]  # fmt: skip
FIELDS = discovery.fields(
    contacts(*PEOPLE), companies({"source_id": "7", "p_kudos": "51234"}), deals(), DECLARED
)
MAPPING = mapping.propose(FIELDS)
CUSTOMER = """\
[customer]
name = "Acme"
admin_email = "admin@acme.example"
time_zone = "Europe/Warsaw"
active_automations = 0
[source]
kind = "csv"
path = "x"
[target.test]
edition = "suite"
plan = "growth"
base_url = "https://acme.example/crm/sales/api"
token_env = "TOKEN"
"""
KEY = "STUB_MODEL_KEY"


def _section(stub: Stub, timeout_s: float = 20) -> str:
    return (
        f'\n[ai]\nmodel = "openai-chat:stub"\nbase_url = "{stub.base_url}"\nkey_env = "{KEY}"\n'
        f"timeout_s = {timeout_s}\n"
    )


def _run(customers: Path, section: str = "") -> runs.Run:
    folder = customers / "acme"
    folder.mkdir(exist_ok=True)
    (folder / "customer.toml").write_text(CUSTOMER + section, encoding="utf-8")
    record = runs.create("acme", "test", parameters={})
    return runs.Run(record, "02_mapping", config.read(folder / "customer.toml"), "test", {})


def _judged(*suggestions: Suggestion, known: pl.DataFrame | None = None) -> dict[str, tuple[object, ...]]:
    made = proposal_model.judged(MAPPING, FIELDS, suggestions, known)
    changed = made.mapping.join(MAPPING, on=MAPPING.columns, how="anti")
    return {r["source_field"]: (r["target_field"], r["rule"], r["confidence"]) for r in changed.to_dicts()}


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable customer.toml names."""
    monkeypatch.setenv(KEY, "sk-of-a-stub")


def test_without_the_section_nothing_is_imported_or_sent(customers: Path) -> None:
    """The library is not even loaded by the module that would ask."""
    asked = ai.ask(_run(customers), FIELDS, MAPPING)

    assert asked == ai.Asked([], ai.NOT_ASKED)
    loaded = "import crmbook.deciding, sys; print([m for m in sys.modules if m.split('.')[0] in ('pydantic_ai', 'openai')])"
    assert (
        subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


@pytest.mark.usefixtures("key")
def test_a_suggestion_that_holds_is_filled_in_and_marked(customers: Path) -> None:
    """Over real HTTP with the key from the environment; the reason starts with who says so."""
    with serving(suggested(("contact", "p_kontor", "address", 0.9))) as stub:
        asked = ai.ask(_run(customers, _section(stub)), FIELDS, MAPPING)

    assert len(stub.bodies) == 1
    assert "Bearer sk-of-a-stub" in stub.headers[0]
    made = proposal_model.judged(MAPPING, FIELDS, asked.suggestions)
    row = made.mapping.filter(source_field="p_kontor").row(0, named=True)
    assert (row["target_field"], row["rule"], row["decision"]) == ("address", "copy", "proposed")
    assert row["reason"] == "model: the words mean it; 4 of 4 filled"
    assert asked.remark == "The model openai-chat:stub was asked about 4 properties."


@pytest.mark.usefixtures("key")
def test_the_same_question_is_asked_once(customers: Path) -> None:
    """A later run proposes the same, whatever the model would say by then; the file is private."""
    with serving(suggested(("contact", "p_kontor", "address", 0.9))) as stub:
        first = ai.ask(_run(customers, _section(stub)), FIELDS, MAPPING)
        again = ai.ask(_run(customers, _section(stub)), FIELDS, MAPPING)

    assert first == again
    assert len(stub.bodies) == 1
    assert (customers / "acme" / ai.ANSWERS).stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("key")
def test_it_can_be_asked_where_an_event_loop_runs(customers: Path) -> None:
    """As in a notebook's kernel."""

    async def kernel() -> ai.Asked:
        return ai.ask(run, FIELDS, MAPPING)

    with serving(suggested(("contact", "p_kontor", "address", 0.9))) as stub:
        run = _run(customers, _section(stub))
        assert len(asyncio.run(kernel()).suggestions) == 1


def test_the_librarys_own_model_answers_in_its_place(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever provider is named, its model gives what is asked for in the same form."""
    from pydantic_ai.models.test import TestModel

    row = {
        "entity": "company",
        "source_field": "p_kudos",
        "target_field": "number_of_employees",
        "confidence": 0.8,
        "reason": "kudos",
    }
    monkeypatch.setattr(ai, "_model", lambda _: TestModel(custom_output_args={"suggestions": [row]}))

    asked = ai.ask(_run(customers, '\n[ai]\nmodel = "anthropic:any"\n'), FIELDS, MAPPING)

    assert asked.suggestions == [Suggestion("company", "p_kudos", "number_of_employees", 0.8, "kudos")]
    assert {"p_kudos": ("number_of_employees", "integer", 0.8)} == _judged(*asked.suggestions)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("why", "served"),
    [
        pytest.param("status 500", {"status": 500}, id="a server in trouble"),
        pytest.param("status 401", {"status": 401}, id="a key it does not know"),
        pytest.param("did not answer in time", {"wait_s": 2.0, "timeout_s": 0.2}, id="no answer in time"),
        pytest.param("not what was asked for", {"answer": "{broken"}, id="no JSON"),
        pytest.param(
            "not what was asked for", {"answer": {"suggestions": [{"entity": "contact"}]}}, id="another form"
        ),
        pytest.param(
            "not what was asked for",
            {"answer": {"suggestions": [{"entity": "contact", "source_field": "p_x", "confidence": 7}]}},
            id="a confidence beyond 1",
        ),
    ],
)
def test_whatever_fails_leaves_the_offline_proposals(
    customers: Path, why: str, served: dict[str, Any]
) -> None:
    """With a remark on the page and in the log that names the kind of failure and nothing the provider said."""
    timeout_s = served.pop("timeout_s", 20)
    answer = served.pop("answer", {"suggestions": []})
    with serving(lambda _: answer, **served) as stub:
        run = _run(customers, _section(stub, timeout_s))
        asked = ai.ask(run, FIELDS, MAPPING)

    assert asked.suggestions == []
    assert why in asked.remark
    assert "the proposals are the offline ones" in asked.remark
    assert '"event": "model failed"' in (run.folder / "log.jsonl").read_text(encoding="utf-8")
    assert not (customers / "acme" / ai.ANSWERS).exists()


def test_a_missing_key_is_named_and_nothing_is_sent(customers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's name, so that somebody can set it."""
    monkeypatch.delenv(KEY, raising=False)
    with serving(suggested()) as stub:
        asked = ai.ask(_run(customers, _section(stub)), FIELDS, MAPPING)

    assert (stub.bodies, asked.suggestions) == ([], [])
    assert f"{KEY} is not set; export it" in asked.remark


def test_a_missing_extra_is_named(customers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install stands in the remark."""
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)
    asked = ai.ask(_run(customers, '\n[ai]\nmodel = "openai:any"\n'), FIELDS, MAPPING)

    assert asked.suggestions == []
    assert "pip install crmbook[ai]" in asked.remark


@pytest.mark.parametrize(
    ("why", "suggestion"),
    [
        pytest.param("no such property", ("contact", "p_nothing", "address"), id="a field that is not there"),
        pytest.param("no such property", ("contact", "city", "address"), id="a standard field"),
        pytest.param(
            "no field a property may fill", ("contact", "p_kontor", "shoe_size"), id="an invented target"
        ),
        pytest.param(
            "no field a property may fill", ("contact", "p_kontor", "first_name"), id="what structure fills"
        ),
        pytest.param(
            "no field a property may fill", ("contact", "p_kontor", "cf_usercom_original_id"), id="our mark"
        ),
        pytest.param(
            "another field goes there", ("contact", "p_kontor", "city"), id="a target that is taken"
        ),
        pytest.param(
            "its values do not fit", ("contact", "p_kontor", "country"), id="text that names no country"
        ),
        pytest.param(
            "its values do not fit", ("contact", "p_klub", "job_title"), id="a list of choices in a text"
        ),
        pytest.param("a field of its own, as proposed", ("contact", "p_kontor", ""), id="nothing fits"),
    ],
)
def test_what_does_not_hold_is_refused_with_a_reason(why: str, suggestion: tuple[str, str, str]) -> None:
    """The mapping stays as the offline rules made it."""
    made = proposal_model.judged(MAPPING, FIELDS, [Suggestion(*suggestion, 0.99, "sure")])

    assert made.mapping.equals(MAPPING)
    assert (made.refused, made.offers) == ({why: 1}, {})


def test_a_target_the_tenant_lacks_is_refused() -> None:
    """Its real fields count, where somebody has looked."""
    there = frame(tables.TARGET_FIELDS, {"module": "contacts", "api_name": "zipcode"})

    assert {} == _judged(Suggestion("contact", "p_kontor", "address", 0.9, ""), known=there)


def test_of_two_that_want_one_target_the_surer_gets_it() -> None:
    """In whatever order they come; and an unsure one is listed, not filled in."""
    two = [
        Suggestion("contact", "p_gata_x", "address", 0.95, ""),
        Suggestion("contact", "p_kontor", "address", 0.9, ""),
    ]

    assert {"p_gata_x": ("address", "copy", 0.95)} == _judged(*two) == _judged(*reversed(two))
    unsure = proposal_model.judged(MAPPING, FIELDS, [Suggestion("contact", "p_kontor", "address", 0.5, "")])
    assert unsure.mapping.equals(MAPPING)
    assert [o.confidence for o in unsure.offers["contact", "p_kontor"]] == [0.5]


def test_a_models_words_are_one_short_line() -> None:
    """Whatever it writes stands in a table."""
    made = proposal_model.judged(
        MAPPING, FIELDS, [Suggestion("contact", "p_kontor", "address", 0.9, "a\nb\x00" + "x" * 500)]
    )
    reason = made.offers["contact", "p_kontor"][0].reason

    assert reason.startswith("model: a b xxx")
    assert len(reason) < 200


def _values(run: runs.Run) -> set[str]:
    """Every value of the demo's records that is long enough to be told from a word of a name."""
    found: set[str] = set()
    for name in ("source_contacts", "source_companies", "source_deals", "agents"):
        for column in run.read(name).iter_columns():
            if column.dtype == pl.String:
                found |= {v.strip() for v in column.drop_nulls() if len(v.strip()) >= 4}
            elif column.dtype == pl.List(pl.String):
                found |= {v for v in column.explode().drop_nulls() if len(v) >= 4}
    found |= {c for c in run.read("choices")["source_value"] if len(c) >= 4}
    return found


@pytest.mark.usefixtures("key")
def test_not_one_value_of_the_demo_is_sent(demo: Demo, customers: Path) -> None:
    """Every byte that leaves is held against every value of every record; and the answer reaches the mapping."""
    shutil.copytree(demo.runs / "demo", customers / "demo")
    with serving(suggested(("contact", "p_lead-source", "address", 0.9))) as stub:
        with (customers / "demo" / "customer.toml").open("a", encoding="utf-8") as stream:
            stream.write(_section(stub))
        run = runs.open("02_mapping", customer="demo", run_id=demo.run.name)
        decided = deciding.decide(run)

    # What the question is made of anyway: names of properties and target fields, the instructions, literals of JSON.
    names = " ".join([*run.read("fields")["label"], *run.read("fields")["field"], ai._INSTRUCTIONS])
    names += " true false"
    # As it was sent, and with what JSON escapes put back.
    messages = [m["content"] for body in stub.bodies for m in json.loads(body)["messages"]]
    sent = "\n".join([*(body.decode() for body in stub.bodies), *messages])
    assert "Lead-Source" in sent
    values = _values(run)
    assert len(values) > 2000
    assert [v for v in sorted(values) if v in sent and v not in names] == []
    row = decided.filter(source_field="p_lead-source").row(0, named=True)
    assert (row["target_field"], row["reason"].partition(" ")[0]) == ("address", "model:")
