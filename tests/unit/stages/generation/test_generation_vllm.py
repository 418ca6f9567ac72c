"""The map to vLLM and back, with a small stand-in for its package.

vLLM needs a GPU and is not installed here, so ``vllm`` is a fake in this file:
it has the names and signatures of vLLM 0.10 that are used (``LLM``,
``SamplingParams``, ``BeamSearchParams``) and answers by a rule. What is tested is
the arguments that it is given and how its outputs are read, not vLLM itself.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.stages.generation import engines
from bayling_study.stages.generation.batching import PromptTokens
from bayling_study.stages.generation.decoding import AnswerTokens
from helpers.tiny_model import save_checkpoint

STOPS = [7, 9]
MADE: list[LLM] = []


@dataclass
class SamplingParams:
    temperature: float
    max_tokens: int
    stop_token_ids: list[int]
    seed: int | None
    detokenize: bool


@dataclass
class BeamSearchParams:
    beam_width: int
    max_tokens: int


@dataclass
class LLM:
    """Answers a prompt with its own tokens; a stop is kept or not, as vLLM's versions differ."""

    model: str
    tokenizer: str
    dtype: str
    load_format: str
    tensor_parallel_size: int
    trust_remote_code: bool
    disable_log_stats: bool
    generation_config: str
    asked: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=512))
        MADE.append(self)

    def generate(self, prompts: Any, params: Any, use_tqdm: bool) -> list[Any]:
        self.asked.append((prompts, params))
        outputs = []
        for prompt, wanted in zip(prompts, params, strict=True):
            row, reason = prompt["prompt_token_ids"][: wanted.max_tokens], "length"
            if set(row) & set(wanted.stop_token_ids):
                end = next(n for n, token in enumerate(row) if token in wanted.stop_token_ids)
                row, reason = row[: end + len(outputs) % 2], "stop"
            outputs.append(SimpleNamespace(token_ids=tuple(row), finish_reason=reason))
        return [SimpleNamespace(outputs=[output]) for output in outputs]

    def beam_search(self, prompts: Any, params: Any) -> list[Any]:
        self.asked.append((prompts, params))
        rows = [[*p["prompt_token_ids"], 5, 6, 9] for p in prompts]
        return [SimpleNamespace(sequences=[SimpleNamespace(tokens=row)]) for row in rows]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package, inner = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    package.__dict__.update(LLM=LLM, SamplingParams=SamplingParams, __version__="0.10.0")
    inner.__dict__["BeamSearchParams"] = BeamSearchParams
    package.__spec__ = SimpleNamespace()  # type: ignore[assignment]  # find_spec looks for one
    monkeypatch.setitem(sys.modules, "vllm", package)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", inner)
    yield
    sys.modules.pop("bayling_study.stages.generation.vllm_engine", None)
    MADE.clear()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


GREEDY = Decoding(beams=1)
SECTION = GenerationSection(backend="vllm", precision="fp16")


def batch(*rows: list[int]) -> list[PromptTokens]:
    return [PromptTokens(f"p{number}", row, 4) for number, row in enumerate(rows)]


def answers(engine: Any, asked: list[PromptTokens], how: Decoding, stops: list[int]) -> Any:
    """The answers in the order of the requests."""
    seeds = {f"p{number}": random.Random(number) for number in range(len(asked))}
    found = {r.id: a for some in engine.decode(asked, how, stops, seeds) for r, a in some}
    return [found[request.id] for request in asked]


@pytest.mark.usefixtures("vllm")
def test_a_checkpoint_is_loaded_as_configured(checkpoint: Path) -> None:
    engine = engines.load_engine(checkpoint, SECTION, [GREEDY])
    [model] = MADE
    assert (model.model, model.tokenizer) == (str(checkpoint), str(checkpoint))
    assert (model.dtype, model.load_format) == ("float16", "safetensors")
    assert model.generation_config == "vllm"  # no penalty or temperature of the checkpoint
    assert model.trust_remote_code is False and model.tensor_parallel_size >= 1
    assert (engine.name, engine.context, engine.packages) == ("vllm", 512, {"vllm": "0.10.0"})
    assert engine.tokenizer("a")["input_ids"]


