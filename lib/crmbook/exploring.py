"""A finished discovery to look around in: the contacts of a run, counted so that controls draw at once.

Reads the tables of 01 and writes none: the run that is explored stays as it is. The one thing that may come of it is
a selection kept in the customer's exclusions.csv. Names of people are masked unless they were asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from crmbook import config, exclusion_file, runs, tables
from crmbook.errors import ParameterError, UpstreamError, UsageError
from crmbook.figures import MASK
from crmbook.phases import billing_tiers
from crmbook.phases.billing_tiers import Choice
from crmbook.runs import Record, Run

NAME = "explore_billing_tiers"
_SHOWN = ("name", "email", "phone_number", "last_seen")


def open(customer: str, run_id: str, *, reveal: bool = False) -> Run:  # noqa: A001  as runs.open
    """
    The run, to be read; with *reveal* what is shown of it names people, and says so.

    Raises:
        UpstreamError: its discovery has not passed.
        ParameterError: *reveal* is no switch.
    """
    if not isinstance(reveal, bool):
        raise ParameterError(f"reveal: expected True or False, got {type(reveal).__name__}")
    record = Record(runs.root() / customer / run_id)
    content = record.get()
    if content["phases"].get("01_discovery", {}).get("status") != "passed":
        raise UpstreamError(
            f"{run_id}: 01_discovery has not passed; run it: crmbook run {customer} --env {content['env']}"
            f" --run {run_id} --to 01_discovery"
        )
    settled = config.read(record.folder.parent / "customer.toml")
    run = Run(record, NAME, settled, content["env"], {"reveal": reveal})
    print(f"{settled.name} · run {run_id} · {content['env']} · looking only, nothing is written to the run")
    if reveal:
        print("REVEALED: this copy shows personal data; don't hand it on, delete it when you are done")
    return run


@dataclass(frozen=True)
class Desk:
    """The contacts of one run and what they are counted by; a cube is made when it is first looked at, and kept."""

    run: Run
    billing: pl.DataFrame
    contacts: pl.DataFrame
    members: pl.DataFrame
    owners: dict[str, str]
    as_of: datetime
    steps: tuple[int, ...] = ()
    _cubes: dict[tuple[str, str, str], pl.DataFrame] = field(default_factory=dict)

    def cube(self, kind: str = "", value: str = "") -> pl.DataFrame:
        """The cube of everybody, or of one segment's or tag's members."""
        return self._kept("cube", kind, value, billing_tiers.cube)

    def spread(self, kind: str = "", value: str = "") -> pl.DataFrame:
        """The same by each segment and tag those contacts are in."""
        return self._kept("spread", kind, value, lambda rows: billing_tiers.spread(rows, self.members))

    def _kept(
        self, name: str, kind: str, value: str, make: Callable[[pl.DataFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        if (name, kind, value) not in self._cubes:
            rows = billing_tiers.within(self.contacts, self.members, kind, value)
            self._cubes[name, kind, value] = make(rows)
        return self._cubes[name, kind, value]

    def agreement(self) -> pl.DataFrame:
        """
        The groups as counted here beside 01's own count.

        Raises:
            UpstreamError: they differ.
        """
        found = billing_tiers.agreement(self.cube(), self.billing)
        if off := int(found["difference"].sum()):
            raise UpstreamError(
                f"billing: {off} contacts are counted otherwise here than by 01; run 01_discovery again"
            )
        return found

    def selected(self, choice: Choice, kind: str = "", value: str = "") -> pl.DataFrame:
        """The contacts of the selection, one row each."""
        return billing_tiers.within(self.contacts, self.members, kind, value).filter(choice.holds())

    def listed(self, choice: Choice, kind: str = "", value: str = "") -> pl.DataFrame:
        """The selection with what a person would know its members by; values about people masked unless revealed."""
        rows = self.selected(choice, kind, value)
        people = self.run.read("source_contacts").select("source_id", *_SHOWN)
        told = (
            rows.with_columns(because=billing_tiers.why())
            .drop(billing_tiers.ATTRIBUTES)
            .join(people, on="source_id", how="left", maintain_order="left")
        )
        hidden = [
            c for c in _SHOWN if tables.SOURCE_CONTACTS.is_personal(c) and not self.run.parameters["reveal"]
        ]
        owner = pl.col("owner").cast(pl.String).replace(self.owners)
        return told.with_columns(owner=owner).select(
            "source_id", *_SHOWN, "tier", "because", "seen", "size", "owner"
        ).with_columns(pl.when(pl.col(c).is_not_null()).then(pl.lit(MASK)).alias(c) for c in hidden)  # fmt: skip

    def exclude(self, choice: Choice, kind: str, value: str, reason: str) -> str:
        """
        The selection as a decision in the customer's file, and in a sentence what that means.

        Raises:
            UsageError: nothing was chosen, so everybody would be left out.
            ParameterError: the reason is no reason, or might name a person.
        """
        if choice.is_open and not kind:
            raise UsageError("nothing is chosen: everybody would be left out; choose a group first")
        ids = self.selected(choice, kind, value)["source_id"].to_list()
        every = exclusion_file.exclude(self.run.source_folder, ids, reason)
        again = f"crmbook run {self.run.customer.key} --env {self.run.env} --run {self.run.run_id}"
        return f"{len(ids):,} contacts chosen; source/{exclusion_file.NAME} leaves out {every:,} in all. Next: {again}"


def desk(run: Run, *, as_of: str = "", contract_tiers: str = "") -> Desk:
    """
    The contacts of *run* ready to be counted; ages end at *as_of*, or at the last moment anybody was seen.

    Raises:
        ParameterError: *as_of* is no date, or a contract tier no number.
    """
    billing, contacts, companies, segments, members, agents = run.frames(
        "billing", "source_contacts", "source_companies", "segments", "segment_members", "agents"
    )
    moment = _moment(as_of, contacts)
    rows = billing_tiers.explored(billing, contacts=contacts, companies=companies, as_of=moment)
    named = dict(agents.select("agent_id", "name").iter_rows()) if run.parameters["reveal"] else {}
    known = rows["owner"].cast(pl.String).unique().drop_nulls().to_list()
    owners = {
        o: o if o == billing_tiers.NOBODY else str(named.get(o) or f"agent {o}")
        for o in sorted(known, key=lambda o: (len(o), o))
    }
    return Desk(
        run, billing, rows, billing_tiers.memberships(contacts, segments, members), owners, moment,
        _steps(contract_tiers),
    )  # fmt: skip


def _moment(as_of: str, contacts: pl.DataFrame) -> datetime:
    if not as_of:
        latest = contacts["last_seen"].max()
        return latest if isinstance(latest, datetime) else datetime(1970, 1, 1, tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        raise ParameterError("as_of: expected a day such as 2026-05-31, or nothing") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _steps(text: str) -> tuple[int, ...]:
    words: Sequence[str] = text.replace(",", " ").split()
    if bad := [word for word in words if not word.isdecimal()]:
        raise ParameterError(f"contract_tiers: {bad[0]} is no number; expected such as 5000 10000 20000")
    return tuple(sorted(int(word) for word in words))
