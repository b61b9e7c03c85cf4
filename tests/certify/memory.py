"""One look of 06 after another without computing twice what follows from the same input.

Between two looks most of the target is as it was. Two steps that only compute are remembered by the bytes of all they are
given: the loss of one entity, and the verdict of one suite on one table. Everything is read back each time.
"""

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

from crmbook import gates, losses
from crmbook.phases.narrow import Frame


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """Inside, the two steps answer what they answered to the same input before."""
    measured, validated = losses._measured, gates.validate
    kept: dict[str, Any] = {}

    def measure(
        entity: str,
        source: Frame,
        rows: Frame,
        fate: pl.DataFrame,
        decided: Any,
        *,
        whose: pl.DataFrame | None = None,
        **more: Any,
    ) -> Any:
        key = _digest(
            entity.encode(),
            *map(_bytes, (source, rows, fate, *([] if whose is None else [whose]))),
            repr(more).encode(),
        )
        if key not in kept:
            kept[key] = measured(entity, source, rows, fate, decided, whose=whose, **more)
        return kept[key]

    def validate(data: Path, suite: Path, table: str) -> list[gates.Check]:
        key = _digest(suite.read_bytes(), data.read_bytes())
        if key not in kept:
            kept[key] = validated(data, suite, table)
        return kept[key]

    with mock.patch.object(losses, "_measured", measure), mock.patch.object(gates, "validate", validate):
        yield


def _bytes(frame: Frame) -> bytes:
    out = io.BytesIO()
    frame.lazy().collect().write_ipc(out)
    return out.getvalue()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
