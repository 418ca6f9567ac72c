"""A system in another precision: what is refused, where its files are, which jobs it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.commands.chat.system import find_system
from bayling_study.commands.plan.disk import disk_needs
from bayling_study.commands.plan.jobs import job_names
from bayling_study.commands.plan.probe import Speed
from bayling_study.commands.plan.work import Work
from bayling_study.commands.running.costs import FP32 as LONGER
from bayling_study.commands.running.costs import TABLE, Costs
from bayling_study.config import StudyConfig
from bayling_study.config.loading import load_config, merge, parse_config
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.dag.layout import Layout
from bayling_study.dag.rules import Dag
from bayling_study.shared.sizing.shape import PUBLISHED
from helpers import ROOT

EMBEDDED = ROOT / "config" / "config.yaml"
FP32 = {"kind": "precision", "base": "tuned", "precision": "fp32"}
SHAPE = PUBLISHED["smollm2"]


def study(folder: Path, systems: dict[str, Any], **sections: Any) -> StudyConfig:
    """Returns the embedded study with further systems and sections, its results in a folder."""
    places = {"results": str(folder / "results"), "resources": str(folder / "resources")}
    values = {"extends": "config/config.yaml", "study": {"name": "mine", **places}, **sections}
    return parse_config(merge(values, {"systems": systems}), "my.yaml")


def refusal(folder: Path, systems: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(StudyError) as caught:
        study(folder, systems, **sections)
    return caught.value.render()


@pytest.mark.parametrize(
    ("system", "parts"),
    [
        ({"base": "nobody"}, ["more.base", "'nobody'", "one of: foundation, tuned, tuned-int8"]),
        ({"base": "server"}, ["more.base", "'server'"]),
        ({"base": "tuned-fp32"}, ["more.base", "'tuned-fp32'"]),
        ({"base": "stage"}, ["more.base", "no system that answers is called 'stage'"]),
        ({"precision": "bf16"}, ["more.precision", "is bf16", "systems: {more: null}"]),
        ({"precision": "fp8"}, ["more", "precision", "'bf16', 'fp32' or 'fp16'"]),
        ({"base": "eight"}, ["more.base", "bitsandbytes", "a base of another format"]),
        ({"template": "bayling"}, ["more", "template", "unknown key"]),
        ({"answering": {"keep": "label"}}, ["more", "answering", "unknown key"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_could_not_differ_by_rounding_alone_is_refused(
    tmp_path: Path, system: dict[str, Any], parts: list[str]
) -> None:
    others = {
        "server": {"kind": "endpoint", "url": "http://127.0.0.1:8000/v1", "model": "one"},
        "stage": {"kind": "tuned", "base": "tuned", "mixture": "default", "evaluated": False},
        "eight": {"kind": "int8", "base": "tuned", "format": "bitsandbytes"},
    }
    message = refusal(tmp_path, {**others, "more": FP32 | system})
    for part in ["my.yaml", *parts]:
        assert part in message


def test_the_precision_of_the_study_itself_is_refused_with_the_way_out(tmp_path: Path) -> None:
    message = refusal(tmp_path, {}, generation={"precision": "fp32"})
    assert "systems.tuned-fp32.precision" in message and "generation.precision is fp32" in message
    assert "systems: {tuned-fp32: null}" in message
    left = study(tmp_path, {"tuned-fp32": None}, generation={"precision": "fp32"})
    assert "tuned-fp32" not in left.systems


@pytest.mark.parametrize("base", ["foundation", "tuned", "tuned-int8", "merged", "released"])
def test_it_has_checkpoint_template_and_answering_of_its_base(tmp_path: Path, base: str) -> None:
    label = {"keep": "label"}
    other = {"kind": "tuned", "base": "foundation", "mixture": "default", "answering": label}
    systems: dict[str, Any] = {
        "tuned": {"answering": label},
        "other": other,
        "merged": {"kind": "merged", "of": ["tuned", "other"]},
        "llama": {"kind": "foundation", "source": "llama-7b"},
        "released": {"kind": "delta", "base": "llama", "source": "bayling-7b-diff"},
        "more": {"kind": "precision", "base": base, "precision": "fp16"},
    }
    config = study(tmp_path, systems)
    layout = Layout(config)
    assert layout.checkpoint("more") == layout.checkpoint(base)
    assert layout.generation_input("more") == layout.generation_input(base)
    assert config.template_of("more") == config.template_of(base)
    assert config.answering_of("more") == config.answering_of(base)
    assert config.asked_as("more") == ["more", *config.asked_as(base)]
    assert config.generation_of("more").precision == "fp16"
    assert config.generation_of(base) == config.generation


def test_it_answers_and_is_scored_and_makes_nothing(tmp_path: Path) -> None:
    dag = Dag(study(tmp_path, {}, probing={"languages": ["zh"]}))
    having = {rule for rule, names in job_names(dag).items() if "tuned-fp32" in names}
    assert having == {"generation", "scoring"}
    assert dag.generation_option("tuned-fp32") == dag.generation_option("tuned")
    assert dag.bases_option() == "--bases tuned-int8=tuned tuned-fp32=tuned"
    assert [Path(path).stem for path in dag.perplexities()] == ["tuned-int8"]


def test_it_is_not_probed_even_if_it_comes_first(tmp_path: Path) -> None:
    config = study(tmp_path, {}, probing={"languages": ["zh"]})
    turned = {name: config.systems[name] for name in reversed(config.systems)}
    assert Layout(config.model_copy(update={"systems": turned})).probed() == [
        *("tuned-int8", "tuned", "foundation"),
    ]


def generation(dag: Dag, system: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(Path(dag.settings("generation", system)))
    return found


def test_its_answers_are_generated_in_its_precision_and_all_others_as_before(
    tmp_path: Path,
) -> None:
    capitals = {"kind": "questions", "collection": "capitals", "languages": ["de"], "limit": 2}
    dag = Dag(study(tmp_path, {}, suites={"capitals": capitals}))
    own, base = generation(dag, "tuned-fp32"), generation(dag, "tuned")
    assert (own["generation"]["precision"], base["generation"]["precision"]) == ("fp32", "bf16")
    assert own["generation"] | {"precision": "bf16"} == base["generation"]
    assert {*own["systems"]} == {"tuned", "tuned-fp32"}
    asked = read_json(Path(dag.settings("harness", "tuned-fp32")))
    assert asked["generation"]["precision"] == "fp32"
    without = Dag(study(tmp_path, {"tuned-fp32": None}, suites={"capitals": capitals}))
    for stage, name in [
        *((stage, "tuned") for stage in ("generation", "harness", "masks", "tuning")),
        *((stage, "tuned-int8") for stage in ("generation", "export", "perplexity")),
        *((stage, "") for stage in ("scoring", "significance")),
    ]:
        assert without.settings(stage, name) == dag.settings(stage, name)


def test_another_precision_of_the_study_does_not_generate_it_again(tmp_path: Path) -> None:
    before = Dag(study(tmp_path, {})).settings("generation", "tuned-fp32")
    after = Dag(study(tmp_path, {}, generation={"precision": "fp16"}))
    assert after.settings("generation", "tuned-fp32") == before
    assert after.settings("generation", "tuned") != Dag(study(tmp_path, {})).settings(
        "generation", "tuned"
    )


def test_the_plan_waits_for_what_it_is_computed_from_and_asks_no_disk_for_it(
    tmp_path: Path,
) -> None:
    eight = {"eight-fp32": {"kind": "precision", "base": "tuned-int8", "precision": "fp32"}}
    dag = Dag(study(tmp_path, eight))
    shapes = dict.fromkeys(dag.layout.config.systems, SHAPE)
    jobs = {job.key: job for job in Work(dag, shapes, Speed(1e11, 1e11, 1e6, 2)).jobs(1000)}
    assert {"tuning/tuned", "export/tuned-int8"} <= {*jobs["generation/eight-fp32"].needs}
    assert "tuning/tuned" in jobs["generation/tuned-fp32"].needs
    assert "export/tuned-int8" in jobs["generation/tuned-int8"].needs
    needs = disk_needs(dag.layout, [], shapes)
    assert sum("tuned" in need.stage for need in needs) == 2  # tuning and export
    assert not any("fp32" in need.stage for need in needs)


def test_it_is_expected_to_answer_for_longer_than_its_base(tmp_path: Path) -> None:
    costs = Costs(Dag(study(tmp_path, {})))
    start = float(TABLE["generation"]["start"])
    own, base = (costs("generation", name) - start for name in ("tuned-fp32", "tuned"))
    assert base > 0 and own == pytest.approx(LONGER * base)


def test_a_chat_with_it_is_in_its_precision(tmp_path: Path) -> None:
    override = tmp_path / "here.yaml"
    write_json(override, {"study": {"results": str(tmp_path)}})
    files = [EMBEDDED, override]
    Layout(load_config(*files)).checkpoint("tuned").mkdir(parents=True)
    for system, precision in (("tuned", "bf16"), ("tuned-fp32", "fp32")):
        section = find_system(files, system).section
        assert section is not None and section.precision == precision
