"""Section ``tuning``: full fine-tuning with DeepSpeed."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bayling_study.config import conditions
from bayling_study.config.alignment import Alignment
from bayling_study.config.base import Name, Section, Share
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require

LINEAR_LAYERS = [*("q_proj", "k_proj", "v_proj", "o_proj"), *("gate_proj", "up_proj", "down_proj")]
"""Every linear layer of a Llama block. Dettmers et al. 2023 (QLoRA, section 4) found that
adapters on all of them are what full fine-tuning's quality needs, more than their rank."""


class Adapter(Section):
    """Low-rank adapters (Hu et al. 2021) instead of full fine-tuning. Only two thin matrices per
    layer are trained; they are merged into the weights before the result is written, so an adapter
    leaves an ordinary checkpoint."""

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
    embeddings: bool = False
    """Trains the embedding and the output layer too, whole: what new tokens need."""


NON_ENGLISH, ENGLISH = "non-English", "English"
"""The groups of conversations that ``non_english`` shares out."""


class Phase(Section):
    """A part of training with its own shares of languages or of recipes."""

    until: float = Field(gt=0, le=1)
    """Where the phase ends, as a share of the run: of its conversations, or of its tokens where a
    step is ``batch_tokens``."""
    non_english: Share | None = Field(default=None, exclude_if=lambda value: value is None)
    """Share of conversations that teach answering in a language other than English."""
    recipes: dict[Name, Share] = Field(default={}, exclude_if=lambda value: not value)
    """Recipe of the mixture to its share of conversations, in place of ``non_english``; shares add
    up to 1."""

    def shares(self) -> dict[str, float]:
        """Returns the share of each group of conversations, by the group's name."""
        if self.non_english is None:
            return dict(self.recipes)
        return {NON_ENGLISH: self.non_english, ENGLISH: 1 - self.non_english}

    def written(self, shares: Mapping[str, float]) -> str:
        """Returns the phase with other shares as a configuration writes it."""
        own = ", ".join(f"{name}: {share:.7g}" for name, share in shares.items() if share > 0)
        asked = f"recipes: {{{own}}}" if self.recipes else f"non_english: {shares[NON_ENGLISH]:.3f}"
        return f"{{until: {self.until:g}, {asked}}}"


