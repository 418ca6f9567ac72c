"""Configs that are laid over others by their key ``extends``."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bayling_study.config import load_config, loading
from bayling_study.config.loading import parse_config
from bayling_study.config.systems import FoundationSystem, TunedSystem
from bayling_study.core.errors import StudyError
from bayling_study.dag.rules import Dag
from helpers import ROOT
from helpers.main_workflow import main_workflow

SYSTEMS = {"a": {"kind": "foundation", "source": "smollm2"}}
FULL = ("bayling-7b", "bayling-13b", "bayling-2-7b", "bayling-2-13b", "bayling-2-8b")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's root of its own."""
    monkeypatch.setattr(loading, "ROOT", tmp_path)
    return tmp_path


def put(folder: Path, name: str, **values: object) -> str:
    (folder / name).write_text(yaml.safe_dump(values), encoding="utf-8")
    return name


def test_later_files_win_and_the_file_itself_last(folder: Path) -> None:
    far = {"epochs": 9, "batch": 64, "learning_rate": 0.1}
    put(folder, "far.yaml", systems=SYSTEMS, tuning=far)
    put(folder, "one.yaml", extends="far.yaml", tuning={"batch": 8})
    put(folder, "two.yaml", tuning={"learning_rate": 0.2})
    values = {"extends": ["one.yaml", "two.yaml"], "tuning": {"epochs": 2}}
    tuning = parse_config(values).tuning
    assert (tuning.epochs, tuning.batch, tuning.learning_rate) == (2, 8, 0.2)


def test_null_takes_back_an_entry_and_gives_a_key_its_default(folder: Path) -> None:
    systems = {
        "a": {"kind": "foundation", "source": "x"},
        "b": {"kind": "foundation", "source": "y"},
    }
    put(folder, "base.yaml", systems=systems, tuning={"max_steps": 7, "batch": 8})
    nothing = {"systems": {"b": None}, "tuning": {"max_steps": None, "batch": None}}
    config = parse_config({"extends": "base.yaml", **nothing})
    assert list(config.systems) == ["a"]
    assert (config.tuning.max_steps, config.tuning.batch) == (None, 32)


def test_a_circle_and_an_absent_file_are_told(folder: Path) -> None:
    put(folder, "a.yaml", extends=["b.yaml"])
    put(folder, "b.yaml", extends=["a.yaml"])
    with pytest.raises(StudyError, match=r"a\.yaml -> b\.yaml: a\.yaml extends itself"):
        parse_config({"extends": "a.yaml"})
    with pytest.raises(StudyError, match="does not exist"):
        parse_config({"extends": "c.yaml"})


def test_snakemakes_merged_values_and_files_give_the_same_study(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workflow reads the files again, whatever Snakemake made of them."""
    study = {"name": "mine"}
    put(folder, "base.yaml", study=study, systems=SYSTEMS, tuning={"epochs": 5, "batch": 4})
    put(folder, "first.yaml", extends="base.yaml", tuning={"batch": 8})
    put(folder, "second.yaml", tuning={"epochs": 1})
    by_files = load_config(folder / "first.yaml", folder / "second.yaml")
    monkeypatch.chdir(ROOT)
    files = [folder / "first.yaml", folder / "second.yaml"]
    given = {"tuning": {"epochs": 1}}
    assert Dag.open(main_workflow(*files), {}).config == by_files
    assert Dag.open(main_workflow(files[0], given=given), {}).config == by_files
    assert (by_files.tuning.epochs, by_files.tuning.batch) == (1, 8)


@pytest.mark.parametrize("name", FULL)
def test_full_studies_keep_to_the_papers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load_config(ROOT / "config" / "studies" / f"{name}.yaml")
    assert config.study.name == name
    tuning = config.tuning
    assert (tuning.learning_rate, tuning.weight_decay, tuning.epochs) == (2e-5, 0.0, 3)
    assert (tuning.batch, tuning.max_length, tuning.gradient_checkpointing) == (32, 1024, True)
    dag = Dag(config)
    dag.layout.check()
    foundations = {
        "bayling-7b": "llama-7b",
        "bayling-13b": "llama-13b",
        "bayling-2-7b": "llama-2-7b-chat",
        "bayling-2-13b": "llama-2-13b-chat",
        "bayling-2-8b": "llama-3-8b-instruct",
    }
    foundation, tuned = config.systems["foundation"], config.systems["tuned"]
    assert isinstance(foundation, FoundationSystem) and isinstance(tuned, TunedSystem)
    assert foundation.source == foundations[name]
    template = "bayling-3" if name == "bayling-2-8b" else "bayling"
    mixture = config.synthesis.mixtures["default"]
    assert tuned.template == mixture.template == template


def test_the_first_papers_amounts() -> None:
    mixture = load_config(ROOT / "config/studies/bayling-7b.yaml").synthesis.mixtures["default"]
    translation = mixture.conversations * (1 - mixture.shares["general"])
    assert translation == pytest.approx(160_000, rel=1e-3)


def test_the_second_papers_amounts_and_languages() -> None:
    config = load_config(ROOT / "config/studies/bayling-2-7b.yaml")
    mixture = config.synthesis.mixtures["default"]
    assert mixture.conversations == 3_200_000
    weights = mixture.general_languages
    total = mixture.shares["general"]
    chinese = total * weights["zh"] / sum(weights.values())
    assert (chinese, total - chinese) == pytest.approx((0.432, 0.262), abs=1e-3)
    languages = {code for corpus in config.corpora.parallel for code in corpus.targets}
    assert len(languages) == 100
