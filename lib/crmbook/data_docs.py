"""Great Expectations' own Data Docs of a run: every rule that was checked, in its words, with its result.

In: the gate.json of each phase. Out: `data_docs/` in the run folder, the site its site builder makes, through views of
ours (`data_docs_view`) that fetch nothing and run no script. Invariant: no value of any record is on it, since a gate
keeps counts only; the same verdicts give the same bytes.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from crmbook import archive, gates, gx, runs
from crmbook.errors import DataError

_BATCH: Final = "gate"
FRONT: Final = f"{archive.DATA_DOCS}/index.html"
_SITE: Final = "run"
_DEEP: Final = re.compile(rf"validations/([^/]+)/([^/]+)/[^\"]+/{_BATCH}\.html")
_VIEW: Final = "crmbook.data_docs_view"
# The index is GX's own list of pages; statistics of single suites stand on their pages.
_SECTIONS: Final[dict[str, Any]] = {
    "expectations": "none",
    "profiling": "none",
    "validations": {"view": {"module_name": _VIEW, "class_name": "Page"}},
}


def build(record: runs.Record) -> None:
    """The Data Docs of the run as its gates stand now, by the process in which Great Expectations is warm."""
    judged = [path.stat().st_mtime_ns for path in _gates(record.folder)]
    front = record.folder / FRONT
    if judged and not (front.exists() and front.stat().st_mtime_ns > max(judged)):
        gates.ask("document", str(record.folder))


def _gates(folder: Path) -> list[Path]:
    """The verdicts of the phases as they ended last; those of earlier attempts stand aside."""
    return [path for path in sorted(folder.glob("*/gate.json")) if "~" not in path.parent.name]


def write(folder: Path) -> None:
    """
    The site of the run in *folder*, in place of the one before.

    Raises:
        DataError: a verdict could not be rendered; names the first.
    """
    verdicts = list(_verdicts(folder))
    with tempfile.TemporaryDirectory(prefix="crmbook-") as place:
        context = gx.warmed().get_context(mode="ephemeral")
        for key, verdict in verdicts:
            context.validation_results_store.set(key, verdict)
        for site in list(context.get_site_names()):
            context.delete_data_docs_site(site)
        context.add_data_docs_site(_SITE, _config(place))
        context.build_data_docs([_SITE])
        _replace(folder / archive.DATA_DOCS, Path(place), [key for key, _ in verdicts])


def _config(place: str) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": place},
        "site_index_builder": {
            "class_name": "DefaultSiteIndexBuilder",
            "view": {"module_name": _VIEW, "class_name": "Index"},
        },
        "site_section_builders": _SECTIONS,
    }


def _replace(there: Path, made: Path, keys: list[Any]) -> None:
    """The pages of *made* at *there*; what GX puts beside them (fonts, pictures) is left behind."""
    pages = sorted(path for path in made.rglob("*.html") if "static" not in path.parts)
    # GX logs what it can't render and goes on.
    if len(pages) != len(keys) + 1:
        raise DataError(
            f"{archive.DATA_DOCS}: {len(pages) - 1} of {len(keys)} verdicts rendered; run the phase again"
        )
    shutil.rmtree(there, ignore_errors=True)
    there.mkdir(mode=0o700)
    for path in pages:
        name = _flat(path.relative_to(made).as_posix())
        runs.write_text(there / name, _flat(path.read_text(encoding="utf-8")))


def _flat(text: str) -> str:
    """*text* with GX's paths, five folders deep and with the time in them, as `<phase>.<table>.html`."""
    return _DEEP.sub(r"\1.\2.html", text)


def _verdicts(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Per suite that was checked: GX's key of the result, and the result as GX knows it."""
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    record = runs.Record(folder).get()
    run = RunIdentifier(run_name=record["run_id"], run_time=record["created_at"])
    for path in _gates(folder):
        checks = json.loads(path.read_text(encoding="utf-8"))["checks"]
        for table in dict.fromkeys(check["table"] for check in checks):
            suite = f"{path.parent.name}.{table}"
            key = ValidationResultIdentifier(ExpectationSuiteIdentifier(suite), run, _BATCH)
            yield key, _result(suite, run, [check for check in checks if check["table"] == table])


def _result(suite: str, run: Any, checks: list[dict[str, Any]]) -> Any:
    from great_expectations.core import ExpectationSuiteValidationResult

    passed = sum(check["passed"] for check in checks)
    return ExpectationSuiteValidationResult(
        success=passed == len(checks),
        results=[_outcome(check) for check in checks],
        suite_name=suite,
        statistics={
            "evaluated_expectations": len(checks), "successful_expectations": passed,
            "unsuccessful_expectations": len(checks) - passed, "success_percent": 100 * passed / len(checks),
        },
        meta={"run_id": run, "great_expectations_version": gx.warmed().__version__},
    )  # fmt: skip


def _outcome(check: dict[str, Any]) -> Any:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    checked, failed = check["checked"], check["failed"]
    config = ExpectationConfiguration(
        type=check["type"], kwargs=check["kwargs"], meta={"id": check["id"]}, notes=check["notes"], severity=check["severity"]
    )  # fmt: skip
    counts = {
        "element_count": checked, "unexpected_count": failed, "unexpected_percent": 100 * failed / checked if checked else 0.0,
    }  # fmt: skip
    quiet = {"raised_exception": False, "exception_message": None, "exception_traceback": None}
    return ExpectationValidationResult(
        success=check["passed"], expectation_config=config, result=counts, exception_info=quiet
    )
