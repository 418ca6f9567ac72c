"""The ``transformers`` backend: one loaded model answers all suites, turn by turn.

All first turns of a suite are answered before any second turn, so that batches
stay full; turn k sees the system's own earlier answers. Every finished batch is
in the journal before the next one starts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bayling_study import chat
from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding, Suite
from bayling_study.config.systems import TemplateName
from bayling_study.files import sha256_json
from bayling_study.generation.batching import Request, fit_context, plan
from bayling_study.generation.decoding import Answer, decode
from bayling_study.generation.journal import Entry, Journal
from bayling_study.generation.outputs import SuiteAnswers
from bayling_study.generation.progress import Meter, Progress
from bayling_study.generation.prompts import PromptSet
from bayling_study.models.loading import Loaded
from bayling_study.records import Hypothesis, Prompt
from bayling_study.seeds import generator

log = logging.getLogger(__name__)

ONE_LINE_KINDS = frozenset({"translation", "interactive", "wmt22", "constrained"})
"""Suites whose answers are translations: newlines become spaces, as in the authors' script."""


def clean_up_rule(suite: Suite) -> str:
    """Names what is done to an answer's text after decoding."""
    return "newlines to spaces, strip" if suite.kind in ONE_LINE_KINDS else "strip"


def clean_up(text: str, rule: str) -> str:
    """Applies a rule of ``clean_up_rule`` to an answer."""
    return (text.replace("\n", " ") if rule.startswith("newlines") else text).strip()


@dataclass
class Runner:
    """A loaded model with all that its answers depend on.

    Attributes:
        loaded: model and tokenizer.
        template: conversation template.
        section: precision and batch sizes.
        system_sha256: the system's identity, part of the journal's key.
        seed: the study's seed, for sampling.
        work: folder of the journals.
        meter: counts what this process generates.
    """

    loaded: Loaded
    template: TemplateName
    section: GenerationSection
    system_sha256: str
    seed: int
    work: Path
    meter: Meter

    def answer(self, suite: Suite, prompts: PromptSet) -> SuiteAnswers:
        """Returns the answers to one suite, going on from what the journal holds."""
        rule = clean_up_rule(suite)
        how = {"decoding": suite.decoding.model_dump(mode="json"), "clean_up": rule}
        key = sha256_json([self.system_sha256, prompts.sha256, how, self.seed])
        journal = Journal(self.work / f"{prompts.suite}.jsonl", key)
        try:
            for turn in range(max((len(p.turns) for p in prompts.prompts), default=0)):
                self._turn(journal, prompts, turn, suite.decoding, rule)
        finally:
            journal.close()
        cut = sum(entry.cut > 0 for turn in journal.turns.values() for entry in turn.values())
        details = {**how, "prompts_cut": cut}
        return SuiteAnswers(
            prompts.prompts, prompts.sha256, _collect(prompts.prompts, journal), details
        )

    def _turn(
        self, journal: Journal, prompts: PromptSet, turn: int, how: Decoding, rule: str
    ) -> None:
        """Answers one turn of all prompts that have it and have no answer yet."""
        done = journal.answers(turn)
        waiting = [p for p in prompts.prompts if len(p.turns) > turn and p.id not in done]
        if done:
            log.info("%s turn %d: %d answers taken over", prompts.suite, turn + 1, len(done))
        requests = [self._request(prompt, journal, turn, how) for prompt in waiting]
        stops = chat.stop_ids(self.loaded.tokenizer, self.template)
        progress = Progress(f"{prompts.suite} turn {turn + 1}", len(requests))
        for batch in plan(requests, self.section.batch_tokens, self.section.max_batch, how.beams):
            started = time.monotonic()
            seeds = [generator(self.seed, "generation", r.id, str(turn)) for r in batch]
            answers = decode(self.loaded.model, batch, how, stops, seeds)
            pairs = zip(batch, answers, strict=True)
            journal.append(turn, [self._entry(request, answer, rule) for request, answer in pairs])
            tokens = sum(answer.tokens for answer in answers)
            self.meter.add(len(batch), tokens, time.monotonic() - started)
            progress.add(len(batch), tokens)

    def _request(self, prompt: Prompt, journal: Journal, turn: int, how: Decoding) -> Request:
        messages: list[chat.Message] = []
        for earlier in range(turn):
            messages.append({"role": "user", "content": prompt.turns[earlier]})
            answer = journal.answers(earlier)[prompt.id].text
            messages.append({"role": "assistant", "content": answer})
        messages.append({"role": "user", "content": prompt.turns[turn]})
        ids = chat.prompt_ids(self.loaded.tokenizer, self.template, messages)
        return fit_context(prompt.id, ids, how.max_new_tokens, self.loaded.context)

    def _entry(self, request: Request, answer: Answer, rule: str) -> Entry:
        text = self.loaded.tokenizer.decode(answer.ids, skip_special_tokens=True)
        return Entry(
            request.id, clean_up(text, rule), answer.tokens, answer.finish, cut=request.cut
        )


def _collect(prompts: list[Prompt], journal: Journal) -> list[Hypothesis]:
    """Puts the turns of every prompt together, in prompt order."""
    return [_hypothesis(prompt, journal.turns) for prompt in prompts]


def _hypothesis(prompt: Prompt, turns: Mapping[int, Mapping[str, Entry]]) -> Hypothesis:
    entries = [turns[turn][prompt.id] for turn in range(len(prompt.turns))]
    return Hypothesis(
        prompt.id,
        turns=[entry.text for entry in entries],
        tokens=[entry.tokens for entry in entries],
        finish=[entry.finish for entry in entries],
    )
