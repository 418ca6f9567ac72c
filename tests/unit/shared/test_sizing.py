"""The memory plan: formulas against what torch keeps and DeepSpeed holds, choices, FLOPs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bayling_study.config.tuning import Adapter, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.sizing.choice import Budget, Choice, attention_kernel, check, choose
from bayling_study.shared.sizing.host import host_bytes
from bayling_study.shared.sizing.memory import (
    activations,
    adapter_parameters,
    layer_bytes,
    trained_parameters,
    training_memory,
)
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sizing.speed import model_flops, peak_teraflops
from bayling_study.stages.tuning.attention import Attention
from bayling_study.stages.tuning.fused import fuse_norms
from bayling_study.stages.tuning.sequences import build_sequence, sequence_loss
from helpers import ROOT
from helpers.programs import run_training

LLAMA_7B = Shape(4096, 32, 32, 32, 128, 11008, 32000)
LLAMA_13B = Shape(5120, 40, 40, 40, 128, 13824, 32000)
SMALL = Shape(192, 4, 6, 2, 32, 512, 800, tied=True)
GIB = 1 << 30


def model_of(shape: Shape, dtype: torch.dtype, attention: Attention) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=shape.tied,
        attn_implementation=f"grouped_{attention}",
    )
    model = LlamaForCausalLM(config).to(dtype)
    fuse_norms(model)
    return model


def kept_bytes(shape: Shape, length: int, dtype: torch.dtype, attention: Attention) -> int:
    """What autograd keeps of one packed sequence, without the weights."""
    model = model_of(shape, dtype, attention)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    mask = np.zeros(length, bool)
    mask[-1] = True
    row = build_sequence([(np.arange(length) % shape.vocabulary, mask)], "cpu")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = sequence_loss(model, row, f"grouped_{attention}")
    assert loss.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize(("dtype", "size"), [(torch.bfloat16, 2), (torch.float32, 4)])
@pytest.mark.parametrize("length", [128, 384])
def test_a_layer_keeps_what_the_formula_says(
    attention: Attention, dtype: torch.dtype, size: int, length: int
) -> None:
    """Within 8 %: the difference of two models cancels what is not in a layer."""
    deep, flat = (
        kept_bytes(SMALL._replace(layers=layers), length, dtype, attention) for layers in (3, 1)
    )
    expected = layer_bytes(SMALL, length, size, attention, length)
    assert (deep - flat) / 2 == pytest.approx(expected, rel=0.08)


def test_recomputation_keeps_the_input_of_each_layer_and_one_layer() -> None:
    tuning = TuningSection(max_length=64, gradient_checkpointing=False)
    layer = layer_bytes(SMALL, 64, 2, "sdpa", 64)
    logits = 64 * 800 * 4
    assert activations(SMALL, tuning) == 4 * layer + max(layer, logits)
    recomputed = tuning.model_copy(update={"gradient_checkpointing": True})
    assert activations(SMALL, recomputed) == 4 * 2 * 64 * 192 + 2 * layer + logits
    few = activations(SMALL, recomputed, supervised=10)
    assert few == 4 * 2 * 64 * 192 + 2 * layer + 10 * 800 * 4
    assert activations(SMALL, recomputed, "eager") > activations(SMALL, recomputed)


def test_adapters_train_two_thin_matrices_a_layer() -> None:
    plain = TuningSection(zero_stage=1, offload="none")
    lora = plain.model_copy(update={"adapter": Adapter(kind="lora", rank=16)})
    # q, k, v, o: 4·(4096 + 4096); gate, up, down: 3·(4096 + 11008); times rank and layers.
    assert trained_parameters(LLAMA_7B, lora) == 16 * 32 * (4 * 8192 + 3 * 15104)
    one = training_memory(LLAMA_7B, lora, 1)
    assert one.states < training_memory(LLAMA_7B, plain, 1).states / 7
    four = plain.model_copy(update={"adapter": Adapter(kind="qlora", rank=16)})
    assert training_memory(LLAMA_7B, four, 1).states < one.states / 2.5


def budget(gpus: int, gib: float, host: float = 1000) -> Budget:
    return Budget(gpus, gpus, int(gib * GIB), int(host * GIB))


def chosen(shape: Shape, where: Budget, attention: str = "sdpa", **settings: object) -> Choice:
    tuning = TuningSection.model_validate({"max_length": 1024, **settings})
    return choose(shape, tuning, where, attention, step_tokens=32 * 300)


@pytest.mark.parametrize(
    ("where", "stage", "offload"),
    [
        (budget(8, 80), 2, "none"),  # GiB a GPU: weights 13, gradients 3, optimiser 9
        (budget(8, 40), 2, "none"),
        (budget(8, 24), 3, "none"),
        (budget(2, 80), 2, "none"),
        (budget(1, 80), 2, "optimizer"),  # weights 12.6, gradients 25.1, which offload leaves
        (budget(1, 40), 3, "optimizer"),  # 37.7 and activations, more than 36
        (budget(1, 24), 3, "optimizer"),
        (budget(1, 12), 3, "all"),
    ],
)
def test_the_lowest_stage_that_fits_is_chosen(where: Budget, stage: int, offload: str) -> None:
    """A 7B model: as the states of the formula alone would let one choose by hand."""
    found = chosen(LLAMA_7B, where)
    assert found.fits
    assert (found.tuning.zero_stage, found.tuning.offload) == (stage, offload)
    assert found.need.device <= 0.9 * (where.device or 0)


N_7B = 6_738_415_616
LARGEST_7B = 2 * 32000 * 4096
"""The embedding's gradient in 16 bits, for which stage 1 and 2 have room here and there."""


