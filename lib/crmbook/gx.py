"""Great Expectations, imported quietly and without the parts no suite here asks for.

Drawing (altair), distributions (scipy) and clouds (boto3) are two fifths of what its import takes, and every command that
runs a phase pays for it. While it is imported they are stood in for; afterwards whoever imports them gets the real ones.
"""

import logging
import os
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

_ABSENT: Final = ("boto3", "botocore")
_HOLLOW: Final = ("altair", "scipy", "scipy.stats")


@cache
def warmed() -> Any:
    """The package; an expectation that compares distributions can't be evaluated with it."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), _stood_in():
        warnings.simplefilter("ignore")
        import great_expectations
        from great_expectations.execution_engine import pandas_execution_engine as engine
    # A fingerprint of every cell, taken twice, was half of a gate's time; the archive has the file's SHA-256.
    engine.hash_pandas_dataframe = lambda _frame: ""
    return great_expectations


@cache
def frames() -> Any:
    """What this process hands its frames to, one after another; making it costs more than checking a small table."""
    context = warmed().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("run").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("whole")


class _Hollow(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"it needs {self.__name__}.{name}, and Great Expectations is imported without {self.__name__} here;"
            " take an expectation that compares no distributions"
        )


@contextmanager
def _stood_in() -> Iterator[None]:
    hollow: dict[str, Any] = {name: _Hollow(name) for name in _HOLLOW}
    hollow["scipy"].stats = hollow["scipy.stats"]
    given = {n: m for n, m in (hollow | dict.fromkeys(_ABSENT)).items() if n not in sys.modules}
    sys.modules.update(given)
    try:
        yield
    finally:
        for name in given:
            del sys.modules[name]
