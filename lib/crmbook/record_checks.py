"""06 for contacts, companies and deals: where each is, its fields and links, and the sheet a person signs off by.

In: the source tables of 01, the tables of 04, the crosswalk and what the target tells. Out: the tables of 06 about records.
Nothing is decided here. The records of a large account have no room: each step reads the columns it compares.
"""

from collections.abc import Mapping

import polars as pl

from crmbook.delta_check import Kept
from crmbook.phases import compare, link_check, reconciliation
from crmbook.phases import edition as editions
from crmbook.phases.narrow import Frame
from crmbook.phases.target_ids import TargetIds
from crmbook.runs import Run


def reconcile(run: Run, actual: Mapping[str, Frame], kept: Kept, ids: TargetIds) -> None:
    """Every table of 06 about records and their links, saved; *actual* are the `actual_*` tables by place."""
    crosswalk, existing = run.frames("crosswalk", "existing")
    normalized = editions.of(run.target.edition).records(
        sales_accounts=run.scan("sales_accounts"), contacts=run.scan("contacts"), deals=run.scan("deals"),
        existing=existing,
    )  # fmt: skip
    classes = _classes(run, normalized, actual, kept, crosswalk, existing)
    compared = compare.compare(
        normalized=normalized, actual=actual, classes=classes, crosswalk=crosswalk, ids=ids
    )
    compared = kept.fields(compared, normalized, ids)
    run.save_all(
        differences=compared.differences,
        field_fidelity=compared.fidelity,
        owner_queue=reconciliation.owner_queue(
            ids=ids, contacts=run.scan("contacts"), deals=run.scan("deals")
        ),
    )
    links = link_check.link_classes(
        links=run.scan("links"), people=normalized, classes=classes, crosswalk=crosswalk, actual=actual, ids=ids
    )  # fmt: skip
    del classes, crosswalk
    links = kept.links(links)
    counted = link_check.source_links(run.scan("source_contacts"), run.scan("source_deals"))
    run.save_all(
        link_classes=links, link_balance=link_check.link_balance(link_classes=links, extracted=counted)
    )
    del links
    # Imported here: the other phases need no workbook, and importing one takes longer than most of them.
    from crmbook import spot_sheet

    spot_sheet.choose(run, compared.differences)


def _classes(
    run: Run,
    normalized: Mapping[str, Frame],
    actual: Mapping[str, Frame],
    kept: Kept,
    crosswalk: pl.DataFrame,
    existing: pl.DataFrame,
) -> pl.DataFrame:
    """`classes`, saved with what follows from them alone."""
    rejects, excluded, merges = run.frames("rejects", "excluded", "merges")
    classes = kept.records(
        reconciliation.classes(
            sources=reconciliation.by_entity(*map(run.scan, _SOURCES)), normalized=normalized, actual=actual,
            rejects=rejects, excluded=excluded, merges=merges, crosswalk=crosswalk, existing=existing,
            refused=kept.refused,
        )
    )  # fmt: skip
    strange = reconciliation.target_only(existing=existing, classes=classes, actual=actual)
    balance = reconciliation.class_balance(classes=classes, target_only=strange, extracted=_extracted(run))
    run.save_all(classes=classes, target_only=strange, class_balance=balance)
    return classes


_SOURCES = ("source_companies", "source_contacts", "source_deals")


def _extracted(run: Run) -> dict[str, int]:
    """Records in the extract, counted from the raw answers where nothing was sampled."""
    names = {"company": "companies", "contact": "contacts", "deal": "deals"}
    prefix = "source_" if run.sample else "raw_"
    return {
        entity: run.scan(f"{prefix}{name}").select(pl.len()).collect().item()
        for entity, name in names.items()
    }
