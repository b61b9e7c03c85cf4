"""Every kind of defect, planted in the loaded demo on both editions, is named by 06_reconciliation, and nothing else is.

Here kinds that have nothing in common are planted at once; `python tests/certify/run.py` plants them one at a time.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from certify import certification, demo, memory
from certify.certification import Verdict
from certify.findings import CHECKS, WARNINGS, Look
from certify.kinds import BOTH

# The first test of an edition waits for its demo to be loaded.
pytestmark = pytest.mark.timeout(3_600)
_KINDS = [
    pytest.param(edition, kind.name, id=f"{edition}-{kind.name}")
    for edition in BOTH
    for kind in (*certification.KINDS, *certification.NONE)
    if edition in kind.editions
]


@dataclass(frozen=True)
class Certified:
    """What 06 found on the clean demo, before and after, and its verdict on each kind."""

    before: Look
    after: Look
    verdicts: dict[str, Verdict]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return _certified(tmp_path_factory.mktemp("suite") / "world", "suite")


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return _certified(tmp_path_factory.mktemp("classic") / "world", "classic")


@pytest.fixture
def certified(request: pytest.FixtureRequest, edition: str) -> Certified:
    told: Certified = request.getfixturevalue(edition)
    return told


def _certified(folder: Path, edition: str) -> Certified:
    with pytest.MonkeyPatch.context() as patch, memory.remembering():
        for name in ("CHAOS_SOURCE", "CHAOS_TARGET", "CRMBOOK_RUNS"):
            patch.setenv(name, "")
        world = demo.loaded(folder, edition)
        with demo.served(world) as loaded:
            before = loaded.look()
            verdicts = {
                verdict.case.kind.name: verdict
                for together in certification.rounds(certification.cases(loaded))
                for verdict in certification.examined(loaded, together)
            }
            return Certified(before, loaded.look(), verdicts)


@pytest.mark.parametrize(("edition", "name"), _KINDS)
def test_a_planted_defect_is_named(certified: Certified, edition: str, name: str) -> None:
    """Each of its findings in its class, on its record and field; nobody else's; and the gate stops for just these."""
    assert certified.verdicts[name].problems == []


@pytest.mark.parametrize("edition", BOTH)
def test_clean_data_gives_no_finding(certified: Certified, edition: str) -> None:
    """Before anything is planted, and after all of it was taken back."""
    for look in (certified.before, certified.after):
        assert (set(), set(), True) == (set(look.findings), set(look.failed | look.warned), look.passed)


@pytest.mark.parametrize("edition", BOTH)
def test_every_class_of_findings_is_seen(certified: Certified, edition: str) -> None:
    """No check of 06 that a finding brings down goes through the certification without having failed."""
    seen = {finding.kind for verdict in certified.verdicts.values() for finding in verdict.look.findings}
    assert seen == {*CHECKS, *WARNINGS}
