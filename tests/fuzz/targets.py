"""Every fuzz target by name: bytes in, nothing out; an AssertionError, or any error that is not the tool's own, is a finding."""

from collections.abc import Callable
from importlib import import_module
from typing import Final

# Imported one by one: instrumented, what a target doesn't read would cost minutes.
TARGETS: Final = {
    "csv_export": "readers_source",
    "usercom_api": "readers_source",
    "gap_files": "readers_source",
    "freshsales_api": "readers_target",
    "customer_toml": "readers_files",
    "decisions_csv": "readers_files",
    "mapping_workbook": "readers_files",
    "run_json": "readers_archive",
    "tampered_ledger": "readers_archive",
    "manifests": "readers_archive",
}
# What reads; the rest of the library is only called.
READERS: Final = [
    "crmbook.vendors", "crmbook.csvfiles", "crmbook.config", "crmbook.decisions", "crmbook.mapping_xlsx_read", "crmbook.mapping_cells",
    "crmbook.source_files", "crmbook.handoff_read", "crmbook.readback", "crmbook.readback_values", "crmbook.readback_shapes",
    "crmbook.workspace_read", "crmbook.extract_frames", "crmbook.extract_columns", "crmbook.extract_values", "crmbook.extract_history_frames", "crmbook.ledger", "crmbook.verifier",
    "crmbook.archive", "crmbook.runs", "crmbook.run_shape", "crmbook.evidence", "tomllib",
]  # fmt: skip


def target(name: str) -> Callable[[bytes], None]:
    found: Callable[[bytes], None] = getattr(import_module(f"fuzz.{TARGETS[name]}"), name)
    return found
