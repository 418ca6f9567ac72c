"""What a rehearsal's configuration keeps of a study, and what it makes small."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bayling_study.commands.rehearse.overlay import (
    MINUTES,
    MOST,
    overlay,
    overlay_path,
    rehearsed,
    write_overlay,
    write_profile,
)
from bayling_study.config import load_config
from bayling_study.config.rehearsal import MARK, rehearsed_at
from bayling_study.config.systems import TunedSystem
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import OWN, Profile, read_profile
from bayling_study.dag.rules import Dag
from bayling_study.shared.metrics import answers
from bayling_study.shared.tracking.record import flatten
from helpers import ROOT

STUDIES = [ROOT / "config" / "config.yaml", *sorted((ROOT / "config" / "studies").glob("*.yaml"))]
EXAMPLES = sorted((ROOT / "config" / "examples").glob("*.yaml"))


@pytest.fixture
def small(tmp_path):
    """Returns a study in folders of the test, and its rehearsal."""

    def made(*files: Path, gpu: bool = False):
        places = {"results": str(tmp_path / "results"), "resources": str(tmp_path / "resources")}
        study = load_config(*files, given={"study": places})
        return study, load_config(*files, write_overlay(study, gpu))

    return made


@pytest.mark.parametrize("file", STUDIES, ids=lambda path: path.stem)
def test_nothing_of_a_shipped_study_is_left_out(small, file):
    study, rehearsal = small(file)
    whole, part = (flatten(one.model_dump(mode="json")) for one in (study, rehearsal))
    changed = {key for key in whole.keys() | part.keys() if whole.get(key) != part.get(key)}
    kinds = ("source", "reader", "path", "kind", "recipe", "template", "directions", "tasks")
    changed = {key for key in changed if not re.match(r"systems\..*\.seed\d+\.", key)}
    assert not [key for key in changed if key.rpartition(".")[2] in kinds]
    assert Layout(rehearsal).used_sources() == Layout(study).used_sources()
    assert list(rehearsal.suites) == list(study.suites)
    once = [name for name in study.systems if not re.search(r"\.seed\d+$", name)]
    assert list(rehearsal.systems) == once
    assert rehearsal.corpora.parallel == study.corpora.parallel
    for name, mixture in study.synthesis.mixtures.items():
        assert rehearsal.synthesis.mixtures[name].shares == mixture.shares
    Dag(rehearsal)


@pytest.mark.parametrize("file", STUDIES, ids=lambda path: path.stem)
def test_every_count_of_a_shipped_study_is_small(small, file):
    study, rehearsal = small(file)
    for name, mixture in rehearsal.synthesis.mixtures.items():
        assert 0 < mixture.conversations <= MOST["synthesis.mixtures.*.conversations"], name
    for name, suite in rehearsal.suites.items():
        for key in ("segments", "conversations", "limit"):
            assert getattr(suite, key, 1) in (1, 2), (name, key)
        if decoding := getattr(suite, "decoding", None):
            assert decoding.max_new_tokens <= 4, name
            assert decoding.beams == study.suites[name].decoding.beams
    items = 402 * len(rehearsal.systems)  # of FLORES-101, the longest table
    assert answers.plan_of(rehearsal).enough_for(items).samples < 10 * items
    assert rehearsal.tuning.max_steps == 2
    assert all(
        rehearsal.tuning_of(name).max_steps == 2 for name in Layout(rehearsal).names(TunedSystem)
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_study_of_several_files_is_rehearsed(small, example):
    own = {"systems", "extends"} & set(yaml.safe_load(example.read_text(encoding="utf-8")))
    files = [example] if own else [STUDIES[0], example]
    study, rehearsal = small(*files)
    assert rehearsal.study.name == study.study.name
    assert list(rehearsal.systems) == list(study.systems)


def test_a_key_that_is_smaller_already_stays(small, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("tuning: {max_steps: 1, batch: 3}\nsuites: {translation: {segments: 1}}\n")
    _, rehearsal = small(STUDIES[0], more)
    assert (rehearsal.tuning.max_steps, rehearsal.tuning.batch) == (1, 3)


def test_without_a_gpu_no_key_asks_for_one(small):
    file = ROOT / "config" / "studies" / "bayling-7b.yaml"
    assert small(file)[1].tuning.device == "auto"
    assert small(file, gpu=True)[1].tuning.device == "cuda"


def test_its_folders_are_marked_and_a_studys_are_not(small):
    study, rehearsal = small(STUDIES[0])
    assert rehearsed_at(Layout(rehearsal).study / "tuning" / "tuned")
    assert rehearsed_at(Layout(rehearsal).download("smollm2"))
    assert not rehearsed_at(Layout(study).study)
    assert not rehearsed_at(Layout(study).download("smollm2"))
    assert (overlay_path(study).parent / "embedded" / MARK).is_file()


def test_what_the_study_has_fetched_is_read_where_it_is(small):
    study, _ = small(STUDIES[0])
    manifest = Layout(study).manifest("llamafactory")
    (manifest.parent / "files").mkdir(parents=True)
    manifest.write_text(json.dumps({"files": []}))
    local = overlay(study, gpu=False)["download"]["local"]
    assert local == {"llamafactory": str(manifest.parent / "files")}


def test_the_hash_is_of_what_is_computed(small):
    study, rehearsal = small(STUDIES[0])
    assert rehearsal.rehearsal.of == rehearsed(study)
    for given in (
        {"study": {"title": "x"}},
        {"download": {"retries": 1}},
        {"tracking": {"live": False}},
    ):
        assert rehearsed(load_config(STUDIES[0], given=given)) == rehearsed(study), given
    for given in (
        {"study": {"seed": 1}},
        {"tuning": {"epochs": 2}},
        {"comet": {"precision": "bf16"}},
    ):
        assert rehearsed(load_config(STUDIES[0], given=given)) != rehearsed(study), given


@pytest.mark.parametrize("name", ["slurm", "sge", "htcondor", "lsf", "generic"])
def test_a_profiles_jobs_keep_their_shape_and_take_minutes(tmp_path, name):
    asked = read_profile(ROOT / "config" / "profiles" / name)
    write_profile(asked, tmp_path)
    found = read_profile(tmp_path)
    assert found.executor == asked.executor
    for rule in OWN:
        one, other = found.request(rule), asked.request(rule)
        assert one.minutes == MINUTES, rule
        assert replace(one, minutes=0) == replace(other, minutes=0), rule


def test_a_profile_whose_resources_are_a_list_is_refused(tmp_path):
    listed = Profile(tmp_path, "slurm", {"set-resources": ["tuning:gpu=1"]})
    with pytest.raises(StudyError, match="a mapping alone"):
        write_profile(listed, tmp_path)


def test_a_name_with_dots_is_one_name_and_seeds_are_rehearsed_once(small, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "systems: {tuned-1.1: {kind: tuned, base: foundation, mixture: translation, "
        "tuning: {max_steps: 24}}}\ncomparison: {seeds: 2}\n"
    )
    study, rehearsal = small(ROOT / "config" / "studies" / "methods-small.yaml", mine)
    assert study.tuning_of("csr.seed2").max_steps == 16 and "csr.seed2" not in rehearsal.systems
    assert [rehearsal.tuning_of(name).max_steps for name in ("tuned-1.1", "csr", "plug")] == [2] * 3
