"""Do the customer's files fit into the target's plan?

In: the documents of 04 and the plan's limits. Out: one row per limit. A limit nobody publishes is null and
neither fits nor fails. What the target holds already is not told by its API, so it is not counted.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.errors import UpstreamError
from crmbook.phases.scoping import Limit

_LABELS: Final = {"file": "largest file", "all": "all files together"}


def storage(documents: pl.DataFrame, limits: Mapping[str, Limit]) -> pl.DataFrame:
    """What the files of *documents* need beside *limits* (`file`, `all`, in bytes), as `tables.STORAGE`."""
    sizes = documents.filter(pl.col("kind") != "link")["size_bytes"]
    needed = {"file": sizes.max() or 0, "all": sizes.sum()}
    rows = [
        {
            "requirement": _LABELS[name],
            "needed": float(needed[name]),  # type: ignore[arg-type]
            "allowed": limit.allowed,
            "fits": None if limit.allowed is None else needed[name] <= limit.allowed,  # type: ignore[operator]
            "source": limit.source,
        }
        for name, limit in limits.items()
    ]
    return tables.conform(pl.DataFrame(rows, schema=tables.STORAGE.columns), tables.STORAGE)


def require(stored: pl.DataFrame) -> None:
    """Raises UpstreamError where files don't fit: the vendor would refuse them one by one in mid-load."""
    for row in stored.filter(~pl.col("fits")).iter_rows(named=True):
        raise UpstreamError(
            f"documents: {row['requirement']} need {_mb(row['needed'])}, the plan allows {_mb(row['allowed'])};"
            " remove files from source.files and run 01_discovery again, or choose a larger plan"
        )


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1024**2:,.1f} MB"
