"""The command line: what a person or a scheduler types, and the exit codes they get back.

Exit codes: 0 done, 1 a bug, 2 wrong usage or configuration, 3 a gate failed, 4 waiting for a person,
5 the vendor is unavailable or the quota is spent. With `--json` one object stands on stdout and nothing else.
"""

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import click

from crmbook import __version__, telling
from crmbook.errors import CrmbookError, UsageError

Env = Literal["test", "production"]
_ENV = click.Choice(["test", "production"])
_PHASE = click.Choice(
    ["01_discovery", "02_mapping", "03_workspace", "04_normalization", "05_load", "06_reconciliation", "07_handoff"]
)  # fmt: skip


class _Main(click.Group):
    """With --json a command line that can't be read is one JSON object too, like every other error."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:  # type: ignore[override]
        given = list(sys.argv[1:] if args is None else args)
        if "--json" not in given:
            return super().main(given, **extra)
        try:
            code = super().main(given, **{**extra, "standalone_mode": False})
        except click.ClickException as problem:
            told = telling.account(problem.format_message(), "UsageError", problem.exit_code)
            sys.exit(_tell(told, as_json=True))
        sys.exit(code if isinstance(code, int) else 0)


def _longest_wait(context: click.Context, _option: click.Parameter, text: str | None) -> None:
    """--max-wait in the environment for as long as the command runs: the notebooks' kernels inherit it."""
    if text is None:
        return
    from crmbook import secrecy, waiting

    try:
        wait_s = waiting.seconds(text)
    except UsageError as problem:
        raise click.UsageError(str(problem), context) from None
    context.with_resource(secrecy.environment({waiting.VARIABLE: str(wait_s)}))


_max_wait = click.option(
    "--max-wait", callback=_longest_wait, expose_value=False, metavar="SECONDS|90m",
    help="Exit 5 instead of waiting longer than this for the vendor's quota; default: an hour and five minutes.",
)  # fmt: skip


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="crmbook")
def main() -> None:
    """The CRM migration workbook: one company from User.com to Freshsales, with proof."""


def _command(function: Callable[..., Any]) -> Callable[..., None]:
    """A command whose result is a dict for `--json` and whose errors are one line with their exit code."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
    @functools.wraps(function)
    def wrapped(*, as_json: bool, **given: Any) -> None:
        try:
            _prepare(given)
            with _fetched(function.__name__, given.get("customer")):
                result = function(say=_silent if as_json else _say, **given)
        except (Exception, KeyboardInterrupt) as problem:
            if telling.is_bug(problem):
                click.echo(traceback.format_exc(limit=-6), err=True)
            sys.exit(_tell(telling.told(problem), as_json=as_json))
        if as_json and result is not None:
            click.echo(json.dumps(result, ensure_ascii=False, default=str))
        if code := (result or {}).get("exit_code", 0):
            sys.exit(code)

    return wrapped


def _prepare(given: Mapping[str, Any]) -> None:
    """Keys stay out of core files, and names of customers and runs are names, not ways to other folders."""
    from crmbook import runs, secrecy

    secrecy.leave_no_core()
    customers = [given.get("customer"), *given.get("customers", ())]
    for argument, name in [*(("CUSTOMER", name) for name in customers), ("--run", given.get("run_id"))]:
        if name:
            runs.check_name(argument, name)


def _fetched(command: str, customer: str | None) -> AbstractContextManager[None]:
    """The customer's folder out of the run store for as long as the command runs, where CRMBOOK_RUNS names a store."""
    if not customer or "://" not in os.environ.get("CRMBOOK_RUNS", ""):
        return nullcontext()
    from crmbook import store

    return store.checked_out(customer, writes=command not in ("status", "worker"))


def _say(line: str) -> None:
    click.echo(line)


def _silent(line: str) -> None:
    """With --json nothing but the object goes to stdout."""


