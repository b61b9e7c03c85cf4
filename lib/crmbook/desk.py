"""What a person types around a run: a new customer's folder, a check of everything it needs, where runs stand."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from crmbook import config, cutover, extract, extract_csv, map_history, progress, runs
from crmbook.errors import CrmbookError, NotFound, ParameterError, UsageError
from crmbook.vendors import freshsales, usercom
from crmbook.vendors.plans import plan as plan_of
from crmbook.vendors.usercom_csv import UserComCsv

Say = Callable[[str], None]
_CHECKED_ROUTES: Final = ("pipelines", "agents", "activity_types", "conversations")
_READY: Final = {"api": "reachable, key accepted", "csv": "the exports are there, their columns understood"}
_TELLS: Final = {"api": "the API tells", "csv": "the exports tell"}


def new(customer: str, say: Say) -> dict[str, Any]:
    """The folder of a new customer; UsageError where it exists, ParameterError for a name no folder can have."""
    if not runs.RUN_ID.fullmatch(customer):
        raise ParameterError(f"{customer}: expected lower-case letters, digits, dot, dash or underscore")
    folder = runs.root() / customer
    path = folder / "customer.toml"
    if path.exists():
        raise UsageError(
            f"{customer}: there is a customer.toml already; edit it, then: crmbook doctor {customer}"
        )
    (folder / "source").mkdir(mode=0o700, parents=True, exist_ok=True)
    variable = customer.upper().replace("-", "_").replace(".", "_")
    runs.write_text(path, config.TEMPLATE.format(customer=customer, variable=variable))
    say(f"written: {path}")
    say(f"fill it in, then: crmbook doctor {customer}")
    return {"customer": customer, "file": str(path)}


def doctor(customer: str, env: config.Env, say: Say) -> dict[str, Any]:
    """Every check with its finding; raises UsageError at the end when one of them failed."""
    settled = config.read(runs.root() / customer / "customer.toml")
    findings: list[dict[str, Any]] = [{"check": "customer.toml", "ok": True, "finding": "read"}]
    findings += _check_source(settled)
    findings += _check_target(settled, env)
    for row in findings:
        say(f"{'ok  ' if row['ok'] else 'FAIL'} {row['check']}: {row['finding']}")
    failed = [row["check"] for row in findings if not row["ok"]]
    if failed:
        raise UsageError(
            f"{customer}: {len(failed)} of {len(findings)} checks failed ({', '.join(failed)}); see above"
        )
    return {"customer": customer, "env": env, "checks": findings}


def _check_source(customer: config.Customer) -> list[dict[str, Any]]:
    try:
        client = _source_client(customer)
        client.check()
    except CrmbookError as stop:
        return [{"check": "source", "ok": False, "finding": str(stop)}]
    rows: list[dict[str, Any]] = [{"check": "source", "ok": True, "finding": _READY[client.origin]}]
    folder = runs.root() / customer.key / "source"
    return rows + [_check_route(client, entity, folder) for entity in _CHECKED_ROUTES]


def _source_client(customer: config.Customer) -> usercom.UserCom | UserComCsv:
    if customer.source.kind == "csv":
        return extract_csv.client(customer, runs.root() / customer.key)
    return usercom.UserCom(
        customer.source.base_url,
        config.token(customer.source.token_env, section="source", key=customer.key),
        requests_per_second=max(1, int(customer.source.requests_per_second)),
    )


def _check_route(client: usercom.UserCom | UserComCsv, entity: str, folder: Path) -> dict[str, Any]:
    """A route no public page documents: answered, filled by a file, or missing (an empty file is written)."""
    check = f"source {entity}"
    file = extract.GAP_FILES.get(entity)
    if (
        file
        and (folder / file.name).exists()
        and (folder / file.name).read_text(encoding="utf-8").count("\n") > 1
    ):
        return {"check": check, "ok": True, "finding": f"from source/{file.name}"}
    try:
        if client.available(entity):
            return {"check": check, "ok": True, "finding": _TELLS[client.origin]}
    except NotFound:
        pass
    except CrmbookError as stop:
        return {"check": check, "ok": False, "finding": str(stop)}
    if not file:
        return {"check": check, "ok": True, "finding": "not available; read per contact instead"}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / file.name).exists():
        runs.write_text(folder / file.name, ",".join(file.columns) + "\n", mode=0o600)
    needed = entity in ("pipelines", "agents")
    return {"check": check, "ok": not needed, "finding": f"not available; fill in source/{file.name}"}


def _check_target(customer: config.Customer, env: config.Env) -> list[dict[str, Any]]:
    try:
        target = customer.target(env)
        secret = config.token(target.token_env, section=f"target.{env}", key=customer.key)
        client = freshsales.connect(target.edition, target.base_url, secret)
        client.check()
        owners = {str(o.get("email", "")).lower() for o in client.selector("owners")}
    except CrmbookError as stop:
        return [{"check": f"target.{env}", "ok": False, "finding": str(stop)}]
    admin = customer.admin_email.lower() in owners
    quota = target.requests_per_hour or plan_of(target.plan).requests_per_hour
    return [
        {"check": f"target.{env}", "ok": True, "finding": f"reachable, key accepted; {quota} calls an hour"},
        {
            "check": "admin",
            "ok": admin,
            "finding": "is a user" if admin else "customer.admin_email is no Freshsales user",
        },
    ]


def status(customer: str, run_id: str, say: Say) -> dict[str, Any]:
    """Every run of the customer (or one): its phases, what it waits for, and live progress of a running phase."""
    folder = runs.root() / customer
    if not folder.exists():
        raise runs.unknown_customer(customer)
    records = [runs.Record(folder / run_id)] if run_id else runs.all_runs(customer)
    states = [_state(record) for record in records]
    for state in states:
        say(f"{state['run']} ({state['env']}{', delta' if state['is_delta'] else ''})")
        for phase in state["phases"]:
            say(f"  {phase['phase']:<18} {phase['status']}{': ' + phase['error'] if phase['error'] else ''}")
        if state["rolled_back"]:
            say(f"  rolled back: {state['rolled_back']}")
        for line in state["mapping"]:
            say(f"  mapping: {line}")
        for offer in state["waits_for"]:
            say(f"  waits for approval of {offer['what']}: {offer['summary']}")
            say(f"  {offer['command']}")
        if live := state["progress"]:
            say(f"  now: {progress.line(live)}")
    proofs = [
        cutover.state(customer, env) for env in dict.fromkeys(s["env"] for s in states if s["is_delta"])
    ]
    for proof in proofs:
        say(proof.sentence)
    if not states:
        say(f"{customer}: no run yet; start with: crmbook run {customer} --env test")
    proven = [{"proven": proof.is_proven, "finding": proof.sentence} for proof in proofs]
    return {"customer": customer, "runs": states, "cutover": proven}


def _state(record: runs.Record) -> dict[str, Any]:
    content = record.get()
    phases = [
        {"phase": name, "status": content["phases"].get(name, {}).get("status", "not run"),
         "error": content["phases"].get(name, {}).get("error", "")}
        for name in runs.NAMES
    ]  # fmt: skip
    waits = [] if runs.rolled_back(record) else [
        {"what": what, "summary": offer["summary"], "hash": offer["hash"],
         "command": runs.waiting_for(what, content["customer"], content["run_id"], offer["hash"], "").command}
        for what, offer in content["offers"].items()
        if not record.approved(what, offer["hash"])
        and not (what == "mapping" and runs.mapping_approval(content["customer"], offer["hash"]))
    ]  # fmt: skip
    return {
        "run": content["run_id"], "env": content["env"], "phases": phases, "waits_for": waits,
        "approvals": content["approvals"], "progress": _progress(record), "is_delta": bool(content.get("delta")),
        "rolled_back": _rolled_back(content), "mapping": map_history.told(record),
    }  # fmt: skip


def _rolled_back(content: dict[str, Any]) -> str:
    """Whether the run was, and how far that came; empty where nobody began to."""
    told = content.get("rollback")
    if not told:
        return ""
    if told["state"] != "done":
        return f"begun {told['at']}, not finished; go on with: crmbook rollback {content['customer']} --run {content['run_id']} --yes"
    return f"{told['at']}{', forgotten too' if told['forget'] else ', what was deleted lies in the bin for 90 days'}"


def _progress(record: runs.Record) -> dict[str, Any] | None:
    try:
        live: dict[str, Any] = json.loads((record.folder / progress.NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return live if progress.is_live(live, time.time()) else None
