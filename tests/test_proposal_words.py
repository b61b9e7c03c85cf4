"""Names of fields are split into words whose meanings are known, in whatever language and spelling."""

import pytest

from crmbook.phases.proposal_words import understand


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("numberOfEmployees", [{"count"}, {"employees"}], id="camel case"),
        pytest.param("Liczba pracowników", [{"count"}, {"employees"}], id="Polish, inflected"),
        pytest.param("Handynummer", [{"mobile"}, {"count"}], id="a German compound"),
        pytest.param("HQ-ZIP", [{"headquarters"}, {"zip"}], id="capitals and a dash"),
        pytest.param("# of staff", [{"count"}, {"employees"}], id="a symbol"),
        pytest.param("e-mail", [{"email"}], id="a sequence"),
        pytest.param("strona www", [{"website"}], id="a known sequence is one word"),
        pytest.param("Phone 2", [{"phone"}, {"second"}], id="a later one"),
        pytest.param("address2", [{"address"}, {"second"}], id="a later one, written together"),
        pytest.param("of the", [], id="fillers only"),
        pytest.param("", [], id="nothing"),
        pytest.param("🙂", [], id="no letters"),
        pytest.param("xyzzy", [set()], id="a word nobody knows"),
    ],
)
def test_a_name_is_its_words_and_their_meanings(name: str, expected: list[set[str]]) -> None:
    """Case, accents, punctuation and inflection do not matter."""
    assert expected == [set(word.meanings) for word in understand(name)]


def test_a_misspelled_word_is_less_certain() -> None:
    """It counts as the word it resembles, but not for as much."""
    (right,), (wrong,) = understand("occupation"), understand("occupattion")

    assert right.meanings == wrong.meanings
    assert wrong.certainty < right.certainty == 1
