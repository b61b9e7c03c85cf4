"""Tables an analyst sorts and filters in JupyterLab, offline: the library's code travels in the notebook, no address is asked.

In the lab (`crmbook lab` says so to its kernels) `figures.show` hands its masked cells over to here; everywhere else the
archive's plain table stands. At most ROWS rows are shown, and the caption says how many there are.
"""

import os
from typing import Any, Final

import polars as pl
import polars.selectors as cs

VARIABLE: Final = "CRMBOOK_LAB"
ROWS: Final = 2000
_FEW: Final = 10
_state: dict[str, bool] = {}


def is_on() -> bool:
    """Whether this kernel belongs to `crmbook lab`."""
    return bool(os.environ.get(VARIABLE))


def connect() -> None:
    """The library's code into the page, once; the output it stands in must stay."""
    if not _state.get("connected"):
        from itables import init_notebook_mode

        init_notebook_mode(all_interactive=False, connected=False)
        _state["connected"] = True


def show(frame: pl.DataFrame, *, caption: str = "") -> None:
    """*frame* as a table with a search field, a filter per column and sortable heads; keyboard is enough."""
    from IPython.display import HTML, display

    connect()
    display(HTML(page(frame, caption=caption)))


def page(frame: pl.DataFrame, *, caption: str = "") -> str:
    """The table as HTML, for a page that `connect` was called in."""
    from itables import to_html_datatable

    connect()
    told = caption or f"{frame.height:,} rows"
    if frame.height > ROWS:
        told += f"; the first {ROWS:,} are shown"
    texts = [at for at, kind in enumerate(frame.dtypes) if not kind.is_numeric()]
    # A filter per column is worth its width only where there is something to look for.
    filters = {"column_filters": "footer"} if frame.height > _FEW else {}
    left = [{"targets": texts, "className": "dt-left"}]
    return str(
        to_html_datatable(_plain(frame.head(ROWS)), caption=told, columnDefs=left, **filters, **_OPTIONS)
    )


_OPTIONS: Final[dict[str, Any]] = {
    "maxBytes": 0, "lengthMenu": [10, 25, 100], "pageLength": 10, "showIndex": False,
    "classes": "display compact nowrap", "style": "width:auto;margin-left:0",
}  # fmt: skip


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Days for instants, words for yes and no, names as they are shown elsewhere."""
    made = frame.with_columns(
        cs.datetime().dt.strftime("%Y-%m-%d"),
        (cs.categorical() | cs.enum()).cast(pl.String),
        cs.list().cast(pl.List(pl.String)).list.join(", "),
        cs.boolean().replace_strict({True: "yes", False: "no"}, return_dtype=pl.String),
    )
    return made.rename({c: c.replace("_", " ") for c in frame.columns})
