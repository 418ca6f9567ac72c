"""How a system is asked, and which part of what it says is its answer. An answer takes one call, or
one for each step; calls are counted from 0 over all turns of a prompt. The cut is made here, before
an answer is cleaned up and written, so that every scorer and judge sees the same. The system itself
sees in later turns all that it said: it was tuned to answer so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bayling_study.config.answering import ASKS, PIVOT, Answering
from bayling_study.config.suites import Decoding, Suite
from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.answer_labels import behind_label
from bayling_study.shared.templates import Message
from bayling_study.stages.generation.examples import ExamplePools, exchange
from bayling_study.stages.generation.journal import Entry

Calls = Mapping[int, Mapping[str, Entry]]
"""For each call, prompt id to what was said."""
ONE_LINE_KINDS = frozenset({"translation", "interactive", "wmt22", "file", "flores", "constrained"})
"""Suites whose answers are translations: newlines become spaces, as in the authors' script."""


@dataclass(frozen=True)
class Answerer:
    """A system's ``answering``; without any, conversations and answers stay as they are."""

    settings: Answering
    examples: ExamplePools | None = None

    @property
    def steps(self) -> list[str]:
        """What each call of a turn asks, by role or in words; without steps the request alone."""
        return self.settings.steps or ["translate"]

    @property
    def details(self) -> dict[str, Any]:
        """What records and journals say of it: nothing where nothing is asked for."""
        told = {key: value for key, value in self.settings.model_dump(mode="json").items() if value}
        shown = {"examples": self.examples.details} if self.examples else {}
        return {"answering": told, **shown} if told else {}

    def calls(self, prompts: list[Prompt]) -> Iterator[tuple[int, str, list[Prompt]]]:
        """Yields of each call its number, its name in words and the prompts with a turn for it."""
        count = len(self.steps)
        for call in range(max((len(prompt.turns) for prompt in prompts), default=0) * count):
            title = f"turn {call // count + 1}" + f" step {call % count + 1}" * (count > 1)
            yield call, title, [prompt for prompt in prompts if len(prompt.turns) > call // count]

    def names(self, call: int) -> list[str]:
        """Returns a call's turn and, where it is not the first one of it, its step, from 0."""
        turn, step = divmod(call, len(self.steps))
        return [str(turn), *([str(step)] if step else [])]

    def conversation(self, prompt: Prompt, said: Calls, call: int) -> list[Message]:
        """Returns what the system is shown in a call: its system message, the examples of a first
        step, earlier turns with all that was said last in them, and what the step asks."""
        count = len(self.steps)
        turn, step = divmod(call, count)
        system, messages = self.settings.system, list[Message]()
        if system is not None:
            messages.append({"role": "system", "content": self._filled(prompt, system)})
        if self.examples and not step:
            messages += self.examples.messages(prompt)
        for earlier in range(turn):
            last = said[(earlier + 1) * count - 1][prompt.id]
            messages += exchange(prompt.turns[earlier], last.whole or last.text)
        named = {"request": prompt.turns[turn]}
        if step:
            first, before = said[turn * count][prompt.id], said[call - 1][prompt.id]
            named |= {"first": first.text, "answer": before.text}
        text = self.steps[step]
        asked = self._filled(prompt, ASKS.get(text, text), **named)
        return [*messages, {"role": "user", "content": asked}]

    def part(self, prompt: Prompt, said: str, rule: str, call: int) -> tuple[str, str]:
        """Returns the answer, cleaned up, and all that was said where only a part is kept (else
        nothing). Without its label an answer is empty. Of an earlier step all is kept."""
        if (call + 1) % len(self.steps):
            return said.strip(), ""
        if self.settings.keep is None:
            return clean_up(said, rule), ""
        return clean_up(behind_label(said, self._language(prompt)) or "", rule), said

    def collect(self, prompts: list[Prompt], said: Calls) -> list[Hypothesis]:
        """Puts the turns of every prompt together, in prompt order, with what earlier steps said;
        tokens are those of all of a turn's calls."""
        found, count = [], len(self.steps)
        for prompt in prompts:
            every = [said[call][prompt.id] for call in range(len(prompt.turns) * count)]
            ends, starts = every[count - 1 :: count], range(0, len(every), count)
            texts, finish = [e.text for e in ends], [e.finish for e in ends]
            tokens = [sum(e.tokens for e in every[n : n + count]) for n in starts]
            reasoning = [e.reasoning for e in ends] if any(e.reasoning for e in ends) else []
            whole = [e.whole for e in ends] if any(e.whole for e in ends) else []
            before = [every[n : n + count - 1] for n in starts if count > 1]
            steps = [
                [{"step": s} | e._asdict() for s, e in zip(self.steps, own, strict=False)]
                for own in before
            ]
            found.append(Hypothesis(prompt.id, texts, tokens, finish, "", reasoning, whole, steps))
        return found

    def _filled(self, prompt: Prompt, text: str, **named: str) -> str:
        """Returns a text with what its names stand for, the language where it has that."""
        if "{language}" in text:
            named["language"] = languages.name(self._language(prompt))
        return text.format(pivot=languages.name(PIVOT), **named)

    def _language(self, prompt: Prompt) -> str:
        """Returns the language of a prompt's answers (``StudyError`` if the suite states none)."""
        if "target" not in prompt.languages:
            what = "the prompt states no language of its answer, which answering needs"
            raise StudyError(what, where=f"{prompt.suite}: prompt {prompt.id}")
        return prompt.languages["target"]


def decoding_of(suite: Suite) -> Decoding:
    """Returns how a suite's answers are decoded (``StudyError`` if it is scored by likelihood)."""
    decoding = getattr(suite, "decoding", None)
    if not isinstance(decoding, Decoding):
        raise StudyError(f"suites of kind {suite.kind} have no answers to generate")
    return decoding


def clean_up_rule(suite: Suite) -> str:
    """Names what is done to an answer's text after decoding."""
    return "newlines to spaces, strip" if suite.kind in ONE_LINE_KINDS else "strip"


def clean_up(text: str, rule: str) -> str:
    """Applies a rule of ``clean_up_rule`` to an answer."""
    return (text.replace("\n", " ") if rule.startswith("newlines") else text).strip()
