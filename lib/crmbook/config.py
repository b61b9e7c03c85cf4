"""What customer.toml says, checked: who, from where, to where, under which policies.

Unknown keys and wrong types are errors that name the key, the file and what was expected. Tokens are never
in the file: it names the environment variables that hold them.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from crmbook import tables
from crmbook.errors import ConfigError, masked, named
from crmbook.vendors.trust import checked_base_url

Env = Literal["test", "production"]
# Keys are of mixed case or without a word between underscores; what isn't a name for certain is not repeated.
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{1,24}")


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("expected an IANA time zone such as Europe/Warsaw")
    return name


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address starting with https://")
    return url.rstrip("/")


_WRITTEN: Final = {
    "contacts": (tables.CONTACTS, {"owner_id", "lifecycle_stage_id", "contact_status_id", "sales_accounts"}),
    "leads": (tables.CONTACTS, {"owner_id", "company"}),
    "sales_accounts": (tables.ACCOUNTS, {"owner_id"}),
    "deals": (
        tables.DEALS,
        {
            "owner_id",
            "deal_stage_id",
            "deal_pipeline_id",
            "currency_id",
            "sales_account_id",
            "contacts_added_list",
        },
    ),
}
_INTERNAL: Final = {
    "source_id", "owner_agent_id", "split", "lifecycle", "account_ids", "account_id", "contact_ids", "pipeline_id",
    "stage_id", "currency", "cf_usercom_original_id",
}  # fmt: skip


def _field(name: str) -> str:
    """A field of a delta run's conflict policy: `<module>.<field>`; custom fields are checked against the target."""
    module, _, field = name.partition(".")
    if module not in _WRITTEN:
        raise ValueError(f"{named(name)}: expected <module>.<field> with module one of {', '.join(_WRITTEN)}")
    table, more = _WRITTEN[module]
    known = {*table.columns, *more} - _INTERNAL
    if field not in known and not field.startswith("cf_"):
        raise ValueError(f"{named(name)}: no such field; {module} has {', '.join(sorted(known))}, and cf_...")
    return name


def _model_url(url: str) -> str:
    """As the vendors' addresses: the key goes over https, or to loopback."""
    if not url:
        return ""
    try:
        return str(checked_base_url(_http_url(url))).rstrip("/")
    except ConfigError as problem:
        raise ValueError(str(problem).removeprefix("base_url: ")) from None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Policy(_Section):
    """What to do where the two systems can't agree; the defaults are the contract's."""

    contact_without_email: Literal["reject", "placeholder"] = "reject"
    duplicate_email: Literal["merge", "reject"] = "merge"
    duplicate_account: Literal["merge", "suffix"] = "merge"
    tags: Literal["auto", "native", "multi_select", "contact_type"] = "auto"
    custom_fields: Literal["checklist", "api"] = "checklist"
    workflows_disabled: bool = False
    conflicts: Literal["target", "source"] = "target"
    conflict_fields: dict[Annotated[str, AfterValidator(_field)], Literal["target", "source"]] = Field(
        default_factory=dict
    )


class Source(_Section):
    kind: Literal["api", "csv"] = "api"
    path: str = ""
    base_url: Annotated[str, AfterValidator(_http_url)] = ""
    token_env: str = ""
    requests_per_second: float = Field(default=5, gt=0, strict=False)
    history: Literal["all", "none"] = "all"
    files: str = ""


class Target(_Section):
    edition: Literal["suite", "classic"]
    plan: Literal["free", "growth", "pro", "enterprise", "sprout", "blossom", "garden", "estate", "forest"]
    base_url: Annotated[str, AfterValidator(_http_url)]
    token_env: str
    requests_per_hour: int | None = Field(default=None, gt=0)
    requests_per_minute: int | None = Field(default=None, gt=0)


class Model(_Section):
    """
    A language model that may be asked about names and types, `provider:model` as pydantic-ai spells it.

    `base_url` is for providers that speak another one's protocol; `key_env` names the variable with the key.
    """

    model: str = Field(pattern=r"^[^:\s]+:\S+$")
    base_url: Annotated[str, AfterValidator(_model_url)] = ""
    key_env: str = ""
    timeout_s: float = Field(default=60, gt=0, strict=False)


class _Customer(_Section):
    name: str
    admin_email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    time_zone: Annotated[str, AfterValidator(_time_zone)]
    active_automations: int = Field(ge=0)


class Targets(_Section):
    test: Target | None = None
    production: Target | None = None


class _File(_Section):
    customer: _Customer
    source: Source
    target: Targets
    policy: Policy = Policy()
    ai: Model | None = None


