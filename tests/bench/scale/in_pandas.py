"""The normalization of contacts in pandas, as a careful person would write it: whole columns, Arrow text, no row loops.

The peer of `people.contacts` in the bench: the same rules on the same columns, the same merge of addresses, the same
answer of kept, merged, excluded and rejected. It counts no losses and lists no changes, so it does less.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from crmbook import parse

_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
_TEXTS = {
    "city": "city", "country": "country", "timezone": "time_zone", "linkedin_url": "linkedin", "custom_id": "cf_custom_id",
    "user_key": "cf_user_key", "p_homepage": "cf_homepage", "p_remark": "cf_remark", "p_options": "cf_options",
}  # fmt: skip
_TIMES = ("first_seen", "last_seen", "last_contacted", "created_at", "updated_at")


@dataclass(frozen=True)
class Counts:
    """What became of the source's contacts."""

    kept: int
    merged: int
    excluded: int
    rejected: int


def normalized(source: Path, target: Path) -> Counts:
    """The contacts of *source* (`source_contacts.parquet`) target-shaped in *target*."""
    rows = pd.read_parquet(source, dtype_backend="pyarrow")
    is_known = pd.concat(
        [_trimmed(rows[c]).notna() for c in ("email", "phone_number", "custom_id")], axis=1
    ).any(axis=1)
    excluded = int((~is_known).sum())
    rows = rows[is_known]
    made = _cells(rows)
    has_address = made["email"].notna()
    rejected = int((~has_address).sum())
    made = made[has_address]
    kept = _merged(made)
    kept.drop(columns=["_key", "_filled", "_seen", "_number"]).to_parquet(target, compression="zstd")
    return Counts(len(kept), len(made) - len(kept), excluded, rejected)


def _trimmed(column: pd.Series) -> pd.Series:
    text = column.str.replace(_CONTROL, "", regex=True).str.strip()
    return text.mask(text == "")


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    made = pd.DataFrame({"source_id": rows["source_id"], "external_id": rows["source_id"]})
    for name, target in _TEXTS.items():
        text = _trimmed(rows[name])
        made[target] = text.mask(text.str.len() > 256)
    for name in _TIMES:
        made[f"cf_{name}"] = rows[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for name in ("gender", "status", "unsubscribed", "notifications", "page_views", "score", "assigned_to"):
        made[f"cf_{name}"] = rows[name]
    made["email"] = _emails(rows["email"])
    made["mobile_number"] = _phones(rows["phone_number"])
    income = pd.to_numeric(_trimmed(rows["p_income"]), errors="coerce")
    made["cf_income"] = income.where(income.abs() <= 99_999_999_999.9999).round(4)
    visits = pd.to_numeric(_trimmed(rows["p_visits"]), errors="coerce")
    made["cf_visits"] = visits.where(visits.abs() <= 99_999_999_999)
    made["cf_vip"] = _trimmed(rows["p_is_vip"]).str.lower().map({"true": True, "false": False})
    made["cf_renewal"] = pd.to_datetime(_trimmed(rows["p_renewal"]), errors="coerce").dt.date
    signed = pd.to_datetime(_trimmed(rows["p_signed_at"]), errors="coerce", utc=True, format="ISO8601")
    made["cf_signed_at"] = signed.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for name in ("p_plan", "p_topics"):
        made[f"cf_{name[2:]}"] = _trimmed(rows[name]).str.strip("[]").str.strip('"').str.split('","')
    for name in ("tags", "company_ids"):
        made[name] = rows[name]
    names = _trimmed(rows["name"]).str.normalize("NFC").str.replace(r"\s+", " ", regex=True)
    words = names.str.rpartition(" ")
    made["first_name"], made["last_name"] = words[0].mask(words[0] == ""), words[2].str.slice(0, 255)
    made["last_name"] = made["last_name"].fillna(made["email"].str.partition("@")[0])
    made["_seen"] = rows["last_seen"]
    return made


def _emails(column: pd.Series) -> pd.Series:
    text = _trimmed(column)
    parts = text.str.rpartition("@")
    lowered = parts[0] + "@" + parts[2].str.lower()
    is_valid = text.str.contains(parse.EMAIL.replace("^", "", 1), regex=True) & (text.str.len() <= 254)
    return lowered.where(is_valid.fillna(value=False))


def _phones(column: pd.Series) -> pd.Series:
    typed = _trimmed(column).str.replace(r"\s+", " ", regex=True)
    bare = typed.str.replace(r"[ ().\-/]", "", regex=True)
    is_e164 = bare.str.contains(parse.E164, regex=True) & ~typed.str.contains("(0)", regex=False)
    phone = bare.where(is_e164.fillna(value=False), typed)
    has_number = (phone.str.count("[0-9]") >= 3) & (phone.str.len() <= 30)
    return phone.where(has_number.fillna(value=False))


def _merged(made: pd.DataFrame) -> pd.DataFrame:
    """One row an address: the fullest, then the last seen, then the lowest id, completed from the others."""
    made = made.assign(
        _key=made["email"].str.lower(),
        _filled=made.notna().sum(axis=1),
        _number=made["source_id"].astype("int64"),
    )
    is_twin = made.duplicated("_key", keep=False)
    twins = made[is_twin].sort_values(["_filled", "_seen", "_number"], ascending=[False, False, True])
    grouped = twins.groupby("_key", sort=False)
    lists = ["tags", "company_ids", "cf_plan", "cf_topics"]
    first = grouped[[c for c in twins.columns if c not in (*lists, "_key")]].first()
    for name in lists:
        parts = twins[["_key", name]].explode(name).dropna().drop_duplicates()
        first[name] = parts.groupby("_key", sort=False)[name].agg(list)
    return pd.concat([made[~is_twin], first.reset_index()]).sort_values("source_id")
