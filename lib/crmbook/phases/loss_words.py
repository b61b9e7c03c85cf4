"""The kinds of difference between a source value and what the target holds of it, and what each means for a reader.

A *loss* can't be undone from the target; a *change* keeps the meaning: written another way, moved to a note,
or filled in. Every kind is one or the other, and the tables of losses hold no other word.
"""

from typing import Final

LOSSES: Final = {
    "dropped": "the value does not fit its field and stays empty; the record is listed under rejects",
    "truncated": "only part of the value fits: the rest of a long name, the time of day of a date",
    "rounded": "digits beyond what the field holds are gone",
    "collapsed": "the value gives way to another one, or stands in a text only",
    "shifted": "the day is another one than at the customer's place, or the day of the load",
    "left_behind": "the field is mapped to nothing; its values stay in the source",
    "rejected": "the whole record is not moved; listed under rejects",
    "excluded": "the whole record is left out on purpose; listed under excluded",
    "missing": "the target has no value where one should stand",
    "changed": "the target has another value than the mapping gives",
}
CHANGES: Final = {
    "merged": "the record lives on in another one of the same person or company",
    "to_note": "too long for its field; the whole text stands in a note on the record",
    "whitespace": "blanks and control characters around or between the words are gone",
    "case": "the same letters, in other case",
    "notation": "the same value, written as the target writes it",
    "renamed": "the choice has another name",
    "filled": "the source has no value; one is filled in, from a merged record or because the target wants one",
    "suffixed": "the source id is put behind the name to tell namesakes apart",
    "opted_out": "a merged record wants no mail, so the one that is left wants none",
}
RECORD: Final = "(the record)"
HISTORY: Final = "history"
STRUCTURE: Final = "identity"

_OF_RULE: Final = {
    (
        "dropped",
        "email",
    ): "not an e-mail address; the field stays empty and the record is listed under rejects",
    (
        "dropped",
        "phone",
    ): "not a telephone number; the field stays empty and the record is listed under rejects",
    ("dropped", "url"): "not a web address; the field stays empty and the record is listed under rejects",
    ("dropped", "choice"): "no single choice of the field; it stays empty",
    ("truncated", "name"): "the first 255 characters stay; the whole name stands in a note on the record",
    ("truncated", "date"): "the day stays, the time of day is gone",
    ("truncated", "datetime"): "parts of a second beyond the sixth digit are gone",
    ("truncated", "identity"): "a long name is cut, a closing keeps its day and loses its time of day",
    ("rounded", "number"): "decimals beyond the fourth and digits beyond the fifteenth are gone",
    ("rounded", "identity"): "a probability is a whole percent in the target",
    ("shifted", "date"): "the day as written is not the customer's day at that instant",
    ("shifted", "identity"): "closed without a date: the target puts the day of the load",
    ("collapsed", "choice"): "several source choices become one, or a merged record had another one",
    ("collapsed", "choices"): "several source choices become one",
    ("collapsed", "history"): "has no field there; it stands in the text of the record",
    ("truncated", "history"): "the field keeps whole seconds; the exact instant stands in the text",
}


def is_loss(kind: str) -> bool:
    """True for a loss, False for a change; KeyError for a word that is neither."""
    if kind not in LOSSES and kind not in CHANGES:
        raise KeyError(kind)
    return kind in LOSSES


def consequence(kind: str, rule: str) -> str:
    """What *kind* means where *rule* carries the field."""
    known = {**LOSSES, **CHANGES}
    if kind == "collapsed" and (kind, rule) not in _OF_RULE:
        return "another record of the same person or company has another value; the survivor's stays"
    return _OF_RULE.get((kind, rule), known[kind])
