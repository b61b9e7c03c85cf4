"""Where every standard field of the source goes.

Knowledge, not logic: names of both vendors' fields (vendor docs); what words mean is in `meanings.toml`. A source
field that no target field fits is kept in a custom field labelled `Usercom …`; the label has no dot because
the target makes the field's api name from it.
"""

from dataclasses import dataclass
from typing import Final

MODULES: Final = {"contact": "contacts", "company": "sales_accounts", "deal": "deals"}
ORIGINAL_ID: Final = "cf_usercom_original_id"
SOURCE_STAGE: Final = "cf_usercom_stage"
DEAL_STATUS: Final = "cf_usercom_deal_status"
PHONE_NUMBERS: Final = "cf_usercom_phone_numbers"


@dataclass(frozen=True)
class Place:
    """
    Where one standard field goes. `target` is a target column, blank where it goes nowhere (`why` says why).

    A `technical` field is left behind where all records agree on it: it tells nothing about any of them.
    """

    target: str
    rule: str
    why: str = ""
    technical: bool = False

    @property
    def is_custom(self) -> bool:
        return self.target.startswith("cf_")


def _same(target: str, rule: str) -> Place:
    return Place(target, rule, "same meaning")


def _structure(target: str, why: str) -> Place:
    return Place(target, "identity", why)


def _kept(name: str, rule: str, *, technical: bool = False) -> Place:
    return Place(f"cf_{name}", rule, "no standard field of the target means this", technical)


def _left(why: str) -> Place:
    return Place("", "copy", why)


_CLOSED: Final = "the day, in the customer's time zone, becomes the closed date of a deal won or lost"
_BROWSER: Final = "describes a visit to the web site, not the person; it stays in the export"

PLACES: Final[dict[str, dict[str, Place]]] = {
    "contact": {
        "source_id": Place(ORIGINAL_ID, "text", "the source id, for audit and to find the record again"),
        "custom_id": _kept("usercom_custom_id", "text"),
        "user_key": _kept("usercom_user_key", "text"),
        "name": _structure("last_name", "the last word becomes the last name, the words before it the first name"),
        "email": _same("email", "email"),
        "phone_number": _same("mobile_number", "phone"),
        "gender": _kept("usercom_gender", "choice", technical=True),
        "status": _kept("usercom_status", "choice", technical=True),
        "first_seen": _kept("usercom_first_seen", "datetime"),
        "last_seen": _kept("usercom_last_seen", "datetime"),
        "last_contacted": _kept("usercom_last_contacted", "datetime"),
        "last_heard": _kept("usercom_last_heard", "datetime"),
        "page_views": _kept("usercom_page_views", "integer", technical=True),
        "score": _kept("usercom_score", "integer", technical=True),
        # Consent is carried even where all agree on it.
        "unsubscribed": _kept("usercom_unsubscribed", "checkbox"),
        "notifications": _kept("usercom_notifications", "checkbox", technical=True),
        "web_push_subscription": _left("a push subscription belongs to the source's web site and can't be moved"),
        "fcm_key": _left("a push key belongs to the source's mobile app and can't be moved"),
        "created_at": _kept("usercom_created_at", "datetime"),
        "updated_at": _kept("usercom_updated_at", "datetime"),
        "city": _same("city", "copy"),
        "region": _same("state", "copy"),
        "country": _same("country", "copy"),
        "timezone": _same("time_zone", "copy"),
        "facebook_url": _same("facebook", "copy"),
        "linkedin_url": _same("linkedin", "copy"),
        "twitter_url": _same("twitter", "copy"),
        "google_url": _kept("usercom_google_url", "text"),
        "gravatar_url": _left("a picture address made from the e-mail; the target makes its own"),
        "last_ip": _left(_BROWSER),
        "browser": _left(_BROWSER),
        "browser_language": _left(_BROWSER),
        "os_type": _left(_BROWSER),
        "resolution": _left(_BROWSER),
        "most_active_time": _left(_BROWSER),
        "assigned_to": _structure("owner_id", "the Freshsales user with the agent's e-mail"),
        "company_ids": _structure("sales_accounts", "links to accounts, the oldest membership is the primary one"),
        "tags": _structure("tags", "tags by name, or a field of choices; see the tag plan"),
        "list_ids": _structure("lists", "members of the contact lists of the same names; see the list plan"),
    },
    "company": {
        "source_id": Place(ORIGINAL_ID, "text", "the source id, for audit and to find the record again"),
        "custom_id": _kept("usercom_custom_id", "text"),
        "name": _same("name", "name"),
        "description": _kept("usercom_description", "textarea"),
        "email": _kept("usercom_email", "email"),
        "country": _same("country", "copy"),
        "region": _same("state", "copy"),
        "city": _same("city", "copy"),
        "address": _same("address", "copy"),
        "postal_code": _same("zipcode", "copy"),
        "size": _same("number_of_employees", "integer"),
        "phone_numbers": Place("phone", "phone", "the first number; where there are more, all of them in a custom field"),
        "tags": _structure("tags", "tags by name, or a field of choices; see the tag plan"),
        "created_at": _kept("usercom_created_at", "datetime"),
        "updated_at": _kept("usercom_updated_at", "datetime"),
    },
    "deal": {
        "source_id": Place(ORIGINAL_ID, "text", "the source id, for audit and to find the record again"),
        "custom_id": _kept("usercom_custom_id", "text"),
        "name": _same("name", "name"),
        "value": _same("amount", "money"),
        "currency": _same("currency", "copy"),
        "pipeline_id": _structure("deal_pipeline_id", "the pipeline of the same name; see stages"),
        "stage_id": _structure("deal_stage_id", "the stage of the same name, which it keeps in a field too; see stages"),
        "status": _structure("deal_stage_id", "won and lost close the deal; the status itself is kept in a field"),
        "assigned_to": _structure("owner_id", "the Freshsales user with the agent's e-mail"),
        "contact_id": _structure("contacts", "link to the contact"),
        "company_id": _structure("sales_account_id", "link to the account"),
        "participants": _structure("contacts", "links to further contacts"),
        "products": _kept("usercom_products", "textarea"),
        "order_products": _kept("usercom_order_products", "json_text"),
        "restricted_to": _left("who may see a deal is set by roles in the target"),
        "agent": _left("the target has one owner per deal; see assigned_to"),
        "created_by": _left("the target records the migration's own user as creator"),
        "scope": _left("who may see a deal is set by roles in the target"),
        "activities_status": _left("follows from the deal's activities"),
        "tags": _structure("tags", "tags by name, or a field of choices; see the tag plan"),
        "expected_close_date": _same("expected_close", "date"),
        "loss_reason": Place("cf_loss_reason", "text", "the target's reasons are ids of its own list"),
        "loss_reason_description": Place("cf_loss_reason_description", "textarea", "the words behind a loss"),
        "lost_at": _structure("closed_date", _CLOSED),
        "won_at": _structure("closed_date", _CLOSED),
        "created_at": _kept("usercom_created_at", "datetime"),
        "updated_at": _kept("usercom_updated_at", "datetime"),
    },
}  # fmt: skip

# Written by structure, so no decision names them: module -> api name -> field type.
STRUCTURAL: Final[dict[str, dict[str, str]]] = {
    "contacts": {ORIGINAL_ID: "text"},
    "sales_accounts": {ORIGINAL_ID: "text"},
    "deals": {ORIGINAL_ID: "text", DEAL_STATUS: "dropdown", SOURCE_STAGE: "text"},
}
DEAL_STATUSES: Final = ("abandoned", "in progress", "won", "lost", "archived")
