"""Turns a downloaded model into a checkpoint in the hub's format. A GGUF file is dequantised
through transformers' loader and stored as 16-bit safetensors; a folder that already is a hub
checkpoint is checked and linked. The same input gives the same bytes."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from bayling_study.core.errors import StudyError
from bayling_study.core.files import link_file, read_json
from bayling_study.core.tables import beside
from bayling_study.shared.checkpoints.loading import check_weights, load_whole
from bayling_study.shared.checkpoints.older_readers import add_older_names
from bayling_study.shared.checkpoints.reading import stored_tensors
from bayling_study.stages.foundation.gguf_forward import check_forward
from bayling_study.stages.foundation.gguf_header import read_header
from bayling_study.stages.foundation.gguf_tokenizer import build_tokenizer

LOG = logging.getLogger(__name__)

ARCHITECTURES = ("llama",)
"""GGUF architectures whose conversion is proven; the studies use Llama models only."""
SHARD_BYTES = 4 << 30
HUB_FILES = ("config.json", "tokenizer_config.json")
PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
CONVERT: str = beside(__file__)
SKIPPED_SUFFIXES = (".gguf", ".msgpack", ".h5", ".ot", ".onnx")


def convert_gguf(path: Path, out: Path) -> dict[str, float]:
    """Writes the hub-format checkpoint of a GGUF file to the folder ``out`` (``StudyError`` if the
    file is damaged or not of a supported architecture, something that changes the model's answers
    would be lost, a weight is no number, or the stored tensors do not read back as written).
    Returns the parameters, bytes a weight, and of both 16-bit types the relative error (Frobenius
    norm of the difference over norm of the dequantised fp32 weights)."""
    header = read_header(path)
    architecture = header.metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise StudyError(f"GGUF architecture {architecture!r} is not supported", where=path)
    check_forward(header, path)
    tokenizer = build_tokenizer(header.metadata, path)
    model = _dequantised(path)
    facts = _to_storage_type(model)
    ids = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    for key, value in ids.items():
        setattr(model.config, key, value)
    model.generation_config = GenerationConfig(do_sample=False, **ids)
    model.save_pretrained(out, max_shard_size=SHARD_BYTES)
    tokenizer.save_pretrained(out)
    add_older_names(out)
    check_weights(out, path)
    prove_equal(model.state_dict(), out)
    return {"parameters": float(sum(p.numel() for p in model.parameters())), **facts}


def _dequantised(path: Path) -> Any:
    """Loads the model in fp32 and removes the traces of its quantised origin."""
    model = load_whole(path.parent, gguf_file=path.name, dtype=torch.float32)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    vars(model.config).pop("_model_name_or_path", None)  # GGUF's title, not an address
    return model


def _to_storage_type(model: Any) -> dict[str, float]:
    """Rounds the weights to the 16-bit type that loses less. fp16 has three more bits of precision
    than bf16 and less range; weights of a small model lie well inside it. One that does not makes
    its error infinite, and bf16 is taken."""
    types = {"fp16": torch.float16, "bf16": torch.bfloat16}
    norm = sum(float(p.detach().square().sum(dtype=torch.float64)) for p in model.parameters())
    errors = {}
    for name, dtype in types.items():
        lost = (p.detach() - p.detach().to(dtype).float() for p in model.parameters())
        squares = (float(part.square().sum(dtype=torch.float64)) for part in lost)
        errors[name] = (sum(squares) / norm) ** 0.5
    best = min(errors, key=lambda name: errors[name])
    model.to(types[best])
    model.config.dtype = types[best]
    LOG.info("stored as %s; relative error %s", best, errors)
    finite = {f"relative_error_{name}": e for name, e in errors.items() if e < float("inf")}
    return {"bytes_per_weight": 2.0, **finite}


def prove_equal(expected: Mapping[str, Any], folder: Path) -> None:
    """Reads a checkpoint from disk and compares every tensor bit by bit (``StudyError`` if a tensor
    differs in type, shape or value)."""
    for name, entry in stored_tensors(folder).items():
        tensor = expected[name]
        if entry.dtype != tensor.dtype or not entry.read().equal(tensor):
            raise StudyError(f"tensor {name} differs after reload", where=folder)


def adopt_hub(source: Path, out: Path) -> dict[str, float]:
    """Places a hub-format checkpoint's files into ``out``, as hard links where possible
    (``StudyError`` if a file that a checkpoint needs is missing, its weights are pickled, do not
    fit config.json or are no numbers, or its tokenizer splits a text at random). Pickled weights
    beside safetensors are left out."""
    missing = [name for name in HUB_FILES if not (source / name).exists()]
    safe = any(source.glob("*.safetensors"))
    pickled = sorted(file.name for file in source.iterdir() if file.suffix in PICKLED_SUFFIXES)
    if pickled and not safe:
        what = f"the weights are pickled ({pickled[0]}), which can run code when they are read"
        raise StudyError(what, where=source, fix=CONVERT)
    if missing or not safe:
        wanted = ", ".join([*missing, *([] if safe else ["*.safetensors"])])
        raise StudyError(f"not a hub-format checkpoint, missing: {wanted}", where=source)
    check_weights(source)
    vocabulary = source / "tokenizer.json"
    if vocabulary.exists() and read_json(vocabulary)["model"].get("dropout"):
        raise StudyError("its dropout splits texts at random", where=vocabulary, fix="null there")
    total = 0
    for file in sorted(source.iterdir()):
        if file.is_file() and file.suffix not in (*PICKLED_SUFFIXES, *SKIPPED_SUFFIXES):
            link_file(file, out / file.name)
            total += file.stat().st_size
    return {"bytes": float(total)}
