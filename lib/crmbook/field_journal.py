"""Which custom fields were asked of a tenant, and what became of it: one line per step, on disk before the next.

The file belongs to the customer and names the tenant, because a field outlives the run that made it. An intent
without an outcome is what a killed process leaves; whoever reads it next looks the field up and never asks again.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crmbook.errors import DataError

NAME: Final = ".fields.jsonl"
INTENT, DONE, REFUSED, UNCLEAR = "intent", "done", "refused", "unclear"
_STATES: Final = (INTENT, DONE, REFUSED, UNCLEAR)


@dataclass(frozen=True)
class Field:
    """One field of one module, by the api name it shall have."""

    module: str
    api_name: str


class Journal:
    """The steps taken at one tenant (*host*), read once and appended to."""

    def __init__(self, path: Path, host: str) -> None:
        self._path, self._host = path, host
        self._states: dict[Field, str] = {}
        for number, line in enumerate(_lines(path), 1):
            try:
                row = json.loads(line)
                of, state = Field(row["module"], row["api_name"]), row["state"]
                known = row["host"] == host
            except (ValueError, KeyError, TypeError):
                raise DataError(
                    f"{path.name} line {number}: not a step of a field's creation; remove that line, then look in the"
                    " tenant whether its field is there"
                ) from None
            if known and state in _STATES:
                self._states[of] = state

    def state(self, field: Field) -> str | None:
        """The last step taken for *field*, None where it was never asked for."""
        return self._states.get(field)

    def note(self, field: Field, state: str) -> None:
        """The step, on disk before this returns."""
        row = {"host": self._host, "module": field.module, "api_name": field.api_name, "state": state}
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        self._states[field] = state


def _lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    content = path.read_bytes()
    # What a killed process left of its last line says nothing: the step it was about to note had not begun.
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    return [line for line in whole.decode("utf-8").split("\n") if line.strip()]
