"""The configuration: what is accepted, and how a mistake is told."""

import re
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config import (
    Section,
    StudyConfig,
    load_config,
    load_settings,
    names,
)
from bayling_study.config.document import REFERENCE, SCHEMA, explain, reference, schema
from bayling_study.config.loading import merge, parse_config
from bayling_study.config.names import RENAMED
from bayling_study.config.suites import EXAM_TASKS
from bayling_study.core.errors import StudyError
from bayling_study.dag.settings import Settings
from bayling_study.shared.interactive.dialogue import PLAIN_OPENINGS
from bayling_study.shared.interactive.registry import DEMANDS
from bayling_study.shared.translation_prompts import CONSTRAINTS, TRANSLATION
from bayling_study.stages.prompts.exams import CHINESE, RULES
from bayling_study.stages.synthesis.registry import load_recipes
from helpers import ROOT

EMBEDDED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
STUDIES = sorted((ROOT / "config" / "studies").glob("*.yaml"))


MIXTURE = "synthesis.mixtures.default"
WMT22 = {"kind": "wmt22", "directions": ["zh-en", "de-fr"]}
CAPITALS = {"kind": "questions", "collection": "capitals"}


def altered(path: str, value: object) -> dict:
    """Returns the embedded study with one dotted key set."""
    change: object = value
    for key in reversed(path.split(".")):
        change = {int(key) if key.isdigit() else key: change}
    return merge(EMBEDDED, change)


@pytest.mark.parametrize("path", [ROOT / "config" / "config.yaml", *STUDIES], ids=lambda p: p.stem)
def test_every_study_of_the_repository_is_valid(path):
    assert load_config(path).systems


MISTAKES = [
    ("tuning.learning_rat", 1e-4, ["tuning.learning_rat", "unknown key", "'learning_rate'"]),
    ("tunning", {}, ["tunning", "unknown key", "'tuning'"]),
    ("tuning.learning_rate", "fast", ["tuning.learning_rate", "valid number", "'fast'"]),
    ("tuning.learning_rate", -1, ["tuning.learning_rate", "greater than 0"]),
    ("tuning.batch", 0, ["tuning.batch"]),
    ("tuning.batch", 2.5, ["tuning.batch", "integer"]),
    ("tuning.zero_stage", 4, ["tuning.zero_stage"]),
    ("tuning.precision", "fp8", ["tuning.precision", "bf16"]),
    ("study.name", "../escape", ["study.name", "pattern"]),
    ("study.name", "a/b", ["study.name"]),
    ("study.seed", -1, ["study.seed"]),
    ("systems.tuned.base", "nobody", ["systems.tuned.base", "called 'nobody'", "foundation"]),
    ("systems.tuned.mixture", "nothing", ["systems.tuned.mixture", "default"]),
    ("systems.tuned.kind", "magic", ["systems.tuned", "foundation"]),
    ("systems.tuned-int8.base", "tuned-int8", ["systems.tuned-int8.base", "tuned"]),
    ("systems.tuned-int8.format", "int7", ["format", "groupwise"]),
    ("synthesis.mixtures.default.shares.general", 0.9, ["shares", "add up to"]),
    ("synthesis.mixtures.default.directions.zh-en", 0.5, ["directions", "add up to"]),
    ("suites.translation.directions", ["zh_en"], ["suites.translation", "directions"]),
    ("suites.translation.zero_shot", ["zh-en"], ["zero_shot", "training mixture"]),
    ("suites.translation.zero_shot", ["ja-en"], ["zero_shot", "called 'ja-en'"]),
    ("suites.translation.segments", 0, ["segments"]),
    ("suites.translation.decoding.beam", 5, ["beam", "unknown key"]),
    ("report.baseline", "gpt-5", ["report.baseline", "foundation"]),
    ("tracking.uri", "postgresql://me:secret@db/x", ["tracking.uri", "MLFLOW_TRACKING_PASSWORD"]),
    ("corpora.split.test_share", 1.5, ["test_share"]),
    ("corpora.parallel", "all", ["corpora.parallel", "list"]),
    ("corpora.cleaning.min_words", 61, ["cleaning.min_words", "at most 60"]),
    (f"{MIXTURE}.shares", {"translatoin": 1.0}, ["default.shares", "write 'translation' instead"]),
    (f"{MIXTURE}.recipe_max_tokens.generall", 9, ["recipe_max_tokens", "write 'general' instead"]),
    (f"{MIXTURE}.demands.replace-word", 1.0, ["demands", "write 'replace-words' instead"]),
    (f"{MIXTURE}.demands.translate", 1.0, ["demands", "by itself", "remove its weight"]),
    (f"{MIXTURE}.demands.quotes", -1.0, ["demands.quotes", "-1"]),
    (f"{MIXTURE}.demands.quotes", float("nan"), ["demands.quotes", "nan"]),
    (f"{MIXTURE}.turns.0", 0.2, ["default.turns", "1 or more"]),
    (f"{MIXTURE}.instruction_languages.de", 0.2, ["instruction_languages", "en, zh"]),
    (f"{MIXTURE}.template", "baylng", ["default.template", "write 'bayling' instead"]),
    ("suites.interactive.demands.capital", 1.0, ["demands", "write 'capitals' instead"]),
    ("suites.interactive.turns", {-1: 1.0}, ["suites.interactive.turns", "1 or more"]),
    ("suites.interactive.turns", {}, ["suites.interactive.turns", "above 0"]),
    ("suites.interactive.directions", [], ["suites.interactive", "directions", "at least 1"]),
    ("suites.interactive.directions", ["zh-en", "zh-en"], ["directions", "occurs twice"]),
    ("suites.interactive.directions", ["xx-en"], ["interactive.directions: xx-en", "ISO 639"]),
    ("suites.interactive.directions", ["en-en"], ["directions", "same language twice"]),
    ("suites.interactive.directions", ["ja-en"], ["directions", "'ja'", "corpora.parallel"]),
    ("suites.wmt", {"kind": "wmt22", "directions": ["en-fr"]}, ["suites.wmt.directions", "de-fr"]),
    ("suites.wmt", WMT22 | {"zero_shot": ["ru-en"]}, ["suites.wmt.zero_shot", "'ru-en'"]),
    ("suites.wmt", WMT22 | {"zero_shot": ["zh-en"]}, ["zero_shot", "zh-en is in a training"]),
    ("suites.con", {"kind": "constrained", "directions": ["de-en"]}, ["suites.con", "zh-en"]),
    ("suites.exams", {"kind": "exams", "tasks": ["sat-maths"]}, ["write 'sat-math' instead"]),
    ("suites.cap", CAPITALS | {"languages": ["en", "umb"]}, ["suites.cap.languages", "'umb'"]),
    ("suites.cap", CAPITALS | {"languages": ["german"]}, ["suites.cap.languages", "'german'"]),
    ("suites.cap", CAPITALS | {"languages": ["en", "en"]}, ["cap.languages", "occurs twice"]),
    ("suites.translation.kind", "translations", ["write 'translation' instead"]),
    ("systems.tuned-int8.format", "bitsandbyte", ["format", "write 'bitsandbytes' instead"]),
]


