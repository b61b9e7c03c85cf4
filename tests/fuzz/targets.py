"""Every fuzz target by name: bytes in, nothing out; an AssertionError, or any error that is not the tool's own, is a finding."""

from collections.abc import Callable
from typing import Final

from fuzz import readers_archive, readers_files, readers_source, readers_target

TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "csv_export": readers_source.csv_export,
    "usercom_api": readers_source.usercom_api,
    "gap_files": readers_source.gap_files,
    "freshsales_api": readers_target.freshsales_api,
    "customer_toml": readers_files.customer_toml,
    "decisions_csv": readers_files.decisions_csv,
    "mapping_workbook": readers_files.mapping_workbook,
    "run_json": readers_archive.run_json,
    "tampered_ledger": readers_archive.tampered_ledger,
    "manifests": readers_archive.manifests,
}
