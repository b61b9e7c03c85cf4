"""What does each phase take at any size? `python tests/bench/scale/run.py [contacts ...] [csv|tables] [--keep FOLDER]`

A generated account goes through the phases, each in a process of its own: 01 to 04, 05 up to its plan, and 06 on what a
faithful target tells. From `tables` (the default) 01 is given and not played, from `csv` it reads exports. Printed per
phase: seconds and processor seconds, the gate's part, the peak of memory and the cost per record of the source; of
several sizes also the cost per record as ratios. FOLDER keeps the accounts for a further start.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))

from bench.scale import journey, world  # noqa: E402  the tests' folder is put in front first

SIZE: Final = 20_000
ROUTINE: Final = "| {:<17} | {:>8} | {:>9} | {:>6} | {:>6} | {:>8} | {:>9} |"
_HEAD: Final = ("phase", "seconds", "processor", "gate s", "gate %", "peak GiB", "µs/record")
_PLAIN: Final = "|:--|--:|--:|--:|--:|--:|--:|"

Taken = dict[str, journey.Measured]


def measured(folder: Path, contacts: int, way: str) -> Taken:
    """Every phase of one account, printed as soon as it is known."""
    records = world.Sizes(contacts).records
    print(f"\n{contacts:,} contacts, {records:,} records, from {way}\n")
    print(ROUTINE.format(*_HEAD))
    print(_PLAIN, flush=True)
    taken: Taken = {}
    with journey.prepared(folder, contacts, way=way):
        for phase in journey.PHASES if way == "csv" else journey.PHASES[1:]:
            found = taken[phase] = journey.measured(phase)
            _line(found, records)
    return taken


def _line(found: journey.Measured, records: int) -> None:
    share = 100 * found.gate_s / found.seconds
    cells = (
        found.phase, f"{found.seconds:.1f}", f"{found.cpu_s:.1f}", f"{found.gate_s:.1f}", f"{share:.0f}",
        f"{found.peak_bytes / 2**30:.2f}", f"{found.per_record_us(records):.1f}",
    )  # fmt: skip
    print(ROUTINE.format(*cells), flush=True)


def compared(taken: dict[int, Taken]) -> None:
    """
    The processor time per record of each size as a ratio to the first; of three sizes and more also that of the records
    beyond the size before as a ratio to those of the second, which leaves out what every start costs.
    """
    sizes = list(taken)
    counts = [world.Sizes(size).records for size in sizes]
    spent = {phase: [taken[size][phase].cpu_s for size in sizes] for phase in taken[sizes[0]]}
    each = {phase: [s / n for s, n in zip(told, counts, strict=True)] for phase, told in spent.items()}
    _ratios("Processor time per record, as a ratio to the first size", sizes, each)
    if len(sizes) > 2:
        more = {
            phase: [s / n for s, n in zip(_steps(told), _steps(counts), strict=True)]
            for phase, told in spent.items()
        }
        _ratios("Processor time per further record, as a ratio to the second size", sizes[1:], more)


def _steps(numbers: Sequence[float]) -> list[float]:
    return [after - before for before, after in pairwise(numbers)]


def _ratios(title: str, sizes: Sequence[int], costs: dict[str, list[float]]) -> None:
    print(f"\n{title}\n")
    print(f"| {'phase':<17} | " + " | ".join(f"{size:>9,}" for size in sizes) + " |")
    print("|:--|" + "--:|" * len(sizes))
    for phase, (first, *_others) in costs.items():
        print(
            f"| {phase:<17} | " + " | ".join(f"{cost / first:>9.2f}" for cost in costs[phase]) + " |",
            flush=True,
        )


def main(sizes: list[int], way: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    taken = {size: measured(folder / f"{way}-{size}", size, way) for size in sizes}
    if len(taken) > 1:
        compared(taken)


def _asked() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("what", nargs="*", metavar="contacts|csv|tables", default=[])
    asked.add_argument("--keep", type=Path, metavar="FOLDER")
    return asked.parse_args()


if __name__ == "__main__":
    given = _asked()
    ways = [word for word in given.what if word in ("csv", "tables")]
    counts = [int(word) for word in given.what if word not in ways] or [SIZE]
    with tempfile.TemporaryDirectory() as name:
        main(counts, (ways or ["tables"])[-1], (given.keep or Path(name)).absolute())
