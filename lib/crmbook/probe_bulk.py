"""What bulk upserts do with this tenant's records: which modules take them, by which key, and what survives.

One job a module, all posted before any is waited for; every row carries its links and its choices the way they are
written singly, and is read back. Only where that fails a second job tries the other ways. Bulk that does not work for
whatever reason is no bulk: the load then writes singly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crmbook.errors import ApiError, DataError, RateLimited, Rejected, Unavailable, masked
from crmbook.probe_canaries import Canaries, contact, email, label
from crmbook.probe_choices import WAYS, Choices
from crmbook.probe_findings import UNKNOWN, Finding, truth, within
from crmbook.settle import MARK

SIZE: Final = 100
_KEYS: Final = {
    "contacts": (MARK, "external_id", "emails"),
    "sales_accounts": (MARK, "name"),
    "deals": (MARK,),
    "leads": (MARK, "emails"),
}
_INCLUDE: Final = {"contacts": ("sales_accounts",), "deals": ("contacts", "sales_account")}
_ENDED: Final = ("completed", "complete", "finished", "success", "done", "failed", "partial", "error")

Record = dict[str, Any]


@dataclass
class Bulk:
    """The measurement in progress: canaries, and what single writes showed (`ways`: capability to way)."""

    row: Canaries
    account: Record
    marked: Sequence[str]
    choices: Mapping[str, Choices]
    ways: Mapping[str, str]
    sleep: Callable[[float], None]
    is_strict: bool
    refusals: dict[str, Finding] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """Every capability of bulk writing but its size."""
        tried = {name: how for name, how in self.ways.items() if how != UNKNOWN}
        jobs: dict[str, tuple[str, str]] = {}
        for module in ("contacts", "sales_accounts", "deals", "leads"):
            if module in self.row.modules and (posted := self._posted(module, tried)):
                jobs[module] = posted
        found = list(self._waited(jobs))
        records = {name: self.row.adopted(name, "c", _INCLUDE.get(name, ())) for name in jobs}
        found += self._choices(jobs, records, tried)
        for module in self.row.modules:
            found += self._module(module, jobs, records.get(module))
        return [*found, *self._links(records)]

    def size(self) -> Finding:
        """101 rows that all name one canary and change nothing: no answer to them can make a record."""
        nothing = {"id": str(self.account["id"]), "data": {}}
        if self._takes([nothing] * (SIZE + 1)):
            return Finding(
                "bulk_size", str(SIZE), "more were accepted in one call; documented is no more than this"
            )
        if self._takes([nothing] * SIZE):
            return Finding(
                "bulk_size", str(SIZE), "this many were accepted in one call, one more was refused"
            )
        return Finding("bulk_size", UNKNOWN, "neither 100 nor 101 rows that name one account were accepted")

    def _takes(self, rows: list[Record]) -> bool:
        path = "sales_accounts/bulk_upsert"
        try:
            self.row.client.ask(
                "POST",
                path,
                f"/{path}",
                entity="sales_accounts",
                idempotent=False,
                json={"sales_accounts": rows},
            )
        except RateLimited:
            raise
        except ApiError:
            return False
        return True

    def _posted(self, module: str, tried: Mapping[str, str]) -> tuple[str, str] | None:
        """The job and the key it goes by; what keeps it from being posted stands in `refusals`."""
        keys = [key for key in _KEYS[module] if key != MARK or module in self.marked]
        why = "no field of the tenant is a key for it"
        for key in keys:
            try:
                job = self.row.client.bulk_upsert(module, [self._line(module, key, "c", tried)])
            except RateLimited:
                raise
            except Rejected as refusal:
                why = masked(str(refusal))
            except Unavailable as doubt:
                if self.is_strict:
                    raise
                self.row.doubted()
                self.refusals[module] = Finding(_name(module), UNKNOWN, masked(str(doubt)))
                return None
            except (ApiError, DataError) as refusal:
                why = masked(str(refusal))
                break
            else:
                return job, key
        value = truth(value=False) if keys else UNKNOWN
        self.refusals[module] = Finding(_name(module), value, why)
        return None

    def _line(self, module: str, key: str, name: str, tried: Mapping[str, str]) -> Record:
        first, account_id = int(self.row.first["id"]), int(self.account["id"])
        data: Record = {
            "contacts": contact(name) | {"sales_accounts": [{"id": account_id, "is_primary": True}]},
            "sales_accounts": {"name": label(name)},
            "deals": {
                "name": label(name), "amount": 1, "contacts_added_list": [first], "sales_account_id": account_id,
            },
            "leads": {"last_name": label(name), "email": email(name)},
        }[module]  # fmt: skip
        custom = {MARK: label(name)} if module in self.marked else {}
        for capability, how in tried.items():
            if self.choices[capability].module == module:
                custom |= self.choices[capability].written(how)["custom_field"]
        value = email(name) if key == "emails" else label(name)
        return {key: value, "data": data | ({"custom_field": custom} if custom else {})}

    def _waited(self, jobs: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
        """Every job waited for, the first one measured."""
        for number, (job, _) in enumerate(jobs.values()):
            took_s, polls = within(lambda job=job: self._has_ended(job), self.sleep)  # type: ignore[misc]
            if took_s is None:
                self.row.doubted()
            if number == 0:
                yield Finding(
                    "bulk_job_s", str(took_s or UNKNOWN), "seconds until the job said it ended, rounded up"
                )
                yield Finding("bulk_job_polls", str(polls), "questions until the job said it ended")

    def _has_ended(self, job: str) -> bool:
        return str(self.row.client.job(job).get("status", "")).lower() in _ENDED

    def _choices(
        self, jobs: Mapping[str, tuple[str, str]], records: dict[str, Record | None], tried: Mapping[str, str]
    ) -> Iterator[Finding]:
        for capability in WAYS:
            choices, how = self.choices.get(capability), tried.get(capability)
            name = f"bulk_{capability}"
            if choices is None or how is None or choices.module not in jobs:
                yield Finding(name, UNKNOWN, "no field to try it on, or no bulk for its module")
                continue
            module = choices.module
            if not choices.came_back(records[module]):
                how = self._other_way(choices, jobs[module][1], records)
            evidence = f"{module} {choices.api_name} in a job, read back"
            yield Finding(name, how, evidence if how != UNKNOWN else f"{evidence}: no way came back")

    def _other_way(self, choices: Choices, key: str, records: dict[str, Record | None]) -> str:
        """The way that does come back in a job; the plain record too where the first one never came."""
        module, ways = choices.module, WAYS[choices.capability]
        lines = [self._line(module, key, f"c-{way}", {choices.capability: way}) for way in ways]
        lines += [] if records[module] else [self._line(module, key, "c", {})]
        job = self.row.client.bulk_upsert(module, lines)
        within(lambda: self._has_ended(job), self.sleep)
        if not records[module]:
            records[module] = self.row.adopted(module, "c", _INCLUDE.get(module, ()))
        made = {way: self.row.adopted(module, f"c-{way}") for way in ways}
        return next((way for way, record in made.items() if choices.came_back(record)), UNKNOWN)

    def _module(
        self, module: str, jobs: Mapping[str, tuple[str, str]], record: Record | None
    ) -> Iterator[Finding]:
        name, key = _name(module), f"bulk_key_{module}"
        if module in self.refusals:
            yield self.refusals[module]
            yield Finding(key, "none", "no key was accepted")
        elif record is None:
            yield Finding(name, truth(value=False), "the job was accepted, the record never came")
            yield Finding(key, "none", "no key made a record")
        else:
            yield Finding(name, truth(value=True), f"a record of {module} made by a job, read back")
            yield Finding(key, jobs[module][1], f"the key a job of {module} was accepted by")

    def _links(self, records: Mapping[str, Record | None]) -> Iterator[Finding]:
        account_id, first = int(self.account["id"]), int(self.row.first["id"])
        if made := records.get("contacts"):
            kept = [link.get("id") for link in made.get("sales_accounts") or []] == [account_id]
            yield Finding(
                "bulk_keeps_links", truth(kept), "the account link of a contact made by a job, read back"
            )
        if made := records.get("deals"):
            ids = [int(i) for i in made.get("contact_ids") or []]
            kept = ids == [first] and made.get("sales_account_id") == account_id
            yield Finding(
                "bulk_keeps_deal_links", truth(kept), "contact and account of a deal made by a job, read back"
            )


def _name(module: str) -> str:
    return "bulk_upsert" if module == "contacts" else f"bulk_upsert_{module}"
