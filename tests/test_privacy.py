"""What a run shows to anybody holds no token and no personal value; what does is the owner's alone."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Demo
from crmbook.sandbox import demo as scenario
from customer_setup import KEY, Journey
from customer_setup import scenario as small_scenario

SHOWN = (
    "notebook.ipynb", "report.html", "index.html", "gate.json", "summary.json", "run.json", "log.jsonl", "scope.html",
    "handoff.html", "rebuild_guide.csv", "spot_check.csv",
)  # fmt: skip
SECRET_FOLDERS = ("data", "source", "drafts")
SHORTEST = 6
PERSONAL = {
    "users": ("name", "email", "phone_number", "custom_id", "user_key", "city"),
    "companies": ("name", "email", "description", "address", "postal_code", "phone_numbers", "custom_id"),
    "deals": ("name", "loss_reason_description", "custom_id"),
    "agents": ("email", "name"),
    "conversations": ("messages",),
    "activities": ("name", "description"),
    "emails": ("subject",),
    "events": ("data",),
}
# The account's settings are shown on purpose: a map of stages without their names is none.
SETTINGS = ("activity_types", "pipelines", "lists", "segments", "tags", "attributes")
# Values that are words of the workbook's own sentences as well.
OWN_WORDS = {"no e-mail", "Standard", "Website", "Package", "second"}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _personal(usercom: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Every value of the account that is somebody's own and long enough to be told from a word."""
    found: set[str] = set()
    for entity, keys in PERSONAL.items():
        for row in usercom.get(entity, []):
            found.update(text for key in keys for text in _texts(row.get(key)))
            found.update(_texts(row.get("attributes")))
    shown = {text for kind in SETTINGS for row in usercom.get(kind, []) for text in _texts(row)}
    dates = {text for text in found if re.fullmatch(r"\d{4}-\d\d-\d\d.*", text)}
    return {text for text in found - shown - dates - OWN_WORDS if len(text) >= SHORTEST}


def _spellings(text: str) -> set[str]:
    """How a value would stand in a page, in JSON, and in a page within JSON."""
    plain = {text, html.escape(text), html.escape(text, quote=False)}
    return plain | {
        json.dumps(p, ensure_ascii=ascii_only)[1:-1] for p in plain for ascii_only in (True, False)
    }


def _shown(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name in SHOWN)


def _leaks(folder: Path, personal: set[str]) -> list[tuple[str, str]]:
    pages = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in _shown(folder)}
    return [
        (name, text) for text in sorted(personal) for name, page in pages.items()
        if any(spelling in page for spelling in _spellings(text))
    ]  # fmt: skip


def test_the_demo_shows_no_personal_value(demo: Demo) -> None:
    """No name, address, number or property text of 300 people in any notebook, page, verdict, summary or log."""
    personal = _personal(scenario.scenario().usercom)
    assert len(personal) > 2000
    assert {path.name for path in _shown(demo.run)} == set(SHOWN)
    assert _leaks(demo.run, personal) == []


def test_the_words_let_through_are_the_workbooks_own() -> None:
    """Each stands in the catalogue of the account, not with a person: an exception hides nobody."""
    rows = scenario.scenario().usercom
    people = {text for kind in ("users", "companies", "deals") for row in rows[kind]
              for key in ("name", "phone_number", "address", "custom_id") for text in _texts(row.get(key))}  # fmt: skip
    assert people & OWN_WORDS == set()


def test_the_search_finds_what_is_there(demo: Demo, tmp_path: Path) -> None:
    """A name planted in a page, escaped, is found: the search above can fail."""
    personal = _personal(scenario.scenario().usercom)
    planted = next(text for text in sorted(personal) if "<" in text and '"' in text)
    (tmp_path / "report.html").write_text(f"<td>{html.escape(planted)}</td>", encoding="utf-8")
    (tmp_path / "notebook.ipynb").write_text(json.dumps([planted]), encoding="utf-8")
    assert {(name, planted) for name in ("report.html", "notebook.ipynb")} <= set(_leaks(tmp_path, personal))


def test_a_whole_migration_tells_no_token(journey: Journey) -> None:
    """Test and production, with every stop and a killed run: no token in any file nor in anything printed."""
    journey.to("produced")
    tokens = [token.encode() for token in journey.customer.tokens.values()]
    assert len(set(tokens)) == 3
    files = [path for path in journey.customer.runs.rglob("*") if path.is_file()]
    assert [p for p in files if any(t in p.read_bytes() for t in tokens)] == []
    said = "".join(seen.out + seen.err for seen in journey.seen.values()).encode()
    assert [t for t in tokens if t in said] == []


def test_a_whole_migration_shows_no_personal_value(journey: Journey) -> None:
    """Nor what stopped a run: the notebooks of attempts that failed are evidence like the others."""
    personal = _personal(small_scenario().usercom)
    journey.to("produced")
    folder = journey.customer.runs / KEY
    assert any("~1/" in path.as_posix() for path in _shown(folder))
    assert _leaks(folder, personal) == []
    said = "".join(seen.out + seen.err for seen in journey.seen.values())
    assert [text for text in personal if text in said] == []


def _modes(run: Path) -> Iterator[tuple[str, str, int, int]]:
    """Every path of the run that may hold personal values: name, kind, mode, and the mode it must have."""
    for path in run.rglob("*"):
        parts, mode = path.relative_to(run).parts, path.stat().st_mode & 0o777
        name = path.relative_to(run).as_posix()
        if path.is_dir():
            yield name, "folder", mode, 0o700
        elif (
            "data" in parts
            or path.name.startswith(("ledger.db", "log.jsonl"))
            or path.suffix in (".csv", ".xlsx")
        ):
            yield name, "file", mode, 0o600


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_holds_personal_values_is_the_owners_alone(demo: Demo, kind: str) -> None:
    """Folders 0700; tables, ledger, log and the files a person edits 0600."""
    found = [row for row in _modes(demo.run) if row[1] == kind]
    assert len(found) > 7
    assert [(name, oct(mode)) for name, _, mode, wanted in found if mode != wanted] == []


def test_the_ledgers_of_test_and_production_are_the_owners_alone(journey: Journey) -> None:
    """With whatever SQLite keeps beside them, after every way a run can stop."""
    journey.to("produced")
    files = list(journey.customer.runs.rglob("ledger.db*"))
    assert len(files) >= 4
    assert [(p.name, oct(p.stat().st_mode & 0o777)) for p in files if p.stat().st_mode & 0o077] == []
