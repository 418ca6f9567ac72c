"""Loading a checkpoint: safetensors, 8-bit in three formats, no remote code."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared import quantised
from bayling_study.shared.checkpoints.decoding_defaults import divided
from bayling_study.shared.checkpoints.loading import load_whole
from bayling_study.shared.packed import pack
from bayling_study.shared.row_attention import attend_by_rows

log = logging.getLogger(__name__)

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class Loaded:
    """A transformers model ready to generate: in evaluation mode, on its device. ``format`` is that
    of ``checkpoint_format``, ``context`` the largest number of positions, and ``set_aside`` what
    the checkpoint's generation config says of decoding and nothing obeys."""

    model: Any
    tokenizer: Any
    format: str
    context: int
    set_aside: dict[str, Any] = field(default_factory=dict)


PooledText = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
"""Token ids [tokens], and for each whether it belongs to the pool."""


def pooled_tokens(tokenizer: Any, text: str) -> PooledText:
    """Returns a text's ids; its first token, an attention sink, and special ones are not pooled."""
    ids = np.asarray(tokenizer(text)["input_ids"], dtype=np.int32)
    pooled = ~np.isin(ids, tokenizer.all_special_ids)
    pooled[:1] = False
    return ids, pooled


def checkpoint_format(path: Path) -> str:
    """Tells ``safetensors``, ``groupwise``, ``bitsandbytes`` or ``gguf`` from a folder's files
    (``StudyError`` if it holds no model that can be loaded safely)."""
    if not path.is_dir():
        raise StudyError("the checkpoint folder does not exist", where=path)
    if quantised.is_groupwise(path):
        return "groupwise"
    if any(path.glob("*.gguf")):
        return "gguf"
    if not any(path.glob("*.safetensors")):
        fix = "convert the checkpoint to safetensors; pickled weights are never loaded"
        raise StudyError("no .safetensors, .gguf or groupwise 8-bit files", where=path, fix=fix)
    config = read_json(path / "config.json")
    method = config.get("quantization_config", {}).get("quant_method")
    return "bitsandbytes" if method == "bitsandbytes" else "safetensors"


def load(path: Path, section: GenerationSection) -> Loaded:
    """Loads model and tokenizer from a folder, onto the GPU if there is one (``StudyError`` if the
    format is unknown or the files do not fit)."""
    kind = checkpoint_format(path)
    transformers_logging.disable_progress_bar()  # a bar makes a mess of a job's log
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = DTYPES[section.precision]
    log.info("loading %s (%s, %s) on %s", path, kind, section.precision, device)
    if kind == "groupwise":
        model: Any = quantised.load(path, dtype, section.int8_compute, device)
    else:
        model = _from_pretrained(path, kind, dtype, device)
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    kept, aside = divided(model.generation_config.to_diff_dict())
    model.generation_config = GenerationConfig(**kept)
    pack(model)
    attend_by_rows(model)
    return Loaded(model.eval(), tokenizer, kind, int(model.config.max_position_embeddings), aside)


def _from_pretrained(path: Path, kind: str, dtype: torch.dtype, device: str) -> Any:
    options: dict[str, Any] = {}
    if kind == "gguf":
        options = {"gguf_file": next(iter(sorted(path.glob("*.gguf")))).name}
    if kind == "bitsandbytes":
        # It warns at every product that inputs are cast; the cast is meant.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        options["device_map"] = device
    model = load_whole(path, dtype=dtype, **options)
    return model if kind == "bitsandbytes" else model.to(device)
