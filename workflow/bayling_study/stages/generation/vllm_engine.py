"""The ``vllm`` engine: a thin map from requests to vLLM's ``LLM`` and back, in token ids. So
templates and stop rules are the project's own. vLLM batches by itself: the batches here are only
what one kill can lose. Answers are not bit-equal to those of transformers: kernels and, in beam
search, the algorithm differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

import torch
import vllm
from transformers import AutoTokenizer
from vllm.sampling_params import BeamSearchParams

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.checkpoints.decoding_defaults import FILE, divided
from bayling_study.stages.generation.batching import PromptTokens
from bayling_study.stages.generation.decoding import Answers, AnswerTokens, ended
from bayling_study.stages.generation.engines import Engine

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
REQUESTS = 512  # requests handed over at once: enough to fill a GPU, few enough to lose in a kill


def load_vllm(checkpoint: Path, section: GenerationSection) -> Engine:
    """Loads a checkpoint onto all GPUs that the job has."""
    model = vllm.LLM(
        model=str(checkpoint),
        tokenizer=str(checkpoint),
        dtype=DTYPES[section.precision],
        load_format="safetensors",
        tensor_parallel_size=max(1, torch.cuda.device_count()),
        trust_remote_code=False,
        disable_log_stats=True,
        generation_config="vllm",  # its own neutral defaults, not the checkpoint's
    )
    here = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, **here)
    context = int(model.llm_engine.model_config.max_model_len)
    made = "safetensors", tokenizer, context, VllmDecoder(model, tokenizer.eos_token_id)
    defaults = read_json(checkpoint / FILE) if (checkpoint / FILE).exists() else {}
    return Engine("vllm", *made, {"vllm": vllm.__version__}, divided(defaults)[1])


@dataclass(frozen=True)
class VllmDecoder:
    """Decodes batches with a loaded ``LLM``. ``end`` is the tokenizer's own end token, the only one
    that vLLM's beam search knows."""

    model: Any
    end: int

    def __call__(
        self, requests: list[PromptTokens], how: Decoding, stops: list[int],
        seeds: Mapping[str, Random],
    ) -> Answers:  # fmt: skip
        """Yields the answers to requests (``StudyError`` if its beam search cannot give them)."""
        limit = attrgetter("limit")
        for _, same in groupby(sorted(requests, key=limit), key=limit):
            group = list(same)
            for start in range(0, len(group), REQUESTS):
                batch = group[start : start + REQUESTS]
                yield list(zip(batch, self._batch(batch, how, stops, seeds), strict=True))

    def _batch(
        self, batch: list[PromptTokens], how: Decoding, stops: list[int],
        seeds: Mapping[str, Random],
    ) -> list[AnswerTokens]:  # fmt: skip
        prompts = [{"prompt_token_ids": request.ids} for request in batch]
        if how.beams > 1:
            return self._beams(prompts, batch, how, stops)
        wanted = [
            vllm.SamplingParams(
                temperature=how.temperature if how.sample else 0.0,
                max_tokens=request.limit,
                stop_token_ids=stops,
                seed=seeds[request.id].getrandbits(31) if how.sample else None,
                detokenize=False,
            )
            for request in batch
        ]
        found = self.model.generate(prompts, wanted, use_tqdm=False)
        return [_answer(output.outputs[0], set(stops)) for output in found]

    def _beams(
        self, prompts: list[Any], batch: list[PromptTokens], how: Decoding, stops: list[int]
    ) -> list[AnswerTokens]:
        if how.sample:
            raise StudyError("beam search and sampling exclude each other", fix="beams: 1")
        if stops != [self.end]:
            what = "vllm's beam search ends answers only at the end-of-sequence token, and this"
            what, where = f"{what} template has others", "generation.backend: vllm"
            raise StudyError(what, where=where, fix="backend: transformers")
        params = BeamSearchParams(beam_width=how.beams, max_tokens=batch[0].limit)
        found = self.model.beam_search(prompts, params)
        return [
            ended(list(output.sequences[0].tokens[len(request.ids) :]), set(stops))
            for request, output in zip(batch, found, strict=True)
        ]


def _answer(output: Any, stops: set[int]) -> AnswerTokens:
    """Reads a completion, whether or not its ids hold the token that ended it."""
    answer = ended(list(output.token_ids), stops)
    if answer.finish == "length" and output.finish_reason == "stop":
        return AnswerTokens(answer.ids, answer.tokens + 1, "stop")
    return answer
