"""The rules of a quote, from the firm's own file or the built-in examples, as a table the run keeps.

In: runs/quote.toml where there is one, else `phases/quote.toml`. Out: QUOTE_RULES. The run's quote is computed from the
table, so that it can be recomputed after the file has changed.
"""

import tomllib
from importlib.resources import files
from typing import Any, Final

import polars as pl

from crmbook import runs, tables
from crmbook.errors import ConfigError
from crmbook.phases import quoting
from crmbook.runs import Run

NAME: Final = "quote.toml"
_NUMBERS: Final = ("weekend_hours", "individual_over")
_EXTRA: Final = {"id": str, "text": str, "counts": str, "free": int, "step": int, "amount": int | float}


def keep(run: Run) -> pl.DataFrame:
    """The rules of today saved with the run."""
    return run.save("quote_rules", read())


def read() -> pl.DataFrame:
    """
    The rules as QUOTE_RULES.

    Raises:
        ConfigError: the firm's file is no TOML, a key is missing or of another kind, or a rule counts what is never
            charged (records).
    """
    own = runs.root() / NAME
    text = (
        own.read_text(encoding="utf-8")
        if own.exists()
        else (files("crmbook.phases") / NAME).read_text(encoding="utf-8")
    )
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{NAME}: {problem}; correct it or delete it to use the examples") from None
    _check(document)
    return tables.conform(
        pl.DataFrame(_rows(document), schema=tables.QUOTE_RULES.columns), tables.QUOTE_RULES
    )


def _rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    shared = {"currency": document["currency"], "is_example": document["is_example"]}
    blank = {"text": "", "counts": "", "free": 0, "step": 1, **shared}
    rows = [blank | {"kind": "limit", "id": name, "amount": float(document[name])} for name in _NUMBERS]
    rows += [
        blank | {"kind": "base", "id": grade, "amount": float(price)}
        for grade, price in document["base"].items()
    ]
    rows += [
        blank | {"kind": "extra"} | extra | {"amount": float(extra["amount"])} for extra in document["extra"]
    ]
    return [{"position": position, **row} for position, row in enumerate(rows, 1)]


def _check(document: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {
        "currency": str,
        "is_example": bool,
        "base": dict,
        "extra": list,
        **dict.fromkeys(_NUMBERS, int),
    }
    _keys(NAME, document, wanted)
    for grade in quoting.GRADES:
        if not isinstance(document["base"].get(grade), int | float):
            raise ConfigError(
                f"{NAME}: base.{grade}: expected the price of a move of grade {grade}, as a number"
            )
    for extra in document["extra"]:
        _keys(f"{NAME}: extra {extra.get('id', '')}".rstrip(), extra, _EXTRA)
        if extra["counts"] not in quoting.COUNTED:
            raise ConfigError(
                f"{NAME}: extra {extra['id']}: counts: expected one of {', '.join(quoting.COUNTED)};"
                " nothing is charged by the record"
            )
        if extra["step"] < 1:
            raise ConfigError(f"{NAME}: extra {extra['id']}: step: expected a number from 1 on")


def _keys(where: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    odd = sorted(found.keys() ^ wanted.keys())
    if odd:
        raise ConfigError(f"{where}: {odd[0]}: expected exactly the keys {', '.join(wanted)}")
    for name, kind in wanted.items():
        if not isinstance(found[name], kind) or (kind is not bool and isinstance(found[name], bool)):
            raise ConfigError(f"{where}: {name}: expected {getattr(kind, '__name__', 'number')}")
