"""A loaded engine answers all suites, turn by turn; a journal has answers as soon as they end."""

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
from bayling_study.stages.generation.answering import Answerer, clean_up_rule, decoding_of
from bayling_study.stages.generation.batching import PromptTokens, fit_context
from bayling_study.stages.generation.decoding import AnswerTokens
from bayling_study.stages.generation.engines import Engine
from bayling_study.stages.generation.journal import Entry, TurnJournal
from bayling_study.stages.generation.meter import Meter
from bayling_study.stages.generation.outputs import PromptSet, SuiteAnswers

log = logging.getLogger(__name__)

MARK_TOKENS = 32
"""Tokens at a prompt's end in which a mark of reasoning shows, spelled in bytes or not."""
TEXT_RULES = 2  # raised when the text that is made of the same tokens changes: journals hold texts


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
        rule, decoding = clean_up_rule(suite), decoding_of(suite)
        how = {"decoding": decoding.model_dump(mode="json"), "clean_up": rule}
        how |= self.answerer.details
        key = sha256_json([self.system_sha256, prompts.sha256, how, self.seed, TEXT_RULES])
        with closing(TurnJournal(self.work / f"{prompts.suite}.jsonl", key)) as journal:
            for call, title, asked in self.answerer.calls(prompts.prompts):
                self._call(journal, f"{prompts.suite} {title}", asked, call, decoding, rule)
        cut = [e.cut for call in journal.turns.values() for e in call.values() if e.cut]
        details = {**how, "prompts_cut": len(cut), "prompt_tokens_cut": sum(cut)}
        return SuiteAnswers(prompts, self.answerer.collect(prompts.prompts, journal.turns), details)

    def _call(
        self, journal: TurnJournal, title: str, asked: list[Prompt], call: int, how: Decoding,
        rule: str,
    ) -> None:  # fmt: skip
        """Makes one call of all prompts that have no answer to it yet."""
        known, names = journal.answers(call), self.answerer.names(call)
        waiting = [prompt for prompt in asked if prompt.id not in known]
        if known:
            log.info("%s: %d answers reused", title, len(known))
        by_id = {prompt.id: prompt for prompt in waiting}
        requests = [self._request(prompt, journal, call, how) for prompt in waiting]
        stops = templates.stop_ids(self.engine.tokenizer, self.template)
        seeds = {r.id: generator(self.seed, "generation", r.id, *names) for r in requests}
        if not requests:
            return
        with Progress(title, len(requests), "answers") as progress:
            started = time.monotonic()
            for done in self.engine.decode(requests, how, stops, seeds):
                entries = [self._entry(by_id[r.id], r, answer, rule, call) for r, answer in done]
                journal.append(call, entries)
                before, started = started, time.monotonic()
                self.meter.add(len(done), sum(e.tokens for e in entries), started - before)
                progress.set_postfix_str(self.meter.speed, refresh=False)
                progress.update(len(entries))

    def _request(
        self, prompt: Prompt, journal: TurnJournal, call: int, how: Decoding
    ) -> PromptTokens:
        messages = self.answerer.conversation(prompt, journal.turns, call)
        try:
            ids = templates.prompt_ids(self.engine.tokenizer, self.template, messages)
        except StudyError as error:
            raise StudyError(error.what, where=f"prompt {prompt.id}", fix=error.fix) from error
        made = fit_context(prompt.id, ids, how.max_new_tokens, self.engine.context)
        return made._replace(goes_on=call + 1 < len(prompt.turns) * len(self.answerer.steps))

    def _entry(
        self, prompt: Prompt, request: PromptTokens, answer: AnswerTokens, rule: str, call: int
    ) -> Entry:
        tokenizer, finish = self.engine.tokenizer, answer.finish
        whole = answer_text(tokenizer, answer.ids, cut=finish == "length")
        inside = reasoning.begun(tokenizer.decode(request.ids[-MARK_TOKENS:]))
        thought, text = reasoning.split(whole, inside)
        text, said = self.answerer.part(prompt, text, rule, call)
        return Entry(request.id, text, answer.tokens, finish, request.cut, thought, said)
