"""customer.toml is checked before anything else happens."""

from pathlib import Path

import pytest

from crmbook import config
from crmbook.errors import ConfigError

GOOD = """
[customer]
name = "Acme"
admin_email = "admin@acme.example"
time_zone = "Europe/Warsaw"
active_automations = 3
[source]
base_url = "https://acme.user.com/api/public/"
token_env = "ACME_TOKEN"
[target.test]
edition = "suite"
plan = "growth"
base_url = "https://acme-test.myfreshworks.com/crm/sales/api"
token_env = "ACME_TEST_TOKEN"
"""


def _read(folder: Path, text: str) -> config.Customer:
    path = folder / "acme" / "customer.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return config.read(path)


def test_the_defaults_are_the_contracts(tmp_path: Path) -> None:
    """What a customer leaves out is what the contract says."""
    customer = _read(tmp_path, GOOD)
    assert customer.key == "acme"
    assert customer.source.requests_per_second == 5
    assert customer.policy == config.Policy(
        contact_without_email="reject", duplicate_email="merge", duplicate_account="merge", tags="auto",
        custom_fields="checklist", workflows_disabled=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            'plan = "growth"', 'plan = "growth"\nplam = "x"', "unknown key target.test.plam", id="unknown key"
        ),
        pytest.param(
            "active_automations = 3",
            'active_automations = "3"',
            "customer.active_automations",
            id="wrong type",
        ),
        pytest.param('name = "Acme"', "", "missing key customer.name", id="missing key"),
        pytest.param("Europe/Warsaw", "Warsaw", "IANA time zone", id="time zone"),
        pytest.param(
            'plan = "growth"', 'plan = "forest"', "not a suite plan", id="plan of the other edition"
        ),
        pytest.param("[customer]", "[customer", "not valid TOML", id="not TOML"),
        pytest.param(
            "https://acme.user.com", "acme.user.com", "source.base_url", id="address without scheme"
        ),
        pytest.param("[source]", "[sorce]", "unknown key sorce", id="unknown section"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    """The message names the file, the key and what was expected, and is one line."""
    with pytest.raises(ConfigError) as raised:
        _read(tmp_path, GOOD.replace(before, after, 1))
    message = str(raised.value)
    assert message.startswith("acme/customer.toml: ")
    assert expected in message
    assert "\n" not in message


def test_an_unknown_key_lists_the_known_ones(tmp_path: Path) -> None:
    """A misspelling is mended by reading the message."""
    with pytest.raises(ConfigError, match="expected one of base_url, edition, plan"):
        _read(tmp_path, GOOD + 'editon = "suite"\n')


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    """Asking for production without such a section says what to add."""
    with pytest.raises(ConfigError, match=r"no \[target.production\] section"):
        _read(tmp_path, GOOD).target("production")


def test_a_missing_token_names_its_variable_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named so it can be exported; nothing of a token can be shown because none was read."""
    monkeypatch.delenv("ACME_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="ACME_TOKEN, which is not set"):
        config.token("ACME_TOKEN", section="source", key="acme")


def test_the_template_of_a_new_customer_is_valid(tmp_path: Path) -> None:
    """`crmbook new` writes a file that reads back."""
    assert _read(tmp_path, config.TEMPLATE.format(customer="acme", variable="ACME")).source.kind == "api"
