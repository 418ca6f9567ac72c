"""What a configuration file says is what the study does: nothing that YAML or a merge hides."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bayling_study.config import load_config
from bayling_study.config.loading import parse_config
from bayling_study.config.yaml_files import read_yaml
from bayling_study.core.errors import StudyError
from helpers import ROOT

EMBEDDED = ROOT / "config" / "config.yaml"


def put(folder: Path, text: str, name: str = "change.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("tuning:\n  batch: 16\n  epochs: 2\n  batch: 32\n", 4, "'batch' stands in line 2"),
        ("tuning: {batch: 16}\nreport: {}\ntuning: {epochs: 1}\n", 3, "'tuning' stands in line 1"),
        ("systems:\n  a: {kind: int8, kind: tuned}\n", 2, "'kind' stands in line 2"),
        ("study:\n  seed: 0123\n", 2, "YAML reads 0123 as 83"),
        ("study: {seed: 1:30}\n", 1, "YAML reads 1:30 as 90"),
        ("tuning:\n  epochs: yes\n", 2, 'YAML reads yes as true; write "yes"'),
        ("tuning: {gradient_checkpointing: on}\n", 1, "true for the switch"),
        ("suites: {x: {languages: [en, no]}}\n", 1, 'YAML reads no as false; write "no"'),
        ("suites: {x: {off: 1}}\n", 1, "YAML reads off as false"),
        ("systems: {a: {revision: 2024-05-10}}\n", 1, 'write "2024-05-10"'),
        ("tuning:\n\tbatch: 16\n", 2, "cannot start any token"),
        ("study: {name: [\n", 2, "expected"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_refused(tmp_path, text, line, words):
    path = put(tmp_path, text)
    with pytest.raises(StudyError) as told:
        read_yaml(path)
    assert told.value.render().startswith(f"{path}:{line}: ")
    assert words in told.value.render()


def test_what_looks_as_it_reads_passes(tmp_path):
    text = 'a: {no: "no"}\n'.replace("no:", '"no":')
    text += "b: true\nc: [0, -3, 1_000, 1e-4, 0.5]\nd: &x {e: 1}\nf: {<<: *x, g: 2}\n"
    text += "h: {<<: *x, e: 3}\n"
    values = read_yaml(put(tmp_path, text))
    assert values["a"] == {"no": "no"}
    assert values["b"] is True
    assert values["c"] == [0, -3, 1000, "1e-4", 0.5]
    assert values["f"] == {"e": 1, "g": 2}
    assert values["h"] == {"e": 3}
    assert read_yaml(put(tmp_path, "")) == {}


def test_another_encoding_is_told(tmp_path):
    (tmp_path / "change.yaml").write_bytes("tuning: {batch: 16}\n".encode("utf-16"))
    with pytest.raises(StudyError, match="not UTF-8 text") as told:
        read_yaml(tmp_path / "change.yaml")
    assert told.value.fix == "save the file as UTF-8"


@pytest.mark.parametrize(
    ("values", "key"),
    [({"tuning": {"batch": True}}, "tuning.batch"), ({"tuning": {"epochs": True}}, "epochs"),
     ({"suites": {"t": {"kind": "translation", "directions": ["de-en"],
       "decoding": {"beams": True}}}}, "suites.t.decoding.beams")],
)  # fmt: skip
def test_a_switch_is_no_number(values, key):
    with pytest.raises(StudyError, match=r"is a number, not (true|false)") as told:
        parse_config({"systems": {"a": {"kind": "foundation", "source": "smollm2"}}, **values})
    assert key in told.value.render()


def test_an_overlay_extends_on_its_own(tmp_path):
    """What it extends is laid over the study, not below it, and the study's own stays."""
    overlay = put(tmp_path, "extends: config/examples/lora.yaml\ntuning: {batch: 8}\n")
    study = ROOT / "config" / "studies" / "ablations.yaml"
    config, plain = load_config(study, overlay), load_config(study)
    assert config.study.name == "ablations"
    assert set(plain.systems) < set(config.systems)
    assert config.tuning.batch == 8
    lora = ROOT / "config/examples/lora.yaml"
    both = load_config(study, lora, put(tmp_path, "tuning: {batch: 8}"))
    assert config == both


def test_a_study_is_called_as_its_file_is(tmp_path):
    study = put(tmp_path, "extends: config/studies/ablations.yaml\n", "mine.yaml")
    assert load_config(study).study.name == "mine"
    assert load_config(EMBEDDED).study.name == "embedded"
    assert load_config(put(tmp_path, "tuning: {batch: 8}\n")).study.name == "embedded"
    other = put(tmp_path, "extends: config/config.yaml\nstudy: {name: yours}\n", "mine.yaml")
    with pytest.raises(StudyError, match=r"study.name is 'yours'.*'mine'") as told:
        load_config(other)
    assert "config/studies/yours.yaml" in told.value.render()


def test_an_overlay_names_no_study(tmp_path):
    overlay = put(tmp_path, "study: {name: other}\n")
    with pytest.raises(StudyError, match=r"study.name is 'other'") as told:
        load_config(EMBEDDED, overlay)
    assert str(overlay) in told.value.render()
    with pytest.raises(StudyError, match=r"--config: study.name is 'other'"):
        load_config(EMBEDDED, given={"study": {"name": "other"}})


@pytest.mark.parametrize(
    "folders",
    [{"results": "resources", "name": "resources"}, {"results": "-rf"}, {"resources": "-x"},
     {"results": ".", "name": "resources"}, {"results": "a", "resources": "a/embedded/x"},
     {"results": "resources/results"}, {"results": "a/../resources"}],
)  # fmt: skip
def test_folders_that_a_command_would_mistake_are_refused(folders):
    systems = {"a": {"kind": "foundation", "source": "smollm2"}}
    with pytest.raises(StudyError, match="study"):
        parse_config({"study": folders, "systems": systems})


JUDGED = {
    "kind": "judged", "source": "bayling-release", "judge": "a", "baseline": "a"
}  # fmt: skip


@pytest.mark.parametrize("names", [("a", "a-b"), ("x", "x.marks"), ("x", "x.segments")])
def test_suites_whose_files_would_have_one_name_are_refused(names):
    systems = {name: {"kind": "foundation", "source": "smollm2"} for name in ("a", "c", "b-c")}
    with pytest.raises(StudyError, match="would have one name"):
        parse_config({"systems": systems, "suites": dict.fromkeys(names, JUDGED)})
    assert parse_config({"systems": systems, "suites": {names[0]: JUDGED}})


@pytest.mark.parametrize("name", ["comet", "comparisons.json", "mixtures", "all", "system"])
def test_names_that_folders_have_are_free_for_systems(name):
    systems = {name: {"kind": "foundation", "source": "smollm2"}}
    assert list(parse_config({"systems": systems}).systems) == [name]


@pytest.mark.parametrize("target", ["dry-run", "clean", "why", "track", "ranking"])
def test_make_lists_the_studies_and_makes_no_folder(target, tmp_path):
    if not (ROOT / ".venv" / "study" / "bin" / "python").exists():
        pytest.skip("the environment 'study' is missing: make envs")
    for entry in ("config", ".venv", "workflow", "envs", "Makefile"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", target, "STUDY=ablatoins", "FILE=x"], cwd=tmp_path, capture_output=True,
        text=True, check=False, env=kept,
    )  # fmt: skip
    assert done.returncode != 0
    assert "fix: STUDY=ablations; the studies are embedded, ablations," in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()
