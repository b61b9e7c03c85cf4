"""06 for the history: its records read back, found, compared with what was loaded, and with the source itself.

In: the tables of 04, the crosswalk, the source tables of 01. Out: the tables of 06 that begin with `history_`, the
memberships, and the instants. Nothing is decided here.
"""

from collections.abc import Collection, Mapping

import polars as pl

from crmbook import readback_history
from crmbook.delta_check import Kept
from crmbook.phases import attachments, compare_history, instants, reconcile_history
from crmbook.phases.narrow import Frame, only
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
    crosswalk = run.read("crosswalk")
    wanted = compare_history.expected({name: run.scan(name) for name in LOADED}, crosswalk, ids)
    there = compare_history.actual({name: run.scan(name) for name in ACTUAL})
    classes, strange = reconcile_history.classes(
        expected=wanted, actual=there, crosswalk=crosswalk, refused=kept.refused,
        created=kept.created if kept.base else None,
    )  # fmt: skip
    classes = kept.history(classes)
    compared = compare_history.compare(expected=wanted, actual=there, classes=classes)
    compared = kept.history_fields(compared, wanted, crosswalk, ids)
    members, heights = _members(run, classes, crosswalk, kept), _heights(run)
    del wanted, crosswalk
    run.save_all(
        history_classes=classes,
        history_target_only=strange,
        member_classes=members,
        history_differences=compared.differences,
        history_fidelity=compared.fidelity,
        history_class_balance=reconcile_history.class_balance(
            classes=classes, target_only=strange, members=members, differences=compared.differences,
            normalized=heights,
        ),
    )  # fmt: skip
    del classes, members
    _against_source(run, there, kept)


def standing(run: Run) -> pl.DataFrame:
    """CARRIED with what became of each source row in the target."""
    return reconcile_history.standing(*run.frames("carried", "history_classes", "member_classes"))


def _members(run: Run, classes: pl.DataFrame, crosswalk: pl.DataFrame, kept: Kept) -> pl.DataFrame:
    members, there = run.frames("list_members", "actual_list_members")
    return kept.members(
        reconcile_history.member_classes(
            members=members, actual_members=there, classes=classes, crosswalk=crosswalk
        )
    )


def _heights(run: Run) -> dict[str, int]:
    """How many records of each module 04 made, and how many memberships."""
    rows = {"lists": run.scan("target_lists"), **{name: run.scan(name) for name in LOADED}}
    for module, is_mine in compare_history.IN_DOCUMENTS.items():
        rows[module] = run.scan("documents").filter(is_mine)
    names = (*compare_history.MODULES, reconcile_history.MEMBERS)
    return {name: int(rows[name].select(pl.len()).collect().item()) for name in names}


def _against_source(run: Run, there: Mapping[str, Frame], kept: Kept) -> None:
    """The tables of 06 that go back to the source's own rows, saved."""
    extracted, fate = _extracted(run), standing(run)
    run.save("history_chain", reconcile_history.chain(standing=fate, extracted=extracted))
    shown = instants.instants(source=instants.in_source(**_source(run)), standing=fate, actual=there)
    shown = kept.instants(shown, fate)
    run.save_all(instants=shown, instant_balance=instants.balance(shown))


def _source(run: Run) -> dict[str, pl.DataFrame]:
    return {name: run.scan(table).select(instants.READ[name]).collect() for name, table in _SOURCE.items()}


def _extracted(run: Run) -> dict[str, int]:
    """How many rows of each kind of history the source holds, from the source alone."""
    counted = instants.extracted(
        **_source(run), contacts=only(run.scan("source_contacts"), "list_ids"),
        conversations=only(run.scan("source_conversations"), "source_id"),
        segment_members=run.read("segment_members"), files=run.read("source_files"),
    )  # fmt: skip
    mapping = run.read("mapping")
    links = mapping.filter(pl.col("target_field") == attachments.LINKS, pl.col("decision") != "skip")
    records = {entity: _fields(run, table, links) for entity, table in _RECORDS.items()}
    return counted | {"link": instants.linked(records, links)}


def _fields(run: Run, table: str, links: pl.DataFrame) -> pl.DataFrame:
    """Of a source table the fields *links* (rows of MAPPING) name, as far as it has them."""
    scan, wanted = run.scan(table), links["source_field"].to_list()
    return scan.select(name for name in scan.collect_schema() if name in wanted).collect()
