"""How long may one request wait for the vendor's quota before the run gives up with exit code 5?

Told by `--max-wait` of the command, handed to the notebooks' kernels through the environment: it is about this start,
not about the run, so it stands in no parameter and no archive.
"""

import os
import re
from typing import Final

from crmbook.errors import ParameterError

VARIABLE: Final = "CRMBOOK_MAX_WAIT_S"
DEFAULT_S: Final = 3900.0  # a little over an hour: no window is longer
_UNITS_S: Final = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def max_wait_s() -> float:
    """The longest wait in seconds; ParameterError where the variable holds none."""
    text = os.environ.get(VARIABLE, "")
    return seconds(text) if text else DEFAULT_S


def seconds(text: str) -> float:
    """*text* (`90`, `90s`, `15m`, `1.5h`; 0 never waits) in seconds; ParameterError otherwise."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _UNITS_S:
        raise ParameterError(f"--max-wait {text}: expected seconds, or a figure with m or h such as 90m")
    return float(found[1]) * _UNITS_S[found[2]]
