"""The configuration that another workflow gives this one as its module."""

import os

import pytest

from bayling_study.config.loading import ROOT, load_config, load_values
from bayling_study.core.errors import StudyError


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "embedded"),
        ({"tuning": {"epochs": 2}}, "embedded"),
        ({"extends": "config/studies/replay.yaml"}, "replay"),
        (
            {"extends": ["config/studies/bayling-7b.yaml", "config/overlays/bayling-80.yaml"]},
            "bayling-7b",
        ),
        ({"extends": "config/studies/replay.yaml", "study": {"name": "mine"}}, "mine"),
    ],
)
def test_a_study_is_called_as_it_says_or_as_what_it_extends(values, name):
    assert load_values(values).study.name == name


def test_the_values_are_those_of_the_same_file():
    assert load_values({}) == load_config()
    assert load_values({"extends": "config/studies/replay.yaml"}) == load_config(
        ROOT / "config" / "studies" / "replay.yaml"
    )


@pytest.mark.parametrize("values", [{"tunning": {}}, {"extends": 3}, {"study": {"name": "../x"}}])
def test_what_does_not_pass_is_refused(values):
    with pytest.raises(StudyError):
        load_values(values)


def test_shipped_files_are_the_repositorys_unless_the_folder_has_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_values({})
    assert config.download.manifest == str(ROOT / "config" / "sources.tsv")
    assert config.report.published == str(ROOT / "config" / "published.tsv")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sources.tsv").touch()
    assert load_values({}).download.manifest == "config/sources.tsv"
    monkeypatch.chdir(ROOT)
    assert load_values({}).download.manifest == "config/sources.tsv"
    assert os.getcwd() == str(ROOT)
