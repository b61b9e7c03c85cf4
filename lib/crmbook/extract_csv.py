"""The customer's exports as a source to read from, and what in them could not be read.

In: `source.path` of customer.toml, relative to the customer's folder. Out: a client like the API's. Rows that
are no records are saved as `source_rejects` whatever becomes of the reading, so that no stop hides them.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from crmbook import tables
from crmbook.config import Customer
from crmbook.runs import Run
from crmbook.vendors.usercom_csv import UserComCsv


def client(customer: Customer, customer_folder: Path) -> UserComCsv:
    """The exports of *customer*; raises ConfigError where the folder or a file that must be there is missing."""
    return UserComCsv(customer_folder / customer.source.path)


@contextlib.contextmanager
def source(run: Run) -> Iterator[UserComCsv]:
    """The exports of the run's customer, for one reading."""
    exports = client(run.customer, run.customer_folder)
    try:
        yield exports
        if run.customer.source.history == "all":
            exports.reject_strays()
    finally:
        run.save("source_rejects", rejects(exports))


def rejects(exports: UserComCsv) -> pl.DataFrame:
    """What was wrong with which line so far, as `tables.SOURCE_REJECTS`."""
    rows = [(file, line, reason) for (file, line), reason in exports.rejects.items()]
    found = pl.DataFrame(rows, schema=tables.SOURCE_REJECTS.columns, orient="row")
    return tables.conform(found, tables.SOURCE_REJECTS)
