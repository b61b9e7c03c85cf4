"""How the two editions, and the modules in them, differ: as data, so that nothing else asks which it is.

Suite (`*.myfreshworks.com`) has no leads: a lead is a contact in a lifecycle stage. Classic
(`*.freshsales.io`) has them, and no lifecycle stages. Paths, wrappers and field names are the same (vendor docs).
"""

from dataclasses import dataclass, replace
from typing import Final

from crmbook.errors import ConfigError, UsageError
from crmbook.vendors.trust import checked_base_url


@dataclass(frozen=True)
class Module:
    """
    One kind of record: its path, the key its body is wrapped in, and where all of them can be listed.

    `all_view` names the saved view with every record; `filters` are the values of `?filter=` that together
    show every record; a module with neither, and not `is_listed`, has no list. `links` are the values of
    `?include=` that make a record show the ids of what it refers to.
    """

    path: str
    wrapper: str
    targetable_type: str = ""
    all_view: str = ""
    filters: tuple[str, ...] = ()
    is_listed: bool = False
    is_wrapped: bool = True
    links: tuple[str, ...] = ()


_CONTACTS: Final = Module(
    "contacts", "contact", "Contact", all_view="All Contacts",
    links=("owner", "contact_status", "lifecycle_stage", "sales_accounts"),
)  # fmt: skip
_MODULES: Final = {
    "contacts": _CONTACTS,
    "sales_accounts": Module(
        "sales_accounts", "sales_account", "SalesAccount", all_view="All Accounts", links=("owner",)
    ),
    "deals": Module(
        "deals", "deal", "Deal", all_view="All Deals",
        links=("owner", "contacts", "sales_account", "deal_stage", "deal_pipeline", "currency"),
    ),
    "tasks": Module("tasks", "task", filters=("open", "completed")),
    "appointments": Module("appointments", "appointment", filters=("past", "upcoming")),
    "notes": Module("notes", "note"),
    "sales_activities": Module("sales_activities", "sales_activity", is_listed=True),
    "phone_calls": Module("phone_calls", "phone_call"),
    "lists": Module("lists", "list", is_listed=True, is_wrapped=False),
    "products": Module("cpq/products", "product", "Product"),
}  # fmt: skip
_OF_CLASSIC: Final = {
    "contacts": replace(_CONTACTS, links=("owner", "sales_accounts")),
    "leads": Module("leads", "lead", "Lead", all_view="All Leads", links=("owner",)),
}


@dataclass(frozen=True)
class Edition:
    """One edition: where its API hangs, which modules it has, and why it lacks the others."""

    name: str
    api_path: str
    modules: dict[str, Module]
    absent: dict[str, str]

    def module(self, name: str) -> Module:
        """The module called *name*; raises UsageError where this edition has none."""
        if name in self.modules:
            return self.modules[name]
        why = self.absent.get(name, f"known: {', '.join(sorted(self.modules))}")
        raise UsageError(f"Freshsales {self.name} has no module {name}; {why}")

    def base_url(self, text: str) -> str:
        """
        *text* as the base of the API. The address the product shows (`…/crm/sales`, or the bare host) is
        completed; another path is a ConfigError, because every call would answer 404.
        """
        url = checked_base_url(text)
        path = url.path.rstrip("/")
        if path in ("", self.api_path.removesuffix("/api")):
            path = self.api_path
        if path != self.api_path:
            expected = f"https://<host>{self.api_path}"
            raise ConfigError(f"base_url: edition {self.name} expects {expected}, got the path {url.path}")
        return str(url.copy_with(path=f"{path}/"))


EDITIONS: Final = {
    "suite": Edition(
        "suite",
        "/crm/sales/api",
        _MODULES,
        {"leads": "a lead is a contact in the lifecycle stage of type Lead"},
    ),
    "classic": Edition("classic", "/api", _MODULES | _OF_CLASSIC, {}),
}


def edition(name: str) -> Edition:
    """The edition called *name*; raises ConfigError naming the known ones."""
    if name not in EDITIONS:
        raise ConfigError(f"edition: {name}: expected {' or '.join(EDITIONS)}")
    return EDITIONS[name]
