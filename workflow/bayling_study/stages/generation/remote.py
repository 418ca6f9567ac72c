"""The ``endpoint`` backend: a server answers all suites, turn by turn.

The server has its own template and no beam search: where a suite asks for beams, the most
probable tokens are asked for, and the record says so. The endpoint's cache is the journal.
"""

import time
from dataclasses import dataclass, field
from typing import Any

from bayling_study.config.suites import Decoding, Suite
from bayling_study.config.systems import EndpointSystem
from bayling_study.core.progress import Progress
from bayling_study.core.records import Prompt
from bayling_study.shared.endpoint import ChatCompletion, ChatRequest, Endpoint, request_seed
from bayling_study.stages.generation import turns
from bayling_study.stages.generation.answering import Answerer
from bayling_study.stages.generation.journal import Entry
from bayling_study.stages.generation.meter import Meter
from bayling_study.stages.generation.outputs import PromptSet, SuiteAnswers


@dataclass
class MeteredEndpoint:
    """A server, the study's seed for sampling, and a meter of what is answered."""

    endpoint: Endpoint
    seed: int
    answerer: Answerer
    meter: Meter = field(default_factory=Meter)

    def answer(self, suite: Suite, prompts: PromptSet) -> SuiteAnswers:
        """Returns the answers to one suite."""
        rule, how = turns.clean_up_rule(suite), turns.decoding_of(suite)
        answered: dict[int, dict[str, Entry]] = {}
        for turn in range(turns.number_of_turns(prompts.prompts)):
            answered[turn] = self._turn(prompts, answered, turn, how, rule)
        decoding = served(how, self.endpoint.settings)
        details = {"decoding": decoding, "clean_up": rule, "prompts_cut": 0}
        details |= self.answerer.details
        return SuiteAnswers(prompts, turns.collect(prompts.prompts, answered), details)

    def _turn(
        self, prompts: PromptSet, answered: turns.Turns, turn: int, how: Decoding, rule: str
    ) -> dict[str, Entry]:
        asked = [prompt for prompt in prompts.prompts if len(prompt.turns) > turn]
        requests = (self._request(prompt, answered, turn, how) for prompt in asked)
        entries: dict[str, Entry] = {}
        last = time.monotonic()
        with Progress(f"{prompts.suite} turn {turn + 1}", len(asked), "answers") as progress:
            for prompt, answer in zip(asked, self.endpoint.complete(requests), strict=True):
                entries[prompt.id] = self._entry(prompt, answer, rule)
                before, last = last, time.monotonic()
                self.meter.add(1, answer.tokens, last - before)
                progress.set_postfix_str(self.meter.speed, refresh=False)
                progress.update()
        return entries

    def _request(self, prompt: Prompt, said: turns.Turns, turn: int, how: Decoding) -> ChatRequest:
        messages = [{**message} for message in self.answerer.conversation(prompt, said, turn)]
        if not how.sample:
            return ChatRequest(messages, how.max_new_tokens, 0.0, None)
        seed = request_seed(self.seed, "generation", prompt.id, str(turn))
        return ChatRequest(messages, how.max_new_tokens, how.temperature, seed)

    def _entry(self, prompt: Prompt, answer: ChatCompletion, rule: str) -> Entry:
        thought, text = answer.parts
        text, said = self.answerer.part(prompt, text, rule)
        return Entry(prompt.id, text, answer.tokens, answer.finish, reasoning=thought, whole=said)


def served(how: Decoding, system: EndpointSystem) -> dict[str, Any]:
    """Returns the decoding that a server is asked for, where a suite wants ``how``."""
    asked = {**how.model_dump(mode="json"), "beams": 1}
    if "temperature" in system.extra_body:
        return {**asked, "temperature": None, "note": "sampled as the server likes"}
    if how.beams > 1:
        asked["note"] = f"temperature 0 instead of {how.beams} beams, which no server offers"
    return asked
