"""The configuration: what is accepted, and how a mistake is told."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config import StudyConfig, load_config, load_settings, settings_for
from bayling_study.config.document import REFERENCE, SCHEMA, reference, schema
from bayling_study.config.loading import merge, parse_config
from bayling_study.errors import StudyError

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
STUDIES = sorted((ROOT / "config" / "studies").glob("*.yaml"))


def altered(path: str, value: object) -> dict:
    """Returns the embedded study with one dotted key set."""
    change: object = value
    for key in reversed(path.split(".")):
        change = {key: change}
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
    ("systems.tuned.base", "nobody", ["systems.tuned.base", "'nobody' is not defined", "foundation"]),
    ("systems.tuned.mixture", "nothing", ["systems.tuned.mixture", "default"]),
    ("systems.tuned.kind", "magic", ["systems.tuned", "foundation"]),
    ("systems.tuned-int8.base", "tuned-int8", ["systems.tuned-int8.base", "tuned"]),
    ("systems.tuned-int8.format", "int7", ["format", "groupwise"]),
    ("synthesis.mixtures.default.shares.general", 0.9, ["shares", "add up to"]),
    ("synthesis.mixtures.default.directions.zh-en", 0.5, ["directions", "add up to"]),
    ("suites.translation.directions", ["zh_en"], ["suites.translation", "directions"]),
    ("suites.translation.zero_shot", ["zh-en"], ["zero_shot", "training mixture"]),
    ("suites.translation.zero_shot", ["ja-en"], ["zero_shot", "'ja-en' is not defined"]),
    ("suites.translation.segments", 0, ["segments"]),
    ("suites.translation.decoding.beam", 5, ["beam", "unknown key"]),
    ("report.baseline", "gpt-5", ["report.baseline", "foundation"]),
    ("tracking.uri", "postgresql://me:secret@db/x", ["tracking.uri", "MLFLOW_TRACKING_PASSWORD"]),
    ("corpora.split.test_share", 1.5, ["test_share"]),
    ("corpora.parallel", "all", ["corpora.parallel", "list"]),
]


@pytest.mark.parametrize(("path", "value", "parts"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_with_key_and_reason(path, value, parts):
    with pytest.raises(StudyError) as caught:
        parse_config(altered(path, value), where="my.yaml")
    for part in ["my.yaml", *parts]:
        assert part in str(caught.value)


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
    other = parse_config(altered("tuning.batch", 8))
    first = settings_for(config, "tuning", ["tuning"], tmp_path)
    assert settings_for(config, "tuning", ["tuning"], tmp_path) == first
    assert settings_for(other, "tuning", ["tuning"], tmp_path) != first
    assert settings_for(other, "x", ["export"], tmp_path) == settings_for(
        config, "x", ["export"], tmp_path
    )
    assert load_settings(first, "tuning").tuning == config.tuning


def test_a_system_more_does_not_change_the_settings_of_another(tmp_path):
    more = parse_config(altered("systems.second", EMBEDDED["systems"]["tuned"]))
    only = {"systems": ["tuned", "foundation"]}
    name = settings_for(parse_config(EMBEDDED), "tuning", ["systems"], tmp_path, only)
    assert settings_for(more, "tuning", ["systems"], tmp_path, only) == name


def test_a_stage_cannot_read_a_section_it_was_not_given(tmp_path):
    path = settings_for(parse_config(EMBEDDED), "tuning", ["tuning"], tmp_path)
    with pytest.raises(StudyError, match="suites"):
        load_settings(path, "suites")


def test_generated_documents_are_up_to_date():
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "run: make docs"
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run: make docs"


def test_every_field_is_documented():
    bare = [line for line in reference().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    allowed = {"kind", "parallel", "conversations", "cleaning", "split", "directions", "comet"}
    names = {line.split("`")[1] for line in bare}
    assert names <= allowed | set(StudyConfig.model_fields) | {"mixtures", "bootstrap"}, names


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*StudyConfig.model_fields, "x"]), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(list(StudyConfig.model_fields)),
)
def test_no_value_whatever_ends_in_a_traceback(value, section):
    try:
        parse_config({**EMBEDDED, section: value})
    except StudyError as error:
        assert str(error)
