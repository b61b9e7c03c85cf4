"""Everything that can stop a migration, and the exit code each stop has.

CrmbookError                 1  anything below; on its own, a bug
├── UsageError               2  a command that cannot be carried out as given
│   ├── ParameterError       2  a notebook or command-line value: wrong name, type or range
│   └── ConfigError          2  a file a person edits, or the environment
├── UpstreamError            2  an earlier phase is missing, failed, or its files changed
├── DataError                2  an answer or a file that is not what it should be
├── SchemaError              1  a table that breaks its contract: missing, extra, wrong type
├── GateFailed               3  critical expectations failed
├── Waiting                  4  a person is needed: what, and the command to type afterwards
└── ApiError                 2  a vendor's answer: method, route, status; never a query, a value or a key
    ├── AuthError            2  the key is wrong, or may not do this (401, 403)
    ├── NotFound             2  no such record or route (404)
    ├── Rejected             2  the vendor refuses the content (400, 422 and their like)
    ├── RateLimited          5  the quota is spent; says when it frees
    └── Unavailable          5  no usable answer; says whether the work may have been done
"""

import errno
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, ClassVar, Final

_SECONDS_A_MINUTE = 60


class CrmbookError(Exception):
    """One line for a person: what, where, what was expected, what to do."""

    exit_code: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[CrmbookError], args: tuple[Any, ...], state: dict[str, Any]) -> CrmbookError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class _OneLine(CrmbookError):  # noqa: N818  the names below are what exit codes and notebooks use
    """An error a notebook shows as its one line: the reader can act on it, a stack would hide it."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {' '.join(str(self).split())}"]


class UsageError(_OneLine):
    """A command that cannot be carried out as given."""

    exit_code = 2


class ParameterError(UsageError):
    """A notebook or command-line value of the wrong name, type or range."""


class ConfigError(UsageError):
    """Something wrong in customer.toml, another file a person edits, or the environment."""


class UpstreamError(_OneLine):
    """An earlier phase is missing or failed, or its files changed since."""

    exit_code = 2


class DataError(_OneLine):
    """An answer or a file that is not what it should be: names file or route, record and key, not the value."""

    exit_code = 2


_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_OS_ERROR: Final = re.compile(r"(?:\[Errno |os error )(\d+)")


def disk_error(what: str, problem: BaseException) -> DataError | None:
    """
    The line for *problem* where it is the machine's: a full disk, or a place that can't be written. Else None.

    *problem* may also be another library's error that quotes the number of the system's.
    """
    quoted = _OS_ERROR.search(str(problem))
    number = getattr(problem, "errno", None) or (int(quoted[1]) if quoted else None)
    if number not in (*_FULL, *_CLOSED):
        return None
    todo = "free some space" if number in _FULL else "make it writable"
    return DataError(f"{what}: {os.strerror(number)}; {todo} and run again, it resumes")


@contextmanager
def readable(what: str) -> Iterator[None]:
    """While *what*, a file a person edits, is read: whatever the system says against it becomes a ConfigError."""
    try:
        yield
    except OSError as problem:
        raise ConfigError(f"{what}: {problem.strerror}; expected a file that can be read") from None


@contextmanager
def on_disk(what: str) -> Iterator[None]:
    """While *what* is written: trouble of the disk becomes a DataError of one line that names it."""
    try:
        yield
    except Exception as problem:
        told = disk_error(what, problem)
        if told is None or isinstance(problem, CrmbookError):
            raise
        raise told from None


class SchemaError(CrmbookError):
    """A table does not match its contract; the message lists what it has and what was expected."""


class GateFailed(_OneLine):
    """Critical expectations failed; `verdict` is the gate's result where one was made."""

    exit_code = 3

    def __init__(self, message: str, verdict: object = None) -> None:
        super().__init__(message)
        self.verdict = verdict


class Waiting(_OneLine):
    """A person is needed: *what* has to be done, and the exact *command* to type afterwards."""

    exit_code = 4

    def __init__(self, what: str, command: str) -> None:
        super().__init__(f"{what}; then: {command}")
        self.what = what
        self.command = command


class ApiError(_OneLine):
    """
    A vendor's answer nobody asked for.

    `route` is a path without host and query; `status` is None where no answer arrived; `entity` says what
    was being read or written; `attempt` counts from 1.
    """

    exit_code = 2
    _what: ClassVar[str] = "unexpected answer"

    def __init__(
        self,
        method: str,
        route: str,
        *,
        status: int | None = None,
        entity: str | None = None,
        attempt: int = 1,
        detail: str = "",
    ) -> None:
        self.method = method
        self.route = without_query(route)
        self.status = status
        self.entity = entity
        self.attempt = attempt
        self.detail = detail
        super().__init__(self._line())

    def _line(self) -> str:
        line = f"{self.method} {self.route}: {self._what}"
        if self.status is not None:
            line += f" (HTTP {self.status})"
        if self.entity:
            line += f" for {self.entity}"
        if self.attempt > 1:
            line += f" after {self.attempt} attempts"
        return f"{line}; {self.detail}" if self.detail else line


