"""Names of fields are split into words whose meanings are known, in whatever language and spelling."""

import pytest

from crmbook.phases.proposal_words import understand


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("numberOfEmployees", [{"count"}, {"employees"}], id="camel case"),
        pytest.param("Liczba pracowników", [{"count"}, {"employees"}], id="Polish, inflected"),
        pytest.param("Handynummer", [{"mobile"}, {"count"}], id="a German compound"),
        pytest.param("Firmenjahresumsatz", [{"company"}, {"year"}, {"revenue"}], id="of three parts"),
        pytest.param("numberofemployees", [{"count"}, {"employees"}], id="English written together"),
        pytest.param("przewidyw_zamkn", [{"expected"}, {"close", "closed"}], id="shortened"),
        pytest.param("cntry", [{"country"}], id="consonants"),
        pytest.param("Прізвище", [{"last"}], id="Cyrillic"),
        pytest.param("ім'я", [{"name", "call_name"}], id="an apostrophe inside a word"),
        pytest.param(
            "kraj zamieszkania", [{"country"}, {"residence"}], id="a word of two languages, beside Polish"
        ),
        pytest.param("kraj bydliště", [{"region_cs"}, {"residence"}], id="the same beside Czech"),
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


def test_what_only_begins_or_ends_with_a_known_word_is_not_certain() -> None:
    """It may be anything that has to do with it: a suggestion, no more."""
    (begun,), (ended,) = understand("Telefonquartier"), understand("Quartierstadt")

    assert [{"phone"}, {"city"}] == [set(begun.meanings), set(ended.meanings)]
    assert max(begun.certainty, ended.certainty) < 0.75
