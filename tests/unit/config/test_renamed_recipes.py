"""A recipe's earlier name is refused with its new one."""

from __future__ import annotations

import pytest

from bayling_study.config.checks import _check_mixture
from bayling_study.core.errors import StudyError
from helpers.synthesis_corpora import mixture


def test_the_recipe_pivot_is_told_its_new_name() -> None:
    old = mixture(shares={"pivot": 1.0}, directions={"zh-de": 1.0})
    with pytest.raises(StudyError, match="now called 'pivot-draft'") as refused:
        _check_mixture(old, {"en", "de", "zh"}, "study.yaml: synthesis.mixtures.default")
    assert "plug" in str(refused.value) and "shares" in str(refused.value)
