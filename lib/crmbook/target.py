"""The connection to a run's target: edition, address, key from the environment, and the shared call budget."""

from urllib.parse import urlsplit

from crmbook import config, waiting
from crmbook.runs import Run
from crmbook.vendors import freshsales, plans
from crmbook.vendors.quota import Quota


def connect(run: Run) -> freshsales.Freshsales:
    """
    The run's target, no request made yet; pauses for quota or a vendor in trouble stand in the log.

    Raises:
        ConfigError: the token's variable is not set, or the address is none of this edition.
    """
    target = run.target
    token = config.token(target.token_env, section=f"target.{run.env}", key=run.customer.key)
    quota = Quota(run.quota_path, host(run), limits(target))
    run.pace.calls_left = quota.left
    return freshsales.connect(
        target.edition,
        target.base_url,
        token,
        quota=quota,
        max_wait_s=waiting.max_wait_s(),
        on_wait=run.wait,
    )


def host(run: Run) -> str:
    """Host and port of the target: what the budget and the ledger belong to."""
    return address(run.target)


def address(target: config.Target) -> str:
    """Host and port of *target*."""
    return urlsplit(target.base_url).netloc.rpartition("@")[2].lower()


def limits(target: config.Target) -> dict[str, int]:
    """Calls per hour and minute: the customer's own figures, else those the plan publishes."""
    plan = plans.plan(target.plan)
    windows = {
        "hour": target.requests_per_hour or plan.requests_per_hour,
        "minute": target.requests_per_minute or plan.requests_per_minute,
    }
    return {window: int(calls) for window, calls in windows.items() if calls}
