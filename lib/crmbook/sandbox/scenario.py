"""What a sandbox starts from: a folder of JSON files, checked so that a typo can't pass for missing data.

Each file is a list of rows in canonical form (ids as keys, no vendor version's names); a missing file is an
empty list. Two files are objects: `usercom.json` holds the switches of the source side (SWITCHES),
`freshsales.json` describes the target tenants and is passed through unread.

Values are not judged: a dirty e-mail or a number as text is what a migration has to survive. Names of keys,
ids and references are. References to agents and products are free, because an account keeps the ids of
people and goods that are gone.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmbook.sandbox.scenario_keys import CONTENT_TYPES, KINDS, NESTED, SWITCHES
from crmbook.sandbox.store import Doc, Store

REALM = "usercom"
LISTS = ("tag_ids", "list_ids", "company_ids", "user_ids", "participants", "products", "stages", "messages")


class ScenarioError(ValueError):
    """A scenario that can't be served; one line naming file, row and key."""


@dataclass(frozen=True)
class Scenario:
    """`usercom` maps a file's stem to its rows; `freshsales` and `switches` are objects, {} when absent."""

    usercom: dict[str, list[Doc]]
    freshsales: Doc = field(default_factory=dict)
    switches: Doc = field(default_factory=dict)


def load(folder: Path | None) -> Scenario:
    """The checked scenario of a folder; None is an empty account. Raises ScenarioError."""
    if folder is None:
        return Scenario({kind: [] for kind in KINDS})
    if not folder.is_dir():
        raise ScenarioError(f"{folder}: no such folder; expected a folder of JSON files")
    known = {*KINDS, "usercom", "freshsales"}
    for path in sorted(folder.glob("*.json")):
        if path.stem not in known:
            raise ScenarioError(f"{path.name}: unknown file; expected one of {', '.join(sorted(known))}")
    rows = {kind: _read(folder / f"{kind}.json", list) for kind in KINDS}
    scenario = Scenario(rows, _read(folder / "freshsales.json", dict), _read(folder / "usercom.json", dict))
    check(scenario)
    return scenario


def check(scenario: Scenario) -> None:
    """Keys, ids and references of every row; the first fault found is raised as ScenarioError."""
    for kind in scenario.usercom:
        if kind not in KINDS:
            raise ScenarioError(f"{kind}.json: unknown file; expected one of {', '.join(sorted(KINDS))}")
    for name, value in scenario.switches.items():
        if name not in SWITCHES:
            raise ScenarioError(f"usercom.json: unknown key {name!r}; expected one of {', '.join(SWITCHES)}")
        expected, passes = SWITCHES[name]
        if not passes(value):
            raise ScenarioError(f"usercom.json: {name} is {value!r}; expected {expected}")
    for kind, rows in scenario.usercom.items():
        seen: set[int] = set()
        for number, row in enumerate(rows):
            _check_row(kind, number, row)
            if row["id"] in seen:
                raise ScenarioError(f"{kind}.json row {number}: id {row['id']} is used twice")
            seen.add(row["id"])
    _check_references(scenario.usercom)


def seed(store: Store, scenario: Scenario) -> None:
    """Puts the source account into the store, unless one is already there (a restart keeps its state)."""
    if store.kinds(REALM):
        return
    # A copy, because the account will be edited in place and a scenario may seed several of them.
    for kind, rows in json.loads(json.dumps(scenario.usercom)).items():
        for row in rows:
            store.table(REALM, kind).put(row["id"], row)
    store.table(REALM, "settings").put(1, {"id": 1, **scenario.switches})
    store.commit()


def _read(path: Path, expected: type) -> Any:
    if not path.exists():
        return expected()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ScenarioError(f"{path.name}: not readable as JSON: {error}") from None
    if not isinstance(value, expected):
        what = "a list of objects" if expected is list else "an object"
        raise ScenarioError(f"{path.name}: expected {what}, found {type(value).__name__}")
    return value


def _check_row(kind: str, number: int, row: Any) -> None:
    where = f"{kind}.json row {number}"
    _check_keys(where, row, KINDS[kind])
    if not isinstance(row["id"], int) or isinstance(row["id"], bool) or row["id"] < 1:
        raise ScenarioError(f"{where}: id must be a positive whole number")
    for key in LISTS:
        if not isinstance(row.get(key, []), list):
            raise ScenarioError(f"{where}: {key} must be a list")
    for key, keys in NESTED.items():
        for item in row.get(key, []):
            _check_keys(f"{where}, {key}", item, keys)
    if not isinstance(row.get("attributes", {}), dict):
        raise ScenarioError(f"{where}: attributes must be an object of name_std: value")


def _check_keys(where: str, row: Any, keys: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    required, optional = keys
    if not isinstance(row, dict):
        raise ScenarioError(f"{where}: expected an object, found {type(row).__name__}")
    for key in row:
        if key not in required and key not in optional:
            raise ScenarioError(f"{where}: unknown key {key!r}; expected {', '.join(required + optional)}")
    for key in required:
        if key not in row:
            raise ScenarioError(f"{where}: key {key!r} is missing")


def _check_references(rows: dict[str, list[Doc]]) -> None:
    ids = {kind: {row["id"] for row in rows.get(kind, [])} for kind in KINDS}
    stages = {s.get("id"): p["id"] for p in rows.get("pipelines", []) for s in p["stages"]}
    declared = {(a["content_type"], a["name_std"]) for a in rows.get("attributes", [])}
    for kind, kind_rows in rows.items():
        for number, row in enumerate(kind_rows):
            where = f"{kind}.json row {number}"
            for key, target, value in _references(row):
                if value not in ids[target]:
                    raise ScenarioError(f"{where}: {key} {value!r} is not an id in {target}.json")
            if kind == "deals" and stages.get(row["stage"]) != row["pipeline"]:
                raise ScenarioError(
                    f"{where}: stage {row['stage']!r} is not a stage of pipeline {row['pipeline']!r}"
                )
            for name in row.get("attributes") or {}:
                if (CONTENT_TYPES.get(kind), name) not in declared:
                    raise ScenarioError(
                        f"{where}: attribute {name!r} is not declared for "
                        f"{CONTENT_TYPES.get(kind)} in attributes.json"
                    )


_ONE = {
    "user_id": "users",
    "company_id": "companies",
    "deal_id": "deals",
    "pipeline": "pipelines",
    "activity_type": "activity_types",
}
_MANY = {"tag_ids": "tags", "list_ids": "lists", "participants": "users", "user_ids": "users"}


def _references(row: Doc) -> list[tuple[str, str, Any]]:
    found = [(key, target, row[key]) for key, target in _ONE.items() if row.get(key) is not None]
    found += [(key, target, value) for key, target in _MANY.items() for value in row.get(key) or []]
    found += [("company_ids", "companies", link["id"]) for link in row.get("company_ids") or []]
    return found
