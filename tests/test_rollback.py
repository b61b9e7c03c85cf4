"""The way back against the sandbox: the target as it was before the run, whatever a person did since stays."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

import history_case
from crmbook import apply, undo
from crmbook.phases import load
from crmbook.runs import Run
from crmbook.sandbox.server import Sandbox
from crmbook.vendors.freshsales import Freshsales
from load_case import REALM, TENANT, loading, opened

Case = tuple[Sandbox, Run, Freshsales]
PATIENCE_S = 0.3


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=TENANT) as box:
        yield box


@pytest.fixture
def case(sandbox: Sandbox, customers: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    sandbox.admin("POST", "reset")
    monkeypatch.setenv("CASE_TARGET", sandbox.ready[REALM]["token"])
    with loading(sandbox, customers, history=history_case.history()) as (run, client):
        history_case.write_files(run.customer_folder)
        yield sandbox, run, client


def test_slice(case: Case) -> None:
    box, run, client = case
    before = box.admin("GET", f"state/hash?realm={REALM}&without=lists")["sha256"]
    plan = apply.plan_of(run, client)
    apply.apply(run, client, plan, confirm=load.plan_hash(plan), patience=PATIENCE_S)
    back = opened(run.record, "rollback")
    made = undo.plan(back, is_confirmed=True, forget=True)
    with pl.Config(tbl_rows=100, fmt_str_lengths=60):
        print(made.plan.drop("is_done", "members"))
        print(back.read("rollback_calls"))
    print(undo.carry_out(back, made, is_confirmed=True, forget=True))
    assert (
        box.admin("GET", f"state/hash?realm={REALM}&without=lists,documents,document_links")["sha256"]
        == before
    )
