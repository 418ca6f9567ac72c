"""Adapters, curricula and deltas in the configuration and in the workflow's paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bayling_study.commands.plan.jobs import job_counts
from bayling_study.config.loading import parse_config
from bayling_study.config.model import StudyConfig
from bayling_study.config.tuning import Adapter, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.dag.rules import Dag
from bayling_study.shared.sizing.choice import Budget, choose
from bayling_study.shared.sizing.shape import Shape
from helpers.tiny import write_study


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        write_study(tmp_path_factory.mktemp("study")).read_text(encoding="utf-8")
    )
    return found


def study(values: dict[str, Any], systems: Any = None, tuning: Any = None) -> StudyConfig:
    changed = dict(values)
    changed["systems"] = {**values["systems"], **(systems or {})}
    changed["tuning"] = {**values["tuning"], **(tuning or {})}
    return parse_config(changed, "mine.yaml")


def tuned(**own: Any) -> dict[str, Any]:
    return {"kind": "tuned", "base": "foundation", "mixture": "default", **own}


def test_a_system_has_its_own_hyper_parameters(values: dict[str, Any]) -> None:
    own = {"learning_rate": 2e-4, "adapter": {"kind": "lora", "rank": 8}}
    config = study(values, {"cheap": tuned(tuning=own)})
    assert config.tuning_of("tuned") == config.tuning
    cheap = config.tuning_of("cheap")
    assert cheap.learning_rate == 2e-4
    assert cheap.batch == config.tuning.batch
    assert cheap.adapter is not None
    assert cheap.adapter.rank == 8


def test_own_keys_are_checked_like_the_section(values: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match="Extra inputs") as caught:
        study(values, {"cheap": tuned(tuning={"adaptor": {}})})
    assert caught.value.where == "mine.yaml: systems.cheap.tuning.adaptor"
    with pytest.raises(StudyError, match="greater than 0"):
        study(values, {"cheap": tuned(tuning={"batch": 0})})


@pytest.mark.parametrize(
    ("tuning", "reason", "fix"),
    [
        ({"zero_stage": 3, "adapter": {"kind": "qlora"}}, "ZeRO 3 cannot share", "zero_stage: 2"),
        (
            {"offload": "all", "adapter": {"kind": "qlora"}},
            "4 bits cannot be offloaded",
            "offload: optimizer",
        ),
        (
            {"curriculum": [{"until": 0.5, "non_english": 0.3}]},
            "phases end at 0.5",
            "the last one 1.0, such as 1",
        ),
        (
            {"curriculum": [{"until": 0.5, "recipes": {"facts": 1}}]},
            "phases end at 0.5",
            "the last one 1.0, such as 1",
        ),
        (
            {"curriculum": [{"until": 1.0, "recipes": {"facts": 1}, "non_english": 0.5}]},
            "either languages or recipes",
            "non_english in each",
        ),
        ({"curriculum": [{"until": 1.0}]}, "either languages or recipes", "non_english in each"),
        (
            {"curriculum": [{"until": 1.0, "recipes": {"facts": 1}}]},
            "recipe of the mixture 'facts'|facts",
            "translation",
        ),
        (
            {"curriculum": [{"until": 1.0, "recipes": {"translation": 0.5}}]},
            "add up to 0.5",
            "{translation: 1}",
        ),
    ],
)
def test_impossible_choices_are_refused(
    values: dict[str, Any], tuning: dict[str, Any], reason: str, fix: str
) -> None:
    with pytest.raises(StudyError, match=reason) as caught:
        study(values, tuning=tuning)
    assert fix in (caught.value.fix or "")
    assert study(values, tuning={"adapter": {"kind": "lora"}}).tuning.adapter is not None


@pytest.mark.parametrize(
    ("own", "key"),
    [
        ({"learning_rate": True}, "learning_rate is a number, not true"),
        (
            {"curriculum": [{"until": True, "recipes": {"translation": 1}}]},
            "curriculum.0.until is a number, not true",
        ),
    ],
)
def test_true_is_no_number_in_a_systems_own_tuning(
    values: dict[str, Any], own: dict[str, Any], key: str
) -> None:
    with pytest.raises(StudyError, match=f"systems.tuned.tuning.{key}"):
        study(values, {"tuned": tuned(tuning=own)})
    sound = tuned(tuning={"gradient_checkpointing": True})
    assert study(values, {"tuned": sound}).tuning_of("tuned").gradient_checkpointing


def test_a_curriculum_of_all_systems_is_refused_with_the_system_that_it_does_not_fit(
    values: dict[str, Any],
) -> None:
    own = {"tuned": tuned(tuning={"learning_rate": 1e-3})}
    with pytest.raises(StudyError, match="no recipe of the mixture is called 'facts'") as caught:
        study(values, own, {"curriculum": [{"until": 1.0, "recipes": {"facts": 1}}]})
    assert caught.value.where == "tuning (of tuned).curriculum.0.recipes"


def test_auto_never_shares_out_or_moves_weights_in_4_bits() -> None:
    shape = Shape(4096, 32, 32, 32, 128, 11008, 32000)  # 7B
    qlora = TuningSection(adapter=Adapter(kind="qlora"))
    small, tiny = (Budget(2, 2, gib << 30, 64 << 30) for gib in (10, 1))
    found = choose(shape, qlora, small, "sdpa", 4096)
    assert found.fits
    assert found.tuning.zero_stage in (1, 2)
    last = choose(shape, qlora, tiny, "sdpa", 4096)
    assert not last.fits
    assert (last.tuning.zero_stage, last.tuning.offload) == (2, "optimizer")
    whole = choose(shape, TuningSection(), tiny, "sdpa", 4096)
    assert (whole.tuning.zero_stage, whole.tuning.offload) == (3, "all")


RELEASED = {"kind": "delta", "base": "foundation", "source": "tiny-model"}


def test_a_released_difference_is_a_system(values: dict[str, Any]) -> None:
    more = {"restored": RELEASED, "on-top": tuned(base="restored")}
    dag = Dag(study(values, {**more, "restored-int8": {"kind": "int8", "base": "restored"}}))
    layout = dag.layout
    assert layout.checkpoint("restored") == layout.study / "deltas" / "applied" / "restored"
    assert layout.base("restored-int8") == layout.base("on-top") == "restored"
    assert layout.base("restored") == "foundation"
    prompted = json.loads(Path(dag.settings("generation", "restored-int8")).read_text())
    assert set(prompted["systems"]) == {"restored-int8", "restored"}
    assert layout.used_sources().count("tiny-model") == 1
    assert job_counts(dag)["deltas_apply"] == 1
    assert dag.config.systems["restored"].template == "bayling"  # type: ignore[union-attr]
    with pytest.raises(StudyError, match="no foundation system is called 'tuned'"):
        study(values, {"restored": {**RELEASED, "base": "tuned"}})


def test_asking_for_a_delta_reruns_nothing_else(values: dict[str, Any]) -> None:
    without, with_delta = (
        Dag(study(values, {"tuned": tuned(delta=delta)})) for delta in (False, True)
    )
    assert without.layout.deltas() == []
    assert with_delta.layout.deltas() == [with_delta.layout.study / "deltas" / "made" / "tuned"]
    assert job_counts(with_delta)["deltas_make"] == 1
    for stage in ("tuning", "generation"):
        assert without.settings(stage, "tuned") == with_delta.settings(stage, "tuned")


def test_own_hyper_parameters_rerun_that_tuning_only(values: dict[str, Any]) -> None:
    plain = Dag(study(values, {"cheap": tuned()}))
    changed = Dag(study(values, {"cheap": tuned(tuning={"epochs": 2})}))
    assert plain.settings("tuning", "tuned") == changed.settings("tuning", "tuned")
    assert plain.settings("tuning", "cheap") != changed.settings("tuning", "cheap")
    assert plain.settings("generation", "cheap") == changed.settings("generation", "cheap")
    written = json.loads(Path(changed.settings("tuning", "cheap")).read_text())
    assert written["tuning"]["epochs"] == 2
