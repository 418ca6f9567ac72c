"""Results of versions whose folders had other names."""

import json
import subprocess

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.dag.earlier import RESULTS, check_earlier


def refusal(study, resources) -> StudyError:
    with pytest.raises(StudyError) as caught:
        check_earlier(study, resources)
    return caught.value


@pytest.mark.parametrize("name", RESULTS)
def test_earlier_results_are_set_aside_by_the_printed_command(tmp_path, name):
    study, resources = tmp_path / "results" / "mine", tmp_path / "resources"
    (study / name).mkdir(parents=True)
    error = refusal(study, resources)
    assert name in str(error) and str(study) in error.render()
    subprocess.run(error.fix, shell=True, check=True)
    check_earlier(study, resources)
    assert (tmp_path / "results" / "mine-0.1" / name).is_dir()


def test_earlier_downloads_are_used_again_after_the_printed_commands(tmp_path):
    resources = tmp_path / "resources"
    folder = resources / "downloads" / "set-12345678"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    record = resources / "runs" / "download" / "set-12345678.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"outputs": {"source": {"path": f"{folder}/manifest.json"}}}))
    error = refusal(tmp_path / "results" / "mine", resources)
    subprocess.run(error.fix, shell=True, check=True)
    check_earlier(tmp_path / "results" / "mine", resources)
    path = json.loads(record.read_text())["outputs"]["source"]["path"]
    assert path == str(resources / "download" / "set-12345678" / "manifest.json")
    assert (resources / "download" / "set-12345678" / "manifest.json").read_text() == "{}"


def test_results_of_this_version_are_no_earlier_ones(tmp_path):
    for name in ("generation", "scoring", "tuning", "export", "synthesis", "comet"):
        (tmp_path / "results" / name).mkdir(parents=True)
    (tmp_path / "resources" / "download").mkdir(parents=True)
    check_earlier(tmp_path / "results", tmp_path / "resources")
