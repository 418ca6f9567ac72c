"""Merged and routed systems in the configuration: budget, paths, jobs, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bayling_study.commands.plan.jobs import job_counts, job_names, record_of
from bayling_study.config import StudyConfig
from bayling_study.config.combined import MergedSystem, RoutedSystem
from bayling_study.config.comparison import budget, trainings
from bayling_study.config.loading import load_config, parse_config
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import study_models
from helpers import ROOT

EXPERT = {"kind": "tuned", "base": "foundation", "mixture": "default", "tuning": {"max_steps": 20}}
STUDY: dict[str, Any] = {
    "extends": "config/config.yaml",
    "tuning": {"batch_tokens": 1000, "max_steps": 60, "epochs": "auto"},
    "systems": {
        "plain": {"kind": "tuned", "base": "foundation", "mixture": "default"},
        "a": {**EXPERT, "evaluated": False},
        "b": {**EXPERT, "evaluated": False},
        "c": EXPERT,
        "ab": {"kind": "merged", "of": ["a", "b"]},
        "all": {"kind": "routed", "directions": {"*-en": "ab", "en-*": "c"}},
    },
    "comparison": {"reference": "plain", "methods": ["all"], "seeds": 2},
    "report": {"baseline": "plain"},
}
EXAMS = {"kind": "exams", "tasks": ["sat-en"]}
PLAIN = {"kind": "translation", "directions": ["de-zh"]}


def study(**changes: Any) -> StudyConfig:
    """Reads the study with keys such as ``systems__ab__density`` replaced."""
    values = copy.deepcopy(STUDY)
    for path, value in changes.items():
        *above, last = path.split("__")
        place = values
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return parse_config(values)


def test_three_experts_of_20_steps_cost_what_one_of_60_does() -> None:
    config = study()
    assert trainings(config.systems, "all") == ["a", "b", "c"]
    assert budget(config, "all") == budget(config, "plain") == 60_000
    with pytest.raises(StudyError) as caught:
        study(systems__c__tuning={"max_steps": 21})
    assert "all is trained on 61,000 tokens and plain on 60,000" in str(caught.value)
    assert caught.value.fix == "systems.c.tuning: {max_steps: 20}"


def test_a_further_seed_is_made_of_copies_of_the_members() -> None:
    systems = study(systems__all__default="c").systems
    assert systems["ab.seed2"].of == ["a.seed2", "b.seed2"]
    assert systems["all.seed2"].directions == {"*-en": "ab.seed2", "en-*": "c.seed2"}
    assert systems["all.seed2"].default == "c.seed2"
    assert systems["a.seed2"].seed == 2 and not systems["a.seed2"].evaluated


def test_paths_jobs_and_records() -> None:
    config = study()
    layout, dag = Layout(config), Dag(config)
    assert layout.checkpoint("ab") == layout.study / "deltas" / "merged" / "ab"
    assert layout.generation_input("all") == [layout.study / "generation" / n for n in ("ab", "c")]
    assert config.untuned("ab") == "foundation" and config.template_of("ab") == "bayling"
    assert "ab" in layout.with_model() and layout.without_model() == ["all", "all.seed2"]
    assert job_names(dag)["deltas_merge"] == ["ab", "ab.seed2"]
    assert job_counts(dag)["generation_elsewhere"] == 2
    assert record_of("deltas_merge", "ab") == ("deltas", "merged-ab")
    assert study_models(layout)["ab"] == study_models(layout)["foundation"]
    assert (
        dag.members_option("ab")
        == f"--member a={layout.study}/tuning/a --member b={layout.study}/tuning/b"
    )
    made = "--method ties --density 0.2 --weights 1.0 1.0"
    assert layout.system("ab", MergedSystem).options == made


def test_weights_by_default_keep_what_all_agree_on() -> None:
    linear = MergedSystem(kind="merged", of=["a", "b", "c", "d"], method="linear")
    assert linear.options.endswith("--weights 0.25 0.25 0.25 0.25")


def test_an_export_of_a_merged_system_is_asked_as_its_members_are() -> None:
    label = {"keep": "label"}
    own = {f"systems__{name}__answering": label for name in "ab"}
    config = study(systems__small={"kind": "int8", "base": "ab"}, **own)
    assert config.asked_as("small") == ["small", "ab", "a"]
    assert config.untuned("small") == "foundation"


@pytest.mark.parametrize(
    ("direction", "member"),
    [
        ("zh-en", "exact"),
        ("de-en", "into"),
        ("en-de", "out"),
        ("de-fr", "rest"),
        ("", "d"),
    ],
)
def test_the_most_specific_pattern_counts(direction: str, member: str) -> None:
    patterns = {"*-*": "rest", "*-en": "into", "en-*": "out", "zh-en": "exact"}
    system = RoutedSystem(kind="routed", directions=patterns, default="d")
    assert system.member(direction, "here") == member


@pytest.mark.parametrize(
    ("changes", "said", "fix"),
    [
        ({"systems__ab__weights": [1.0]}, "as many weights as members: 2", ""),
        ({"systems__ab__weights": []}, "as many weights as members: 2", ""),
        ({"systems__ab__weights": [1.0, 0.0]}, "greater than 0", ""),
        ({"systems__ab__density": 0.0}, "greater than 0", ""),
        ({"systems__ab__method": "linear", "systems__ab__density": 0.5}, "trims nothing", ""),
        ({"systems__ab__of": ["a", "a"]}, "'a' occurs twice", "remove one"),
        ({"systems__ab__of": ["a", "foundation"]}, "no tuned system is called", "one of"),
        ({"systems__a__template": "bayling-3"}, "differ in first base, template", "in common"),
        ({"systems__a__tuning": {"max_steps": 20, "output_dtype": "fp32"}},
         "members differ in .* output_dtype", "in common"),
        ({"systems__other": {"kind": "foundation", "source": "llama-7b"},
          "systems__a__base": "other"}, "members differ in first base", "in common"),
        ({"systems__a__base": "ab"}, "made of itself", ""),
        ({"systems__all__directions": {"*-en": "a", "en-*": "c"}}, "no system that answers", "c"),
        ({"systems__more": {"kind": "routed", "directions": {"*-*": "all"}}},
         "no system that answers is called 'all'", "one of"),
        ({"systems__all__directions": {"*-en": "ab"}}, "no member answers en-zh",
         "directions: {en-zh: NAME}"),
        ({"systems__all__directions": {"*-en": "ab", "zh-*": "c", "en-*": "c"}},
         r"\*-en and zh-\* disagree on zh-en", "directions: {zh-en: NAME}"),
        ({"suites__more": PLAIN}, "no member answers de-zh", "directions: {de-zh: NAME}"),
        ({"suites__exams": EXAMS}, "no member answers prompts without a direction",
         "default: NAME"),
        ({"suites__flores": {"kind": "flores", "pivots": ["zh"], "languages": ["de"]}},
         "no member answers zh-de", "directions: {zh-de: NAME}"),
        ({"suites__open": {"kind": "judged", "judge": "all", "baseline": "c"},
          "systems__all__default": "c"},
         "no endpoint or int8 .* system is called 'all'", "one of"),
        ({"systems__all__default": "cc"}, "systems.all.default: no system that answers", "one of"),
        ({"systems__all__directions": {"*-*": "c", "xx-en": "ab"}},
         "systems.all.directions: xx-en: 'xx' is not a language", "an ISO 639 code"),
        ({"systems__small": {"kind": "int8", "base": "all"}}, "system is called 'all'", "one of"),
    ],
)  # fmt: skip
def test_what_could_not_work_is_refused_with_what_to_write(
    changes: dict[str, Any], said: str, fix: str
) -> None:
    with pytest.raises(StudyError, match=f"(?s){said}") as caught:
        study(**changes)
    assert fix in (caught.value.fix or "")


def test_members_that_are_asked_alike_may_say_it_differently() -> None:
    config = study(systems__a__answering={}, systems__b__answering={"steps": []})
    assert config.answering_of("ab") == config.answering_of("b")


def test_suites_without_directions_are_answered_by_the_default_member() -> None:
    config = study(suites__exams=EXAMS, systems__all__default="c")
    assert config.systems["all"].members == ["ab", "c"]


def test_questions_by_likelihood_need_no_member() -> None:
    questions = {"kind": "questions", "collection": "capitals", "languages": ["de"]}
    layout = Layout(study(suites__facts=questions))
    assert layout.harness("all", "ab") == [layout.study / "harness" / "ab"]


def test_the_shipped_comparison_routes_two_merges_of_the_same_experts() -> None:
    config = load_config(Path(ROOT / "config" / "studies" / "methods.yaml"))
    assert trainings(config.systems, "datm") == trainings(config.systems, "datm-linear")
    assert budget(config, "datm.seed3") == budget(config, "lora") == 120_000
