"""``tuning.alignment``: translations drawn together while a model is tuned."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bayling_study.config.base import Section
from bayling_study.core.tables import beside

Preset = Literal["alignx-without-language-matching", "mid-align", "translico", "afp"]
PRESETS: dict[str, dict[str, Any]] = beside(__file__)
"""The keys that a loss of the literature fixes; what it leaves open keeps our default.

AlignX (arXiv 2509.24338): 0.3 times half the loss, block 16 of 32; it pools two spans of one
sequence and adds a loss of language matching. mid-align (2502.14830): block 16 of 32; it alternates
steps of the two losses. TransliCo (2401.06620): 0.5 times half the loss, block 8 of 12. AFP (NAACL
2024): weight 1 beside 1.5 of the language model."""


class Alignment(Section):
    """A contrastive loss on pairs of translations, beside the language model's.

    Each text goes through the model alone, is pooled to one vector after a block and has to be
    more similar to its translation than to the other texts of the step. Always left out of the
    pool: the first token, an attention sink (its norm is 23,875 against 161 of others after block
    15 of SmolLM2-135M), and special tokens.
    """

    preset: Preset | None = None
    """Fills the keys that are not given, named after the loss that it holds; data and order of
    steps are always ours, so results are no reproduction of the paper's."""
    pairs: Literal["translation", "transliteration"] = "translation"
    """From the training side of the corpora, in languages of the mixture: a text and its
    translation, or one in another script and the same in Latin letters (TransliCo; by uroman)."""
    layer: Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, le=1)] = 0.5
    """Block whose output is pooled: its number from 1, or a share of the depth (AlignX and
    mid-align: the middle)."""
    pooling: Literal["mean", "last"] = "mean"
    """``mean`` of the tokens (AlignX, mid-align, TransliCo), or the ``last`` one (AFP)."""
    temperature: float = Field(default=0.1, gt=0)
    """Divides similarities (AlignX and mid-align: 0.1, AFP: 0.05, TransliCo: 1)."""
    weight: float = Field(default=1.0, ge=0)
    """Factor of this loss beside the language model's (mid-align: 1). 0 measures it and trains
    nothing by it."""
    similarity: Literal["cosine", "dot"] = "cosine"
    """Cosine (AlignX, mid-align) or dot product (TransliCo)."""
    direction: Literal["one", "both", "all"] = "one"
    """``one``: the pivot's text has to find its translation (AlignX, mid-align); ``both``: the mean
    of both ways; ``all``: each text against all other texts of both languages (TransliCo)."""
    pairs_per_step: int = Field(default=16, ge=2)
    """Pairs of an optimiser step; their texts are each other's wrong answers. Our choice for small
    machines; mid-align has 128 in a batch. Every process computes all of them."""
    pair_tokens: int = Field(default=64, ge=4)
    """Tokens of the longest text of a pair, our choice; longer pairs are left out and counted."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """Fills what is not given from the preset."""
        known = PRESETS.get(str(values.get("preset"))) if isinstance(values, dict) else None
        return {**known, **values} if known else values

    def block(self, layers: int) -> int:
        """Returns the number, from 1, of the block whose output is pooled (``ValueError`` if the
        model has fewer)."""
        found = self.layer if isinstance(self.layer, int) else max(1, round(self.layer * layers))
        if found > layers:
            raise ValueError(f"block {found} of {layers}")
        return found

    @property
    def longest(self) -> int:
        """Tokens that a step's pairs have together at most."""
        return 2 * self.pairs_per_step * self.pair_tokens
