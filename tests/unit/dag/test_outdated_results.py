"""Results that other settings made, where Snakemake's own notes are gone."""

from pathlib import Path

import pytest

from bayling_study.core.files import write_json, write_text
from bayling_study.dag.recorded import mark_outdated

END = 1_700_000_000.0


class Present:
    """A configuration with one tuned system; comet and judging have settings of their own."""

    def __init__(self, settings="aaa", code="c0de"):
        self.now = {
            ("tuning", "tuned"): settings,
            ("comet.training", ""): settings,
            ("judging", "prompts-80"): settings,
        }
        self.hash = code

    def settings(self, stage, name=""):
        return f"results/one/settings/{stage.replace('.', '-')}-{self.now[stage, name]}.json"

    def code(self, module):
        return self.hash


def finished(study, stage, name, output, settings="aaa", state="finished", **more):
    """Writes a result and the record of its job; returns the result's path."""
    write_text(study / output, "1")
    record = {
        "stage": stage, "name": name, "uid": "1", "state": state, "end": END, "code": "c0de",
        "command": ["job", "--record", f"{study}/runs/{stage}/{name}.json"],
        "settings": {"path": f"results/one/settings/{stage}-{settings}.json", "sha256": "0"},
        "inputs": {}, "artefacts": [],
        "outputs": {"it": {"path": f"{study}/{output}", "sha256": "0"}}, **more,
    }  # fmt: skip
    write_json(study / "runs" / stage / f"{name}.json", record)
    return study / output


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("results/one")


def mark(study, present):
    mark_outdated(study, present.settings, present.code)


def is_outdated(path):
    return path.stat().st_mtime == 1


@pytest.mark.parametrize(
    ("present", "said"),
    [(Present("bbb"), "tuning/tuned (settings)"), (Present(code="new"), "tuning/tuned (code)"),
     (Present("bbb", "new"), "tuning/tuned (settings and code)")],
)  # fmt: skip
def test_what_was_made_otherwise_is_outdated_until_it_is_not(study, caplog, present, said):
    result = finished(study, "tuning", "tuned", "tuning/tuned")
    mark(study, Present())
    assert not is_outdated(result)
    assert caplog.text == ""
    mark(study, present)
    assert is_outdated(result)
    assert said in caplog.text
    mark(study, Present())
    assert result.stat().st_mtime == END


def test_of_a_folder_it_is_the_time_that_snakemake_reads(study):
    folder = finished(study, "tuning", "tuned", "tuning/tuned/.snakemake_timestamp").parent
    finished(study, "tuning", "tuned", "tuning/tuned/weights")
    record = study / "runs/tuning/tuned.json"
    record.write_text(record.read_text().replace("tuned/weights", "tuned"))
    mark(study, Present("bbb"))
    assert is_outdated(folder / ".snakemake_timestamp")
    assert not is_outdated(folder / "weights")


def test_jobs_whose_settings_are_asked_for_otherwise(study, caplog):
    review = {"inputs": {"prompts": {"path": f"{study}/prompts/prompts-80.jsonl", "sha256": "0"}}}
    results = [
        finished(study, "comet", "training", "comet/training", "comet-aaa"),
        finished(study, "judging", "prompts-80-tuned", "judging/x", **review),
    ]
    for result, title in zip(results, ("comet/training", "judging/prompts-80-tuned"), strict=True):
        mark(study, Present("bbb"))
        assert is_outdated(result), title
        assert title in caplog.text


def test_unfinished_jobs_and_absent_systems_stay(study, caplog):
    other = finished(study, "tuning", "another", "tuning/another")
    failed = finished(study, "tuning", "tuned", "tuning/tuned", state="failed")
    mark(study, Present("bbb"))
    assert not is_outdated(other)
    assert not is_outdated(failed)
    assert caplog.text == ""


def test_a_result_may_be_gone(study, caplog):
    finished(study, "tuning", "tuned", "tuning/tuned").unlink()
    mark(study, Present("bbb"))
    assert "tuning/tuned" in caplog.text
