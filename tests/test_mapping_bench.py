"""The proposals hold their three figures on the labelled pairs, and the pairs are not the words they know."""

from pathlib import Path

import pytest

from bench.mapping import evaluation
from crmbook.phases import proposal_targets
from crmbook.phases.lexicon import fold, phrases

SOURCES = [evaluation.PAIRS, evaluation.FRESH]
IDS = ["own", "fresh"]


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_the_set_is_broad(source: Path) -> None:
    """Enough pairs, industries and languages, and fields that mean nothing in the target."""
    pairs = evaluation.pairs("", source)

    assert len(pairs) == len({(p.entity, p.label) for p in pairs}) >= 150
    assert len({p.industry for p in pairs}) >= 7
    assert len({p.language for p in pairs}) >= 9
    assert sum(not p.target for p in pairs) >= 75
    assert sum(not p.target for p in pairs) >= len(pairs) / 4


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_every_label_of_the_set_is_a_field_of_the_target(source: Path) -> None:
    """A pair nobody could ever get right would say nothing."""
    known = {e: {t.name for t in proposal_targets.targets(e)} for e in ("contact", "company", "deal")}

    pairs = evaluation.pairs("", source)

    assert [p.label for p in pairs if p.target and p.target not in known[p.entity]] == []


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_no_name_of_the_set_stands_in_the_lexicon(source: Path) -> None:
    """What was copied would be found without being understood."""
    known = phrases()

    assert [p.label for p in evaluation.pairs("", source) if fold(p.label) in known] == []


def test_no_name_is_in_both_sets() -> None:
    """What one was tuned by would prove nothing in the other."""
    own = {(p.entity, fold(p.label)) for p in evaluation.pairs()}

    assert [p.label for p in evaluation.pairs("", evaluation.FRESH) if (p.entity, fold(p.label)) in own] == []


@pytest.mark.parametrize("split", ["", "dev", "test"], ids=["all", "dev", "test"])
@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_the_figures_hold(source: Path, split: str) -> None:
    """On all pairs, and on either half."""
    found = evaluation.figures(
        evaluation.pairs(split, source), evaluation.proposed, proposal_targets.CONFIDENCE
    )

    assert found.precision >= 0.95
    assert found.recall >= 0.80
    assert found.top >= 0.95


@pytest.mark.parametrize("source", SOURCES, ids=IDS)
def test_the_surer_the_righter(source: Path) -> None:
    """What is filled in is as right as it says; what is not is right less often."""
    steps = evaluation.reliability(evaluation.pairs("", source), evaluation.proposed)
    sure = [(n, right) for low, _, n, right in steps if low >= proposal_targets.CONFIDENCE]
    unsure = [(n, right) for low, _, n, right in steps if low < proposal_targets.CONFIDENCE]

    assert sum(n * right for n, right in sure) / sum(n for n, _ in sure) >= 0.95
    assert sum(n * right for n, right in unsure) / sum(n for n, _ in unsure) < 0.5


def test_the_figures_see_mistakes() -> None:
    """A matcher that calls everything a city is worth little on every figure."""
    found = evaluation.figures(evaluation.pairs(), lambda _: [("city", 1.0)], 0.5)

    assert found.filled_in == found.pairs
    assert max(found.precision, found.recall, found.top) < 0.2
