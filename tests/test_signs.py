"""What values were recognised as: only shares, never a value."""

import polars as pl
import pytest

from crmbook.phases import signs


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        pytest.param(
            ("country", 1.0), ["Polska", "DE", "France", " spain "], id="names and codes of countries"
        ),
        pytest.param(
            ("country", 1.0), ["POL", "DEU", "Україна", "Slovensko"], id="longer codes, further languages"
        ),
        pytest.param(("country", 0.75), ["Polska", "DE", "France", "EMEA"], id="most of them"),
        pytest.param(("", 0.0), ["Polska", "here", "there", "everywhere"], id="few of them"),
        pytest.param(("currency", 1.0), ["EUR", "PLN", "eur"], id="currencies"),
        pytest.param(("time_zone", 1.0), ["Europe/Warsaw", "America/New_York"], id="time zones"),
        pytest.param(
            ("linkedin", 1.0), ["https://www.linkedin.com/in/a", "linkedin.com/company/b"], id="profiles"
        ),
        pytest.param(("", 0.0), ["https://notlinkedin.com/in/a"], id="another site"),
        pytest.param(("country", 1.0), ['["Poland"]', '["Norway", "Japan"]'], id="choices"),
        pytest.param(("", 0.0), [None, "", "[]"], id="nothing filled"),
    ],
)
def test_a_sign_is_what_most_values_bear(expected: tuple[str, float], values: list[str | None]) -> None:
    """Its share counts records, not different values."""
    assert expected == signs.sign(pl.Series("p_x", values, dtype=pl.String))