@pytest.mark.parametrize(
    ("stage", "offload", "precision", "processes", "states", "host"),
    [
        (2, "optimizer", "bf16", 1, 6 * N_7B, 18 * N_7B + LARGEST_7B),
        (2, "all", "bf16", 1, 6 * N_7B, 18 * N_7B + LARGEST_7B),
        (2, "optimizer", "bf16", 8, 2 * N_7B + N_7B // 2, 18 * N_7B // 8 + LARGEST_7B),
        (2, "optimizer", "fp32", 1, 8 * N_7B, 24 * N_7B + 2 * LARGEST_7B),
        (1, "optimizer", "bf16", 8, 6 * N_7B + N_7B // 2, 18 * N_7B // 8 + LARGEST_7B),
        (3, "optimizer", "bf16", 1, 2 * N_7B, 20 * N_7B),
        (3, "all", "bf16", 1, 0, 22 * N_7B),
        (3, "optimizer", "bf16", 8, 2 * N_7B // 8, 20 * N_7B // 8),
        (3, "all", "bf16", 8, 0, 22 * N_7B // 8),
    ],
)
def test_offload_leaves_and_moves_what_deepspeed_does(
    stage: int, offload: str, precision: str, processes: int, states: int, host: int
) -> None:
    tuning = TuningSection.model_validate(
        {"zero_stage": stage, "offload": offload, "precision": precision}
    )
    need = training_memory(LLAMA_7B, tuning, processes)
    assert (need.states, need.host) == (states, host)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "precision", "gone"), [(2, "bf16", 0), (2, "fp32", 4), (3, "bf16", 0)]
)
def test_deepspeed_holds_in_all_what_the_formula_says(
    stage: int, precision: str, gone: int
) -> None:
    """Device and host together, on the CPU; ``gone``: what the formula has for the start only."""
    settings = {"zero_stage": stage, "offload": "optimizer", "precision": precision}
    shape = Shape(512, 6, 32, 32, 16, 2048, 800)
    need = training_memory(shape, TuningSection.model_validate(settings), 1)
    command = [sys.executable, "-m", "helpers.offload_probe", str(stage), precision]
    paths = os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")])
    done = run_training(command, {**os.environ, "PYTHONPATH": paths})
    done.check_returncode()
    found = float(done.stdout.rpartition("bytes per parameter:")[2])
    expected = (need.states + need.host) / shape.parameters() - gone
    assert found == pytest.approx(expected, rel=0.02)


def test_what_is_written_out_is_kept_and_judged() -> None:
    found = chosen(LLAMA_13B, budget(1, 24), zero_stage=1, offload="none", micro_batch_tokens=2048)
    assert (found.tuning.zero_stage, found.tuning.offload) == (1, "none")
    assert found.tuning.micro_batch_tokens == 2048
    assert not found.fits


def test_what_fits_nowhere_is_refused_with_what_is_missing() -> None:
    small = budget(1, 80, host=64)
    found = chosen(LLAMA_13B, small)
    with pytest.raises(StudyError, match=r"offloaded states need .* GiB, the machine has 64.0"):
        check(found, small)
    with pytest.raises(StudyError, match="each process needs"):
        check(chosen(LLAMA_13B, budget(1, 1)), budget(1, 1))
    cores = Budget(2, 2, None, 16 * GIB)
    with pytest.raises(StudyError, match="all processes need"):
        check(chosen(LLAMA_7B, cores), cores)


def test_rows_grow_on_a_gpu_until_a_step_or_the_memory_is_full() -> None:
    lengths = {
        name: chosen(LLAMA_7B, where, kernel).tuning.micro_batch_tokens
        for name, where, kernel in (
            ("a step", budget(2, 2000), "flash"),  # 9600 tokens for two processes
            ("memory", budget(2, 74), "flash"),
            ("cores", Budget(2, 2, None, 4000 * GIB), "flash"),
        )
    }
    assert lengths["cores"] == 1024
    assert lengths["a step"] == 5 * 1024
    assert 1024 < int(lengths["memory"]) <= 5 * 1024


def test_the_smallest_limit_of_a_jobs_groups_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    assert host_bytes(own, tmp_path) == host_bytes(tmp_path / "none", tmp_path) > GIB // 4
    own.write_text("0::/slurm/job7/step0\n")
    step = tmp_path / "slurm" / "job7" / "step0"
    step.mkdir(parents=True)
    (step / "memory.max").write_text("max\n")
    (step.parent / "memory.max").write_text("123456\n")
    (step.parent.parent / "memory.max").write_text("999999\n")
    assert host_bytes(own, tmp_path) == 123456


def test_cores_share_the_host() -> None:
    shape = Shape(576, 30, 9, 3, 64, 1536, 49152, tied=True)
    found = choose(
        shape, TuningSection(max_length=256), Budget(2, 2, None, 16 * GIB), "eager", 2000
    )
    assert (found.tuning.zero_stage, found.tuning.offload, found.fits) == (2, "none", True)


@pytest.mark.parametrize(
    ("written", "gpu", "flash", "row", "expected"),
    [
        ("auto", True, True, 4096, "flash"),
        ("auto", True, False, 4096, "flex"),
        ("auto", False, True, 512, "eager"),
        ("auto", False, False, 1024, "sdpa"),
        ("sdpa", True, True, 64, "sdpa"),
    ],
)
def test_the_kernel(written: str, gpu: bool, flash: bool, row: int, expected: str) -> None:
    assert attention_kernel(written, gpu, flash, row) == expected


def test_model_flops_are_those_of_the_palm_paper() -> None:
    """6 N a token, and 12·L·H·Q·T for attention, of which a causal mask needs half."""
    tokens = 2048
    blocks = LLAMA_7B.parameters() - 2 * 32000 * 4096 - 65 * 4096
    expected = 6 * (blocks + 32000 * 4096) * tokens + 12 * 32 * 32 * 128 * tokens**2 / 2
    assert model_flops(LLAMA_7B, tokens, tokens, tokens**2) == pytest.approx(expected)
    assert model_flops(LLAMA_7B, tokens, 0, 0) == 6 * blocks * tokens


def test_frozen_matrices_cost_4_operations_and_adapters_6() -> None:
    tokens, thin = 2048, adapter_parameters(LLAMA_7B, Adapter(kind="lora", rank=16))
    assert thin == 39_976_960  # 16 · 32 · (4 · 8192 + 3 · 15104)
    blocks = LLAMA_7B.parameters() - 2 * 32000 * 4096 - 65 * 4096
    attention = 12 * 32 * 32 * 128 * tokens**2 / 2
    expected = (4 * (blocks + 32000 * 4096) + 6 * thin) * tokens + attention
    assert model_flops(LLAMA_7B, tokens, tokens, tokens**2, thin) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H200", 989.4),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce RTX 4090 D", None),
        ("NVIDIA GeForce RTX 3090", 71.0),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA A100-PCIE-40GB", 312.0),
        ("NVIDIA A100 80GB PCIe", 312.0),
        ("NVIDIA A100-SXM-64GB", None),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", None),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200 NVL", None),
        ("NVIDIA GH200 480GB", None),
        ("Tesla V100-SXM2-32GB", None),
        ("Some new card", None),
    ],
)
def test_peaks_are_known_or_not_guessed(name: str, peak: float | None) -> None:
    assert peak_teraflops(name) == peak
