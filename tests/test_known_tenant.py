"""What an earlier look at the target told counts only for its environment, and only unaltered."""

from pathlib import Path

import polars as pl

from crmbook import config, known_tenant, runs, tables
from load_case import frame
from test_ai import CUSTOMER

PHASE, NAME = "03_workspace", "target_fields"


def _looked(env: config.Env, api_name: str) -> runs.Record:
    """A run whose 03 has passed with one field in the tenant."""
    record = runs.create("acme", env, parameters={})
    path = record.folder / PHASE / "data" / f"{NAME}.parquet"
    path.parent.mkdir(parents=True)
    frame(tables.TARGET_FIELDS, {"module": "contacts", "api_name": api_name}).write_parquet(path)
    key = f"{PHASE}/data/{NAME}.parquet"
    record.change_phase(PHASE, status="passed", outputs={key: runs.sha256(path)})
    return record


def _asking(customers: Path, record: runs.Record) -> list[str] | None:
    (customers / "acme" / "customer.toml").write_text(CUSTOMER, encoding="utf-8")
    customer = config.read(customers / "acme" / "customer.toml")
    found = known_tenant.table(runs.Run(record, "02_mapping", customer, "test", {}), NAME)
    return None if found is None else found["api_name"].to_list()


def test_a_first_run_knows_nothing(customers: Path) -> None:
    """Then everything is proposed as if the tenant were new."""
    assert _asking(customers, runs.create("acme", "test", parameters={})) is None


def test_an_earlier_run_of_the_same_environment_counts(customers: Path) -> None:
    """Production is another tenant; the run's own look comes before all."""
    earlier, _ = _looked("test", "cf_test"), _looked("production", "cf_production")

    assert _asking(customers, runs.create("acme", "test", parameters={})) == ["cf_test"]
    assert _asking(customers, earlier) == ["cf_test"]
    assert _asking(customers, _looked("test", "cf_own")) == ["cf_own"]


def test_a_file_that_was_altered_does_not_count(customers: Path) -> None:
    """It is not what that phase wrote."""
    record = _looked("test", "cf_test")
    path = record.folder / PHASE / "data" / f"{NAME}.parquet"
    pl.read_parquet(path).with_columns(api_name=pl.lit("cf_other")).write_parquet(path)

    assert _asking(customers, record) is None
