"""The proposals hold their three figures on the labelled pairs, and the pairs are not the words they know."""

import pytest

from bench.mapping import evaluation
from crmbook.phases import proposal_targets
from crmbook.phases.proposal_words import fold, phrases


def test_the_set_is_broad() -> None:
    """Enough pairs, industries and languages, and fields that mean nothing in the target."""
    pairs = evaluation.pairs()

    assert len(pairs) == len({(p.entity, p.label) for p in pairs}) >= 150
    assert len({p.industry for p in pairs}) >= 7
    assert len({p.language for p in pairs}) >= 9
    assert sum(not p.target for p in pairs) >= 75


def test_every_label_of_the_set_is_a_field_of_the_target() -> None:
    """A pair nobody could ever get right would say nothing."""
    known = {e: {t.name for t in proposal_targets.targets(e)} for e in ("contact", "company", "deal")}

    assert [p.label for p in evaluation.pairs() if p.target and p.target not in known[p.entity]] == []


def test_no_name_of_the_set_stands_in_the_lexicon() -> None:
    """What was copied would be found without being understood."""
    known = phrases()

    assert [p.label for p in evaluation.pairs() if fold(p.label) in known] == []


@pytest.mark.parametrize("split", ["", "dev", "test"], ids=["all", "dev", "test"])
def test_the_figures_hold(split: str) -> None:
    """On all pairs, and on the half that was not looked at while tuning."""
    found = evaluation.figures(evaluation.pairs(split), evaluation.proposed, proposal_targets.CONFIDENCE)

    assert found.precision >= 0.95
    assert found.recall >= 0.80
    assert found.top >= 0.95


def test_the_figures_see_mistakes() -> None:
    """A matcher that calls everything a city is worth little on every figure."""
    found = evaluation.figures(evaluation.pairs(), lambda _: [("city", 1.0)], 0.5)

    assert found.filled_in == found.pairs
    assert max(found.precision, found.recall, found.top) < 0.2
