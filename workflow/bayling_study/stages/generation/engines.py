"""Which engine runs a checkpoint, and how it is loaded."""

from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.shared.models import checkpoint_format, load
from bayling_study.stages.generation.decoding import decode
from bayling_study.stages.generation.engine import Engine


def load_engine(checkpoint: Path, section: GenerationSection, hows: Iterable[Decoding]) -> Engine:
    """Loads a checkpoint with the engine that ``choose`` names.

    Raises:
        StudyError: the folder's files do not fit, or the engine cannot run them here.
    """
    if choose(section, checkpoint_format(checkpoint), hows) == "vllm":
        from bayling_study.stages.generation.vllm_engine import load_vllm

        return load_vllm(checkpoint, section)
    loaded = load(checkpoint, section)
    return Engine(
        name="transformers",
        format=loaded.format,
        tokenizer=loaded.tokenizer,
        context=loaded.context,
        decode=partial(decode, loaded.model),
        batch_tokens=section.batch_tokens,
        max_batch=section.max_batch,
        packages={"transformers": transformers.__version__},
        set_aside=loaded.set_aside,
    )


def choose(section: GenerationSection, kind: str, hows: Iterable[Decoding]) -> str:
    """Returns the engine for a checkpoint's format and the suites' decodings.

    ``auto`` takes vllm where it is installed, there is a GPU, the checkpoint is
    not quantised and no suite asks for beams: vllm's beam search is another one
    than that of transformers, which the papers used.

    Raises:
        StudyError: vllm is asked for and is not installed, or does not know the format.
    """
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
