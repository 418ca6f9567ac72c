"""The ``endpoint`` backend: a server answers all suites, turn by turn. The server has its own
template and no beam search: where a suite asks for beams, the most probable tokens are asked for,
and the record says so. The endpoint's cache is the journal."""

import time
from dataclasses import dataclass, field
from typing import Any

from bayling_study.config.suites import Decoding, Suite
from bayling_study.config.systems import EndpointSystem
from bayling_study.core.progress import Progress
from bayling_study.core.records import Prompt
from bayling_study.shared.endpoint import ChatCompletion, ChatRequest, Endpoint, request_seed
from bayling_study.stages.generation.answering import Answerer, Calls, clean_up_rule, decoding_of
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
        rule, how = clean_up_rule(suite), decoding_of(suite)
        answered: dict[int, dict[str, Entry]] = {}
        for call, title, asked in self.answerer.calls(prompts.prompts):
            title = f"{prompts.suite} {title}"
            answered[call] = self._call(title, asked, answered, call, how, rule)
        decoding = served(how, self.endpoint.settings)
        details = {"decoding": decoding, "clean_up": rule, "prompts_cut": 0} | self.answerer.details
        return SuiteAnswers(prompts, self.answerer.collect(prompts.prompts, answered), details)

    def _call(
        self, title: str, asked: list[Prompt], answered: Calls, call: int, how: Decoding, rule: str
    ) -> dict[str, Entry]:
        requests = (self._request(prompt, answered, call, how) for prompt in asked)
        entries: dict[str, Entry] = {}
        last = time.monotonic()
        with Progress(title, len(asked), "answers") as progress:
            for prompt, answer in zip(asked, self.endpoint.complete(requests), strict=True):
                entries[prompt.id] = self._entry(prompt, answer, rule, call)
                before, last = last, time.monotonic()
                self.meter.add(1, answer.tokens, last - before)
                progress.set_postfix_str(self.meter.speed, refresh=False)
                progress.update()
        return entries

    def _request(self, prompt: Prompt, answered: Calls, call: int, how: Decoding) -> ChatRequest:
        names = self.answerer.names(call)
        return ChatRequest(
            [{**message} for message in self.answerer.conversation(prompt, answered, call)],
            how.max_new_tokens,
            how.temperature if how.sample else 0.0,
            request_seed(self.seed, "generation", prompt.id, *names) if how.sample else None,
        )

    def _entry(self, prompt: Prompt, answer: ChatCompletion, rule: str, call: int) -> Entry:
        thought, text = answer.parts
        text, said = self.answerer.part(prompt, text, rule, call)
        return Entry(prompt.id, text, answer.tokens, answer.finish, reasoning=thought, whole=said)


def served(how: Decoding, system: EndpointSystem) -> dict[str, Any]:
    """Returns the decoding that a server is asked for, where a suite wants ``how``."""
    asked = {**how.model_dump(mode="json"), "beams": 1}
    if "temperature" in system.extra_body:
        return {**asked, "temperature": None, "note": "sampled as the server likes"}
    if how.beams > 1:
        asked["note"] = f"temperature 0 instead of {how.beams} beams, which no server offers"
    return asked
