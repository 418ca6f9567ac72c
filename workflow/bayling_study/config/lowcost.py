"""Parts of the section ``tuning`` for small machines and for the order of languages."""

from typing import Literal

from pydantic import Field

from bayling_study.config.base import Section, Share

LINEAR_LAYERS = [*("q_proj", "k_proj", "v_proj", "o_proj"), *("gate_proj", "up_proj", "down_proj")]
"""Every linear layer of a Llama block. Dettmers et al. 2023 (QLoRA, section 4) found that
adapters on all of them are what full fine-tuning's quality needs, more than their rank."""


class Adapter(Section):
    """Low-rank adapters (Hu et al. 2021) instead of full fine-tuning.

    Only two thin matrices per layer are trained; they are merged into the weights
    before the result is written, so an adapter leaves an ordinary checkpoint.
    """

    kind: Literal["lora", "qlora"]
    """``lora``: the foundation in the compute precision; ``qlora``: its linear layers in 4 bits
    (NF4, through bitsandbytes), which the merge dequantises."""
    rank: int = Field(default=16, gt=0)
    """Columns of the thin matrices."""
    alpha: float = Field(default=32.0, gt=0)
    """The update is scaled by ``alpha / rank``."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of inputs of the adapters that a step leaves out. Random numbers are drawn per process,
    so with dropout another number of processes gives other steps."""
    targets: list[str] = Field(default=LINEAR_LAYERS, min_length=1)
    """Last part of the names of the layers that get an adapter."""


class Phase(Section):
    """A part of training with its own share of languages."""

    until: float = Field(gt=0, le=1)
    """Where the phase ends, as a share of all conversations of the run."""
    non_english: Share
    """Share of conversations that teach answering in a language other than English."""
