"""Lists of short names, written as a line of text."""


def words(text: str) -> list[str]:
    return text.split()