def check_curriculum(phases: list[Phase], mixture: Mapping[str, float], where: str) -> None:
    """Checks that phases follow each other to the end and share out what the mixture has, by its
    recipes' shares (``StudyError``: the key, what is wrong and what to write)."""
    key = f"{where}.curriculum"
    kinds = {(phase.non_english is None, bool(phase.recipes)) for phase in phases}
    if kinds not in (set(), {(True, True)}, {(False, False)}):
        what = "every phase shares out either languages or recipes, all phases the same"
        fix = "curriculum: [{until: 0.3, recipes: {code-switch: 1}}, …], or non_english in each"
        raise StudyError(what, where=key, fix=fix)
    ends = [phase.until for phase in phases]
    if phases and (ends != sorted(set(ends)) or ends[-1] != 1.0):
        what = f"the phases end at {', '.join(f'{end:g}' for end in ends)}"
        even = ", ".join(f"{number / len(ends):.3g}" for number in range(1, len(ends) + 1))
        raise StudyError(what, where=key, fix=f"ascending ends, the last one 1.0, such as {even}")
    held = [name for name, share in mixture.items() if share > 0]
    for number, phase in enumerate(phases):
        for recipe in phase.recipes:
            require("recipe of the mixture", recipe, held, f"{key}.{number}.recipes")
        conditions.sums_to_one(phase.shares(), f"{key}.{number}.recipes")


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
    epochs: Annotated[float, Field(gt=0)] | Literal["auto"] = 3.0
    """Passes over the mixture (BayLing: 3). ``auto``: as many as ``max_steps`` take, so that no
    mixture runs out before."""
    max_steps: int | None = Field(default=None, gt=0)
    """Ends training after this many optimiser steps, whatever ``epochs`` says."""
    batch: int = Field(default=32, gt=0)
    """Conversations per optimiser step (BayLing: 32)."""
    batch_tokens: int | None = Field(default=None, gt=0)
    """Tokens per optimiser step on average, in place of ``batch``: a step takes the conversations
    that start within the next so many tokens. At least ``max_length`` for each process."""
    max_length: int = Field(default=1024, gt=0)
    """Tokens of the longest conversation (BayLing: 1024)."""
    micro_batch_tokens: int | Literal["auto"] = "auto"
    """Tokens per micro-batch, which is one packed sequence; at least ``max_length``. ``auto``:
    ``max_length``, and on a GPU as many times that as its memory holds and a step has for each
    process. No step depends on it."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Compute precision; master weights and optimiser states are fp32."""
    gradient_checkpointing: bool = True
    """Recompute activations in the backward pass (BayLing: yes)."""
    attention: Literal["auto", "eager", "sdpa", "flex", "flash"] = "auto"
    """Attention kernel. ``auto``: on a GPU ``flash`` where the package flash-attn is installed,
    else ``flex``; on CPU ``eager`` for conversations of up to 512 tokens, else ``sdpa``."""
    zero_stage: Literal[1, 2, 3, "auto"] = "auto"
    """DeepSpeed ZeRO stage (not stated by the paper): 1 shards optimiser states, 2 also
    gradients, 3 also weights. With one process nothing is sharded. ``auto``: 2 where
    it fits by the memory plan, else 3."""
    offload: Literal["none", "optimizer", "all", "auto"] = "auto"
    """What DeepSpeed keeps in host memory. ``auto``: nothing, unless no stage fits without."""
    device: Literal["auto", "cuda"] = "auto"
    """``cuda``: zero granted GPUs are an error; ``auto``: GPUs if there are any, else cores."""
    output_dtype: Literal["bf16", "fp32"] = "bf16"
    """Type of the weights in the tuned checkpoint."""
    checkpoint_minutes: float = Field(default=30.0, gt=0)
    """Minutes between two checkpoints."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Newest checkpoints kept while training."""
    budget_minutes: float | None = Field(default=None, gt=0)
    """Wall-clock minutes after which a job saves and ends with a status that is retried. On a
    cluster 95 % of the job's own time limit (its resource ``runtime``) are such a budget anyway."""
    attempts: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Consecutive jobs that one training may take, each continuing from the last one's checkpoint:
    a training of five days in jobs of eight hours needs 15, and some in reserve. ``auto``: the jobs
    that the plan finds for the profile's time limit, half as many again where no run has measured
    the speed, and two that may fail; without a limit three."""
    adapter: Adapter | None = None
    """Low-rank adapters; none is full fine-tuning as in the papers."""
    alignment: Alignment | None = Field(default=None, exclude_if=lambda value: value is None)
    """A contrastive loss on translations beside the language model's; none trains without it."""
    curriculum: list[Phase] = []
    """Phases with shares of non-English conversations (PolyLM: 0.3, then 0.6) or of recipes (CSR:
    code-switch, then translation), the last one ``until: 1.0``; empty is one shuffled stream. The
    mean shares must be the mixture's own, so that every conversation is used as often as any
    other."""
    curriculum_repeats: bool = False
    """Lets a curriculum have another mean shares than the mixture: conversations of a group that
    is asked for more often are then used again, and some of another not at all."""

    @model_validator(mode="after")
    def _ends(self) -> "TuningSection":
        """Either the passes or the steps must end a training."""
        if self.epochs == "auto" and self.max_steps is None:
            raise ValueError("epochs: auto needs max_steps, the number of optimiser steps")
        return self

    @model_validator(mode="after")
    def _rows_hold_a_conversation(self) -> "TuningSection":
        """A packed sequence must hold the longest conversation, and so must a step."""
        for key in ("micro_batch_tokens", "batch_tokens"):
            value = getattr(self, key)
            if isinstance(value, int) and value < self.max_length:
                raise ValueError(f"{key} must be at least max_length ({self.max_length})")
        return self

    def passes(self, conversations: float, tokens: float) -> float:
        """Returns how often a training sees a mixture of so many conversations and tokens."""
        own = conversations if self.batch_tokens is None else tokens
        steps = math.inf if self.max_steps is None else self.max_steps
        bounded = steps * (self.batch_tokens or self.batch) / own if own else math.inf
        return bounded if self.epochs == "auto" else min(self.epochs, bounded)
