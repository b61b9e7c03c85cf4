"""Is what stands in a run.json what `runs` wrote there? Types and keys only; a file changed by hand is named, not trusted."""

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

# They are part of paths and of commands a person is told to type.
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$")]
_OPEN: Final = ConfigDict(extra="allow", strict=True)


@with_config(_OPEN)
class _Phase(TypedDict):
    status: NotRequired[Literal["running", "passed", "failed", "waiting"]]
    started_at: NotRequired[str]
    finished_at: NotRequired[str]
    error: NotRequired[str]
    inputs: NotRequired[dict[str, str]]
    outputs: NotRequired[dict[str, str]]


@with_config(_OPEN)
class _Offer(TypedDict):
    hash: str
    summary: str


@with_config(_OPEN)
class _Approval(TypedDict):
    what: str
    hash: str
    by: str
    at: str


@with_config(_OPEN)
class _Parameters(TypedDict):
    sample: NotRequired[int]


@with_config(_OPEN)
class _Delta(TypedDict):
    base: str


@with_config(_OPEN)
class _Rollback(TypedDict):
    at: str
    state: str
    forget: bool


@with_config(_OPEN)
class _Run(TypedDict):
    customer: _Name
    run_id: _Name
    env: Literal["test", "production"]
    created_at: str
    parameters: _Parameters
    phases: dict[str, _Phase]
    offers: dict[str, _Offer]
    approvals: list[_Approval]
    approve_all: NotRequired[str]
    delta: NotRequired[_Delta]
    rollback: NotRequired[_Rollback]


_SHAPE: Final = TypeAdapter(_Run)


def fault(content: Any) -> str:
    """The first key that is missing or of another kind, and what was expected there; blank where there is none."""
    try:
        _SHAPE.validate_python(content)
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        known = (str(part) for part in first["loc"] if str(part).isidentifier() or str(part)[:1].isdigit())
        place = ".".join(part if len(part) <= 40 else "…" for part in known)
        return f"{place or 'content'}: {first['msg']}"
    return ""
