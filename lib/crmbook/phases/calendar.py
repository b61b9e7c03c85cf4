"""When did things happen in the source: its history month by month, and how full its properties are year by year?

In: source tables of 01. Out: frames for a figure; nothing is stored. A property that was filled until some year, or only
since one, is told from one that is half full.
"""

from typing import Final

import polars as pl

_PREFIX: Final = "p_"
_YEARS: Final = 10
_FAR: Final = 0.005  # of all records: what lies further out, at either end, is told in one sum


def history(
    activities: pl.DataFrame, events: pl.DataFrame, emails: pl.DataFrame, messages: pl.DataFrame
) -> pl.DataFrame:
    """Rows of the history per month without a gap, with what lies far out in two sums: month, records, a column a kind."""
    moments = {
        "activities": activities["due_date"].fill_null(activities["created_at"]), "events": events["at"],
        "emails": emails["sent_at"], "messages": messages["at"],
    }  # fmt: skip
    counted = {
        kind: values.drop_nulls()
        .dt.truncate("1mo")
        .dt.date()
        .alias("month")
        .to_frame()
        .group_by("month")
        .len(kind)
        for kind, values in moments.items()
    }
    known = pl.concat([frame["month"] for frame in counted.values()]).drop_nulls()
    if known.is_empty():
        return pl.DataFrame(schema={"month": pl.String, **dict.fromkeys(["records", *moments], pl.Int64)})
    month = pl.col("month")
    made = known.to_frame().select(pl.date_range(month.min(), month.max(), "1mo"))
    for frame in counted.values():
        made = made.join(frame, on="month", how="left", maintain_order="left")
    numbers = (pl.col(kind).fill_null(0).cast(pl.Int64) for kind in moments)
    shaped = made.select("month", *numbers).with_columns(pl.sum_horizontal(list(moments)).alias("records"))
    return _folded(shaped).select("month", "records", *moments)


def _folded(months: pl.DataFrame) -> pl.DataFrame:
    """*months* with those far out summed into one before and one after: a date of 2099 would squeeze all others."""
    before = pl.col("records").cum_sum() <= pl.col("records").sum() * _FAR
    after = pl.col("records").cum_sum(reverse=True) <= pl.col("records").sum() * _FAR
    placed = months.with_columns(place=pl.when(before).then(-1).when(after).then(1).otherwise(0))
    middle = placed.filter(pl.col("place") == 0)
    first, last = (pl.lit(middle["month"][at].strftime("%Y-%m")) for at in (0, -1))
    named = (
        pl.when(pl.col("place") < 0).then(pl.format("before {}", first))
        .when(pl.col("place") > 0).then(pl.format("after {}", last))
        .otherwise(pl.col("month").dt.strftime("%Y-%m"))
    )  # fmt: skip
    return placed.group_by(named.alias("month"), maintain_order=True).agg(pl.exclude("month", "place").sum())


def fill_by_year(contacts: pl.DataFrame) -> pl.DataFrame:
    """
    Per custom property of *contacts*, fullest first: the share (0-1) of contacts that have a value, by year of creation.

    Only the ten newest years anybody was created in; a column is named after its year.
    """
    properties = [name for name in contacts.columns if name.startswith(_PREFIX)]
    dated = contacts.select(
        pl.col("created_at").dt.year().alias("year"),
        *(
            (pl.col(name).is_not_null() & (pl.col(name).cast(pl.String).str.strip_chars() != "")).fill_null(
                value=False
            )
            for name in properties
        ),
    ).drop_nulls("year")
    years = sorted(dated["year"].unique().to_list())[-_YEARS:]
    shares = dated.filter(pl.col("year").is_in(years)).group_by("year").mean().sort("year")
    rows = [(name.removeprefix(_PREFIX), *shares[name].to_list()) for name in properties]
    schema = {"property": pl.String, **{str(year): pl.Float64 for year in years}}
    order = {name.removeprefix(_PREFIX): -int(dated[name].sum()) for name in properties}
    return pl.DataFrame(sorted(rows, key=lambda row: (order[row[0]], row[0])), schema=schema, orient="row")