class Customer(BaseModel):
    """One customer.toml, read."""

    model_config = ConfigDict(frozen=True)

    key: str
    name: str
    admin_email: str
    time_zone: str
    active_automations: int
    source: Source
    targets: Targets
    policy: Policy
    ai: Model | None = None

    def target(self, env: Env) -> Target:
        """Raises ConfigError when the file has no such section."""
        target = self.targets.test if env == "test" else self.targets.production
        if target is None:
            raise ConfigError(
                f"{self.key}/customer.toml: no [target.{env}] section; add it to run with --env {env}"
            )
        return target

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def read(path: Path) -> Customer:
    """
    The customer whose folder holds *path*.

    Raises:
        ConfigError: the file is missing, is not TOML, or a key is unknown, missing or of a wrong type.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        parsed = _File.model_validate(_content(path, where))
    except ValidationError as problem:
        raise ConfigError(f"{where}: {_first_problem(problem)}") from None
    _cross_check(parsed, where)
    who = parsed.customer
    return Customer(
        key=path.parent.name,
        name=who.name,
        admin_email=who.admin_email,
        time_zone=who.time_zone,
        active_automations=who.active_automations,
        source=parsed.source,
        targets=parsed.target,
        policy=parsed.policy,
        ai=parsed.ai,
    )


def _content(path: Path, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{where}: no such file; write one with: crmbook new {path.parent.name}") from None
    except OSError as problem:
        raise ConfigError(f"{where}: {problem.strerror}; expected a file that can be read") from None
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{where}: not UTF-8 (byte {problem.start}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{where}: not valid TOML: {masked(str(problem))}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: not valid TOML: a number too long, or a list too deep") from None


def token(variable: str, *, section: str, key: str) -> str:
    """The secret in the environment variable *variable*; raises ConfigError naming it, never its content."""
    value = os.environ.get(variable, "").strip()
    if not value:
        told = (
            variable
            if _VARIABLE.fullmatch(variable)
            else "no variable's name (the key itself never stands there)"
        )
        raise ConfigError(
            f"{key}/customer.toml: [{section}] token_env names {told}, which is not set; export it"
        )
    return value


def _first_problem(problem: ValidationError) -> str:
    found = problem.errors(include_input=False, include_url=False)
    # A misspelled key is unknown and missing at once; the misspelling is what a person can mend.
    first = min(found, key=lambda error: error["type"] != "extra_forbidden")
    place = ".".join(named(str(part)) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {place}; expected one of {', '.join(_known_keys(first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"missing key {place}"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


def _known_keys(place: tuple[Any, ...]) -> list[str]:
    model: Any = _File
    for part in place:
        annotation = model.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return sorted(model.model_fields)


def _cross_check(parsed: _File, where: str) -> None:
    source = parsed.source
    if source.kind == "api" and not (source.base_url and source.token_env):
        raise ConfigError(f'{where}: source.kind = "api" needs source.base_url and source.token_env')
    if source.kind == "csv" and not source.path:
        raise ConfigError(f'{where}: source.kind = "csv" needs source.path, the folder of the exports')
    suite = {"free", "growth", "pro", "enterprise"}
    for env, target in (("test", parsed.target.test), ("production", parsed.target.production)):
        if target and (target.plan in suite) != (target.edition == "suite"):
            raise ConfigError(f"{where}: target.{env}.plan {target.plan} is not a {target.edition} plan")
    if parsed.target.test is None and parsed.target.production is None:
        raise ConfigError(f"{where}: missing key target.test")


TEMPLATE = """\
[customer]
name = "{customer}"
admin_email = "admin@example.com"    # a Freshsales user: first owner of everything, and of what has no owner
time_zone = "Europe/Warsaw"
active_automations = 0               # as the customer counts them in User.com; the inventory must match

[source]
kind = "api"
base_url = "https://{customer}.user.com/api/public/"
token_env = "{variable}_USERCOM_TOKEN"     # the name of the variable, never the token
requests_per_second = 5

[target.test]
edition = "suite"
plan = "growth"
base_url = "https://{customer}-test.myfreshworks.com/crm/sales/api"
token_env = "{variable}_FRESHSALES_TEST_TOKEN"

[target.production]
edition = "suite"
plan = "growth"
base_url = "https://{customer}.myfreshworks.com/crm/sales/api"
token_env = "{variable}_FRESHSALES_TOKEN"

[policy]
contact_without_email = "reject"     # reject | placeholder
duplicate_email = "merge"            # merge | reject
duplicate_account = "merge"          # merge (same name and website) | suffix
tags = "auto"                        # auto | native | multi_select | contact_type
custom_fields = "checklist"          # checklist | api
workflows_disabled = false           # the customer confirms that Workflows are off during the load
conflicts = "target"                 # target | source: whose value counts in a delta where both changed it

# A language model may suggest places for custom properties. It gets names, types and rounded shares, never a value;
# needs: pip install "crmbook[ai]".
# [ai]
# model = "openai-chat:gpt-5-mini"   # provider:model
# base_url = ""                      # only for a provider that speaks another one's protocol
# key_env = "OPENAI_API_KEY"         # the name of the variable, never the key
"""
