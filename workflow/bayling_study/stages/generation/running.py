"""A loaded engine answers all suites, turn by turn; a journal has each batch before the next."""

import logging
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bayling_study.config.suites import Decoding, Suite
from bayling_study.config.systems import TemplateName
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json
from bayling_study.core.progress import Progress
from bayling_study.core.records import Prompt
from bayling_study.core.seeds import generator
from bayling_study.shared import reasoning, templates
from bayling_study.shared.answer_text import answer_text
from bayling_study.stages.generation import turns
from bayling_study.stages.generation.answering import Answerer
from bayling_study.stages.generation.batching import PromptTokens, fit_context, plan
from bayling_study.stages.generation.decoding import AnswerTokens
from bayling_study.stages.generation.engines import Engine
from bayling_study.stages.generation.journal import Entry, TurnJournal
from bayling_study.stages.generation.meter import Meter
from bayling_study.stages.generation.outputs import PromptSet, SuiteAnswers

log = logging.getLogger(__name__)

MARK_TOKENS = 32
"""Tokens at a prompt's end in which a mark of reasoning shows, spelled in bytes or not."""
TEXT_RULES = 2
"""Raised when the text that is made of the same tokens changes: journals hold texts."""


@dataclass
class Runner:
    """A loaded engine with all that its answers depend on; the study's seed is for sampling.
    ``system_sha256`` is part of the key of the journals, whose folder is ``work``."""

    engine: Engine
    template: TemplateName
    system_sha256: str
    seed: int
    work: Path
    answerer: Answerer
    meter: Meter = field(default_factory=Meter)

    def answer(self, suite: Suite, prompts: PromptSet) -> SuiteAnswers:
        """Returns the answers to one suite, going on from what the journal holds."""
        rule, decoding = turns.clean_up_rule(suite), turns.decoding_of(suite)
        asked = {"decoding": decoding.model_dump(mode="json"), "clean_up": rule}
        how = asked | self.answerer.details
        key = sha256_json([self.system_sha256, prompts.sha256, how, self.seed, TEXT_RULES])
        with closing(TurnJournal(self.work / f"{prompts.suite}.jsonl", key)) as journal:
            for turn in range(turns.number_of_turns(prompts.prompts)):
                self._turn(journal, prompts, turn, decoding, rule)
        cut = [e.cut for turn in journal.turns.values() for e in turn.values() if e.cut]
        details = {**how, "prompts_cut": len(cut), "prompt_tokens_cut": sum(cut)}
        return SuiteAnswers(prompts, turns.collect(prompts.prompts, journal.turns), details)

    def _turn(
        self, journal: TurnJournal, prompts: PromptSet, turn: int, how: Decoding, rule: str
    ) -> None:
        """Answers one turn of all prompts that have it and have no answer yet."""
        done = journal.answers(turn)
        waiting = [p for p in prompts.prompts if len(p.turns) > turn and p.id not in done]
        if done:
            log.info("%s turn %d: %d answers reused", prompts.suite, turn + 1, len(done))
        by_id = {prompt.id: prompt for prompt in waiting}
        requests = [self._request(prompt, journal.turns, turn, how) for prompt in waiting]
        stops = templates.stop_ids(self.engine.tokenizer, self.template)
        batches = plan(requests, self.engine.batch_tokens, self.engine.max_batch, how.beams)
        with Progress(f"{prompts.suite} turn {turn + 1}", len(requests), "answers") as progress:
            for batch in batches:
                started = time.monotonic()
                seeds = [generator(self.seed, "generation", r.id, str(turn)) for r in batch]
                answers = self.engine.decode(batch, how, stops, seeds)
                pairs = zip(batch, answers, strict=True)
                entries = [self._entry(by_id[r.id], r, answer, rule) for r, answer in pairs]
                journal.append(turn, entries)
                tokens = sum(answer.tokens for answer in answers)
                self.meter.add(len(batch), tokens, time.monotonic() - started)
                progress.set_postfix_str(self.meter.speed, refresh=False)
                progress.update(len(batch))

    def _request(self, prompt: Prompt, said: turns.Turns, turn: int, how: Decoding) -> PromptTokens:
        messages = self.answerer.conversation(prompt, said, turn)
        try:
            ids = templates.prompt_ids(self.engine.tokenizer, self.template, messages)
        except StudyError as error:
            raise StudyError(error.what, where=f"prompt {prompt.id}", fix=error.fix) from error
        return fit_context(prompt.id, ids, how.max_new_tokens, self.engine.context)

    def _entry(self, prompt: Prompt, asked: PromptTokens, answer: AnswerTokens, rule: str) -> Entry:
        tokenizer, finish = self.engine.tokenizer, answer.finish
        whole = answer_text(tokenizer, answer.ids, cut=finish == "length")
        inside = reasoning.begun(tokenizer.decode(asked.ids[-MARK_TOKENS:]))
        thought, text = reasoning.split(whole, inside)
        text, said = self.answerer.part(prompt, text, rule)
        return Entry(asked.id, text, answer.tokens, finish, asked.cut, thought, said)
