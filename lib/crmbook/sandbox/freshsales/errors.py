"""How the vendor says no: a status, and `{"errors": {"code", "message": [...]}}` around localised sentences.

The sentences are the ones recorded on live tenants where there is a record; the others are marked
[inferred] where they are written.
"""

from typing import Any

INVALID = "Invalid or missing attributes"

_MISSING = {
    "contacts": "The contact you're looking for is not in the CRM.",
    "sales_accounts": "The account you're looking for is not in the CRM.",
    "deals": "The deal you're looking for is not in the CRM.",
    "leads": "The lead you're looking for is not in the CRM.",
    "tasks": "The task you're looking for doesn't exist.",
    "appointments": "The meeting you're looking for doesn't exist.",
}


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of this program
    """An answer other than success; *messages* go to the client as they are."""

    def __init__(self, status: int, *messages: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, *messages)
        self.status, self.messages, self.headers = status, list(messages), headers or {}

    def body(self) -> dict[str, Any]:
        return {"error_code": 500} if self.status == 500 else envelope(self.status, self.messages)


def envelope(status: int, messages: list[str]) -> dict[str, Any]:
    return {"errors": {"code": status, "message": messages}}


def missing(kind: str) -> Refused:
    """404 with the sentence of the module, where one was recorded."""
    return Refused(404, _MISSING.get(kind, "The record you're looking for doesn't exist."))


def forbidden() -> Refused:
    return Refused(403, "You are not authorized to perform this action.")
