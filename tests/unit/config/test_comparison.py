"""The section ``comparison``: one budget, further seeds, and what a method is made of."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.comparison import budget, trainings, with_seeds
from bayling_study.config.loading import load_config, parse_config
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.dag.settings import Settings
from bayling_study.stages.tuning.packing import Schedule
from helpers import ROOT

STUDY: dict[str, Any] = {
    "extends": "config/config.yaml",
    "synthesis": {"mixtures": {"plain": {"base": "default", "drop": ["interactive"]}}},
    "tuning": {"batch_tokens": 1000, "max_steps": 6, "epochs": "auto"},
    "systems": {
        "tuned-int8": None,
        "tuned-fp32": None,
        "plain": {"kind": "tuned", "base": "foundation", "mixture": "plain"},
    },
    "comparison": {"reference": "plain", "methods": ["tuned"]},
    "report": {"baseline": "plain"},
}
CHAIN: dict[str, Any] = {
    "foundation": {"kind": "foundation", "source": "model"},
    "plain": {"kind": "tuned", "base": "foundation", "mixture": "m"},
    "first": {"kind": "tuned", "base": "foundation", "mixture": "m"},
    "second": {"kind": "tuned", "base": "first", "mixture": "m"},
    "merged": {"kind": "merged", "of": ["first", "second"]},
    "routed": {"kind": "routed", "directions": {"*-en": "merged", "en-*": "second"}},
}
"""Kinds as plain values: what a method is made of is read from its keys alone."""


def study(**changes: Any) -> dict[str, Any]:
    """Returns the study with keys such as ``tuning__max_steps`` replaced."""
    values = copy.deepcopy(STUDY)
    for path, value in changes.items():
        *above, last = path.split("__")
        place = values
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return values


def test_every_training_below_a_method_counts_once() -> None:
    assert trainings(CHAIN, "routed") == ["first", "second"]
    assert trainings(CHAIN, "second") == ["first", "second"]
    assert trainings(CHAIN, "foundation") == []


def test_a_system_made_of_itself_is_refused() -> None:
    with pytest.raises(StudyError, match="a -> b -> a"):
        trainings({"a": {"kind": "merged", "of": ["b"]}, "b": {"kind": "tuned", "base": "a"}}, "a")


def test_equal_budgets_pass_and_untrained_methods_cost_nothing() -> None:
    config = parse_config(study(comparison__methods=["tuned", "foundation"]))
    assert budget(config, "plain") == budget(config, "tuned") == 6000
    assert budget(config, "foundation") == 0


def test_another_budget_is_refused_with_the_steps_to_write() -> None:
    values = study(systems__tuned={"tuning": {"batch_tokens": 2000}})
    with pytest.raises(StudyError) as caught:
        parse_config(values)
    assert "tuned is trained on 12,000 tokens and plain on 6,000" in str(caught.value)
    assert caught.value.fix == "systems.tuned.tuning: {max_steps: 3}"


@pytest.mark.parametrize("missing", ["batch_tokens", "max_steps"])
def test_a_training_whose_tokens_nothing_fixes_is_refused(missing: str) -> None:
    with pytest.raises(StudyError, match=r"nothing fixes|needs max_steps"):
        parse_config(study(**{f"tuning__{missing}": None}))


def test_epochs_that_could_end_before_the_budget_are_refused() -> None:
    with pytest.raises(StudyError, match="nothing fixes"):
        parse_config(study(tuning__epochs=3))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"comparison__reference": "plian"}, "plain"),
        ({"comparison__methods": ["tuned", "tuned"]}, "twice"),
        ({"comparison__methods": ["plain"]}, "twice"),
        ({"comparison__methods": []}, "at least 1"),
        ({"comparison__seeds": 0}, "greater than 0"),
        ({"report__baseline": "foundation"}, "baseline: plain"),
    ],
)
def test_other_mistakes_are_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        parse_config(study(**change))


def test_seeds_copy_what_is_trained_and_what_is_made_of_it() -> None:
    section = {"reference": "plain", "methods": ["routed"], "seeds": 2}
    made = with_seeds({"systems": CHAIN, "comparison": section})["systems"]
    assert set(made) - set(CHAIN) == {
        f"{name}.seed2" for name in ("plain", "first", "second", "merged", "routed")
    }
    assert made["second.seed2"] == CHAIN["second"] | {"base": "first.seed2", "seed": 2}
    assert made["first.seed2"]["base"] == "foundation"
    assert made["merged.seed2"]["of"] == ["first.seed2", "second.seed2"]
    assert made["routed.seed2"]["directions"] == {"*-en": "merged.seed2", "en-*": "second.seed2"}
    again = with_seeds({"systems": made, "comparison": section})
    assert again["systems"] == made


def test_the_name_of_a_copy_is_taken() -> None:
    section = {"reference": "plain", "methods": ["second"], "seeds": 2}
    systems = CHAIN | {"first.seed2": CHAIN["plain"]}
    with pytest.raises(StudyError, match="name of another system"):
        with_seeds({"systems": systems, "comparison": section})


def test_a_seed_changes_the_training_alone(tmp_path: Path) -> None:
    one = Settings(parse_config(study()), tmp_path)
    config = parse_config(study(comparison__seeds=2))
    two = Settings(config, tmp_path)
    first, second = ({"systems": [name]} for name in ("tuned", "tuned.seed2"))
    assert one.stage("tuning", "tuned", **first) == two.stage("tuning", "tuned", **first)
    assert one.stage("synthesis", synthesis=["default"], systems=[]) == two.stage(
        "synthesis", synthesis=["default"], systems=[]
    )
    assert two.stage("tuning", "tuned", **first) != two.stage("tuning", "tuned.seed2", **second)
    assert config.training_seed("tuned") == config.study.seed != config.training_seed("tuned.seed2")


def test_a_small_mixture_is_repeated_until_the_budget_is_spent() -> None:
    lengths = [30, 50, 20]
    schedule = Schedule(
        lengths, batch=1, batch_tokens=60, epochs="auto", max_steps=50,
        capacity=64, processes=1, seed=1,
    )  # fmt: skip
    assert schedule.steps == 50
    assert abs(schedule.trained() - 50 * 60) <= max(lengths)
    once = Schedule(
        lengths, batch=1, batch_tokens=60, epochs=1.0, max_steps=50,
        capacity=64, processes=1, seed=1,
    )  # fmt: skip
    assert once.steps == 2


@pytest.mark.parametrize(("name", "systems"), [("methods", 69), ("methods-full", 78)])
def test_the_larger_comparisons_train_every_method_on_equally_many_tokens(
    name: str, systems: int
) -> None:
    config = load_config(ROOT / "config" / "studies" / f"{name}.yaml")
    spent = {one: budget(config, one) for one in config.comparison.shown}
    untrained = {one for one in spent if not spent[one]}
    assert untrained == {"foundation", "agents", "few-shot"}
    assert {spent[one] for one in spent if one not in untrained} == {120_000}
    assert sum(system.kind == "tuned" for system in config.systems.values()) == systems
    assert config.systems["cscl-2.seed3"].base == "cscl-1.seed3"


def test_a_method_of_two_stages_shares_the_budget_and_only_the_last_is_asked() -> None:
    config = load_config(ROOT / "config" / "studies" / "methods-small.yaml")
    spent = {name: budget(config, name) for name in config.comparison.shown}
    assert spent.pop("foundation") == 0 and set(spent.values()) == {48_000}
    assert trainings(config.systems, "csr") == ["csr-1", "csr"]
    assert "csr-1" not in config.evaluated() and "csr" in config.evaluated()
    layout = Layout(config)
    assert layout.config.untuned("csr") == "foundation"
    assert layout.checkpoint("csr-1").name == "csr-1"
    assert layout.tokenizer_of("code-switch") == layout.tokenizer_of("translation")


def test_trainings_that_go_on_from_each_other_in_a_circle_are_refused() -> None:
    tuned = {"kind": "tuned", "mixture": "plain"}
    systems = {"one": {**tuned, "base": "two"}, "two": {**tuned, "base": "one"}}
    values = study()
    values["systems"] |= systems
    with pytest.raises(StudyError, match="made of itself: one -> two -> one"):
        parse_config(values)


def test_a_teacher_that_waits_for_its_own_mixture_is_refused() -> None:
    values = study()
    values["synthesis"]["mixtures"]["plain"] |= {"teacher": "second", "translator": "foundation"}
    values["systems"]["second"] = {"kind": "tuned", "base": "plain", "mixture": "default"}
    with pytest.raises(StudyError, match="second is tuned on plain, which it would have to write"):
        parse_config(values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"comparison__seeds": "2"}, "seeds"),
        ({"comparison__seeds": 3, "comparison__methods": ["tuned", "tuned.seed2"]}, "another seed"),
        ({"comparison__seeds": 2, "systems__tuned": {"seed": 2}}, "a seed of its own"),
        ({"comparison__seeds": 2, "systems__tuned": {"base": 7}}, "valid string"),
        (
            {
                "comparison__reference": "foundation",
                "comparison__methods": ["tuned"],
                "report__baseline": "foundation",
            },
            "is not trained",
        ),
        ({"tuning__alignment": {"layer": 0}}, "greater than"),
        ({"systems__tuned": {"answering": {"system": "in {language: x}"}}}, "stands alone"),
        ({"suites__n": {"kind": "nli", "categories": {"all": "a"}}}, "the name of an average"),
        ({"suites__n": {"kind": "nli", "categories": {"a": "../b"}}}, "no file inside"),
        ({"suites__n": {"kind": "nli", "labels": {"a": "", "b": "c"}}}, "answer of its own"),
        ({"suites__n": {"kind": "nli", "language": "xx-no"}}, "xx-no"),
    ],
)
def test_values_that_would_mislead_or_fail_late_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError) as caught:
        parse_config(study(**changes))
    assert said in f"{caught.value} {caught.value.fix}"
