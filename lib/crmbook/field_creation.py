"""Custom fields created through the API, where the customer wants that and the tenant lets us.

In: the checklist of a tenant whose map is approved. Out: the checklist after what could be done, each open field with
the reason why an admin has to do it. Whether a tenant's API takes choices and uniqueness is known to nobody (vendor
docs are silent), so the first such field tells: what comes back without them is completed by the admin, and no
further one is tried. Invariants: no field is asked for twice, and none counts as there unless the settings show it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from crmbook import runs, target
from crmbook.errors import (
    ApiError,
    AuthError,
    DataError,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
    masked,
)
from crmbook.field_journal import DONE, INTENT, NAME, REFUSED, UNCLEAR, Field, Journal
from crmbook.runs import Run
from crmbook.vendors.freshsales import Freshsales

TYPES: Final = (
    "text", "textarea", "number", "decimal", "checkbox", "date", "dropdown", "multi_select_dropdown",
)  # fmt: skip
_LOOKS_S: Final = (0.0, 0.5, 2.0, 5.0)
NO_API: Final = "the tenant does not let fields be created through its API"
NO_CHOICES: Final = "the tenant's API leaves choices out"
NO_UNIQUE: Final = "the tenant's API leaves uniqueness out"
DOUBTFUL: Final = "an earlier creation had no clear outcome, and the field is not there"
GONE: Final = "it was created and is not there any more"
NOT_UNIQUE: Final = "not unique"

Row = dict[str, Any]
Item = Mapping[str, Any]


@dataclass
class _Maker:
    """One pass over the open fields; `reasons` says by item why an admin has to do it, `made` which are new."""

    client: Freshsales
    journal: Journal
    sleep: Callable[[float], None]
    reasons: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)

    def offer(self, item: Item, choices: list[str]) -> None:
        """*item* created, or the reason why not."""
        what = Field(item["module"], item["api_name"])
        closed = self._closed(item, choices)
        earlier = self.journal.state(what)
        if closed:
            self.reasons[item["item_id"]] = closed
        elif earlier in (INTENT, UNCLEAR):
            self._settle(item, what)
        elif earlier == DONE:
            self.reasons[item["item_id"]] = GONE
        else:
            self._create(item, what, choices)

    def _closed(self, item: Item, choices: list[str]) -> str:
        wants = [""] + ["choices"] * bool(choices) + ["unique"] * bool(item["unique"])
        return next((self.closed[want] for want in wants if want in self.closed), "")

    def _settle(self, item: Item, what: Field) -> None:
        """A creation of unknown fate: looked up, never repeated."""
        if self._shown(what, looks=_LOOKS_S) is None:
            self.reasons[item["item_id"]] = DOUBTFUL
        else:
            self.journal.note(what, DONE)
            self.made.append(item["item_id"])

    def _create(self, item: Item, what: Field, choices: list[str]) -> None:
        try:
            form_id = self._form(what.module)
        except (AuthError, NotFound) as refusal:
            self._close("", NO_API, refusal, item)
            return
        self.journal.note(what, INTENT)
        try:
            self.client.create_field(what.module, form_id, _spec(item, choices))
        except (AuthError, NotFound) as refusal:
            self.journal.note(what, REFUSED)
            self._close("", NO_API, refusal, item)
        except Rejected as refusal:
            self.journal.note(what, REFUSED)
            self.reasons[item["item_id"]] = masked(f"the tenant refused it: {'; '.join(refusal.messages)}")
        except RateLimited:
            self.journal.note(what, REFUSED)
            raise
        except Unavailable as doubt:
            self.journal.note(what, UNCLEAR if doubt.sent else REFUSED)
            if not doubt.sent:
                raise
            self._settle(item, what)
        except (ApiError, DataError):
            self.journal.note(what, UNCLEAR)
            self._settle(item, what)
        else:
            self.journal.note(what, DONE)
            self.made.append(item["item_id"])
            self._judge(item, what, choices)

    def _judge(self, item: Item, what: Field, choices: list[str]) -> None:
        """What the tenant left out of a new field, it is not asked for again."""
        shown = self._shown(what, looks=_LOOKS_S) or {}
        there = {str(c.get("value")) for c in shown.get("choices") or [] if isinstance(c, Mapping)}
        if not set(choices) <= there:
            self.closed["choices"] = NO_CHOICES
        if item["unique"] and is_unique(self.client, what.module).get(what.api_name) is not True:
            self.closed["unique"] = NO_UNIQUE
            self.reasons[item["item_id"]] = NOT_UNIQUE

    def _shown(self, what: Field, *, looks: Iterable[float]) -> Row | None:
        for pause_s in looks:
            self.sleep(pause_s)
            for row in self.client.fields(what.module):
                if row.get("name") == what.api_name:
                    return row
        return None

    def _form(self, module: str) -> str:
        if module not in self.forms:
            found = self.client.forms(module)
            active = [form for form in found if form.get("active") is not False]
            if not active:
                raise NotFound("GET", f"/settings/{module}/forms", entity=module, detail="it has no form")
            self.forms[module] = str(active[0]["id"])
        return self.forms[module]

    def _close(self, want: str, reason: str, refusal: ApiError, item: Item) -> None:
        status = f" (HTTP {refusal.status})" if refusal.status else ""
        self.closed[want] = f"{reason}{status}"
        self.reasons[item["item_id"]] = self.closed[want]


def create(
    run: Run,
    client: Freshsales,
    checklist: pl.DataFrame,
    recheck: Callable[[], pl.DataFrame],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> pl.DataFrame:
    """
    The checklist after every missing field was asked for once; *recheck* reads the tenant again.

    `how` is api for what the API made, admin for the rest; `found` says why.

    Raises:
        Waiting: the mapping these fields come from is not approved.
        ApiError: the tenant can't be reached or its quota is spent; running again goes on from here.
    """
    _require_approval(run)
    journal = Journal(run.customer_folder / NAME, target.host(run))
    maker = _Maker(client, journal, sleep)
    for item in _open(checklist):
        maker.offer(item, item["wanted"])
    run.log("fields created", created=len(maker.made), left=len(maker.reasons))
    return _told(recheck() if maker.made else checklist, maker, asked=_asked(journal, checklist))


def proven(client: Freshsales, checklist: pl.DataFrame) -> pl.DataFrame:
    """*checklist* with fields that shall be unique and are shown not to be as a mismatch; only reads."""
    is_it = (pl.col("kind") == "custom_field") & pl.col("unique") & (pl.col("status") == "present")
    wanted = checklist.filter(is_it)
    if wanted.is_empty():
        return checklist
    told = {module: is_unique(client, module) for module in wanted["module"].unique().sort()}
    wrong = [
        row["item_id"]
        for row in wanted.iter_rows(named=True)
        if told[row["module"]].get(row["api_name"]) is False
    ]
    is_wrong = pl.col("item_id").is_in(wrong)
    return checklist.with_columns(
        status=pl.when(is_wrong).then(pl.lit("mismatch")).otherwise("status"),
        found=pl.when(is_wrong).then(pl.lit(NOT_UNIQUE)).otherwise("found"),
    )


def is_unique(client: Freshsales, module: str) -> dict[str, bool]:
    """Whether the fields of *module* are unique, as far as its forms tell."""
    try:
        groups = [group for form in client.forms(module) for group in form.get("fields") or []]
    except (AuthError, NotFound, DataError):
        return {}
    rows = [
        row for group in groups if isinstance(group, Mapping) for row in (group, *(group.get("fields") or []))
    ]
    return {
        str(row["name"]): options["unique"]
        for row in rows
        if isinstance(row, Mapping) and isinstance(options := row.get("field_options"), Mapping)
        if isinstance(options.get("unique"), bool)
    }


def _open(checklist: pl.DataFrame) -> list[Row]:
    """The fields nobody has made, the plain ones first, so that what a tenant leaves out is learned late."""
    missing = checklist.filter(
        pl.col("kind") == "custom_field", pl.col("status") == "missing", pl.col("field_type").is_in(TYPES)
    ).with_columns(wanted=pl.col("choices").str.json_decode(pl.List(pl.String)))
    order = [pl.col("unique"), pl.col("wanted").list.len() > 0, pl.col("item_id")]
    return missing.sort(order).to_dicts()


def _asked(journal: Journal, checklist: pl.DataFrame) -> set[str]:
    """The items an earlier pass asked for, whatever came of it."""
    rows = (
        checklist.filter(pl.col("kind") == "custom_field").select("item_id", "module", "api_name").iter_rows()
    )
    return {
        item for item, module, name in rows if journal.state(Field(module, name)) in (DONE, INTENT, UNCLEAR)
    }


def _told(checklist: pl.DataFrame, maker: _Maker, *, asked: set[str]) -> pl.DataFrame:
    is_field = pl.col("kind") == "custom_field"
    is_ours = pl.col("item_id").is_in(sorted({*maker.made, *asked})) & (pl.col("status") == "present")
    why = pl.col("item_id").replace_strict(maker.reasons, default=None, return_dtype=pl.String)
    is_open = is_field & (pl.col("status") != "present")
    return checklist.with_columns(
        how=pl.when(is_field & is_ours)
        .then(pl.lit("api"))
        .when(is_field)
        .then(pl.lit("admin"))
        .otherwise("how"),
        found=pl.when(is_open & (pl.col("found") == "") & why.is_not_null()).then(why).otherwise("found"),
    )


def _spec(item: Item, choices: list[str]) -> Row:
    spec: Row = {
        "label": item["label"], "internal_name": item["api_name"].removeprefix("cf_"), "type": item["field_type"],
        "required": False, "visible": True, "editable": True,
    }  # fmt: skip
    if choices:
        spec["choices"] = [{"value": choice, "position": n} for n, choice in enumerate(choices, 1)]
    return spec | ({"unique": True} if item["unique"] else {})


def _require_approval(run: Run) -> None:
    offer = run.record.get()["offers"].get("mapping")
    digest = offer["hash"] if offer else ""
    if run.record.approved("mapping", digest) or runs.mapping_approval(run.customer.key, digest):
        return
    summary = offer["summary"] if offer else "run 02_mapping first"
    raise runs.waiting_for("mapping", run.customer.key, run.run_id, digest, summary)
