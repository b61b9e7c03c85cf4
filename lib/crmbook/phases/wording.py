"""Reasons as a customer reads them: the rule names of the tables in plain words.

In: a reason of CLASSES, CARRIED or REJECTS, such as `email: email_missing`. Out: `no e-mail address`. A rule nobody put into
words yet is shown with blanks for underscores, never left out.
"""

import re
from typing import Final

WORDS: Final = {
    "email_missing": "no e-mail address",
    "email_invalid": "not a usable e-mail address",
    "email_duplicate": "an e-mail address another contact has",
    "duplicate_email": "the same e-mail address",
    "name_missing": "no name",
    "name_and_website": "the same name and website",
    "chat_only": "only a chat visitor",
    "push_only": "only known by push messages",
    "unidentified": "nobody knows who it is",
    "pipeline_unknown": "a pipeline the source does not list",
    "stage_unknown": "a stage the source does not list",
    "closed_stage_missing": "no closed stage in its pipeline",
    "too_long": "too long for its field",
    "json_invalid": "not JSON",
    "choice_unknown": "not one of the choices",
    "url_invalid": "not a web address",
    "no_parent": "about nobody and nothing",
    "no_messages": "no message in it",
    "never_sent": "never sent",
    "time_missing": "no time at all",
    "by decision": "left out by decision",
    "file_over_150_mb": "larger than 150 MB",
    "file_empty": "an empty file",
    "attendee_unresolved": "with guests who are nobody of the team",
    "tag_over_40": "a tag longer than 40 characters",
    "tags_several": "several tags where the field takes one",
}
_RULE: Final = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")


def worded(reason: str) -> str:
    """*reason* in plain words; the field a rule names before itself is left out, the words say it."""
    return "; ".join(_part(part) for part in reason.split("; ")) if reason else ""


def _part(part: str) -> str:
    before, colon, rule = part.rpartition(": ")
    told = WORDS.get(rule) or _RULE.sub(lambda found: found[0].replace("_", " "), rule)
    if not colon:
        return told
    # "email: email_missing" names a field, "contact rejected: email_missing" a fate
    return told if rule in WORDS and " " not in before else f"{before}: {told}"
