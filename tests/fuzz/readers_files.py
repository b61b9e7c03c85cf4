"""Fuzz targets for what a person edits: customer.toml, decisions.csv and mapping.xlsx."""

import io
import json
import zipfile
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import polars as pl
from openpyxl import load_workbook

from crmbook import config, decisions, mapping_sheets, mapping_xlsx, mapping_xlsx_read, tables
from fuzz.hostile import HOSTILE, MARKER, Bytes, damaged, frayed, refusal
from fuzz.readers_source import scratch

CUSTOMER: Final[dict[str, Any]] = {
    "customer": {"name": MARKER, "admin_email": MARKER, "time_zone": "Europe/Warsaw", "active_automations": 3},
    "source": {"kind": "api", "base_url": "https://acme.user.com/api/public/", "token_env": "ACME_TOKEN", "requests_per_second": 5},
    "target": {"test": {"edition": "suite", "plan": "growth", "base_url": "https://a.myfreshworks.com/crm/sales/api",
                        "token_env": "ACME_TEST_TOKEN", "requests_per_hour": 1000}},
    "policy": {"duplicate_email": "merge", "workflows_disabled": False, "conflict_fields": {"contacts.email": "source"}},
    "ai": {"model": "openai-chat:gpt", "base_url": "http://127.0.0.1:9/v1", "key_env": "KEY", "timeout_s": 3},
}  # fmt: skip
_ROWS: Final = (
    ("contact", "name", "contacts", "last_name", "name", "confirmed", "1.0", "same name", MARKER),
    ("contact", "p_plan", "contacts", "cf_plan", "text", "proposed", "0.5", MARKER, ""),
    ("company", "name", "sales_accounts", "name", "text", "proposed", "1.0", "", ""),
    ("deal", "name", "deals", "name", "text", "skip", "", "", ""),
    ("choice", "contact.p_plan:Gold", "contacts", MARKER, "identity", "changed", "1.0", "", ""),
    ("stage", "1/10", "deal_stage", "Sales / New", "20 %", "confirmed", "1.0", "", ""),
    ("owner", "7", "user", MARKER, "identity", "confirmed", "1.0", "", ""),
    ("activity_type", "1", "history", "phone", "identity", "proposed", "1.0", "", ""),
    ("event", "seen", "history", "notes", "identity", "proposed", "1.0", "", ""),
    ("tag", "tags", "tag", "native", "identity", "proposed", "1.0", "", ""),
    ("list", "5", "list", MARKER, "identity", "changed", "1.0", "", ""),
)  # fmt: skip
_CELLS: Final = (
    "", MARKER, f"={MARKER}", "'", "=1+1", "confirmed", "changed", "skip", "proposed", "contact", "stage", "owner", "cf_", "cf_ x", "1/", "/",
    "a / b", "101 %", "٣ %", "nan", "inf", "-1", "1e999", "9" * 400, "\x00", "\t", "x" * 40_000, "\ud7ff", "source_field", '"', "a\nb",
)  # fmt: skip


def customer_toml(content: bytes) -> None:
    """The settings are hostile: a customer, or the file, the key and what was expected there."""
    how = Bytes(content)
    path = scratch() / "acme" / "customer.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(
        how.rest()
        if how.below(3) == 1
        else frayed(_toml(damaged(CUSTOMER, how)).encode("utf-8", "replace"), how)
    )

    def read() -> None:
        found = config.read(path)
        for env in ("test", "production"):
            refusal(partial(found.target, env), "customer.toml")

    refusal(read, r"^acme/customer\.toml: ")


