"""The paper's 8-bit scheme: its arithmetic, its files and its loader.

``load`` is what a reader needs::

    model = load(Path("results/embedded/export/tuned-int8"), torch.bfloat16, "cached")
"""

from bayling_study.shared.quantised.groupwise import GroupwiseLinear, dequantise, quantise
from bayling_study.shared.quantised.layout import QUANTISATION_FILE, is_groupwise
from bayling_study.shared.quantised.loading import load

__all__ = ["QUANTISATION_FILE", "GroupwiseLinear", "dequantise", "is_groupwise", "load", "quantise"]
