"""What plans allow: every figure sourced or openly unknown."""

import re
import tomllib
from importlib.resources import files

import pytest

from crmbook.errors import ConfigError
from crmbook.vendors import plans

TEXT = files("crmbook.vendors").joinpath("plans.toml").read_text(encoding="utf-8")
NAMES = ["free", "growth", "pro", "enterprise", "sprout", "blossom", "garden", "estate", "forest"]


def test_all_plans_of_both_editions_are_there():
    """From small to large."""
    editions = {name: plan.edition for name, plan in plans.load().items()}
    assert list(editions.items()) == [
        *((n, "suite") for n in NAMES[:4]),
        *((n, "classic") for n in NAMES[4:]),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_source_or_is_named_as_unknown(name):
    """And an unknown one is None, never a default."""
    plan = plans.plan(name)
    given = {figure for figure in plans.FIGURES if getattr(plan, figure) is not None}
    assert (given, set(plan.unknown)) == (set(plan.basis), set(plans.FIGURES) - given)


def test_every_source_is_used_dated_and_of_stated_trust():
    """A source nobody cites is dead text."""
    cited = {source.title for plan in plans.load().values() for source in plan.basis.values()}
    listed = tomllib.loads(TEXT)["sources"].values()
    assert cited == {source["title"] for source in listed}
    assert {source["trust"] for source in listed} == {"official", "inferred", "low"}
    assert {s.read for plan in plans.load().values() for s in plan.basis.values()} == {"2026-11"}


def test_prices_are_of_low_trust_and_say_their_currency():
    """The vendor's own price page could not be read."""
    prices = {n: p for n, p in plans.load().items() if p.price}
    assert {n: (p.price.amount, p.price.currency, p.basis["price"].trust) for n, p in prices.items()} == {
        "free": (0.0, "USD", "low"),
        "growth": (11.0, "USD", "low"),
        "pro": (47.0, "USD", "low"),
        "enterprise": (71.0, "USD", "low"),
    }


def test_the_request_windows_are_the_published_ones():
    """Nothing is assumed for a plan without figures."""
    assert {name: plan.limits() for name, plan in plans.load().items()} == {
        "free": {"hour": 1000},
        "growth": {"hour": 1000},
        "pro": {"hour": 2000},
        "enterprise": {"hour": 5000},
        "sprout": {},
        "blossom": {"hour": 1000, "minute": 400},
        "garden": {"hour": 1000, "minute": 400},
        "estate": {"hour": 2000, "minute": 400},
        "forest": {"hour": 5000, "minute": 400},
    }


def test_field_counts_have_a_place_for_every_type_of_field():
    """A type that counted nowhere would never be refused."""
    groups = set(plans.FIELD_GROUPS.values())
    counted = {name: set(p.custom_fields) for name, p in plans.load().items() if p.custom_fields is not None}
    assert counted == dict.fromkeys(NAMES[:4], groups)


def test_no_group_allows_more_than_the_total():
    """The article's own consistency."""
    for plan in plans.load().values():
        if plan.custom_fields is not None:
            assert max(plan.custom_fields.values()) <= plan.custom_fields_total


def test_an_unknown_plan_names_the_known_ones():
    """A misspelling in customer.toml is one line."""
    with pytest.raises(ConfigError, match=f"plan: platinum: expected one of {', '.join(NAMES)}"):
        plans.plan("platinum")


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (r"\nrequests_per_hour = .*", "", "free: requests_per_hour: expected a value"),
        (r'source = "suite-api-limits"', 'source = "hearsay"', "free: requests_per_hour: expected a source"),
        (r'unknown = \["requests_per_minute"', 'unknown = ["users", "requests_per_minute"', "free: users"),
        (r"\nfile_mb = ", "\nfile_size = ", "free: file_mb, file_size"),
    ],
    ids=["left-out", "unsourced", "both", "misspelled"],
)
def test_a_file_that_breaks_the_rule_is_refused(pattern, replacement, complaint):
    """On planted defects."""
    with pytest.raises(ConfigError, match=complaint):
        plans.parse(re.sub(pattern, replacement, TEXT, count=1))
