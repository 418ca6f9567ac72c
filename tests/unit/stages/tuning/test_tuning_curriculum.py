"""The curriculum over languages and over recipes: shares, uses, order, refusals."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config.tuning import Phase, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning import curriculum
from bayling_study.stages.tuning.curriculum import Curriculum
from bayling_study.stages.tuning.packing import Schedule

POLYLM = [Phase(until=0.5, non_english=0.3), Phase(until=1.0, non_english=0.6)]


CSR = [
    Phase(until=0.25, recipes={"code-switch": 1}),
    Phase(until=1.0, recipes={"translation": 0.8, "general": 0.2}),
]


def flags(count: int, non_english: int) -> list[str]:
    return ["non-English" if index < non_english else "English" for index in range(count)]


def recipes(count: int, **counts: int) -> list[str]:
    made = [name.replace("_", "-") for name, own in counts.items() for _ in range(own)]
    assert len(made) == count
    return made


def stream(found: Curriculum, count: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < count:
        chosen += found.order(len(chosen) // found.count)
    return chosen[:count]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_phases_have_their_shares_and_every_conversation_is_used_equally(epochs: int) -> None:
    found = Curriculum(POLYLM, flags(200, 90), 200 * epochs, seed=5)
    order = stream(found, 200 * epochs)
    half = 100 * epochs
    assert sum(index < 90 for index in order[:half]) == round(0.3 * half)
    assert sum(index < 90 for index in order[half:]) == round(0.6 * half)
    assert set(Counter(order).values()) == {epochs}
    assert len(set(order)) == 200


def test_every_slice_has_the_share_of_its_phase() -> None:
    order = stream(Curriculum(POLYLM, flags(200, 90), 200, seed=5), 200)
    for start in range(0, 100, 10):
        assert sum(index < 90 for index in order[start : start + 10]) == 3
        assert sum(index < 90 for index in order[100 + start : 110 + start]) == 6


@given(
    count=st.integers(4, 60),
    other=st.integers(1, 59),
    epochs=st.integers(1, 3),
    cut=st.floats(0.1, 0.9),
    low=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_uses_differ_only_by_repeats(
    count: int, other: int, epochs: int, cut: float, low: float
) -> None:
    """Whatever is asked for: inside a group uses differ by one at most; the fix is exact."""
    other = min(other, count - 1)
    phases = [Phase(until=cut, non_english=low), Phase(until=1.0, non_english=1 - low)]
    total = epochs * count
    drawn = Counter(stream(Curriculum(phases, flags(count, other), total, 5, repeats=True), total))
    for group in (range(other), range(other, count)):
        uses = [drawn[index] for index in group]
        assert max(uses) - min(uses) <= 1
    asked = np.array([[low, 1 - low], [1 - low, low]])
    own = np.array([other, count - other]) / count
    shares = curriculum._with_mean(asked, np.array([cut, 1 - cut]) @ asked, own)
    fitting = [
        phase.model_copy(update={"non_english": min(1.0, max(0.0, share))})
        for phase, (share, _) in zip(phases, shares, strict=True)
    ]
    exact = stream(Curriculum(fitting, flags(count, other), total, 5), total)
    assert set(Counter(exact).values()) == {epochs}


def test_a_mean_that_is_not_the_mixtures_is_refused_with_what_to_write() -> None:
    with pytest.raises(StudyError, match=r"ask for 45\.0% .* has 60\.0%") as caught:
        Curriculum(POLYLM, flags(100, 60), 100, seed=5)
    fix = (caught.value.fix or "").splitlines()
    assert fix[1] == "or curriculum_repeats: true"
    assert fix[0].startswith("curriculum: [{until: 0.5, non_english: 0.491}, {until: 1,")
    near = Curriculum(POLYLM, flags(1000, 455), 1000, seed=5)  # half a point away
    assert set(Counter(stream(near, 1000)).values()) == {1}


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(StudyError, match="no non-English conversations"):
        Curriculum(POLYLM, flags(10, 0), 10, seed=5, repeats=True)
    with pytest.raises(StudyError, match="no English conversations"):
        Curriculum(POLYLM, flags(10, 10), 10, seed=5, repeats=True)


def test_the_order_follows_from_the_seed_alone() -> None:
    def hashed(seed: int) -> str:
        found = Curriculum(POLYLM, flags(40, 18), 120, seed)
        return curriculum.order_hash(found.order, [f"c{n}" for n in range(40)], 120)

    assert hashed(1) == hashed(1) != hashed(2)


def test_steps_do_not_depend_on_the_number_of_processes() -> None:
    found = Curriculum(POLYLM, flags(40, 18), 80, seed=5)
    lengths = [5 + index % 7 for index in range(40)]
    plans = [
        Schedule(
            lengths, batch=8, epochs=2, max_steps=None, capacity=32,
            processes=processes, seed=5, order=found.order,
        )
        for processes in (1, 2, 4)
    ]  # fmt: skip
    for step in range(plans[0].steps):
        chosen = plans[0].conversations(step)
        assert all(plan.conversations(step) == chosen for plan in plans)
    first = [index for step in range(5) for index in plans[0].conversations(step)]
    assert sum(index < 18 for index in first) == 12  # 0.3 of 40


def test_what_the_run_record_says() -> None:
    facts = Curriculum(POLYLM, flags(100, 60), 100, seed=5, repeats=True).facts()
    assert facts["phases"] == [
        {"conversations": 50, "non-English": 15, "English": 35},
        {"conversations": 50, "non-English": 30, "English": 20},
    ]
    assert facts["uses_of_each"] == {"non-English": 45 / 60, "English": 55 / 40}


def test_a_bounded_run_has_its_phases_inside_the_bound() -> None:
    lengths = [10] * 100
    section = TuningSection(epochs=3, batch=4)
    assert curriculum.stream_length(section, lengths) == 300
    bounded = section.model_copy(update={"max_steps": 10})
    assert curriculum.stream_length(bounded, lengths) == 40


def row(name: str, direction: str, languages: list[str]) -> dict[str, Any]:
    return {"id": name, "direction": direction, "languages": languages}


def test_languages_come_from_the_instructions(tmp_path: Path) -> None:
    rows = [
        row("a", "zh-en", ["en", "zh"]),
        row("b", "en-zh", ["en", "zh"]),
        row("c", "", ["en"]),
        row("d", "", ["zh"]),
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    curriculum.write_groups(tmp_path, tmp_path, ["d", "a", "c"], POLYLM)
    section = TuningSection(epochs=3, curriculum_repeats=True, curriculum=POLYLM)
    found = curriculum.configured(section, tmp_path, [1, 1, 1], seed=5)
    assert found is not None
    assert dict(zip(found.names, found.groups, strict=True)) == {
        "non-English": [0],
        "English": [1, 2],
    }
    assert curriculum.language_group(rows[1]) == "non-English"
    assert curriculum.configured(TuningSection(), tmp_path, [1], seed=5) is None
    with pytest.raises(StudyError, match="names no language"):
        curriculum.language_group(row("e", "", []))


def test_instructions_without_languages_are_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist([{"id": "a"}]), tmp_path / "train.parquet")
    with pytest.raises(StudyError, match="no columns recipe"):
        curriculum.write_groups(tmp_path, tmp_path, ["a"], CSR)
    with pytest.raises(StudyError, match="no columns direction and languages"):
        curriculum.write_groups(tmp_path, tmp_path, ["a"], POLYLM)


def test_recipes_follow_each_other_and_mix_inside_a_phase() -> None:
    labels = recipes(200, code_switch=50, translation=120, general=30)
    found = Curriculum(CSR, labels, 400, seed=5)
    order = [labels[index] for index in stream(found, 400)]
    assert set(order[:100]) == {"code-switch"}
    for start in range(100, 400, 10):
        assert Counter(order[start : start + 10]) == {"translation": 8, "general": 2}
    assert found.facts()["uses_of_each"] == {"code-switch": 2, "translation": 2, "general": 2}
    assert set(Counter(stream(found, 400)).values()) == {2}


def test_a_recipe_that_no_phase_names_is_refused_or_counted() -> None:
    labels = recipes(100, code_switch=25, translation=50, general=15, plug=10)
    with pytest.raises(StudyError, match=r"ask for 60\.0% translation .* has 50\.0%") as caught:
        Curriculum(CSR, labels, 100, seed=5)
    assert "{translation: 0.6666667, general: 0.2, plug: 0.1333333}" in (caught.value.fix or "")
    found = Curriculum(CSR, labels, 100, seed=5, repeats=True)
    assert found.facts()["uses_of_each"]["plug"] == 0
    with pytest.raises(StudyError, match="no general conversations"):
        Curriculum(CSR, labels[:75], 100, seed=5, repeats=True)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=3, max_size=3),
    first=st.lists(st.integers(0, 9), min_size=3, max_size=3),
    cut=st.floats(0.1, 0.9),
)
@settings(max_examples=60, deadline=None)
def test_moved_shares_of_three_groups_use_everything_once(
    sizes: list[int], first: list[int], cut: float
) -> None:
    names, count = ("code-switch", "general", "translation"), sum(sizes)
    raw = np.array([[first[0] + 1, *first[1:]], [10, 10, 10]])
    asked = raw / raw.sum(axis=1, keepdims=True)
    own = np.array(sizes) / count
    moved = curriculum._with_mean(asked, np.array([cut, 1 - cut]) @ asked, own)
    assert moved.min() >= 0
    phases = [
        Phase.model_construct(
            until=end, non_english=None, recipes=dict(zip(names, row, strict=True))
        )
        for end, row in zip((cut, 1.0), moved.tolist(), strict=True)
    ]
    labels = [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
    assert sorted(stream(Curriculum(phases, labels, count, 5), count)) == list(range(count))


@pytest.mark.parametrize(("switched", "repeats"), [(100, False), (500, True)])
def test_with_a_batch_in_tokens_a_phase_ends_after_its_share_of_tokens(
    switched: int, repeats: bool
) -> None:
    """Switched sentences are three times as long, and have a quarter of the steps."""
    labels = recipes(1000, code_switch=switched, translation=1000 - switched)
    lengths = [30 if label == "code-switch" else 10 for label in labels]
    phases = [
        Phase(until=0.25, recipes={"code-switch": 1}),
        Phase(until=1, recipes={"translation": 1}),
    ]
    section = TuningSection(
        batch_tokens=1200, max_length=30, max_steps=10, epochs="auto", curriculum_repeats=repeats
    )
    total = curriculum.stream_length(section, lengths)
    found = Curriculum(phases, labels, total, 5, repeats, lengths)
    plan = Schedule(
        lengths, batch=1, batch_tokens=1200, epochs="auto", max_steps=10, capacity=30, processes=1,
        seed=5, order=found.order,
    )  # fmt: skip
    steps = [Counter(labels[index] for index in plan.conversations(step)) for step in range(10)]
    assert steps[:2] == [{"code-switch": 40}] * 2
    assert steps[2] == {"code-switch": 20, "translation": 60}
    assert steps[3:] == [{"translation": 120}] * 7


@pytest.mark.parametrize("long", [2, 25, 250])
def test_the_shares_to_write_for_a_batch_in_tokens_are_taken(long: int) -> None:
    """Other shares are other numbers of conversations in a phase's tokens."""
    labels = recipes(50, code_switch=23, translation=27)
    lengths = [long if label == "code-switch" else 10 for label in labels]
    phases = [
        Phase(until=0.5, recipes={"code-switch": 0.25, "translation": 0.75}),
        Phase(until=1, recipes={"code-switch": 1}),
    ]
    with pytest.raises(StudyError, match="the mixture has") as caught:
        Curriculum(phases, labels, 500, 5, False, lengths)
    written = yaml.safe_load((caught.value.fix or "").splitlines()[0])["curriculum"]
    moved = Curriculum([Phase(**phase) for phase in written], labels, 500, 5, False, lengths)
    uses = moved.facts()["uses_of_each"]
    assert all(abs(use - 10) < 0.2 for use in uses.values())
