"""What a redraw of the billing board costs on 200,000 contacts, as a ratio to one bare group_by of the same frame.

`python tests/bench/redraw.py [CONTACTS]`. Each line is one turn of a control: everything drawn anew, HTML included.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from crmbook import billing_board, exploring
from crmbook.phases import billing_tiers

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TURNS = 15


def contacts(number: int) -> pl.DataFrame:
    """KEYS of *number* contacts, drawn with a fixed seed: thirty owners, every band, every mix of attributes."""
    draw = np.random.default_rng(7)
    flags = {
        name: draw.random(number) < share
        for name, share in zip(billing_tiers.ATTRIBUTES, (0.7, 0.4, 0.2, 0.2, 0.3, 0.1), strict=True)
    }
    frame = pl.DataFrame({"source_id": np.arange(number).astype(str), **flags})
    tier = (
        pl.when(pl.any_horizontal("email", "phone", "user_id")).then(pl.lit("identified")).when("last_heard")
        .then(pl.lit("chat_only")).when(pl.any_horizontal("web_push", "fcm_key")).then(pl.lit("push_only"))
        .otherwise(pl.lit("unidentified"))
    )  # fmt: skip
    return frame.with_columns(
        is_billable=pl.any_horizontal(billing_tiers.ATTRIBUTES),
        tier=tier.cast(pl.Enum(billing_tiers.TIERS)),
        seen=pl.Series(draw.choice(billing_tiers.SEEN, number)).cast(pl.Enum(billing_tiers.SEEN)),
        owner=pl.Series(draw.integers(1, 31, number)).cast(pl.String).cast(pl.Categorical),
        size=pl.Series(draw.choice(billing_tiers.SIZES, number)).cast(pl.Enum(billing_tiers.SIZES)),
    ).select("source_id", *billing_tiers.KEYS)  # fmt: skip


def members(number: int) -> pl.DataFrame:
    """Two of sixty tags for every contact."""
    draw = np.random.default_rng(8)
    ids = np.repeat(np.arange(number).astype(str), 2)
    values = draw.integers(1, 61, 2 * number)
    return pl.DataFrame({"kind": "tag", "value": [f"tag {v}" for v in values], "source_id": ids}).unique()


def best(act: Callable[[], object]) -> float:
    """The median seconds of several turns."""
    taken = []
    for _ in range(TURNS):
        start = time.perf_counter()
        act()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[TURNS // 2]


def main(number: int) -> None:
    rows = contacts(number)
    owners = {str(n): f"agent {n}" for n in range(1, 31)}
    desk = exploring.Desk(Path(), rows, rows, members(number), owners, NOW)  # type: ignore[arg-type]  nothing is read of the run
    bare = best(lambda: rows.group_by(billing_tiers.KEYS).len())
    start = time.perf_counter()
    board = billing_board.Board(desk)
    print(
        f"{number:,} contacts; a bare group_by is 1.00 ({bare * 1000:.1f} ms); made once {(time.perf_counter() - start) / bare:.2f}"
    )
    turns: dict[str, Callable[[int], None]] = {
        "an attribute": lambda n: setattr(board.attributes["phone"], "value", (True, False, None)[n % 3]),
        "groups": lambda n: setattr(board.tiers, "value", billing_tiers.TIERS[: n % 4]),
        "last seen": lambda n: setattr(board.seen, "value", billing_tiers.SEEN[: n % 7]),
        "owners": lambda n: setattr(board.owners, "value", tuple(owners)[: n % 30]),
        "count by tag, then size": lambda n: setattr(board.dimension, "value", ("tag", "size")[n % 2]),
        "a tag seen for the first time": lambda n: setattr(board.members, "value", ("tag", f"tag {n + 1}")),
        "a tag seen before": lambda n: setattr(board.members, "value", ("tag", f"tag {n % 5 + 1}")),
    }
    for name, turn in turns.items():
        count = iter(range(1, 1000))
        print(f"{name:<30} {best(lambda t=turn, c=count: t(next(c))) / bare:6.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
