"""Over all runs of a customer, and over all customers: `runs/<customer>/index.html` and `runs/index.html`.

In: the run folders as they are. Out: two offline pages whose rows lead to the runs' own reports. They are made anew
whenever a run changes, and are no evidence themselves: what they say stands in the runs. A run or a customer whose
files can't be read is listed and says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from crmbook import config, front, pages, report, runs
from crmbook.errors import CrmbookError

NAME: Final = "index.html"
_RUNS: Final = """
<h1>{{ name }}: every run</h1>
<p class="lead">{{ told }}</p>
<p>A run moves the account once, into the test workspace to rehearse or into the one the company works in. Each leads to
its report: what moved, what did not and why, and who approved it.</p>
{{ table }}
"""
_CUSTOMERS: Final = """
<h1>Every customer</h1>
<p class="lead">{{ told }}</p>
<p>The newest run of each tells how far they are; a customer's name leads to all of their runs.</p>
{{ table }}
"""
_COLUMNS: Final = (
    "run",
    "environment",
    "began (UTC)",
    "state",
    "in Freshsales",
    "findings",
    "signed off by",
    "calls",
)
_UNREADABLE: Final = "its files can't be read"


def refresh(record: runs.Record) -> Path:
    """The report of *record*, its customer's index and the index of all, as things stand now; the report's path."""
    settled = config.read(record.folder.parent / "customer.toml")
    target = settled.target(record.get()["env"])
    path = report.write_front(record, name=settled.name, edition=target.edition, plan=target.plan)
    write_customer(settled.key)
    write_all()
    return path


def write_customer(customer: str) -> Path:
    """`runs/<customer>/index.html`: one row a run, the newest first."""
    rows = {folder.name: _run(folder) for folder in _run_folders(customer)}
    links = {name: f"{name}/{NAME}" for name in rows if (runs.root() / customer / name / NAME).exists()}
    frame = pl.DataFrame(list(rows.values()), schema=list(_COLUMNS), orient="row", infer_schema_length=None)
    name = _name(customer)
    table = pages.table(frame, links=links, label="runs", empty="No run yet.")
    body = (
        pages.environment().from_string(_RUNS).render(name=name, told=_counted(len(rows), "run"), table=table)
    )
    return _written(runs.root() / customer / NAME, f"{name}: every run", body)


def write_all(extra: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """
    `runs/index.html`: one row a customer, by name.

    *extra* adds columns by customer: name of the column to what stands there.
    """
    customers = sorted(p.parent.name for p in runs.root().glob("*/customer.toml"))
    rows, links = [], {}
    for customer in customers:
        newest = next(iter(_run_folders(customer)), None)
        newest_run = _run(newest) if newest else ("–", "", "", "no run yet", None, None, "", None)
        title = _name(customer)
        title = title if title not in links else f"{title} ({customer})"
        if (runs.root() / customer / NAME).exists():
            links[title] = f"{customer}/{NAME}"
        rows.append(
            {
                "customer": title,
                **dict(zip(_COLUMNS, newest_run, strict=True)),
                **(extra or {}).get(customer, {}),
            }
        )
    frame = (
        pl.DataFrame(rows, infer_schema_length=None).rename({"run": "newest run"}) if rows else pl.DataFrame()
    )
    table = pages.table(frame, links=links, label="customers", empty="No customer yet.")
    told = _counted(len(rows), "customer")
    body = pages.environment().from_string(_CUSTOMERS).render(told=told, table=table)
    return _written(runs.root() / NAME, "Every customer", body)


def _run_folders(customer: str) -> list[Path]:
    """The customer's run folders, the newest first; one that can't be read counts as oldest."""
    found = [path.parent for path in (runs.root() / customer).glob("*/run.json")]
    return sorted(found, key=lambda folder: (_began(folder), folder.name), reverse=True)


def _began(folder: Path) -> str:
    try:
        return str(runs.Record(folder).get()["created_at"])
    except CrmbookError:
        return ""


def _run(folder: Path) -> tuple[Any, ...]:
    """One run in a row of `_COLUMNS`."""
    try:
        facts = front.read(runs.Record(folder))
    except CrmbookError:
        return (folder.name, "", "", _UNREADABLE, None, None, "", None)
    content, is_read_back = facts.content, facts.status("06_reconciliation") == "passed"
    signed = [a["by"] for a in content["approvals"] if a["what"] == "reconciliation"]
    spent = facts["forecast_error"]
    return (
        folder.name,
        content["env"] + (", delta" if content.get("delta") else ""),
        content["created_at"][:16].replace("T", " "),
        front.state(facts),
        facts.total(front.BALANCES, "loaded") if is_read_back else None,
        sum(front.findings(facts).values()) if is_read_back else None,
        signed[-1] if signed else "",
        int(spent.filter(pl.col("entity") == "total")["used"].sum()) if spent.height else None,
    )


def _name(customer: str) -> str:
    try:
        return config.read(runs.root() / customer / "customer.toml").name
    except CrmbookError:
        return customer


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}."


def _written(path: Path, title: str, body: str) -> Path:
    runs.write_text(path, pages.page(title, body))
    return path
