"""Which twenty to forty records should a person look at in both systems before signing off?

In: the classes of records and relations, and any further `evidence` (entity, source_id, covers) of what a record
stands for. Out: SPOT_CHECK, chosen so that everything that occurs is covered at least once, rare things first,
then filled with ordinary records. Invariant: the same tables give the same sheet.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from crmbook import tables
from crmbook.phases.narrow import Frame, only

FEWEST: Final = 20
MOST: Final = 40
_CANDIDATES: Final = 50  # looked at per thing to cover
_WHO: Final = ["entity", "source_id"]
_ROUTES: Final = {"company": "companies", "contact": "users", "deal": "deals"}
_STARTS: Final = {
    "contact_account": "contact", "contact_owner": "contact", "deal_contact": "deal", "deal_account": "deal",
    "deal_owner": "deal",
}  # fmt: skip
_EVIDENCE: Final = {"entity": pl.String, "source_id": pl.String, "covers": pl.String}


def spot_check(
    *,
    classes: pl.DataFrame,
    link_classes: pl.DataFrame,
    evidence: pl.DataFrame,
    source_base_url: str,
    target_base_url: str,
    examples: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """
    The sheet for the sign-off: 20 to 40 records (fewer where there are fewer); SPOT_CHECK.

    *examples* are shown as far as there is room beside the *evidence*.

    `covers` names what a record stands for: `contact loaded`, `deal_contact missing`, `contact merged`… The source
    address is the API's, the only one the vendor documents; the target's is that of its web interface.
    """
    told = _told(classes, link_classes, evidence)
    candidates = pl.concat(_evidence(_first(frame, keys), keys) for frame, keys in told)
    picked = _picked(candidates)
    if examples is not None:
        told.append((examples.sort("entity", "source_id"), ["covers"]))
        picked = _picked(pl.concat([candidates, examples.select(list(_EVIDENCE))]), picked)
    picked = pl.concat([picked, _ordinary(classes, picked)])
    seen = pl.concat(_evidence(_only(frame, keys, picked), keys) for frame, keys in told)
    labels = seen.group_by(_WHO).agg(pl.col("covers").unique().sort().str.join("; "))
    sheet = picked.join(labels, on=_WHO).join(
        classes.select(*_WHO, "target_id", "module"), on=_WHO, how="left"
    )
    return tables.conform(_with_addresses(sheet, source_base_url, target_base_url), tables.SPOT_CHECK)


def coverage(
    sheet: pl.DataFrame, *, classes: pl.DataFrame, link_classes: pl.DataFrame, evidence: pl.DataFrame
) -> pl.DataFrame:
    """Everything that has to be on the sheet, and on how many of its records it is; SPOT_COVERAGE."""
    told, sheet = _told(classes, link_classes, evidence), sheet.select(_WHO)
    # Every thing there is once, and only what the sheet shows record by record: all of it would be all links in words.
    every = pl.concat(_covers(frame.select(keys).unique(), keys) for frame, keys in told).unique()
    shown = pl.concat(_evidence(_only(frame, keys, sheet), keys) for frame, keys in told).unique()
    counted = every.join(shown.group_by("covers").len("in_sheet"), on="covers", how="left")
    return tables.conform(
        counted.with_columns(pl.col("in_sheet").fill_null(0).cast(pl.Int64)), tables.SPOT_COVERAGE
    )


def evidence(
    *,
    contacts: Frame,
    deals: Frame,
    rejects: pl.DataFrame,
    merges: pl.DataFrame,
    differences: pl.DataFrame,
) -> pl.DataFrame:
    """What records stand for beside their class: both sides of the split, repairs, merges, found differences."""
    closed = (
        deals.lazy().select("source_id", "closed_date").filter(pl.col("closed_date").is_not_null()).collect()
    )
    sides = only(contacts, "source_id", "split").with_columns(entity=pl.lit("contact"))
    survivors = merges.select("entity", source_id="survivor_id", rule="rule")
    told = [
        (sides, ["split"], "split: {}"),
        (closed.with_columns(entity=pl.lit("deal"), what=pl.lit("closed deal")), ["what"], "{}"),
        (rejects, ["field", "rule"], "{}: {}"),
        (merges, ["rule"], "merged: {}"),
        (survivors, ["rule"], "survivor: {}"),
        (differences, ["field", "kind"], "{} {} in the target"),
    ]
    return pl.concat(
        _first(frame, keys).select("entity", "source_id", covers=pl.format(words, *keys))
        for frame, keys, words in told
    ).unique()


def changed_examples(entity: str, source: Frame, normalized: Frame, mapping: pl.DataFrame) -> pl.DataFrame:
    """
    Per mapped field the first record whose value cleaning changed: evidence for the sheet.

    *source* and *normalized* are the entity's tables, *mapping* is `tables.MAPPING`. Only columns that are text on
    both sides are looked at: for the others the type alone makes them look changed.
    """
    rules = mapping.filter(pl.col("entity") == entity).select("source_field", "target_field", "rule")
    pairs = (
        only(source, "source_id")
        .with_row_index("before")
        .join(only(normalized, "source_id").with_row_index("after"), on="source_id")
        .sort("source_id")
    )
    sides = {"before": source.lazy(), "after": normalized.lazy()}
    has = {side: frame.collect_schema() for side, frame in sides.items()}
    other = {"before": "after", "after": "before"}
    found = [pl.DataFrame(schema=_EVIDENCE)]
    for before, after, rule in rules.sort("source_field").iter_rows():
        wanted = (("before", before), ("after", after))
        places = [(side if name in has[side] else other[side], name) for side, name in wanted]
        if any(has[side].get(name) != pl.String for side, name in places) or places[0] == places[1]:
            continue
        told = [only(sides[side], name).to_series().gather(pairs[side]) for side, name in places]
        changed = pairs.filter(told[0].ne_missing(told[1])).head(1)
        found.append(
            changed.select(
                "source_id", entity=pl.lit(entity), covers=pl.lit(f"{after} changed by {rule}")
            ).select(list(_EVIDENCE))
        )
    return pl.concat(found)


def _evidence(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """entity, source_id, covers of a frame whose *keys* say what its records stand for."""
    if "relation" in keys:
        frame = frame.with_columns(entity=pl.col("relation").replace_strict(_STARTS, return_dtype=pl.String))
    return frame.select("entity", "source_id", covers=pl.concat_str(keys, separator=" "))


def _covers(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return frame.select(covers=pl.concat_str(keys, separator=" "))


def _first(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    who = [name for name in _WHO if name in frame.columns and name not in keys]
    return frame.select(*who, *keys).group_by(keys, maintain_order=True).head(_CANDIDATES)


def _only(frame: pl.DataFrame, keys: list[str], picked: pl.DataFrame) -> pl.DataFrame:
    if "relation" in keys:
        frame = frame.with_columns(entity=pl.col("relation").replace_strict(_STARTS, return_dtype=pl.String))
    return frame.join(picked, on=_WHO, how="semi")


def _told(
    classes: pl.DataFrame, link_classes: pl.DataFrame, evidence: pl.DataFrame
) -> list[tuple[pl.DataFrame, list[str]]]:
    """What has to be on the sheet: frames, and the columns that say what their records stand for."""
    return [
        (classes, ["entity", "class"]),
        (link_classes.rename({"from_id": "source_id"}), ["relation", "class"]),
        (evidence.sort("entity", "source_id"), ["covers"]),
    ]


def _picked(candidates: pl.DataFrame, before: pl.DataFrame | None = None) -> pl.DataFrame:
    """entity, source_id: greedy cover of everything there is to see, the rarest first; *before* is there already."""
    rarest = candidates.unique().group_by("covers").len().sort("len", "covers")["covers"]
    known: dict[tuple[str, str], set[str]] = {}
    for entity, source_id, covers in candidates.iter_rows():
        known.setdefault((entity, source_id), set()).add(covers)
    picked: list[tuple[str, str]] = [] if before is None else before.rows()
    seen: set[str] = set().union(*(known.get(key, ()) for key in picked))
    for covers in rarest:
        if covers not in seen and len(picked) < MOST:
            able = (key for key, has in known.items() if covers in has)
            picked.append(min(able, key=lambda key: (-len(known[key] - seen), key)))
            seen |= known[picked[-1]]
    return pl.DataFrame(picked, schema=dict.fromkeys(_WHO, pl.String), orient="row")


def _ordinary(classes: pl.DataFrame, picked: pl.DataFrame) -> pl.DataFrame:
    """Loaded records spread evenly over the extract, until the sheet has its twenty."""
    rest = (
        classes.filter(pl.col("class") == "loaded").select(_WHO).join(picked, on=_WHO, how="anti").sort(_WHO)
    )
    wanted = min(max(0, FEWEST - picked.height), rest.height)
    return rest[[place * rest.height // wanted for place in range(wanted)]]


def _with_addresses(sheet: pl.DataFrame, source_base_url: str, target_base_url: str) -> pl.DataFrame:
    def path(names: Mapping[str, str]) -> pl.Expr:
        return pl.col("entity").replace_strict(dict(names), return_dtype=pl.String)

    source, web = source_base_url.rstrip("/"), target_base_url.rstrip("/").removesuffix("/api")
    return sheet.select(
        "entity",
        "source_id",
        "target_id",
        "covers",
        source_url=pl.format("{}/{}/{}/", pl.lit(source), path(_ROUTES), "source_id"),
        target_url=pl.format("{}/{}/{}", pl.lit(web), "module", "target_id"),
    )
