"""Section ``tuning``: full fine-tuning with DeepSpeed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bayling_study.config.base import Section, Share


class TuningSection(Section):
    """Hyper-parameters; the defaults are BayLing's where known, same-era recipes' elsewhere."""

    learning_rate: float = Field(default=2e-5, gt=0)
    """Peak learning rate (BayLing: 2e-5)."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Decay after the warm-up; not stated by the paper, cosine in Alpaca and Vicuna."""
    warmup_share: Share = 0.03
    """Share of steps with a rising rate; not stated by the paper, 0.03 in Alpaca and Vicuna."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's weight decay (BayLing: 0)."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest gradient norm; not stated by the paper."""
    epochs: float = Field(default=3.0, gt=0)
    """Passes over the mixture (BayLing: 3)."""
    max_steps: int | None = Field(default=None, gt=0)
    """Ends training after this many optimiser steps, whatever ``epochs`` says."""
    batch: int = Field(default=32, gt=0)
    """Conversations an optimiser step (BayLing: 32)."""
    max_length: int = Field(default=1024, gt=0)
    """Tokens of a packed row and of the longest conversation (BayLing: 1024)."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Compute precision; master weights and optimiser states are fp32."""
    gradient_checkpointing: bool = True
    """Recompute activations in the backward pass (BayLing: yes)."""
    zero_stage: Literal[1, 2, 3] = 3
    """DeepSpeed ZeRO stage (not stated by the paper): 1 shards optimiser states, 2 also
    gradients, 3 also weights. With one process stage 1 shards nothing."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """What DeepSpeed keeps in host memory."""
    device: Literal["auto", "cuda"] = "auto"
    """``cuda``: zero granted GPUs are an error; ``auto``: GPUs if there are any, else cores."""
    output_dtype: Literal["bf16", "fp32"] = "bf16"
    """Type of the weights in the tuned checkpoint."""
    checkpoint_minutes: float = Field(default=30.0, gt=0)
    """Minutes between two checkpoints."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Newest checkpoints kept while training."""
    budget_minutes: float | None = Field(default=None, gt=0)
    """Wall-clock budget of one job: then save and end with a status that is retried."""
