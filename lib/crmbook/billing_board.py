"""The controls of the exploring notebook: what is chosen in them, and everything they draw, at once.

One `Board` stands for one notebook. Every control is a plain form element with a name, so that Tab, arrows and Enter
are enough. What is drawn is HTML made of the same tables the tests count; `numbers` holds them. Nothing is written but
on the button that saves the selection.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import ipywidgets as widgets
import polars as pl
from IPython.display import Javascript, display

from crmbook import billing_page, lab_tables
from crmbook.errors import CrmbookError
from crmbook.exploring import Desk
from crmbook.phases import billing_tiers
from crmbook.phases.billing_tiers import ATTRIBUTES, LABELS, Choice

EVERYBODY: Final = "everybody"
_WANTED: Final = (("any", None), ("has it", True), ("lacks it", False))
_ROW: Final = widgets.Layout(
    display="flex", flex_flow="row wrap", gap="4px 18px", width="100%", overflow="visible"
)
_SHORT: Final = widgets.Layout(width="150px")
_LIST: Final = widgets.Layout(width="235px", height="150px")
_SAVING: Final = widgets.Layout(width="210px")
_WIDE: Final = widgets.Layout(width="min(460px, 100%)")


class Board:
    """Everything of the notebook that changes: the controls, what they draw, and what they chose."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.numbers: dict[str, Any] = {}
        self.attributes = {name: _wanted(LABELS[name]) for name in ATTRIBUTES}
        self.tiers = _several("group", [(t.replace("_", " "), t) for t in billing_tiers.TIERS])
        self.seen = _several("last seen", [(s, s) for s in billing_tiers.SEEN])
        self.owners = _several("owner", [(label, owner) for owner, label in desk.owners.items()])
        self.sizes = _several("company size", [(s, s) for s in billing_tiers.SIZES])
        self.members = _one("only members of", _member_options(desk.members))
        self.dimension = _one(
            "count by", [(d.replace("seen", "last seen"), d) for d in billing_tiers.DIMENSIONS]
        )
        self.theirs = widgets.IntText(
            description="shown there", layout=widgets.Layout(width="240px"), value=0
        )
        self.reason = widgets.Text(description="reason", layout=_WIDE, placeholder="not seen for two years")
        self.save = widgets.Button(
            description="Leave these contacts out", button_style="warning", layout=_SAVING
        )
        self.lister = widgets.Button(description="List these contacts", layout=_SAVING)
        self.summary, self.drawn, self.compared, self.saved = (widgets.HTML() for _ in range(4))
        self.table = widgets.Output()
        for control in (*self.attributes.values(), *self._lists(), self.members, self.dimension):
            control.observe(self._redraw, "value")
        self.theirs.observe(self._compare, "value")
        self.save.on_click(self._guarded(self._save))
        self.lister.on_click(self._guarded(self._list))
        self._redraw()

    def controls(self) -> None:
        """The controls, and what they draw below them."""
        attributes = widgets.HBox(list(self.attributes.values()), layout=_ROW)
        lists = widgets.HBox(list(self._lists()), layout=_ROW)
        ways = widgets.HBox([self.members, self.dimension], layout=_ROW)
        display(Javascript(billing_page.KEYS))
        display(
            widgets.VBox(
                [widgets.HTML(billing_page.STYLE), attributes, lists, ways, self.summary, self.drawn]
            )
        )

    def listing(self) -> None:
        """The button that lists the selection, and the table it fills."""
        lab_tables.connect()
        display(widgets.VBox([self.lister, self.table]))

    def comparison(self) -> None:
        """User.com's own number beside ours, and why they may differ."""
        display(widgets.VBox([self.theirs, self.compared]))

    def saving(self) -> None:
        """The reason, the button that saves the selection, and what came of it."""
        display(widgets.VBox([widgets.HBox([self.reason, self.save], layout=_ROW), self.saved]))

    @property
    def choice(self) -> Choice:
        """What the controls choose now."""
        wanted = {name: box.value for name, box in self.attributes.items() if box.value is not None}
        return Choice(wanted, *(tuple(box.value) for box in self._lists()))

    @property
    def member_of(self) -> tuple[str, str]:
        """The segment or tag whose members are looked at: kind and name, both empty for everybody."""
        kind, value = self.members.value
        return kind, value

    @property
    def _is_open(self) -> bool:
        return self.choice.is_open and self.members.value == ("", "")

    def _lists(self) -> tuple[Any, ...]:
        return self.tiers, self.seen, self.owners, self.sizes

    def _redraw(self, _change: Mapping[str, Any] | None = None) -> None:
        choice, dimension = self.choice, self.dimension.value
        by = rows = self._marked(self.desk.cube(*self.member_of), choice)
        if dimension in billing_tiers.MEMBERSHIPS:
            by = self._marked(self.desk.spread(*self.member_of), choice)
        groups = billing_tiers.groups(rows)
        self.numbers = {
            "groups": groups,
            "combinations": billing_tiers.combinations(rows),
            "single": billing_tiers.single(rows),
            "by": self._named(billing_tiers.breakdown(by, dimension), dimension),
        }
        sums = groups.select(pl.exclude("tier").sum()).row(0, named=True)
        tiers = {
            name: billing_tiers.step(sums[name], self.desk.steps) for name in ("billable", "billable_after")
        }
        self.summary.value = billing_page.summary(sums, tiers)
        self.drawn.value = billing_page.board(**self.numbers, labels=LABELS, dimension=dimension)
        self._compare()

    def _marked(self, counted: pl.DataFrame, choice: Choice) -> pl.DataFrame:
        """Nothing chosen anywhere chooses nobody: it could not be saved either."""
        if self._is_open:
            return counted.with_columns(chosen=pl.lit(0, pl.Int64))
        return billing_tiers.marked(counted, choice)

    def _named(self, rows: pl.DataFrame, dimension: str) -> pl.DataFrame:
        return rows.with_columns(pl.col("value").replace(self.desk.owners)) if dimension == "owner" else rows

    def _compare(self, _change: Mapping[str, Any] | None = None) -> None:
        billable = self.numbers["groups"]["billable"].sum()
        self.compared.value = billing_page.comparison(billable, self.theirs.value)

    def _list(self) -> None:
        rows = self.desk.listed(self.choice, *self.member_of)
        self.saved.value = ""
        self.table.clear_output(wait=True)
        with self.table:
            lab_tables.show(
                rows, caption=f"{rows.height:,} contacts{', none' if self._is_open else ''} chosen"
            )

    def _save(self) -> None:
        self.saved.value = billing_page.said(
            self.desk.exclude(self.choice, *self.member_of, self.reason.value)
        )

    def _guarded(self, act: Callable[[], None]) -> Callable[[Any], None]:
        """An error of the workbook as one line under the button; anything else is a bug and shows as one."""

        def acted(_button: Any) -> None:
            try:
                act()
            except CrmbookError as stop:
                self.saved.value = billing_page.said(str(stop), is_fault=True)

        return acted


def _wanted(label: str) -> Any:
    return widgets.Dropdown(options=_WANTED, description=label, layout=_SHORT)


def _several(label: str, options: list[tuple[str, str]]) -> Any:
    return widgets.SelectMultiple(
        options=options, description=label, layout=_LIST, style={"description_width": "95px"}
    )


def _one(label: str, options: list[tuple[str, Any]]) -> Any:
    return widgets.Dropdown(
        options=options, description=label, layout=_WIDE, style={"description_width": "initial"}
    )


def _member_options(members: pl.DataFrame) -> list[tuple[str, tuple[str, str]]]:
    pairs = members.select("kind", "value").unique().sort("kind", "value").iter_rows()
    return [(EVERYBODY, ("", "")), *((f"{kind}: {value}", (kind, value)) for kind, value in pairs)]
