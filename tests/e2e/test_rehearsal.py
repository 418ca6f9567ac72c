"""The rehearsal of the miniature study: its report can be taken for no study's."""

import re
from pathlib import Path

import pytest

from bayling_study.commands.compare.sides import side_of
from bayling_study.commands.play.page import about
from bayling_study.commands.preflight.here import rehearsal
from bayling_study.commands.publish.__main__ import gather
from bayling_study.commands.rehearse.overlay import overlay_path, rehearsed
from bayling_study.commands.rehearse.page import PASSED
from bayling_study.config import load_config
from bayling_study.config.rehearsal import WARNING
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.shared.tracking.target import default_uri
from bayling_study.shared.verdict import read_verdict
from helpers import ROOT
from helpers.rehearsals import rehearse
from helpers.stand_ins import lay_out
from helpers.tiny import write_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # the first test runs a whole study
    pytest.mark.skipif(
        not (ROOT / ".venv" / "comet").exists(), reason="the environment 'comet' is missing"
    ),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("rehearsal")
    path = write_study(root)
    lay_out(root)
    return path


@pytest.fixture(scope="module")
def left(config):
    status, words, folder = rehearse(config, config.parent)
    assert status == 0, words
    return folder


def test_every_stage_runs_and_the_page_says_so(left):
    page = (left / "rehearsal.txt").read_text(encoding="utf-8")
    assert page.splitlines()[:2] == ["Rehearsal of Miniature study (tiny)", PASSED]
    assert (left / "rehearsal.html").read_text(encoding="utf-8").count("<table") == 5


def test_the_model_is_a_stand_in_and_no_source_is_locked(left):
    resources = left.parents[2] / "resources"
    (note,) = resources.glob("rehearsal/download/tiny-model-*/files/stand-in.json")
    assert read_json(note)["tokenizer"] == "upstream"
    assert {path.name for path in resources.iterdir()} == {"rehearsal"}
    assert not [*resources.rglob("*.lock*")]
    receipts = [read_json(path) for path in resources.rglob("manifest.json")]
    assert {receipt["pin"] for receipt in receipts} == {"rehearsal"}


def test_the_report_is_marked(left):
    assert read_verdict(left)[0] == WARNING
    for name in ("index.html", "answers.html"):
        text = (left / "report" / name).read_text(encoding="utf-8")
        title = re.search("<title>(.*)</title>", text)
        assert title and "Rehearsal of Miniature study" in title[1], name


def test_its_run_in_mlflow_is_marked(left):
    from mlflow import MlflowClient

    client = MlflowClient(default_uri(left))
    (experiment,) = client.search_experiments(filter_string="name = 'tiny'")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`bayling.kind` = 'study'")
    assert len(run.data.tags["bayling.rehearsal"]) == 12


def test_the_page_to_talk_to_systems_says_so(config, left):
    assert (
        about(load_config(config, overlay_path(load_config(config))))["study"] == "tiny (rehearsal)"
    )


def test_it_is_not_compared(left):
    with pytest.raises(StudyError, match="is of a rehearsal"):
        side_of(str(left), left.parent)
    with pytest.raises(StudyError, match="is of a rehearsal"):
        side_of("tiny:tuned", left.parent)


def test_it_is_not_published(config, left):
    layout = Layout(load_config(config, overlay_path(load_config(config))))
    with pytest.raises(StudyError, match="is of a rehearsal"):
        gather(layout, "tuned", "org/name", None)


def test_no_study_takes_its_files(config, left):
    more = {"download": {"local": {"tiny-model": str(left / "tuning" / "tuned")}}}
    with pytest.raises(StudyError, match="is of a rehearsal"):
        Layout(load_config(config, given=more)).check()


def test_preflight_knows_which_configuration_was_rehearsed(config, left):
    study = load_config(config)
    assert [(one.level, one.found) for one in rehearsal(study)] == [("ok", PASSED)]
    other = load_config(config, given={"tuning": {"learning_rate": 2e-3}})
    assert rehearsed(other) != rehearsed(study)
    (said,) = rehearsal(other)
    assert (said.level, said.found) == ("note", "the last one was of another configuration")
    assert said.fix == "make rehearse STUDY=tiny"
    renamed = load_config(config, given={"study": {"title": "Another", "results": str(Path("x"))}})
    assert [one.found for one in rehearsal(renamed)] == ["this configuration has had none"]
