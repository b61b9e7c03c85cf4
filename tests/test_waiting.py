"""How long a request may wait: what a person may write, and how it reaches the notebooks."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from crmbook import cli, waiting
from crmbook.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("90 min", 5400), ("1.5h", 5400), (" 2H ", 7200)],
)
def test_a_wait_is_written_in_seconds_minutes_or_hours(text: str, seconds: float) -> None:
    """A bare figure is seconds."""
    assert waiting.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "1d", "1h30", "nan", "1e9"])
def test_anything_else_is_refused(text: str) -> None:
    """A typo must not mean for ever."""
    with pytest.raises(ParameterError, match="expected seconds, or a figure with m or h"):
        waiting.seconds(text)


def test_without_the_option_a_request_waits_a_little_over_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window of the vendor's is longer."""
    monkeypatch.delenv(waiting.VARIABLE, raising=False)
    assert waiting.max_wait_s() == 3900


def test_the_option_reaches_whoever_connects_and_ends_with_the_command(
    customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable stands while the command runs, whatever becomes of it."""
    seen = []
    monkeypatch.setattr("crmbook.pipeline.run", lambda *_a, **_k: seen.append(waiting.max_wait_s()) or {})
    done = CliRunner().invoke(cli.main, ["run", "acme", "--env", "test", "--max-wait", "90m"])
    assert (done.exit_code, seen, os.environ.get(waiting.VARIABLE)) == (0, [5400.0], None)


def test_a_wait_nobody_understands_stops_before_anything_runs(customers: Path) -> None:
    """Exit code 2, one line, as JSON where asked for."""
    done = CliRunner().invoke(cli.main, ["run", "acme", "--env", "test", "--max-wait", "soon", "--json"])
    assert (done.exit_code, "--max-wait soon: expected seconds" in done.output) == (2, True)