def _tell(told: dict[str, Any], *, as_json: bool) -> int:
    """The stop on its stream; its exit code."""
    if as_json:
        # What was typed may hold bytes that are no text.
        click.echo(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8"))
    else:
        click.echo(told["error"], err=True)
    return int(told["exit_code"])


@main.command()
@click.option("--edition", type=click.Choice(["suite", "classic"]), default="suite", show_default=True)
@_command
def demo(say: Callable[[str], None], edition: str) -> dict[str, Any]:
    """Migrate the demo customer from sandbox to sandbox, end to end, and print the report's path."""
    from crmbook import demo as demonstration

    return demonstration.run(edition, say)


@main.command()
@click.option(
    "--port",
    default=8700,
    show_default=True,
    help="User.com's port; Freshsales test, production and admin follow.",
)
@click.option("--edition", type=click.Choice(["suite", "classic"]), default="suite", show_default=True)
@click.option(
    "--scenario", default="demo", show_default=True, help="The built-in demo, or a folder of JSON files."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep everything in this file over restarts.",
)
@click.option("--tls", is_flag=True, help="Serve https with a throw-away certificate.")
@_command
def sandbox(
    say: Callable[[str], None], port: int, edition: str, scenario: str, state: Path | None, tls: bool
) -> None:
    """Serve both vendors on loopback until interrupted."""
    from crmbook import demo as demonstration

    as_json = bool(click.get_current_context().params.get("as_json"))
    demonstration.serve(port, edition, scenario, state, tls=tls, as_json=as_json, say=say)


@main.command()
@click.argument("customer")
@_command
def new(say: Callable[[str], None], customer: str) -> dict[str, Any]:
    """Write a new customer's folder with a customer.toml to fill in."""
    from crmbook import desk

    return desk.new(customer, say)


@main.command()
@click.argument("customer")
@click.option("--env", type=_ENV, default="test", show_default=True)
@_command
def doctor(say: Callable[[str], None], customer: str, env: Env) -> dict[str, Any]:
    """Check settings, tokens, both vendors, and what the source API does not tell."""
    from crmbook import desk

    return desk.doctor(customer, env, say)


@main.command()
@click.argument("customer")
@click.option("--env", type=_ENV, required=True)
@click.option(
    "--run", "run_id", default="", help="The run to continue; default: the newest unfinished, else a new one."
)
@click.option("--only", type=_PHASE, help="Just this phase, again.")
@click.option("--from", "first", type=_PHASE, help="This phase and those after it, again.")
@click.option("--to", "last", type=_PHASE, help="Stop after this phase.")
@click.option(
    "--sample", type=click.IntRange(min=0), default=None, help="This many contacts, covering every class."
)
@click.option(
    "--delta",
    is_flag=True,
    help="Only what changed since the newest approved run: continues an unfinished delta, else starts one.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter the notebook declares."
)
@click.option(
    "--approve-all", is_flag=True, help="Approve everything that asks, in the name given with --by."
)
@click.option("--by", default="", help="Who approves.")
@click.option("--rebuild-ledger", is_flag=True, help="Only make a lost ledger anew from plan and target.")
@_max_wait
@_command
def run(
    say: Callable[[str], None], customer: str, env: Env, *, rebuild_ledger: bool, **given: Any
) -> dict[str, Any]:
    """Run the phases that are due, in order, and stop where a person is needed."""
    from crmbook import pipeline, rebuild

    if rebuild_ledger:
        if any(value for name, value in given.items() if name != "run_id"):
            raise UsageError("--rebuild-ledger stands alone; of the other options it takes --run only")
        return rebuild.command(customer, env, given["run_id"], say)
    return pipeline.run(customer, env, say, **given)


@main.command()
@click.argument("customer")
@click.argument("what", type=click.Choice(["mapping", "plan", "reconciliation"]))
@click.option("--run", "run_id", required=True)
@click.option("--by", required=True, help="Who approves.")
@click.option("--hash", "digest", default=None, help="Refuse unless this is the hash on offer.")
@_command
def approve(
    say: Callable[[str], None], customer: str, what: str, run_id: str, by: str, digest: str | None
) -> dict[str, Any]:
    """Approve what a run offers: its hash and the name are recorded."""
    from crmbook import pipeline

    return pipeline.approve(customer, what, run_id, by, digest, say)


@main.command("reassign")
@click.argument("customer")
@click.option("--run", "run_id", required=True)
@_max_wait
@_command
def reassign_owners(say: Callable[[str], None], customer: str, run_id: str) -> dict[str, Any]:
    """Hand queued records to owners provisioned after the load."""
    from crmbook import reassign

    return reassign.reassign(customer, run_id, say)


@main.command()
@click.argument("customer")
@click.option("--run", "run_id", required=True)
@click.option("--yes", is_flag=True, help="Take it back; without, the plan is shown and nothing is changed.")
@click.option("--forget", is_flag=True, help="Out of the recycle bin too, for good.")
@_command
def rollback(say: Callable[[str], None], customer: str, run_id: str, **given: bool) -> dict[str, Any]:
    """Take back what a run wrote, as far as nobody touched it since."""
    from crmbook import rollback as way_back

    return way_back.rollback(customer, run_id, say, **given)


@main.command()
@click.argument("customer")
@click.option("--run", "run_id", default="")
@_command
def status(say: Callable[[str], None], customer: str, run_id: str) -> dict[str, Any]:
    """Where a customer's runs stand, and what each waits for."""
    from crmbook import desk

    return desk.status(customer, run_id, say)


@main.command()
@click.argument("customer", required=False)
@click.option("--port", default=8888, show_default=True)
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening it.")
@click.option("--reveal", is_flag=True, help="A copy of its own that shows names and addresses, and says so.")
def lab(customer: str | None, port: int, no_browser: bool, reveal: bool) -> None:
    """Open JupyterLab on working copies, never on the templates."""
    from crmbook import lab as laboratory

    try:
        _prepare({"customer": customer})
        laboratory.open(customer, port=port, opens_browser=not no_browser, reveals=reveal)
    except CrmbookError as stop:
        sys.exit(_tell(telling.told(stop), as_json=False))


@main.command()
@click.argument("customer")
@click.option("--run", "run_id", required=True)
@_command
def verify(say: Callable[[str], None], customer: str, run_id: str) -> dict[str, Any]:
    """Check that an archive is complete, unaltered and in order, and that its numbers recompute."""
    from crmbook import evidence

    return evidence.verify(customer, run_id, say)


@main.command()
@click.argument("customer")
@click.option("--run", "run_id", required=True)
@click.option("--with-data", is_flag=True, help="Personal data too: tables and ledger.")
@_command
def pack(say: Callable[[str], None], customer: str, run_id: str, *, with_data: bool) -> dict[str, Any]:
    """One zip of the evidence, the same bytes each time."""
    from crmbook import evidence

    return evidence.pack(customer, run_id, say, with_data=with_data)


@main.command()
@click.argument("customer")
@click.option("--run", "run_id", required=True)
@click.option("--yes", is_flag=True, help="Do it; without, only what would go is said.")
@_command
def purge(say: Callable[[str], None], customer: str, run_id: str, *, yes: bool) -> dict[str, Any]:
    """Delete personal data, keep the evidence."""
    from crmbook import evidence

    return evidence.purge(customer, run_id, say, yes=yes)


@main.command()
@click.argument("customers", nargs=-1, required=True)
@click.option("--env", type=_ENV, required=True)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=None,
    help="Customers at once on this machine; default: its cores.",
)
@click.option(
    "--scheduler", default="", metavar="tcp://HOST:PORT", help="Run on the Dask cluster of this scheduler."
)
@click.option(
    "--approve-all", is_flag=True, help="Approve everything that asks, in the name given with --by."
)
@click.option("--by", default="", help="Who approves.")
@_command
def batch(say: Callable[[str], None], customers: tuple[str, ...], env: Env, **given: Any) -> dict[str, Any]:
    """Run many customers side by side; none stops another, and running again continues each."""
    from crmbook import batch as side_by_side

    return side_by_side.run(customers, env, say, **given)


@main.command()
@click.argument("customers", nargs=-1)
@click.option(
    "--scheduler",
    default="tcp://HOST:8786",
    metavar="tcp://HOST:PORT",
    help="Where the workers shall report.",
)
@_command
def worker(say: Callable[[str], None], customers: tuple[str, ...], scheduler: str) -> dict[str, Any]:
    """Print what a Dask worker needs for these customers, or for all: variables, command, versions; never a token."""
    from crmbook import batch

    return batch.worker(customers, scheduler, say)
