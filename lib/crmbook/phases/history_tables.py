"""The tables of 04 that hang on contacts, companies and deals, and what their rows are called in the target."""

from dataclasses import dataclass, fields
from typing import Final, Self

import polars as pl

from crmbook import tables
from crmbook.phases.edition import hung

MODULES: Final = {
    "list": "lists",
    "task": "tasks",
    "appointment": "appointments",
    "sales_activity": "sales_activities",
    "note": "notes",
    "document": "documents",
    "document_link": "document_links",
}


@dataclass(frozen=True)
class History:
    """The tables of 04 that hang on contacts, companies and deals."""

    target_lists: pl.DataFrame
    list_members: pl.DataFrame
    tasks: pl.DataFrame
    appointments: pl.DataFrame
    sales_activities: pl.DataFrame
    notes: pl.DataFrame
    documents: pl.DataFrame

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def none(cls) -> Self:
        return cls(**{name: tables.of(name).empty() for name in cls.names()})

    def on_leads(self, leads: pl.DataFrame) -> Self:
        """The same tables with the parents that are *leads* named so."""
        frames = {name: getattr(self, name) for name in self.names()}
        made = {n: hung(frame, leads) for n, frame in frames.items() if "parent_kind" in frame.columns}
        return type(self)(**frames | made)

    def records(self) -> dict[str, pl.DataFrame]:
        """Entity to its rows, in the order they are written."""
        is_link = pl.col("kind") == "link"
        return {
            "list": self.target_lists,
            "task": self.tasks,
            "appointment": self.appointments,
            "sales_activity": self.sales_activities,
            "note": self.notes,
            "document": self.documents.filter(~is_link),
            "document_link": self.documents.filter(is_link),
        }


NO_HISTORY: Final = History.none()
