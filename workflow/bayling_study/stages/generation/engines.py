"""Engines, which take token ids and give token ids, and which of them runs a checkpoint."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.shared.models import checkpoint_format, load
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens
from bayling_study.stages.generation.decoding import Answers, decode

Decode = Callable[[list[PromptTokens], Decoding, list[int], Mapping[str, Random]], Answers]
"""Answers requests with so many stops and a generator for each request's id; see ``decode``."""


@dataclass(frozen=True)
class Engine:
    """A checkpoint loaded in ``transformers`` or ``vllm``; ``context`` is its most positions.
    ``packages`` are the versions of what decides the answers; ``set_aside`` is what the
    checkpoint's generation config says of decoding and nothing obeys."""

    name: str
    format: str
    tokenizer: Any
    context: int
    decode: Decode
    packages: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, Any] = field(default_factory=dict)


def load_engine(checkpoint: Path, section: GenerationSection, hows: Iterable[Decoding]) -> Engine:
    """Loads a checkpoint with the engine that ``choose`` names (``StudyError`` if it cannot)."""
    if choose(section, checkpoint_format(checkpoint), hows) == "vllm":
        from bayling_study.stages.generation.vllm_engine import load_vllm

        return load_vllm(checkpoint, section)
    loaded = load(checkpoint, section)
    reply = partial(decode, loaded.model, BatchLimits(section.batch_tokens, section.max_batch), {})
    made = loaded.format, loaded.tokenizer, loaded.context, reply
    versions = {"transformers": transformers.__version__}
    return Engine("transformers", *made, versions, loaded.set_aside)


def choose(section: GenerationSection, kind: str, hows: Iterable[Decoding]) -> str:
    """Returns the engine for a checkpoint's format and decodings (``StudyError`` if it cannot).
    ``auto`` takes vllm where it and a GPU are there, the checkpoint is not quantised and no suite
    asks for beams: vllm's beam search is another one than transformers', which the papers used."""
    if section.backend == "transformers":
        return "transformers"
    installed = find_spec("vllm") is not None
    if section.backend == "auto":
        fits = kind == "safetensors" and all(how.beams == 1 for how in hows)
        return "vllm" if installed and fits and torch.cuda.is_available() else "transformers"
    if not installed:
        what = "vllm is not installed in this environment"
        fix = "pip install vllm, on a machine with a GPU; or\nbackend: transformers"
        raise StudyError(what, where="generation.backend: vllm", fix=fix)
    if kind != "safetensors":
        what = f"vllm does not run checkpoints in the format {kind} here"
        fix = "backend: auto   (8-bit systems then run in transformers)"
        raise StudyError(what, where="generation.backend: vllm", fix=fix)
    return "vllm"