class AuthError(ApiError):
    """The key is missing or wrong, or its user may not do this (401, 403)."""

    _what = "not allowed"


class NotFound(ApiError):  # noqa: N818  an answer the caller may well expect
    """No such record or route (404, 410)."""

    _what = "not found"


class Rejected(ApiError):  # noqa: N818  an answer the caller may well expect
    """
    The vendor refuses the content; sending it again changes nothing.

    `messages` are the vendor's own sentences. They may quote a value (an e-mail that exists already), so
    they stand in the attribute for the ledger, and in the line only with quoted parts and addresses masked.
    """

    _what = "refused"

    def __init__(self, method: str, route: str, *, messages: Sequence[str] = (), **fields: Any) -> None:
        self.messages = list(messages)
        shown = (masked(message).strip() for message in self.messages[:_MOST_SHOWN])
        fields.setdefault("detail", "; ".join(filter(None, shown)))
        super().__init__(method, route, **fields)


class RateLimited(ApiError):  # noqa: N818  a reason to wait, not a fault
    """The quota is spent; `retry_after_s` seconds from now it frees, None where the vendor does not say."""

    exit_code = 5
    _what = "quota spent"

    def __init__(self, method: str, route: str, *, retry_after_s: float | None = None, **fields: Any) -> None:
        self.retry_after_s = retry_after_s
        if retry_after_s is not None:
            fields.setdefault("detail", f"free again in {_spelled(retry_after_s)}; run again then to resume")
        super().__init__(method, route, **fields)


class Unavailable(ApiError):  # noqa: N818  a state of the vendor
    """
    No usable answer: connection, timeout, or 5xx.

    `sent` is True where the vendor may have done the work all the same, False where the request certainly
    never reached it.
    """

    exit_code = 5
    _what = "no usable answer"

    def __init__(self, method: str, route: str, *, sent: bool, **fields: Any) -> None:
        self.sent = sent
        super().__init__(method, route, **fields)


def without_query(route: str) -> str:
    """*route* as a path: scheme, user, host, query and fragment cut off."""
    return re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", "", route).partition("?")[0].partition("#")[0]


_NAMELIKE = re.compile(r"[^\W\d]+(?:[ .-][^\W\d]+)*")
_LONGEST_NAME = 40


def named(text: str) -> str:
    """*text* where it can be a name that somebody misspelled; else only how long it is, for it may be a value."""
    if len(text) <= _LONGEST_NAME and _NAMELIKE.fullmatch(text):
        return text
    return f"a text of {len(text)} characters" if text else "an empty text"


_VALUES = re.compile(
    r"""
    "[^"]*(?:"|\Z) | (?<!\w)'[^']*(?:'(?!\w)|\Z) | \S*@\S* | https?://\S+       # quoted text, addresses, links
    | \+?\d[\d\s().-]{5,}\d                                         # phones, ids
    """,
    re.VERBOSE,
)
_LONGEST, _LONGEST_READ = 160, 2000
_MOST_SENTENCES, _MOST_SHOWN = 100, 5


def masked(message: str) -> str:
    """A vendor's sentence without the values it may quote, on one line, at most 160 characters."""
    line = " ".join(message.split())
    # A uniqueness message leads with the value.
    _, exists, rest = line.rpartition(" already exists")
    line = f"…{exists}{rest}" if exists else line
    # Patterns take their time; of a longer sentence nothing would be shown.
    line = _VALUES.sub("…", line[:_LONGEST_READ])
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _spelled(wait_s: float) -> str:
    if wait_s < 2 * _SECONDS_A_MINUTE:
        return f"{max(wait_s, 0):.0f} s"
    return f"{wait_s / _SECONDS_A_MINUTE:.0f} min"


def vendor_messages(body: object) -> list[str]:
    """
    The sentences in an error answer of either vendor, in order, whatever its shape.

    Known shapes: `{"errors": {"code", "message": [...]}}`, `{"errors": [{"message"}]}`, `{"errors": {field: [...]}}`,
    `{"detail": ...}`, `{"message": ...}`, `{field: [...]}` (vendor docs, public clients). Never raises.
    """
    if isinstance(body, dict):
        for key in ("errors", "detail", "message"):
            if key in body:
                return list(islice(_sentences(body[key]), _MOST_SENTENCES))
    return list(islice(_sentences(body), _MOST_SENTENCES))


def _sentences(part: object, field: str = "", depth: int = 0) -> Iterator[str]:
    if part is None or isinstance(part, bool) or depth > 4:
        return
    if isinstance(part, dict):
        for key in part:
            if key not in ("code", "error_code", "status", "login"):
                yield from _sentences(part[key], "" if key == "message" else str(key), depth + 1)
    elif isinstance(part, list):
        for item in part[:20]:
            yield from _sentences(item, field, depth + 1)
    else:
        text = part if isinstance(part, str) else json.dumps(part)
        yield f"{field}: {text}" if field else text