def _toml(value: Any) -> str:
    """Any JSON value as somebody would write it in TOML, right or wrong."""
    if not isinstance(value, dict):
        return f"x = {json.dumps(value)}"
    lines = []
    for name, part in value.items():
        if isinstance(part, dict) and name in CUSTOMER:
            lines += [f"[{name}]", *(f"{_key(k)} = {_inline(v)}" for k, v in part.items())]
        else:
            lines.insert(0, f"{_key(str(name))} = {_inline(part)}")
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(str(k))} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]" if value != HOSTILE[-1] else "[" * 2000
    return "nan" if value is None else json.dumps(value)


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else json.dumps(name)


def decisions_csv(content: bytes) -> None:
    """decisions.csv is hostile: every row that has text is decided, or its line and column are named."""
    how = Bytes(content)
    path = scratch() / decisions.NAME
    path.write_bytes(how.rest() if how.below(4) == 1 else _decided(how))
    refusal(lambda: _decide(decisions.read_csv(path)), r"^decisions\.csv\b")


def _decide(rows: list[decisions.Row]) -> None:
    found = decisions.parsed(rows)
    of_fields = sum(row["entity"] in ("contact", "company", "deal") for _, row in rows)
    assert found.mapping.height == of_fields, f"{of_fields} rows in, {found.mapping.height} out"


def _decided(how: Bytes) -> bytes:
    rows = [list(row) for row in _ROWS]
    for _ in range(how.below(4)):
        how.pick(rows)[how.below(9)] = how.pick(_CELLS)
    lines = [",".join(decisions.COLUMNS), *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    return frayed(how.pick(("\n", "\r\n")).join(lines).encode("utf-8", "replace"), how)


def mapping_workbook(content: bytes) -> None:
    """mapping.xlsx is hostile: the same rows, or the sheet and row are named."""
    how = Bytes(content)
    path = scratch() / mapping_sheets.NAME
    path.write_bytes(_spoiled_part(how) if how.below(2) else _spoiled_cells(how))
    refusal(lambda: _decide(mapping_xlsx_read.read(path)), r"^mapping\.xlsx\b")


@cache
def _workbook() -> bytes:
    names = [*decisions.COLUMNS]
    content = [
        {**dict(zip(names, row, strict=True)), "confidence": float(row[6] or 0), "records": 1, "position": n}
        for n, row in enumerate(_ROWS)
    ]
    rows = pl.DataFrame(content, schema=tables.DECISION_ROWS.columns)
    path: Path = scratch() / "good.xlsx"
    unmapped = pl.DataFrame(schema=["entity", "field", "records", "share", "why"])
    mapping_xlsx.write(path, rows=rows, facts={}, offers=mapping_sheets.offers(rows, {}), unmapped=unmapped)
    return path.read_bytes()


def _spoiled_cells(how: Bytes) -> bytes:
    """A workbook somebody typed into, moved things in, or made with another program."""
    book = load_workbook(io.BytesIO(_workbook()))
    for _ in range(how.below(4)):
        page = book[how.pick(book.sheetnames)]
        deed = how.below(8)
        if deed == 1 and len(book.sheetnames) > 1:
            book.remove(page)
        elif deed == 2:
            page.title = how.pick(("x", MARKER[:20], "contact "))
        elif deed == 3:
            page.delete_rows(1 + how.below(3))
        elif deed == 4:
            page.merge_cells("A2:B3")
        elif deed == 5:
            page.delete_cols(1 + how.below(6))
        else:
            cell = page.cell(1 + how.below(4), 1 + how.below(12))
            value = how.pick(
                (None, True, 7, -0.5, 1e300, 10**20, *(c for c in _CELLS if c.isprintable() and len(c) < 400))
            )
            if type(cell).__name__ == "Cell":
                cell.value = value
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _spoiled_part(how: Bytes) -> bytes:
    """A workbook with bytes of one of its parts replaced, a part missing, or the archive itself cut."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_workbook())) as good, zipfile.ZipFile(made, "w") as bad:
        names = good.namelist()
        hurt, deed = how.pick(names), how.below(5)
        for name in names:
            part = good.read(name)
            if name == hurt and deed == 1:
                continue
            if name == hurt:
                at = how.below(len(part) + 1)
                said = how.pick(
                    (
                        b'"1048576"',
                        b'<c r="XFD1048576"/>',
                        b"\xff",
                        b"&a;",
                        b't="n"',
                        b't="e"',
                        b't="d"',
                        b"",
                        b"9" * 400,
                    )
                )
                part = part[:at] + said + part[at + how.below(12) :]
            bad.writestr(name, part)
    return made.getvalue() if how.below(8) else made.getvalue()[: how.below(len(made.getvalue()))]
