"""A limit draws prompts of each item; released outputs of whole items still fit them."""

from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.stages.generation.published import align
from bayling_study.stages.generation.released import Released
from bayling_study.stages.prompts.released import limited


def prompts(size: int) -> list[Prompt]:
    return [
        Prompt(f"zh-en/{n}", "wmt22", "zh-en", {}, ["?"], ["!"], {}) for n in range(1, size + 1)
    ]


def test_a_limit_draws_in_order_and_says_of_how_many() -> None:
    kept = list(limited(prompts(50), 5, seed=3))
    numbers = [int(prompt.id.rpartition("/")[2]) for prompt in kept]
    assert len(numbers) == 5
    assert numbers == sorted(set(numbers)) != [1, 2, 3, 4, 5]
    assert {prompt.meta["of"] for prompt in kept} == {50}
    assert (
        list(limited(prompts(5), 5, seed=3))
        == list(limited(prompts(5), None, seed=3))
        == prompts(5)
    )


@pytest.mark.parametrize("keyed", [False, True])
def test_released_outputs_of_the_whole_item_are_picked_by_number(keyed: bool) -> None:
    kept = list(limited(prompts(50), 5, seed=3))
    rows = [Released(f"f:{n}", f"text {n}", key=str(n) if keyed else None) for n in range(1, 51)]
    found = align(kept, rows, Path("f"))
    assert [h.turns for h in found] == [[f"text {p.id[6:]}"] for p in kept]
    odd = [*rows, Released("f:51", "text 51", key="51" if keyed else None)]
    with pytest.raises(StudyError, match="test set has"):
        align(kept, odd, Path("f"))
