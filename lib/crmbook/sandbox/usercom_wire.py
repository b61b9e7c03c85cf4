"""What every User.com route shares: the call, its answers and refusals, the page envelope, the route table.

A handler takes a Call and the path's parameters and returns JSON (status 200), a Reply, or raises Refusal.
Pages are cursors over ids; `next` is absolute and built from the request's own scheme and host.
"""

import base64
import bisect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from crmbook.sandbox.store import Doc
from crmbook.sandbox.usercom_state import Account


class Refusal(Exception):  # noqa: N818 - an answer, not a fault of the program
    """An answer other than success; the body is JSON."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def not_found(detail: str = "Not found.") -> Refusal:
    return Refusal(404, {"detail": detail})


def invalid(**fields: str) -> Refusal:
    """400 with the reasons under `errors` (the envelope is seen in a public client, the inside is inferred)."""
    return Refusal(400, {"errors": {name: [text] for name, text in fields.items()}})


REQUIRED = "This field is required."


@dataclass(frozen=True)
class Reply:
    """A success that is not 200."""

    status: int
    body: Any = None


@dataclass(frozen=True)
class Call:
    """One authenticated request; `base` ends in /api/public/, `url` has no query."""

    account: Account
    version: int
    method: str
    base: str
    url: str
    query: dict[str, str] = field(default_factory=dict)
    body: Doc = field(default_factory=dict)

    def need(self, *names: str) -> Any:
        """The first of these body keys that is there; the first name is the one an error reports."""
        for name in names:
            if self.body.get(name) is not None:
                return self.body[name]
        raise invalid(**{names[0]: REQUIRED})

    def row(self, kind: str, row_id: Any) -> Doc:
        row = self.account.row(kind, row_id)
        if row is None:
            raise not_found()
        return row


Handler = Callable[..., Any]


def _group(parameter: re.Match[str]) -> str:
    name, text = parameter.groups()
    return f"(?P<{name}>{'[^/]+' if text else '[0-9]+'})"


@dataclass(frozen=True)
class Route:
    """`path` is relative to /api/public/ and uses <name> for an id and <name:str> for text."""

    methods: str
    path: str
    handler: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        regex = re.sub(r"<(\w+)(:str)?>", _group, self.path)
        object.__setattr__(self, "pattern", re.compile(f"^{regex}$"))

    def match(self, path: str) -> dict[str, Any] | None:
        found = self.pattern.match(path)
        if found is None:
            return None
        texts = set(re.findall(r"<(\w+):str>", self.path))
        return {name: value if name in texts else int(value) for name, value in found.groupdict().items()}


def twins(root: str, entries: Sequence[tuple[str, str, Handler]]) -> list[Route]:
    """Each entry under `<root>/:id/` and under `<root>-by-id/:custom_id/`; the handler gets the row."""

    def by_id(handler: Handler) -> Handler:
        return lambda call, row_id: handler(call, call.row(root, row_id))

    def by_custom_id(handler: Handler) -> Handler:
        def handle(call: Call, custom_id: str) -> Any:
            found = call.account.find(root, "custom_id", custom_id)
            if not found:
                raise not_found()
            return handler(call, found[0])

        return handle

    routes = [Route(m, f"{root}/<row_id>/{suffix}", by_id(handler)) for m, suffix, handler in entries]
    return routes + [
        Route(m, f"{root}-by-id/<custom_id:str>/{suffix}", by_custom_id(handler))
        for m, suffix, handler in entries
    ]


def paged(call: Call, rows: Sequence[Doc], render: Callable[[Doc], Any]) -> Doc:
    """One page of rows, which must be in the order of their ids; only that page is rendered."""
    size = int(call.account.switch("page_size"))
    if call.version == 1 and "page" in call.query:
        return _numbered(call, rows, render, size)
    start = _start(call, rows)
    page = rows[start : start + size]
    following = None
    if start + size < len(rows):
        following = _link(call, cursor=_cursor(page[-1]["id"]))
    elif call.account.switch("next_404") and page:
        following = _link(call, cursor=_cursor("end"))
    previous = None
    if start > 0:
        earlier = start - size - 1
        previous = _link(call, cursor=_cursor(rows[earlier]["id"]) if earlier >= 0 else None)
    return {
        "count": len(rows),
        "next": following,
        "previous": previous,
        "results": [render(row) for row in page],
    }


def _start(call: Call, rows: Sequence[Doc]) -> int:
    token = call.query.get("cursor")
    if token is None:
        return 0
    try:
        after = int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("after="))
    except ValueError:
        raise not_found("Invalid cursor") from None
    return bisect.bisect_right(rows, after, key=lambda row: int(row["id"]))


def _numbered(call: Call, rows: Sequence[Doc], render: Callable[[Doc], Any], size: int) -> Doc:
    text = call.query["page"]
    number = int(text) if text.isdigit() else 0
    last = max(1, -(-len(rows) // size))
    if not 1 <= number <= last:
        raise not_found("Invalid page.")
    page = rows[(number - 1) * size : number * size]
    return {
        "count": len(rows),
        "next": _link(call, page=number + 1) if number < last else None,
        "previous": _link(call, page=number - 1) if number > 1 else None,
        "results": [render(row) for row in page],
    }


def _cursor(after: int | str) -> str:
    return base64.urlsafe_b64encode(f"after={after}".encode()).decode()


def _link(call: Call, **changed: int | str | None) -> str:
    kept = {k: v for k, v in call.query.items() if k not in ("cursor", "page")}
    query = kept | {k: str(v) for k, v in changed.items() if v is not None}
    return f"{call.url}?{urlencode(query)}" if query else call.url
