"""What is left to write of a plan: known as a whole by what each write is, read with what it says when its turn comes.

The payloads of a large plan, and an object for each of its writes, have no room beside what a load remembers.
"""

from collections.abc import Iterator
from typing import Final, Self

import polars as pl

from crmbook.apply_writes import OP, Op, ops_of
from crmbook.errors import SchemaError, UpstreamError
from crmbook.phases.digests import sha256_of_csv
from crmbook.phases.narrow import Frame, only, parts
from crmbook.phases.operations import is_in_order
from crmbook.phases.strategies import Stage, stage

_KEYS: Final = ("seq", "op_id", "entity", "action", "target_id")
_ALTERED: Final = "plan: altered or moved while it was carried out; what was written stands in the ledger, run again to continue"


class Work:
    """
    The writes of *plan* (`tables.PLAN`) in their order; `without` leaves out what is finished.

    A load may take days, and the plan lies on disk meanwhile: each piece of it is the one it was when this was made, or
    nothing of it is written. So it is made before the plan's hash is checked.

    Raises:
        SchemaError: the plan does not stand by `seq`; a record would be linked before it is there.
        UpstreamError (from iterating): the plan was altered or moved.
    """

    def __init__(self, plan: Frame) -> None:
        self._plan = plan
        self._told = [sha256_of_csv([part]) for part in _pieces(plan)]
        self._left = self._planned = only(plan, *_KEYS)
        if not is_in_order(self._planned):
            raise SchemaError("plan: it does not stand by seq; run 05_load again")

    def without(self, finished: pl.Series) -> Self:
        """The same plan; left is what is not among the *finished* op ids."""
        self._left = self._planned.join(
            finished.alias("op_id").to_frame(), on="op_id", how="anti", maintain_order="left"
        )
        return self

    def op_ids(self) -> pl.Series:
        """Of the whole plan."""
        return self._planned["op_id"]

    def counts(self) -> pl.DataFrame:
        """Per `entity` and `action` how many `writes` there are and how many are `left`."""
        kinds = ["entity", "action"]
        every, left = self._planned.group_by(kinds).len("writes"), self._left.group_by(kinds).len("left")
        return every.join(left, on=kinds, how="left").with_columns(pl.col("left").fill_null(0))

    def __len__(self) -> int:
        return self._left.height

    def __iter__(self) -> Iterator[Op]:
        number = start = 0
        for number, part in enumerate(_pieces(self._plan), 1):
            end = self._left["seq"].search_sorted(part["seq"][-1], side="right")
            if left := self._left["seq"][start:end].to_list():
                if self._told[number - 1 : number] != [sha256_of_csv([part])]:
                    raise UpstreamError(_ALTERED)
                yield from ops_of(part.filter(pl.col("seq").is_in(left)))
            start = end
        if number != len(self._told):
            raise UpstreamError(_ALTERED)

    def stages(self) -> Iterator[tuple[Stage, pl.DataFrame]]:
        """The writes that are left by stage, as they follow one another: `target_id` and what else tells them apart."""
        kinds = self._left.select("entity", "action").unique()
        named = pl.Series("stage", [stage(*kind)[1] for kind in kinds.iter_rows()], dtype=pl.String)
        staged = self._left.join(
            kinds.with_columns(named), on=["entity", "action"], maintain_order="left"
        ).select(pl.struct("entity", "stage").rle())
        start = 0
        for length, kind in staged.unnest("entity").iter_rows():
            yield (kind["entity"], kind["stage"]), self._left[start : start + length]
            start += length


def _pieces(plan: Frame) -> Iterator[pl.DataFrame]:
    try:
        yield from parts(plan.select(OP))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        raise UpstreamError(_ALTERED) from None