@pytest.mark.usefixtures("vllm")
def test_ids_go_in_and_answers_come_out(checkpoint: Path) -> None:
    engine = engines.load_engine(checkpoint, SECTION, [GREEDY])
    asked = batch([1, 2, 7, 3], [1, 9, 2], [3, 4, 5, 6, 8])
    assert answers(engine, asked, GREEDY, STOPS) == [
        AnswerTokens([1, 2], 3, "stop"),  # vLLM left the stop out
        AnswerTokens([1], 2, "stop"),  # and here it kept it
        AnswerTokens([3, 4, 5, 6], 4, "length"),
    ]
    prompts, params = MADE[0].asked[0]
    assert prompts[0] == {"prompt_token_ids": [1, 2, 7, 3]}
    assert params[0] == SamplingParams(0.0, 4, STOPS, None, False)


@pytest.mark.usefixtures("vllm")
def test_a_prompts_sample_has_a_seed_of_its_own(checkpoint: Path) -> None:
    engine = engines.load_engine(checkpoint, SECTION, [GREEDY])
    how = Decoding(beams=1, sample=True, temperature=0.7)
    answers(engine, batch([1], [2]), how, STOPS)
    answers(engine, batch([1]), how, STOPS)
    (_, both), (_, alone) = MADE[0].asked
    assert both[0] == alone[0] and both[0].temperature == 0.7
    assert both[0].seed != both[1].seed


@pytest.mark.usefixtures("vllm")
def test_those_who_are_handed_over_together_have_one_limit(checkpoint: Path) -> None:
    """Its beam search knows one for all."""
    engine = engines.load_engine(checkpoint, SECTION, [Decoding(beams=5)])
    asked = [request._replace(limit=3 + n % 2) for n, request in enumerate(batch([1], [3], [4]))]
    found = answers(engine, asked, Decoding(beams=5), [engine.tokenizer.eos_token_id])
    assert [answer.ids for answer in found] == [[5, 6, 9]] * 3
    assert [(len(p), params.max_tokens) for p, params in MADE[0].asked] == [(2, 3), (1, 4)]


@pytest.mark.usefixtures("vllm")
def test_beams(checkpoint: Path) -> None:
    engine = engines.load_engine(checkpoint, SECTION, [Decoding(beams=5)])
    end = engine.tokenizer.eos_token_id
    found = answers(engine, batch([1, 2], [3]), Decoding(beams=5), [end])
    assert found[0] == AnswerTokens([5, 6, 9], 3, "length")  # the prompt is not part of the answer
    assert MADE[0].asked[0][1] == BeamSearchParams(5, 4)
    with pytest.raises(StudyError, match="only at the end-of-sequence token"):
        answers(engine, batch([1]), Decoding(beams=5), STOPS)
    with pytest.raises(StudyError, match="exclude each other"):
        answers(engine, batch([1]), Decoding(beams=5, sample=True), [end])


def test_without_vllm_it_is_refused_and_auto_does_without(checkpoint: Path) -> None:
    with pytest.raises(StudyError, match="vllm is not installed") as caught:
        engines.load_engine(checkpoint, SECTION, [GREEDY])
    assert "generation.backend" in str(caught.value)
    auto = GenerationSection(precision="fp32")
    assert engines.load_engine(checkpoint, auto, [GREEDY]).name == "transformers"


@pytest.mark.usefixtures("vllm")
def test_auto_takes_vllm_where_it_can_do_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(kind: str = "safetensors", beams: int = 1, backend: str = "auto") -> str:
        section = GenerationSection.model_validate({"backend": backend})
        return engines.choose(section, kind, [GREEDY, Decoding(beams=beams)])

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen() == "vllm"
    assert (
        chosen("groupwise") == chosen(beams=5) == chosen(backend="transformers") == "transformers"
    )
    assert chosen(beams=5, backend="vllm") == "vllm"
    with pytest.raises(StudyError, match="in the format gguf"):
        chosen("gguf", backend="vllm")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen() == "transformers"
