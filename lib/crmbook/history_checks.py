"""06 for the history: its records read back, found, compared with what was loaded, and with the source itself.

In: the tables of 04, the crosswalk, the source tables of 01. Out: the tables of 06 that begin with `history_`, the
memberships, and the instants. Nothing is decided here.
"""

from collections.abc import Collection, Mapping

import polars as pl

from crmbook import readback_history
from crmbook.delta_check import Kept
from crmbook.phases import attachments, compare_history, instants, reconcile_history
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run
from crmbook.vendors import download
from crmbook.vendors.freshsales import Freshsales

LOADED = ("tasks", "appointments", "sales_activities", "notes", "target_lists", "list_members", "documents")
ACTUAL = (
    "actual_tasks", "actual_appointments", "actual_sales_activities", "actual_notes", "actual_lists",
    "actual_list_members", "actual_documents",
)  # fmt: skip
_SOURCE = {
    "activities": "source_activities",
    "events": "source_events",
    "emails": "source_emails",
    "messages": "source_messages",
}
_RECORDS = {"contact": "source_contacts", "company": "source_companies", "deal": "source_deals"}


def read_back(
    run: Run, client: Freshsales, noted: Collection[tuple[str, int]] = ()
) -> dict[str, pl.DataFrame]:
    """The history as the target tells it, by table name; *noted* as in `readback_history.records`."""
    return readback_history.records(
        run, client, lambda url, size_bytes: download.sha256(url, size_bytes=size_bytes), noted
    )


def reconcile(run: Run, ids: TargetIds, kept: Kept) -> None:
    """Every table of 06 that is about the history, saved."""
    loaded, found = _frames(run, LOADED), _frames(run, ACTUAL)
    crosswalk = run.read("crosswalk")
    wanted = compare_history.expected(loaded, crosswalk, ids)
    there = compare_history.actual(found)
    classes, strange = reconcile_history.classes(
        expected=wanted, actual=there, crosswalk=crosswalk, refused=kept.refused,
        created=kept.created if kept.base else None,
    )  # fmt: skip
    classes = kept.history(classes)
    members = reconcile_history.member_classes(
        members=loaded["list_members"], actual_members=found["actual_list_members"], classes=classes,
        crosswalk=crosswalk,
    )  # fmt: skip
    members = kept.members(members)
    compared = compare_history.compare(expected=wanted, actual=there, classes=classes)
    compared = kept.history_fields(compared, wanted, crosswalk, ids)
    heights = {module: frame.height for module, frame in wanted.items()}
    run.save_all(
        history_classes=classes,
        history_target_only=strange,
        member_classes=members,
        history_differences=compared.differences,
        history_fidelity=compared.fidelity,
        history_class_balance=reconcile_history.class_balance(
            classes=classes, target_only=strange, members=members, differences=compared.differences,
            normalized=heights | {reconcile_history.MEMBERS: loaded["list_members"].height},
        ),
        **_against_source(run, classes, members, there, kept),
    )  # fmt: skip


def standing(run: Run) -> pl.DataFrame:
    """CARRIED with what became of each source row in the target."""
    return reconcile_history.standing(*run.frames("carried", "history_classes", "member_classes"))


def _against_source(
    run: Run, classes: pl.DataFrame, members: pl.DataFrame, there: Mapping[str, pl.DataFrame], kept: Kept
) -> dict[str, pl.DataFrame]:
    source = {name: run.scan(table).select(instants.READ[name]).collect() for name, table in _SOURCE.items()}
    carried, mapping = run.frames("carried", "mapping")
    extracted = instants.extracted(
        **source, contacts=run.scan("source_contacts").select("list_ids").collect(),
        conversations=run.read("source_conversations"), segment_members=run.read("segment_members"),
        files=run.read("source_files"),
    )  # fmt: skip
    links = mapping.filter(pl.col("target_field") == attachments.LINKS, pl.col("decision") != "skip")
    records = {entity: _fields(run, table, links) for entity, table in _RECORDS.items()}
    extracted["link"] = instants.linked(records, links)
    fate = reconcile_history.standing(carried, classes, members)
    shown = instants.instants(source=instants.in_source(**source), standing=fate, actual=there)
    shown = kept.instants(shown, fate)
    return {
        "history_chain": reconcile_history.chain(
            carried=carried, classes=classes, members=members, extracted=extracted
        ),
        "instants": shown,
        "instant_balance": instants.balance(shown),
    }


def _fields(run: Run, table: str, links: pl.DataFrame) -> pl.DataFrame:
    """Of a source table the fields *links* (rows of MAPPING) name, as far as it has them."""
    scan, wanted = run.scan(table), links["source_field"].to_list()
    return scan.select(name for name in scan.collect_schema() if name in wanted).collect()


def _frames(run: Run, names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    return dict(zip(names, run.frames(*names), strict=True))
