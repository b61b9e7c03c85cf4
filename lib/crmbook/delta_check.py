"""06 of a delta run: findings that are a person's work in the target are told apart from those that are ours.

In: the findings of 06 and the tables of the run before. Out: the findings that are left, and `kept`. In a run that is no
delta everything passes through unchanged.
"""

from collections.abc import Mapping
from functools import cached_property

import polars as pl

from crmbook import apply, lineage, tables
from crmbook.ledger import Ledger
from crmbook.phases import compare, compare_history, delta_kept, target_ids
from crmbook.phases import edition as editions
from crmbook.phases.narrow import Frame
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run

Frames = Mapping[str, pl.DataFrame]
_HISTORY = ("tasks", "appointments", "sales_activities", "notes", "target_lists", "documents")


class Kept:
    """What a person changed in the target since the run before, taken out of the findings of *run* one after another."""

    def __init__(self, run: Run) -> None:
        self._run, self.base = run, lineage.base_of(run)
        self._rows = [tables.KEPT.empty()]
        own = apply.rejected(run).select("entity", "source_id")
        self.refused = pl.concat([own, self.base.refused()]).unique() if self.base else own

    @cached_property
    def created(self) -> pl.DataFrame:
        """CROSSWALK of what this run itself made."""
        with Ledger(self._run.ledger_path) as ledger:
            return ledger.created()

    def save(self) -> None:
        self._run.save("kept", pl.concat(self._rows))

    def records(self, classes: pl.DataFrame) -> pl.DataFrame:
        if self.base is None:
            return classes
        made = self.created.with_columns(entity=editions.source_entity())
        return self._told(*delta_kept.records(classes, self.base.read("classes"), made))

    def links(self, link_classes: pl.DataFrame) -> pl.DataFrame:
        if self.base is None:
            return link_classes
        return self._told(
            *delta_kept.links(
                link_classes, now=self._run.read("links"), before=self.base.read("links"),
                classes_before=self.base.read("link_classes"), standing=self.base.standing(),
                conflicts=self._run.read("conflicts"), created=self.created,
            )
        )  # fmt: skip

    def fields(
        self, compared: compare.Comparison, normalized: Mapping[str, Frame], ids: TargetIds
    ) -> compare.Comparison:
        if self.base is None:
            return compared
        base = self.base
        accounts, contacts, deals = (base.read(name) for name in ("sales_accounts", "contacts", "deals"))
        # Who is a lead now is compared with what they were then, wherever they stood.
        then = {"company": accounts, "contact": contacts, "deal": deals}
        if "lead" in normalized:
            then["lead"] = editions.with_company(contacts, accounts)
        left, rows, counts = delta_kept.fields(
            compared.differences, now=_expected(normalized, ids), before=_expected(then, ids),
            conflicts=self._run.read("conflicts"), created=self.created,
        )  # fmt: skip
        self._rows.append(rows)
        return compare.Comparison(left, delta_kept.fidelity(compared.fidelity, counts))

    def history(self, classes: pl.DataFrame) -> pl.DataFrame:
        if self.base is None:
            return classes
        made = delta_kept.by_module(self.created)
        return self._told(*delta_kept.records(classes, self.base.read("history_classes"), made, "module"))

    def members(self, classes: pl.DataFrame) -> pl.DataFrame:
        if self.base is None:
            return classes
        return self._told(*delta_kept.members(classes, self.base.read("list_members"), self.created))

    def history_fields(
        self,
        compared: compare_history.Comparison,
        wanted: Mapping[str, Frame],
        crosswalk: pl.DataFrame,
        ids: TargetIds,
    ) -> compare_history.Comparison:
        if self.base is None:
            return compared
        then = compare_history.expected({name: self.base.read(name) for name in _HISTORY}, crosswalk, ids)
        conflicts = self._run.read("conflicts")
        left, rows, counts = delta_kept.fields(
            compared.differences, now={module: rows.lazy().collect() for module, rows in wanted.items()}, before=then,
            conflicts=delta_kept.by_module(conflicts).with_columns(entity="module").drop("module"),
            created=delta_kept.by_module(self.created), key="module",
        )  # fmt: skip
        self._rows.append(rows)
        return compare_history.Comparison(left, delta_kept.fidelity(compared.fidelity, counts, "module"))

    def instants(self, shown: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
        """*shown* (INSTANTS) without the records in which a person changed a field: what they show is no longer ours."""
        changed = pl.concat(self._rows).filter(pl.col("kind") == "field").select(
            carrier_module="entity", carrier_id="source_id"
        )  # fmt: skip
        theirs = standing.join(changed, on=["carrier_module", "carrier_id"], how="semi").select(
            "entity", "source_id"
        )
        return shown.join(theirs, on=["entity", "source_id"], how="anti")

    def _told(self, settled: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        self._rows.append(rows)
        return settled


def as_left(run: Run, actual: Mapping[str, Frame]) -> Mapping[str, Frame]:
    """
    *actual* (the `actual_*` tables by place) with what a person changed, by `kept`, as our last write left it: what they
    chose over it is no loss of the map.
    """
    fields = run.read("kept").filter(pl.col("kind") == "field")
    if fields.is_empty():
        return actual
    names = ("sales_accounts", "contacts", "deals", "existing")
    normalized = editions.of(run.target.edition).records(**dict(zip(names, run.frames(*names), strict=True)))
    wanted, classes = _expected(normalized, tenant_ids(run)), run.read("classes")
    return {
        place: delta_kept.put_back(
            frame.lazy().collect(), fields.filter(pl.col("entity") == ("contact" if place == "lead" else place)), wanted[place],
            classes.filter(pl.col("module") == editions.MODULES[place]),
        )
        for place, frame in actual.items()
    }  # fmt: skip


def tenant_ids(run: Run) -> TargetIds:
    """The ids of the tenant that stand for agents, stages, lifecycles and currencies."""
    names = ("owners", "stages", "target_owners", "target_stages", "target_statuses", "target_currencies")
    frames = dict(zip(names, run.frames(*names), strict=True))
    ids = target_ids.resolve(**frames, admin_email=run.customer.admin_email)
    return target_ids.after_reassigning(ids, run.read("reassigned"))


def _expected(normalized: Mapping[str, Frame], ids: TargetIds) -> dict[str, pl.DataFrame]:
    return {
        place: compare.expected(place, frame.lazy().collect(), ids) for place, frame in normalized.items()
    }
