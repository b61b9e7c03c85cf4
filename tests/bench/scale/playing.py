"""One phase's notebook without a kernel: its cells in order, the gate's seconds apart, the peak of this process's memory.

`python -m bench.scale.playing 04_normalization` prints one line of JSON; `journey` starts it.
"""

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from bench.scale import faithful, journey
from crmbook import gates, runner, steps
from crmbook.errors import Waiting


def played(phase: str) -> dict[str, Any]:
    """Runs the phase of the customer; returns what `journey.Measured` holds."""
    cells = json.loads(runner.template(phase).read_text(encoding="utf-8"))["cells"]
    space: dict[str, Any] = {}
    spent: dict[str, float] = {}
    gate = _Timed(gates.check)
    started, cpu_started = time.perf_counter(), _cpu()
    with (
        mock.patch.object(gates, "check", gate),
        mock.patch.object(steps, "read_back", faithful.read_back),
        contextlib.suppress(Waiting),
    ):
        for number, cell in enumerate(c for c in cells if c["cell_type"] == "code"):
            source = "".join(cell["source"])
            begun = time.perf_counter()
            try:
                exec(compile(source, phase, "exec"), space)
            finally:
                spent[f"{number:02d} {source.splitlines()[0][:60]}"] = round(time.perf_counter() - begun, 2)
            if "parameters" in cell["metadata"].get("tags", ()):
                space |= {"customer": journey.CUSTOMER, "run_id": journey.RUN}
    return {
        "phase": phase,
        "seconds": time.perf_counter() - started,
        "cpu_s": _cpu() - cpu_started,
        "gate_s": gate.seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "cells": spent,
    }


def _cpu() -> float:
    """Processor seconds of this process and of those it started and waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


class _Timed:
    """A function and the seconds spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments: Any) -> Any:
        begun = time.perf_counter()
        try:
            return self.function(*arguments)
        finally:
            self.seconds += time.perf_counter() - begun


if __name__ == "__main__":
    # What the cells show is nobody's here; an error still tells itself.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        found = played(sys.argv[1])
    print(json.dumps(found))
