"""The DeepSpeed engine and the model in it, whose input embedding sums its gradient in fp32.

Why ``deepspeed.initialize`` and not the Trainer: a step here is a number of conversations, in
however many sequences they need, so the number of backward passes changes from step to step. The
Trainer draws a fixed ``gradient_accumulation_steps`` of batches (transformers 5.23,
``Trainer.get_batch_samples``): steps would depend on packing and on the number of processes.
DeepSpeed's ``managed_gradient_accumulation: false`` leaves the end of a step to the caller.
"""

import math
from pathlib import Path
from typing import Any

import deepspeed
import torch
import transformers
from deepspeed.runtime.zero import GatheredParameters

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.checkpoints.loading import load_whole
from bayling_study.shared.sizing.memory import BUCKET, GATHERED
from bayling_study.stages.tuning import adapters
from bayling_study.stages.tuning.attention import Attention
from bayling_study.stages.tuning.fused import fuse_norms


def deepspeed_config(settings: TuningSection) -> dict[str, Any]:
    """Returns DeepSpeed's configuration; neither stage nor offload may be ``auto``. Gradients are
    summed in fp32 over the sequences of a step also in bf16 training. The caller divides by the
    supervised tokens, so accumulation stays at 1 and is not managed. The bucket is allocated at
    every backward pass, on the CPU too: with DeepSpeed's 500 million values the system cleared 1 GB
    of pages each time."""
    zero: dict[str, Any] = {
        "stage": settings.zero_stage,
        "overlap_comm": False,
        "reduce_bucket_size": BUCKET,
        "stage3_max_live_parameters": GATHERED,
    }
    if settings.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if settings.offload == "all":
        zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": settings.gradient_clip,
        "zero_optimization": zero,
        # The norm tells as much as a look at every gradient: ``gradient_norm``.
        "bf16": {"enabled": settings.precision == "bf16", "check_grad_overflow": False},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 1_000_000_000,
    }


def model_dtype(settings: TuningSection) -> torch.dtype:
    """Returns the type that the model computes in."""
    return torch.bfloat16 if settings.precision == "bf16" else torch.float32


def load_model(
    foundation: str, settings: TuningSection, attention: Attention, seed: int = 0
) -> Any:
    """Loads the foundation for training; an adapter starts from the seed (``StudyError`` if
    sequences are longer than the model's positions reach, its attention cannot be chosen, or the
    weights do not fit config.json)."""
    dtype = model_dtype(settings)
    options = adapters.load_options(settings.adapter, dtype)
    model = load_whole(Path(foundation), dtype=dtype, attn_implementation=attention, **options)
    reach = getattr(model.config, "max_position_embeddings", None)
    if reach is not None and settings.max_length > reach:
        what = f"the foundation has {reach} positions"
        raise StudyError(what, where="tuning.max_length", fix=f"{reach}")
    if attention.startswith("grouped_") and not model._supports_attention_backend:
        what = f"{type(model).__name__} has an attention of its own: conversations in one sequence "
        what += "would see each other"
        raise StudyError(what, where="tuning.attention", fix="choose a foundation of another kind")
    model.config.use_cache = False
    sum_in_fp32(model)
    fuse_norms(model)
    if settings.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    adapters.attach(model, settings.adapter, seed)
    model.train()
    return model


def start_engine(
    foundation: str, settings: TuningSection, attention: Attention, seed: int = 0
) -> Any:
    """Returns the engine: sharded model, fp32 master weights and AdamW. AdamW is torch's fused
    form, which needs no compiler; with offload, DeepSpeed needs its own CPU form, which it compiles
    on first use."""
    config = deepspeed_config(settings)
    # Lets from_pretrained build a stage 3 model in shards; must live until it has.
    sharding = transformers.integrations.HfDeepSpeedConfig(config)
    model = load_model(foundation, settings, attention, seed)
    del sharding
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adam: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    adam |= {"betas": (0.9, 0.999), "eps": 1e-8}
    if settings.offload == "none":
        optimizer = torch.optim.AdamW(trained, fused=True, **adam)
    else:
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        optimizer = DeepSpeedCPUAdam(trained, **adam)
    engine = deepspeed.initialize(model=model, optimizer=optimizer, config=config)[0]
    if not torch.cuda.is_available():
        keep_gradients(engine.optimizer)
    return engine


def gradient_norm(engine: Any) -> float:
    """Returns the last step's, infinite where DeepSpeed has -1 for one that is not finite."""
    norm = float(engine.get_global_grad_norm() or 0.0)
    return norm if norm >= 0 else math.inf


def keep_gradients(optimizer: Any) -> None:
    """Has ZeRO's first two stages sum the gradients of every step in the same memory. DeepSpeed
    0.19.8 makes it anew (``_build_compact_grad_partition_buffer`` of its
    ``runtime/zero/stage_1_and_2.py``), and on cores the system clears all its pages each time."""
    kept: dict[int, Any] = {}
    build = getattr(optimizer, "_build_compact_grad_partition_buffer", None)
    if build is None:
        return

    def again(group: int) -> Any:
        if group in kept:
            kept[group].flat_partition.zero_()
        else:
            kept[group] = build(group)
        return kept[group]

    optimizer._build_compact_grad_partition_buffer = again


def gather_weights(engine: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Returns the whole model's weights on the CPU of process 0, nothing elsewhere. Gathers one
    tensor at a time, so that a sharded model never exists twice on a GPU."""
    weights = {}
    for tensor in adapters.final_tensors(engine.module):
        with GatheredParameters(tensor.parts):
            if engine.global_rank == 0:
                weights[tensor.name] = tensor.value().to("cpu", dtype, copy=True).contiguous()
    return weights


class SummedInFp32(torch.nn.Embedding):  # type: ignore[misc]
    """Looks each distinct token up once and repeats its row in fp32: the sum of the gradient is
    rounded once. The rows themselves are bit for bit those of the class behind this one. torch adds
    the gradients of a token's occurrences one by one in the weight's own type: in bf16, ones added
    1,000 times give 256 (torch 2.13 on a CPU; the CUDA kernel also adds in the weight's type).
    Frequent tokens, those of a template, would learn too little."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns [*input, columns] rows in the weight's type."""
        distinct, places = input.unique(return_inverse=True)
        rows = super().forward(distinct)
        return torch.nn.functional.embedding(places, rows.float()).to(rows.dtype)


def sum_in_fp32(model: Any) -> None:
    """Has a 16-bit model sum its input embedding's gradient in fp32, in place. The module stays the
    same one, so that ties, names and shards do; where its class has a lookup of its own, such as
    one that scales the rows, that is kept."""
    embedding = model.get_input_embeddings()
    if embedding.weight.dtype != torch.float32:
        own = type(embedding)
        bases = (SummedInFp32,) if own is torch.nn.Embedding else (SummedInFp32, own)
        embedding.__class__ = type(SummedInFp32.__name__, bases, {})
