"""The demo customer: a travel agency on the Baltic coast with ten years of CRM habits, generated from a seed.

`scenario` is the account and its target tenants in the form a scenario folder has; `hazards` names every
planted trouble with the exact ids and what a migration is to make of them. What is planted where does not
depend on the seed; ordinary values do. Nothing here is a real person, company, domain or telephone number.
"""

import copy

from crmbook.sandbox import demo_catalogue as catalogue
from crmbook.sandbox import demo_companies, demo_deals, demo_history, demo_people, demo_talk
from crmbook.sandbox.demo_automations import automations
from crmbook.sandbox.demo_case import Hazard
from crmbook.sandbox.demo_segments import CASES as SEGMENT_CASES
from crmbook.sandbox.demo_segments import segments
from crmbook.sandbox.demo_target import ADMIN_EMAIL, freshsales
from crmbook.sandbox.scenario import Scenario
from crmbook.sandbox.store import Doc

__all__ = [
    "ACTIVE_AUTOMATIONS",
    "ADMIN_EMAIL",
    "COMPANY",
    "TIME_ZONE",
    "Hazard",
    "automations",
    "hazards",
    "scenario",
]

COMPANY = "Baltic Compass Travel"
TIME_ZONE = "Europe/Warsaw"
ACTIVE_AUTOMATIONS = sum(row["active"] == "true" for row in automations())


def scenario(seed: int = 7) -> Scenario:
    """The same seed gives the same account, byte for byte."""
    people = demo_people.people(seed)
    rows: dict[str, list[Doc]] = {
        "users": people,
        "companies": demo_companies.companies(seed),
        "deals": demo_deals.deals(seed),
        "pipelines": catalogue.PIPELINES,
        "activities": demo_history.activities(seed),
        "activity_types": catalogue.ACTIVITY_TYPES,
        "events": demo_talk.events(seed),
        "tags": catalogue.TAGS,
        "lists": catalogue.LISTS,
        "segments": segments(people),
        "attributes": catalogue.ATTRIBUTES,
        "agents": catalogue.AGENTS,
        "conversations": demo_talk.conversations(seed),
        "emails": demo_history.emails(seed),
        "campaigns": catalogue.CAMPAIGNS,
    }
    return Scenario(usercom=copy.deepcopy(rows), freshsales=freshsales())


def hazards() -> list[Hazard]:
    """Every planted trouble, in the order of the modules; valid for any seed."""
    cases = (
        *demo_people.CASES,
        *demo_companies.CASES,
        *demo_deals.CASES,
        *demo_history.ACTIVITY_CASES,
        *demo_history.MAIL_CASES,
        *demo_talk.EVENT_CASES,
        *demo_talk.TALK_CASES,
        *SEGMENT_CASES,
        *catalogue.CASES,
    )
    return [one.hazard for one in cases]
