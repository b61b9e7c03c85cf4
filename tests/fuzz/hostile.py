"""What hostile input is made of, and what every reader owes whoever feeds it: a result, or one line that tells nothing.

`Bytes` turns the bytes of a fuzzer (or of Hypothesis, or of a corpus file) into decisions; `damaged` uses them to spoil
something that was right. `refusal` holds a call to the rule and returns what it said, None where it gave a result.
"""

import copy
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from crmbook.errors import CrmbookError

# A value of a person that no error may quote; no name of anything is spelled with a digit and an @.
MARKER: Final = "Zq7Planted@people.example"
_TOLD: Final = re.compile("zq7plant", re.IGNORECASE)
_EXITS: Final = (2, 3, 4, 5)
_MOST_FAULTS: Final = 4

Item = TypeVar("Item")

DEEP: Final[Any] = json.loads("[" * 300 + "]" * 300)
HOSTILE: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 7, 2**31, 2**63, -(2**63) - 1, 10**40, 1.5, -0.0, 1e308, 5e-324, "", " ", MARKER, f"={MARKER}",
    "=1+1", "\x00", "\ud800", "a\nb\r\nc", "9" * 30, "9" * 5000, "1e999", "NaN", "Infinity", "2024-02-30", "0000-01-01T00:00:00Z",
    "99999-01-01T00:00:00+99:99", "9999-12-31T23:59:59-14:00", "٣", "ﬁ", "🙂" * 40, "x" * 70_000, "../../etc/passwd", "%s{0}",
    "<script>alert(1)</script>", '{a,"b', "{}", "[]", [], {}, [None], [[]], [{}], {"id": None}, {"id": MARKER}, {"": ""},
    {"id": 1, "name": {"id": 1}}, [{"name_std": MARKER}], [{"name_std": "x", "value": [1]}], [1, "a", None, {}], DEEP,
)  # fmt: skip


class Bytes:
    """Decisions out of bytes; when they are used up every answer is the first."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1] if self._at <= len(self._content) else 0

    def below(self, limit: int) -> int:
        return (self.byte() << 8 | self.byte()) % limit if limit > 256 else self.byte() % max(limit, 1)

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def rest(self) -> bytes:
        found, self._at = self._content[self._at :], len(self._content)
        return found


def damaged(good: Any, how: Bytes) -> Any:
    """A copy of the JSON value *good* with up to four values replaced, left out, doubled, renamed or added."""
    spoiled = [copy.deepcopy(good)]
    for _ in range(how.below(_MOST_FAULTS + 1)):
        _spoil(spoiled, 0, how)
    return spoiled[0]


def _spoil(holder: Any, key: Any, how: Bytes) -> None:
    """One fault somewhere below ``holder[key]``."""
    while isinstance(holder[key], dict | list) and holder[key] and how.below(4):
        holder = holder[key]
        key = how.pick(list(holder) if isinstance(holder, dict) else range(len(holder)))
    deed = how.below(6)
    if deed == 1 and isinstance(holder, dict):
        del holder[key]
    elif deed == 2 and isinstance(holder, list):
        holder.insert(how.below(len(holder) + 1), copy.deepcopy(holder[key]))
    elif deed == 3 and isinstance(holder, dict):
        holder[f"{key}{how.pick(('', ' ', '_', 'é', chr(0)))}"] = holder.pop(key)
    elif deed == 4 and isinstance(holder[key], list):
        holder[key] = holder[key] * (1 + how.below(4))
    else:
        holder[key] = copy.deepcopy(how.pick(HOSTILE))


def frayed(content: bytes, how: Bytes) -> bytes:
    """*content* as a bad line would deliver it: whole, cut off, with bytes changed, or behind a byte order mark."""
    deed = how.below(8)
    if deed == 1:
        return content[: how.below(len(content) + 1)]
    if deed == 2:
        at = how.below(len(content) + 1)
        return content[:at] + bytes([how.byte()]) + content[at + 1 :]
    if deed == 3:
        return b"\xef\xbb\xbf" + content
    if deed == 4:
        at = how.below(len(content) + 1)
        return (
            content[:at]
            + how.pick((b"\xff", b"\x00", b'"', b"\r", b"\n\n", b"\xed\xa0\x80", b"\\ud800"))
            + content[at:]
        )
    return content


def as_json(value: Any) -> bytes:
    """*value* as a vendor may write it: half a surrogate pair is an escape, what is no JSON number is spelled all the same."""
    return json.dumps(value).encode()


def refusal(call: Callable[[], Any], names: str) -> str | None:
    """
    What *call* refuses with, None where it gives a result.

    It is one of the tool's own errors that isn't its bug, one line long, names a place the pattern *names* finds, and
    quotes no planted value.
    """
    try:
        call()
    except CrmbookError as stop:
        line, code = str(stop), stop.exit_code
    else:
        return None
    assert code in _EXITS, f"exit {code}: {line}"
    assert line.splitlines() == [line], line
    assert line.strip() == line, line
    assert not _TOLD.search(line), line
    assert re.search(names, line), line
    return line