@pytest.mark.parametrize(("path", "value", "parts"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_with_key_and_reason(path, value, parts):
    with pytest.raises(StudyError) as caught:
        parse_config(altered(path, value), where="my.yaml")
    for part in ["my.yaml", *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_key_of_an_earlier_version_is_refused_with_its_present_name(old, new):
    with pytest.raises(StudyError, match=f"{old}: this key is now called {re.escape(new)}"):
        parse_config(altered(old, 1))
    section, key = new.rpartition(".")[::2]
    model = StudyConfig
    for part in filter(None, section.split(".")):
        model = model.model_fields[part].annotation
    assert key in model.model_fields


def test_an_earlier_key_among_a_systems_own_is_refused_too():
    with pytest.raises(StudyError, match=r"called systems\.tuned\.tuning\.micro_batch"):
        parse_config(altered("systems.tuned.tuning", {"micro_tokens": 512}))


def test_a_wmt22_direction_that_is_trained_is_not_zero_shot_by_default():
    study = altered("suites.wmt", WMT22 | {"directions": ["zh-en", "en-cs"]})
    assert len(parse_config(study).suites["wmt"].zero_shot) == 10
    study["synthesis"]["mixtures"]["default"]["directions"] = {"en-*": 1.0}
    study["suites"]["translation"]["zero_shot"] = []
    with pytest.raises(StudyError, match=r"suites\.wmt\.zero_shot: en-cs") as caught:
        parse_config(study)
    assert "zero_shot: [cs-en, ja-en" in caught.value.render()
    study["suites"]["wmt"]["zero_shot"] = []
    assert parse_config(study)


@pytest.mark.parametrize("name", ["bayling-2-7b", "bayling-2-13b", "bayling-2-8b"])
def test_bayling_2_is_trained_on_all_but_two_directions_of_wmt22(name):
    suite = load_config(ROOT / "config" / "studies" / f"{name}.yaml").suites["wmt22"]
    assert suite.zero_shot == ["de-fr", "fr-de"]


CORPUS = EMBEDDED["corpora"]["parallel"][0]
TALK = EMBEDDED["corpora"]["conversations"][0]


@pytest.mark.parametrize(
    ("section", "rows", "parts"),
    [
        ("parallel", [CORPUS, {**CORPUS, "languages": {"de": "de_DE"}}], ["de' occurs twice"]),
        ("parallel", [{**CORPUS, "languages": {"deu": "de"}}], ["parallel.0.languages", "'deu'"]),
        ("parallel", [{**CORPUS, "pivot": "xx"}], ["parallel.0", "'xx'", "ISO 639"]),
        ("parallel", [CORPUS | {"transliterated": ["de"]}], ["0.transliterated", "'de'", "zh"]),
        ("parallel", [CORPUS | {"transliterated": ["xx"]}], ["0.transliterated", "'xx'", "zh"]),
        ("conversations", [TALK, TALK], ["corpora.conversations", "occurs twice"]),
        ("conversations", [{**TALK, "language": "xx"}], ["conversations.0.language", "'xx'"]),
    ],
)
def test_a_mistake_in_a_corpus_is_told_with_its_place(section, rows, parts):
    with pytest.raises(StudyError) as caught:
        parse_config(altered(f"corpora.{section}", rows))
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_translation_recipes_need_directions():
    bare = altered(f"{MIXTURE}.directions", {})
    bare["synthesis"]["mixtures"]["default"]["directions"] = {}
    with pytest.raises(StudyError, match=r"'translation' needs directions"):
        parse_config(bare)
    bare["synthesis"]["mixtures"]["default"]["shares"] = {"general": 1.0}
    assert parse_config(bare)


def test_names_that_the_config_knows_are_those_that_the_code_registers():
    assert names.recipes() == {name: r.directed for name, r in load_recipes().items()}
    assert names.PLAIN_OPENINGS == PLAIN_OPENINGS
    assert {*names.DEMANDS, *names.PLAIN_OPENINGS} == set(DEMANDS)
    assert {*CHINESE, *RULES} < {*EXAM_TASKS}
    assert set(names.INSTRUCTION_LANGUAGES) == set(TRANSLATION) == set(CONSTRAINTS)
    assert all(f"``{name}``" in reference() for name in names.DEMANDS)


def test_a_config_is_checked_without_heavy_libraries():
    heavy = (
        "torch",
        "transformers",
        "pyarrow",
        "bayling_study.stages.synthesis",
        "bayling_study.stages.prompts",
    )
    code = f"import sys, bayling_study.config; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "workflow")},
    )
    assert found.stdout.strip() == "[]"


def test_a_missing_file_and_broken_yaml_name_the_file(tmp_path):
    with pytest.raises(StudyError, match=r"none\.yaml.*does not exist"):
        load_config(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("study: [unclosed")
    with pytest.raises(StudyError, match=r"broken\.yaml"):
        load_config(broken)
    broken.write_text("- a list")
    with pytest.raises(StudyError, match="mapping"):
        load_config(broken)


def test_a_later_file_overrides_single_keys(tmp_path):
    change = tmp_path / "change.yaml"
    change.write_text("tuning: {batch: 8}\n")
    config = load_config(ROOT / "config" / "config.yaml", change)
    assert config.tuning.batch == 8
    assert config.tuning.learning_rate == EMBEDDED["tuning"]["learning_rate"]


def test_settings_change_their_name_with_their_own_sections_only(tmp_path):
    config = parse_config(EMBEDDED)
    first = Settings(config, tmp_path).stage("masks")
    assert Settings(config, tmp_path).stage("masks") == first
    for key, value, same in (
        ("tuning.max_length", 64, False),
        ("tuning.batch", 8, True),
        ("export.group_size", 64, True),
        ("study.title", "Another", True),
    ):
        other = Settings(parse_config(altered(key, value)), tmp_path).stage("masks")
        assert (other == first) is same, key
    assert load_settings(first, "tuning").tuning.max_length == config.tuning.max_length


def test_how_work_is_done_is_told_apart_from_what_decides_a_result(tmp_path):
    config = parse_config(EMBEDDED)
    other = parse_config(altered("tuning.checkpoint_minutes", 1.5))
    plain, changed = Settings(config, tmp_path), Settings(other, tmp_path)
    settings = plain.stage("tuning", "tuned")
    assert changed.stage("tuning", "tuned") == settings
    assert changed.operations("tuned") != plain.operations("tuned")
    read = load_settings(settings, "tuning", operations=changed.operations("tuned"))
    assert read.tuning == other.tuning


def test_a_system_more_does_not_change_the_settings_of_another(tmp_path):
    more = parse_config(altered("systems.second", EMBEDDED["systems"]["tuned"]))
    only = ["tuned", "foundation"]
    name = Settings(parse_config(EMBEDDED), tmp_path).stage("tuning", "tuned", systems=only)
    assert Settings(more, tmp_path).stage("tuning", "tuned", systems=only) == name


def test_a_stage_cannot_read_a_section_it_was_not_given(tmp_path):
    path = Settings(parse_config(EMBEDDED), tmp_path).stage("tuning", "tuned")
    with pytest.raises(StudyError, match="suites"):
        load_settings(path, "suites")


def test_generated_documents_are_up_to_date():
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "run: make docs"
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run: make docs"


def test_every_field_is_documented():
    models = Section.__subclasses__()
    assert len(models) > 20
    for model in models:
        explain(model)  # those too that others only inherit from
    assert not [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if name != "kind" and not field.description
    ]


@pytest.mark.parametrize("name", ["", ".", "config", "a\0b"])
def test_what_is_extended_must_be_a_file(name):
    with pytest.raises(StudyError):
        parse_config({**EMBEDDED, "extends": [name]})


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*StudyConfig.model_fields, "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(list(StudyConfig.model_fields)),
)
def test_no_value_whatever_ends_in_a_traceback(value, section):
    try:
        parse_config({**EMBEDDED, section: value})
    except StudyError as error:
        assert str(error)
