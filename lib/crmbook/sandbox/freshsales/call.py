"""What a handler gets and gives: a parsed request, an answer, and the table of routes that joins them.

A route is a method and a template such as `contacts/:id/notes`; `:id` only takes digits, `*` any one segment.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from crmbook.sandbox.freshsales.errors import INVALID, Refused
from crmbook.sandbox.freshsales.tenant import Tenant

Body = dict[str, Any]


@dataclass(frozen=True)
class Upload:
    """One file part of a multipart body."""

    filename: str
    content_type: str
    content: bytes


@dataclass
class Call:
    """One request. `body` is the JSON as sent (None without one), `form` the parts of a multipart body."""

    tenant: Tenant
    method: str
    query: dict[str, str]
    body: Any
    form: dict[str, str | Upload]
    origin: str
    ui: bool
    job_fault: str | None = None
    args: list[str] = field(default_factory=list)

    @property
    def doc_id(self) -> int:
        return int(next(arg for arg in self.args if arg.isdigit()))

    @property
    def include(self) -> list[str]:
        return [name.strip() for name in self.query.get("include", "").split(",") if name.strip()]

    def object(self) -> Body:
        """The body as a JSON object; Refused(400) when it is anything else."""
        if not isinstance(self.body, dict):
            raise Refused(400, INVALID)
        return self.body

    def wrapped(self, name: str, *, strict: bool = False) -> Body:
        """The object under *name*, or the flat body where the tenant tolerates that (live test: tasks never)."""
        body = self.object()
        if name in body:
            inner = body[name]
            if not isinstance(inner, dict):
                raise Refused(400, INVALID)
            return inner
        if strict or self.tenant.switch("strict_wrapper") or not body:
            raise Refused(400, INVALID)
        return body

    def ids(self, name: str = "selected_ids") -> list[int]:
        """The list of ids under *name*; numeric strings count."""
        value = self.object().get(name)
        if not isinstance(value, list):
            raise Refused(400, INVALID)
        try:
            return [int(item) for item in value]
        except (TypeError, ValueError):
            raise Refused(400, INVALID) from None


@dataclass(frozen=True)
class Answer:
    """A JSON answer; `raw` replaces it with bytes of another type."""

    body: Any
    status: int = 200
    raw: tuple[bytes, str] | None = None


Handler = Callable[[Call], Answer]
Route = tuple[str, str, Handler]


class Routes:
    """Routes by method and number of segments, first declared wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[list[str], Handler]]] = {}
        for method, template, handler in routes:
            parts = template.split("/")
            self._by_shape.setdefault((method, len(parts)), []).append((parts, handler))

    def find(self, method: str, path: str) -> tuple[Handler, list[str]] | None:
        """The handler and the segments that stood for `:id` and `*`."""
        segments = path.split("/")
        for parts, handler in self._by_shape.get((method, len(segments)), ()):
            args = _match(parts, segments)
            if args is not None:
                return handler, args
        return None


def _match(parts: list[str], segments: list[str]) -> list[str] | None:
    args = []
    for part, segment in zip(parts, segments, strict=True):
        if part == ":id":
            if not (segment.isascii() and segment.isdigit() and len(segment) < 20):
                return None
            args.append(segment)
        elif part == "*":
            args.append(segment)
        elif part != segment:
            return None
    return args
