"""Published schema matchers on the same pairs; runs in an environment of its own, where valentine is installed.

In, on stdin: per entity the source fields (label, kind) and the target fields (name, kind) as JSON. Out, on stdout:
per matcher the scores [label, target, score] by entity, and the seconds they took. Columns hold a few made-up values of their kind, so that a
matcher that looks at types or values has some. A matcher that can't run here says why on stderr and is left out.
"""

import json
import sys
import time
from typing import Any

import pandas as pd
from valentine import valentine_match
from valentine.algorithms import Coma, Cupid, JaccardDistanceMatcher, SimilarityFlooding

VALUES: dict[str, list[Any]] = {
    "text": ["lorem ipsum", "dolor sit", "amet", "consectetur"],
    "choice": ["one", "two", "one", "three"],
    "choices": ["one", "two", "one", "three"],
    "phone": ["+1 555 0100", "+48 22 555 01 01", "+49 30 555 0102", "020 7946 0103"],
    "email": ["a@one.example", "b@two.example", "c@three.example", "d@four.example"],
    "url": ["https://one.example", "https://two.example", "http://three.example/a", "four.example"],
    "integer": [1, 20, 300, 4000],
    "long_integer": [111111111111, 222222222222, 333333333333, 444444444444],
    "decimal": [1.5, 20.25, 300.0, 4000.75],
    "date": ["2026-01-01", "2026-02-02", "2026-03-03", "2026-04-04"],
    "datetime": [
        "2026-01-01T10:00:00Z",
        "2026-02-02T11:00:00Z",
        "2026-03-03T12:00:00Z",
        "2026-04-04T13:00:00Z",
    ],
    "boolean": [True, False, True, True],
}
MATCHERS = {
    "COMA (names)": lambda: Coma(use_instances=False, delta=1.0),
    "COMA (names and values)": lambda: Coma(use_instances=True, delta=1.0),
    "Cupid": Cupid,
    "Similarity Flooding": SimilarityFlooding,
    "Jaccard-Levenshtein": JaccardDistanceMatcher,
}


def main() -> None:
    question: dict[str, dict[str, list[list[str]]]] = json.load(sys.stdin)
    answer = {}
    for name, make in MATCHERS.items():
        try:
            began = time.perf_counter()
            scores = {entity: _scores(make(), sides) for entity, sides in question.items()}
            answer[name] = scores, time.perf_counter() - began
        except Exception as problem:
            print(
                f"{name}: left out, {type(problem).__name__}: {str(problem).splitlines()[0][:100]}",
                file=sys.stderr,
            )
    json.dump(answer, sys.stdout)


def _scores(matcher: Any, sides: dict[str, list[list[str]]]) -> list[list[Any]]:
    source, target = _frame(sides["source"]), _frame(sides["target"])
    found = valentine_match([source, target], matcher, df_names=["source", "target"])
    return [[pair.source_column, pair.target_column, float(score)] for pair, score in found.items()]


def _frame(columns: list[list[str]]) -> pd.DataFrame:
    return pd.DataFrame({label: VALUES[kind] for label, kind in columns})


if __name__ == "__main__":
    main()
