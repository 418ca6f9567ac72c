"""Low-rank adapters: attached to the foundation, trained alone, merged into the weights. LoRA (Hu
et al. 2021, arXiv 2106.09685) learns ``B·A·alpha/rank`` beside a frozen weight; QLoRA (Dettmers et
al. 2023, arXiv 2305.14314) keeps that weight in 4-bit NF4. PEFT puts the layers in; everything
after training sees ordinary weights (``final_tensors``)."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from bayling_study.config.tuning import Adapter
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.checkpoints.skeleton import skeleton

ADAPTER = "default"  # PEFT's name of an adapter; a model here has one
QLORA, LORA = "tuning.adapter.kind: qlora", "adapter: {kind: lora}"
BLOCK = 64  # weights that share a constant in 4 bits; QLoRA's and bitsandbytes' default
BASE = ".base_layer."
"""What PEFT puts into the names of the parameters of a layer that has an adapter."""


def check(adapter: Adapter | None, foundation: str) -> None:
    """Checks, before anything is encoded or loaded, that an adapter can be trained here
    (``StudyError`` if a target is no layer of the foundation, or bitsandbytes is not installed or
    has no 4-bit form for a CPU that trains). On a GPU the workers try the 4-bit form: this program
    would keep a context on the card."""
    if adapter is None:
        return
    model = skeleton(Path(foundation), torch.float32)
    check_targets(adapter, model)
    if adapter.kind == "qlora":
        if importlib.util.find_spec("bitsandbytes") is None:
            raise StudyError("bitsandbytes is not installed", where=QLORA, fix=LORA)
        if not torch.cuda.is_available():
            check_four_bits("cpu")
            check_blocks(model)


def check_targets(adapter: Adapter, model: Any) -> None:
    """Checks that every target is a linear layer inside the model's blocks (``StudyError`` names
    those that are not, and what there is)."""
    found = {name.rpartition(".")[2] for name in block_layers(model)}
    unknown = sorted(set(adapter.targets) - found)
    if unknown:
        what = f"the foundation has no linear layers called {', '.join(unknown)}"
        fix = f"targets: [{', '.join(sorted(found))}]"
        raise StudyError(what, where="tuning.adapter.targets", fix=fix)


def block_layers(model: Any) -> dict[str, torch.nn.Linear]:
    """Returns the linear layers inside a model's blocks by name."""
    linear = {n: one for n, one in model.named_modules() if isinstance(one, torch.nn.Linear)}
    output = model.get_output_embeddings()
    return {name: layer for name, layer in linear.items() if layer is not output}


def check_four_bits(device: str) -> None:
    """Checks that bitsandbytes quantises to NF4 and back on a device (``StudyError`` if not)."""
    from bitsandbytes import functional

    try:
        probe = torch.linspace(-1, 1, 64, device=device)
        packed, state = functional.quantize_4bit(probe, quant_type="nf4")
        error = (functional.dequantize_4bit(packed, state) - probe).abs().max().item()
    except (RuntimeError, NotImplementedError, ValueError) as problem:
        what = f"bitsandbytes has no 4-bit form for {device} here ({problem})"
        raise StudyError(what, where=QLORA, fix=LORA) from problem
    if error > 0.16:  # the widest gap between two NF4 levels is 0.304, half of it 0.152
        raise StudyError(f"bitsandbytes computes wrongly on {device}", where=QLORA, fix=LORA)


def check_blocks(model: Any) -> None:
    """Checks that bitsandbytes can take the model's matrices in blocks on a CPU (``StudyError``
    names a layer that it cannot). Its CPU form cuts each row into blocks of 64, its quantiser the
    whole matrix: where a row is no multiple of 64, it gives wrong weights back (seen with 0.50.2;
    rows of 32: a relative error of 0.37 in place of 0.09)."""
    for name, module in block_layers(model).items():
        if module.in_features % BLOCK:
            what = f"{name} has rows of {module.in_features}, no multiple of {BLOCK}, which "
            what += "bitsandbytes cannot take in 4 bits on a CPU"
            raise StudyError(what, where=QLORA, fix=f"{LORA}, or a GPU")


def load_options(adapter: Adapter | None, dtype: torch.dtype) -> dict[str, Any]:
    """Returns what ``from_pretrained`` needs beside the precision: for QLoRA, the 4-bit form. Block
    constants are quantised too (QLoRA's double quantisation). ``StudyError`` if bitsandbytes has no
    4-bit form for the GPU."""
    if adapter is None or adapter.kind == "lora":
        return {}
    if torch.cuda.is_available():
        check_four_bits("cuda")
    nf4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    four_bits = transformers.BitsAndBytesConfig(bnb_4bit_compute_dtype=dtype, **nf4)
    device = torch.cuda.current_device() if torch.cuda.is_available() else "cpu"
    return {"quantization_config": four_bits, "device_map": {"": device}}


def attach(model: Any, adapter: Adapter | None, seed: int) -> None:
    """Puts adapters into a model, in place, and freezes everything else (``StudyError`` if a target
    is no layer of the model). An adapter starts as no change (B is zero); A is drawn from the
    study's seed, the same for all processes and after a resumption."""
    if adapter is None:
        return
    import peft

    check_targets(adapter, model)
    torch.manual_seed(derive_seed(seed, "tuning", "adapter"))
    shape = {"r": adapter.rank, "lora_alpha": adapter.alpha, "lora_dropout": adapter.dropout}
    config = peft.LoraConfig(target_modules=adapter.targets, bias="none", **shape)
    peft.inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    if adapter.embeddings:
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            layer.weight.requires_grad_(True)
    for parameter in model.parameters():
        if parameter.requires_grad:  # PEFT makes them fp32 beside a 4-bit weight
            parameter.data = parameter.data.to(model.dtype)


@dataclass(frozen=True)
class FinalTensor:
    """A tensor of the result, by the foundation's name. ZeRO-3 has to gather the ``parts`` that it
    is made from; then ``value`` returns it."""

    name: str
    parts: list[torch.nn.Parameter]
    value: Callable[[], Tensor]


def final_tensors(model: Any) -> Iterator[FinalTensor]:
    """Yields the weights of the result in the foundation's names, adapters merged. Computed one at
    a time, so that no second model is ever in memory."""
    modules = dict(model.named_modules())
    for name, parameter in model.named_parameters():
        prefix, inside, kind = name.partition(BASE)
        if ".lora_" in name:
            continue
        if inside and kind == "weight":
            layer = modules[prefix]
            thin = [layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight]
            yield FinalTensor(f"{prefix}.weight", [parameter, *thin], partial(merged, layer))
        else:
            yield FinalTensor(f"{prefix}.{kind}" if inside else name, [parameter], parameter.detach)


def merged(layer: Any) -> Tensor:
    """Returns a layer's weight with its adapter added, in fp32; a 4-bit weight is dequantised. So
    it is the weight that the adapter was trained beside: with QLoRA the rounded one."""
    base = layer.base_layer.weight
    state = getattr(base, "quant_state", None)
    if state is None:
        weight = base.detach()
    else:
        from bitsandbytes import functional

        weight = functional.dequantize_4bit(base.data, state)
    thin, wide = (part[ADAPTER].weight.detach().float() for part in (layer.lora_A, layer.lora_B))
    return weight.float() + wide @ thin * float(layer.scaling[ADAPTER])
