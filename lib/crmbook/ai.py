"""The optional model: one question about names and types, and suggestions that may come back.

Only where customer.toml has a section [ai] is anything imported or sent. What is sent is `proposal_model.question`:
names, types and rounded shares, never a value. Whatever goes wrong (the extra is not installed, no key, no answer, an
answer that is none) leaves the offline proposals as they are, with a remark. The same question is asked once: the
answer is kept beside customer.toml, so that a later run proposes the same.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, Field, ValidationError

from crmbook import config, runs
from crmbook.phases.proposal_model import Suggestion, offered_targets, question
from crmbook.runs import Run

ANSWERS: Final = "model-answers.json"
NOT_ASKED: Final = "No model was asked: customer.toml has no section [ai]."
_AT_ONCE: Final = 40
_INSTRUCTIONS: Final = """\
You map custom properties of a marketing CRM to standard fields of a sales CRM. For each property you get its name (in
any language), its declared type and a rough profile of its values; you never see a value. Name the one standard field
that means exactly the same, or leave target_field empty where none does: a wrong match is worse than none. Use only
entities, source fields and target fields from the question. confidence is 0 to 1. reason is one short sentence in
English about what the name means."""


class _Suggested(BaseModel):
    entity: str
    source_field: str
    target_field: str = ""
    confidence: float = Field(ge=0, le=1)
    reason: str = ""


class _Answer(BaseModel):
    suggestions: list[_Suggested]


@dataclass(frozen=True)
class Asked:
    """What came of asking: suggestions, and one sentence for the person who reads the notebook."""

    suggestions: list[Suggestion] = field(default_factory=list)
    remark: str = NOT_ASKED


def ask(run: Run, fields: pl.DataFrame, mapping: pl.DataFrame) -> Asked:
    """The model's suggestions for what *mapping* leaves in fields of their own; none, with a remark, where it fails."""
    settings = run.customer.ai
    if settings is None:
        return Asked()
    asked = question(fields, mapping)
    if not asked:
        return Asked(remark="No model was asked: every property has its place already.")
    kept = _Answers(run.customer_folder / ANSWERS, settings.model)
    try:
        found = [
            s for n in range(0, len(asked), _AT_ONCE) for s in kept.get(asked[n : n + _AT_ONCE], settings)
        ]
    except Exception as problem:
        # Whatever a provider or its library does, the map must not depend on it.
        why = _why(problem)
        run.log("model failed", model=settings.model, why=why)
        return Asked(
            remark=f"The model {settings.model} gave no usable answer ({why}); the proposals are the offline ones."
        )
    run.log("model asked", model=settings.model, fields=len(asked), suggestions=len(found))
    return Asked(found, f"The model {settings.model} was asked about {len(asked)} properties.")


@dataclass(frozen=True)
class _Answers:
    """The answers so far in one file, by question and model."""

    path: Path
    model: str

    def get(self, asked: Sequence[dict[str, Any]], settings: config.Model) -> list[Suggestion]:
        text = json.dumps(
            {"properties": asked, "target_fields": offered_targets()}, ensure_ascii=False, sort_keys=True
        )
        key = hashlib.sha256(f"{self.model}\n{_INSTRUCTIONS}\n{text}".encode()).hexdigest()
        known = self._read()
        if key not in known:
            known[key] = [asdict(s) for s in _answer(text, settings)]
            runs.write_json(self.path, known, mode=0o600)
        return [Suggestion(**row) for row in known[key]]

    def _read(self) -> dict[str, list[dict[str, Any]]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _answer(text: str, settings: config.Model) -> list[Suggestion]:
    """What the model says to *text*, asked in a thread of its own, because a notebook's has an event loop already."""
    from pydantic_ai import Agent

    agent = Agent(
        _model(settings),
        output_type=_Answer,
        instructions=_INSTRUCTIONS,
        model_settings={"timeout": settings.timeout_s, "temperature": 0.0},
        retries=1,
    )

    async def run() -> _Answer:
        # Entering the agent is what closes the provider's connections afterwards.
        async with agent:
            return (await agent.run(text, timeout=settings.timeout_s * 2)).output

    with ThreadPoolExecutor(max_workers=1) as pool:
        answer = pool.submit(asyncio.run, run()).result()
    return [
        Suggestion(s.entity, s.source_field, s.target_field, s.confidence, s.reason)
        for s in answer.suggestions
    ]


def _model(settings: config.Model) -> Any:
    """The library's model, or its test model for `test:…`; the key comes from the environment, never from a file."""
    from pydantic_ai.models import infer_model
    from pydantic_ai.providers import infer_provider, infer_provider_class

    arguments: dict[str, Any] = {}
    if settings.key_env:
        arguments["api_key"] = os.environ.get(settings.key_env, "").strip()
        if not arguments["api_key"]:
            raise LookupError(settings.key_env)
    if settings.base_url:
        arguments["base_url"] = settings.base_url

    def provider(name: str) -> Any:
        return infer_provider_class(name)(**arguments) if arguments else infer_provider(name)

    return infer_model(settings.model, provider)


def _why(problem: Exception) -> str:
    """A failure in a few words; the text of a provider's error may repeat what was sent, so it stays out."""
    if isinstance(problem, ImportError):
        return "the extra is not installed: pip install crmbook[ai]"
    if isinstance(problem, LookupError):
        return f"{problem.args[0] if problem.args else 'its key'} is not set; export it"
    if isinstance(problem, TimeoutError) or "Time" in type(problem).__name__:
        return "it did not answer in time"
    if isinstance(problem, ValidationError) or "Unexpected" in type(problem).__name__:
        return "its answer was not what was asked for"
    status = getattr(problem, "status_code", None)
    return f"{type(problem).__name__}{f', status {status}' if status else ''}"
