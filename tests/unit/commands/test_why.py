"""The chain of a number: found from a file and from a run, verified on the way."""

import shutil
import sys
from pathlib import Path

import pytest

from bayling_study.commands.why.__main__ import main
from bayling_study.commands.why.runs import RunIds
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.shared.tracking.jobs import study_jobs
from bayling_study.shared.tracking.mlflow_store import Store, default_uri, runs_of
from bayling_study.shared.tracking.record import RunRecord


def job(root: Path, record: str, stage: str, name: str, inputs: dict, outputs: dict) -> Path:
    """Writes outputs and the record of a job that read the inputs; paths are relative to root."""
    for path in outputs.values():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if not (root / path).exists():
            (root / path).write_text(f"made by {stage}/{name}")
    written = RunRecord(root / record, stage, name, "demo", "")
    written.data["command"] = ["python", "-m", "somewhere", "--record", record]
    for name_, path in inputs.items():
        written.input(name_, root / path)
    for name_, path in outputs.items():
        written.output(name_, root / path)
    for side in ("inputs", "outputs"):
        for reference in written.data[side].values():
            reference["path"] = str(Path(reference["path"]).relative_to(root))
    written.close("finished")
    return root / record


@pytest.fixture
def study(tmp_path):
    """A chain of four jobs: download, corpora, generation, scoring."""
    root = tmp_path / "tree"
    download = "resources/download/data-1234"
    (root / download / "files").mkdir(parents=True)
    (root / download / "files" / "a.txt").write_text("a")
    sha = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of "a"
    source = {"id": "data", "location": "https://example.org", "revision": "v1", "licence": "MIT"}
    manifest = {"source": source, "pin": "table", "listing": "f00"}
    manifest["files"] = [{"path": "a.txt", "sha256": sha, "bytes": 1}]
    write_json(root / download / "manifest.json", manifest)
    records = "resources/runs/download/data-1234.json"
    job(root, records, "download", "data", {}, {"manifest": f"{download}/manifest.json"})
    runs = "results/demo/runs"
    corpora = {"corpora": "results/demo/corpora/parallel.parquet"}
    job(root, f"{runs}/corpora/corpora.json", "corpora", "corpora", {"data": download}, corpora)
    made = {"hypotheses": "results/demo/generation/tuned/t.jsonl"}
    job(root, f"{runs}/generation/tuned.json", "generation", "tuned", corpora, made)
    scores = {"scores": "results/demo/scoring/tuned/t.json"}
    job(root, f"{runs}/scoring/tuned.json", "scoring", "tuned", made, scores)
    return root / "results" / "demo"


def ask(monkeypatch, capsys, *arguments: object) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["why", *map(str, arguments)])
    status = main()
    return status, capsys.readouterr().out


def test_the_chain_leads_from_the_score_to_the_source(study, monkeypatch, capsys):
    status, out = ask(monkeypatch, capsys, study / "scoring/tuned/t.json")
    assert status == 0
    titles = [line.split("] ")[1] for line in out.splitlines() if line.startswith("[")]
    assert titles == ["scoring/tuned", "generation/tuned", "corpora/corpora", "download/data"]
    assert "from outputs" not in out and "<- [2]" in out
    assert "https://example.org, v1, MIT" in out
    assert "pinned by: table, SHA-256 f00" in out
    assert "$ python -m somewhere --record results/demo/runs/scoring/tuned.json" in out
    assert "4 jobs, 0 mismatches." in out


def test_it_works_from_any_folder_and_after_the_tree_moved(study, tmp_path, monkeypatch, capsys):
    moved = tmp_path / "elsewhere"
    shutil.move(study.parents[1], moved)
    monkeypatch.chdir(tmp_path)
    status, out = ask(monkeypatch, capsys, "elsewhere/results/demo/scoring/tuned/t.json")
    assert (status, "4 jobs, 0 mismatches." in out) == (0, True)


@pytest.mark.parametrize(
    ("strike", "expected"),
    [
        (lambda s: (s / "generation/tuned/t.jsonl").write_text("other"), "t.jsonl: CHANGED, now "),
        (lambda s: (s / "corpora/parallel.parquet").unlink(), "parallel.parquet: MISSING"),
        (
            lambda s: (s.parents[1] / "resources/download/data-1234/files/a.txt").write_text("b"),
            "a.txt",
        ),
    ],
)
def test_what_no_longer_matches_is_said(study, monkeypatch, capsys, strike, expected):
    strike(study)
    status, out = ask(monkeypatch, capsys, study / "scoring/tuned/t.json")
    assert status == 1
    assert expected in out.split("mismatches.")[1]


def test_a_reader_of_an_earlier_version_is_found(study, monkeypatch, capsys):
    root = study.parents[1]
    (root / "results/demo/corpora/parallel.parquet").write_text("made again")
    record = "results/demo/runs/corpora/corpora.json"
    made = {"corpora": "results/demo/corpora/parallel.parquet"}
    job(root, record, "corpora", "corpora", {"data": "resources/download/data-1234"}, made)
    status, out = ask(monkeypatch, capsys, study / "scoring/tuned/t.json")
    assert status == 1
    assert "READ BEFORE IT WAS MADE AGAIN: corpora/corpora wrote" in out


def test_an_mlflow_run_leads_to_the_same_chain(study, monkeypatch, capsys):
    store = Store(default_uri(study), study)
    for found in study_jobs(study):
        store.sync(found.file)
    ids = {run.data.tags["bayling.job"]: run.info.run_id for run in store.jobs()}
    _, by_file = ask(monkeypatch, capsys, study / "scoring/tuned/t.json")
    status, by_run = ask(
        monkeypatch, capsys, "--study", study, "--run", ids["scoring/tuned"], "--no-verify"
    )
    assert status == 0
    assert f"MLflow run: {ids['scoring/tuned']}" in by_file
    titles = [line for line in by_file.splitlines() if line.startswith("[")]
    assert [line for line in by_run.splitlines() if line.startswith("[")] == titles
    with pytest.raises(StudyError, match="no job of the study has the run 'nix'"):
        ask(monkeypatch, capsys, "--study", study, "--run", "nix")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to explain"),
        (["nowhere.json"], "does not exist"),
        (["--run", "x"], "--study"),
    ],
)
def test_bad_questions_get_one_clear_answer(monkeypatch, capsys, arguments, message):
    with pytest.raises(StudyError, match=message):
        ask(monkeypatch, capsys, *arguments)


def test_a_file_that_no_job_made_is_refused_with_examples(study, monkeypatch, capsys):
    (study / "stray.txt").write_text("x")
    with pytest.raises(StudyError, match="no run record names this file") as refused:
        ask(monkeypatch, capsys, study / "stray.txt")
    assert "results/demo/scoring/tuned/t.json" in str(refused.value)


def test_the_local_store_is_read_as_mlflow_reads_it(study):
    store = Store(default_uri(study), study)
    for found in study_jobs(study):
        store.sync(found.file)
    known = {
        run.data.tags.get("bayling.uid", ""): run.info.run_id
        for run in runs_of(default_uri(study), study)
    }
    assert RunIds(study)._runs == known and len(known) == 5  # four jobs and the study itself
