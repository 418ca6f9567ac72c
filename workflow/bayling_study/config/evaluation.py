"""Sections ``export``, ``generation``, ``scoring`` and ``report``."""

from typing import Annotated, Literal

from pydantic import Field

from bayling_study.config.base import Name, Section


class ExportSection(Section):
    """8-bit export."""

    group_size: int = Field(default=256, gt=0)
    """Input columns that share one scale (BayLing's ``--load-8bit``: 256)."""
    kept_precision: Literal["fp16", "bf16", "source"] = "fp16"
    """Precision of what is not quantised (embeddings, norms) where it comes in 32 bits;
    ``source`` leaves it. 16-bit tensors always stay as they are."""
    shard_mebibytes: int = Field(default=4096, gt=0)
    """Largest weight file of a safetensors export."""


class PerplexitySection(Section):
    """Perplexity of an 8-bit system beside that of the system it was made from."""

    conversations: int = Field(default=200, gt=0)
    """Held-out conversations on which the two are compared."""


class ProbingSection(Section):
    """What hidden states of the systems hold, layer by layer: of those that have a model here."""

    languages: list[Name] = Field(min_length=1)
    """Languages beside their pivot: how often is a held-out text's translation the nearest text,
    and does a probe of facts trained in one language hold in another?"""
    segments: int = Field(default=100, ge=2)
    """Test segments of each language, drawn with the study's seed: one in so many is chance."""

    @property
    def texts(self) -> int:
        """Texts that a system reads, of them 230 statements on 115 capitals in each language."""
        return 2 * len(self.languages) * self.segments + 230 * (len(self.languages) + 1)


class GenerationSection(Section):
    """How hypotheses are made."""

    backend: Literal["auto", "transformers", "vllm"] = "auto"
    """What runs checkpoints: ``vllm`` needs its package and a GPU; ``auto`` uses it where it is
    installed, for checkpoints that are not quantised and suites without beam search, and
    ``transformers`` elsewhere."""
    precision: Literal["bf16", "fp32", "fp16"] = "bf16"
    """Compute precision of the model."""
    batch_tokens: int = Field(default=8192, gt=0)
    """Prompt and answer tokens that are decoded at once, padding included; each beam is a row. One
    prompt is always accepted. As many again are kept of conversations from turn to turn."""
    max_batch: int = Field(default=64, gt=0)
    """Largest number of prompts that are answered at once."""
    int8_compute: Literal["cached", "streamed"] = "cached"
    """``streamed`` dequantises a matrix each time it is used (least memory);
    ``cached`` keeps the dequantised matrix (fastest)."""


class EmbeddedComet(Section):
    """The small COMET model that the embedded study trains; reported as ``comet-embedded``."""

    rows: int = Field(default=6000, gt=0)
    """Training rows: training-side segments with known degradations."""
    held_out: int = Field(default=800, gt=1)
    """Rows kept out of training to measure the correlation with the known degradations."""
    epochs: int = Field(default=4, gt=0)
    """Passes over the training rows."""
    batch: int = Field(default=32, gt=0)
    """Rows of one optimiser step."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Of the whole model: its encoder starts from random weights."""
    hidden: int = Field(default=64, gt=0, multiple_of=32)
    """Width of the encoder; it has one attention head for every 32."""
    layers: int = Field(default=2, gt=0)
    """Transformer layers of the encoder."""
    vocabulary: int = Field(default=8000, gt=0)
    """Pieces of the tokenizer trained for it."""
    min_spearman: float = Field(default=0.5, ge=-1, le=1)
    """Smallest rank correlation on held-out degradations; a model below it is rejected."""


class CometSection(Section):
    """Which COMET model scores translations; none switches COMET off."""

    source: Name | None = None
    """Id of a checkpoint in the source manifest, such as ``wmt22-comet-da``."""
    path: str | None = None
    """A local checkpoint file or folder that replaces ``source``."""
    encoder: Name | None = None
    """Id of the source that holds the encoder's configuration and tokenizer, which a released
    checkpoint names (``xlm-roberta-large``) but does not contain."""
    more: dict[Name, Name | Literal[""]] = {}
    """Further checkpoints, by their sources' ids, each with the source of its encoder or with ""
    where it holds it: ``{xcomet-xl: xlm-roberta-xl, wmt22-cometkiwi-da: infoxlm-large}``. Of the
    classes regression (with or without references), unified and XCOMET; their scores are called
    ``comet-SOURCE``."""
    embedded: EmbeddedComet | None = None
    """Train a small model instead of using a released one."""
    batch_tokens: int = Field(default=4096, gt=0)
    """Tokens that one batch may hold, padding included; scores do not depend on it."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """``fp32`` is COMET's definition; ``fp16`` is what ``comet-score`` 2.2.7 computes in;
    ``bf16`` runs the encoder in bfloat16 and the estimator in fp32."""


BleuTokenizer = Literal[
    "13a", "char", "flores101", "flores200", "intl", "ja-mecab", "ko-mecab", "none", "spm", "zh"
]
"""sacreBLEU's tokenizers; the ``flores`` and ``spm`` ones need a SentencePiece model at hand."""


class BootstrapSection(Section):
    """Paired bootstrap resampling (Koehn 2004) and approximate randomisation."""

    samples: int = Field(default=1000, gt=0)
    """Resampled test sets per interval, and the least number of resamples and random exchanges
    per test: a suite's tests get more where so few could mark nothing (compared systems times
    items, divided by the level)."""
    confidence: float = Field(default=0.95, gt=0, lt=1)
    """Coverage of intervals; 1 minus it is the level of the tests."""


class ScoringSection(Section):
    """Metrics and their uncertainty."""

    bootstrap: BootstrapSection = BootstrapSection()
    """Resampling."""
    spm: Name | None = None
    """Source of sacreBLEU's SentencePiece model for spBLEU (``sacrebleu-spm``), the BLEU of suites
    of kind ``flores``; none leaves spBLEU out."""
    off_target: bool = True
    """Whether translations are checked for their language, by two identifiers."""
    metrics: list[Name] = []
    """Further metrics of translations, registered in modules of ``shared/metrics/own``."""
    tokenizers: dict[str, Annotated[list[BleuTokenizer], Field(min_length=1)]] = {}
    """Target language to sacreBLEU tokenizers that replace the usual one (``zh`` for Chinese,
    ``ja-mecab`` for Japanese, ``char`` without spaces, 13a elsewhere; the reasons are
    in ``config/README.md``). The first gives ``bleu``, another one ``bleu-NAME``:
    ``ja: [ja-mecab, char]`` adds the WMT22 organisers' ``bleu-char``."""


class ReportSection(Section):
    """What the report shows."""

    baseline: Name | None = None
    """System against which the others are tested, and over whose comparisons p-values are
    corrected; none means the first one that answers the suites."""
    published: str = "config/published.tsv"
    """Table of published values, against which the report gives verdicts."""
    rejected_samples: int = Field(default=5, ge=0)
    """Rejected segments of the corpora shown for each reason; 20 are kept."""
