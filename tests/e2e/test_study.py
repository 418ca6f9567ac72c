"""The whole DAG on a miniature study: a tiny random model, every stage for real.

Upstream files are made by ``helpers.tiny``; nothing is downloaded. The study
runs once for this module; the tests look at what it left. The first job of each program is a
fresh start of Python, others are forks that have its imports.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from safetensors.torch import load_file

from bayling_study.core.files import read_json, sha256_path
from bayling_study.core.records import read_scores
from bayling_study.shared.tracking.target import default_uri
from helpers import ROOT
from helpers.programs import SNAKEMAKE, STUDY, run_snakemake, server
from helpers.stand_ins import COMET_PYTHON as COMET
from helpers.stand_ins import lay_out, variables
from helpers.tiny import write_study

SYSTEMS = ["foundation", "tuned", "tuned-int8"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.first,
    pytest.mark.timeout(2700),  # the first test runs a whole study
    pytest.mark.skipif(not COMET.exists(), reason="the environment 'comet' is missing: make envs"),
]


def command(config: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return [*program, "--cores", "2", "--show-failed-logs", "--configfile", str(config), *more]


def environment(config: Path) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return own | variables(config.parent)


def run(config: Path, *more: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake, as a ``fresh`` program or as a fork."""
    whole, env, cwd = command(config, *more), environment(config), config.parent
    if fresh:
        return subprocess.run(
            whole, env=env, cwd=cwd, text=True, capture_output=True, stdin=subprocess.DEVNULL
        )
    return server(SNAKEMAKE).run(whole, env, cwd)


def prepare(root: Path, name: str = "tiny", fresh: bool = False) -> Path:
    """Writes the study's files; the first job of each program may be a ``fresh`` one."""
    config = write_study(root, name)
    lay_out(root, fresh)
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = prepare(tmp_path_factory.mktemp("study"), fresh=True)
    result = run(config, fresh=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    return config


@pytest.fixture
def study(finished):
    return finished.parent / "results" / "tiny"


def records(study: Path) -> dict[str, dict]:
    shared = (study.parents[1] / "resources" / "runs").glob("*/*.json")
    paths = [*shared, *(study / "runs").glob("*/*.json")]
    return {f"{path.parent.name}/{path.stem}": read_json(path) for path in paths}


def test_every_job_finished_and_says_with_what(study):
    found = records(study)
    counts = Counter(name.partition("/")[0] for name in found)
    assert counts == {
        **{"download": 3, "foundation": 1, "corpora": 1, "synthesis": 1, "prompts": 2},
        **{"masks": 1, "tuning": 1, "export": 1, "perplexity": 1, "generation": 3, "scoring": 3},
        **{"significance": 1, "comet": 3, "report": 1},
    }
    for name, record in found.items():
        assert record["state"] == "finished", name
        assert re.fullmatch(r"[0-9a-f]{16}", record["code"]), name
        assert record["packages"]["python"], name
        assert record["end"] >= record["start"], name
        for reference in [*record["inputs"].values(), *record["outputs"].values()]:
            assert re.fullmatch(r"[0-9a-f]{64}", reference["sha256"]), name


def test_a_second_run_has_nothing_to_do(finished):
    result = run(finished)
    assert result.returncode == 0
    assert "Nothing to be done" in result.stdout + result.stderr


def test_training_learnt_on_the_assistants_tokens(study):
    history = records(study)["tuning/tuned"]["history"]
    losses = [point["values"]["loss"] for point in history]
    assert len(losses) == 8  # 120 conversations, 16 a step
    assert losses[-1] < losses[0]


def test_tuned_weights_differ_and_int8_has_its_error_report(study):
    foundation = next((study.parents[1] / "resources" / "foundation").iterdir())
    before = load_file(foundation / "model.safetensors")
    after = load_file(study / "tuning" / "tuned" / "model.safetensors")
    assert before.keys() == after.keys()
    assert any((before[name].float() != after[name].float()).any() for name in before)
    total = read_json(study / "export" / "tuned-int8" / "error.json")["total"]
    assert 0 < total["relative_error"] < 0.02


def test_every_system_has_scores_for_every_suite(study):
    for system in SYSTEMS:
        translation = read_scores(study / "scoring" / system / "translation.json")
        metrics = {(score.item, score.metric) for score in translation}
        assert {("zh-en", "bleu"), ("cs-en", "chrf2"), ("trained-average", "chrf2")} <= metrics
        assert all(score.signature for score in translation)
        interactive = read_scores(study / "scoring" / system / "interactive.json")
        assert "satisfaction" in {score.metric for score in interactive}
        comet = read_scores(study / "comet" / "score" / system / "translation.json")
        assert {score.metric for score in comet} == {"comet-embedded"}


def test_mlflow_has_one_parent_one_run_a_job_and_one_a_system(study):
    client = MlflowClient(tracking_uri=default_uri(study))
    experiment = client.get_experiment_by_name("tiny")
    runs = client.search_runs([experiment.experiment_id], max_results=200)
    parents = [run for run in runs if run.data.tags["bayling.kind"] == "study"]
    jobs = {r.data.tags["bayling.job"]: r for r in runs if r.data.tags["bayling.kind"] == "job"}
    systems = [run for run in runs if run.data.tags["bayling.kind"] == "system"]
    assert len(parents) == 1
    assert sorted(run.info.run_name for run in systems) == sorted(SYSTEMS)
    # the report's job ends after its own page is written, so all records are there
    assert len(jobs) == len(runs) - 1 - len(SYSTEMS) == len(records(study))
    assert {run.info.status for run in runs} == {"FINISHED"}
    tuning = jobs["tuning/tuned"]
    assert tuning.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    assert len(client.get_metric_history(tuning.info.run_id, "loss")) == 8
    assert {item.dataset.name for item in tuning.inputs.dataset_inputs} >= {"foundation"}


def test_the_report_is_one_page_with_every_system(study):
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    for part in [*SYSTEMS, "Miniature study", "CC0-1.0", "<svg", "comet-embedded"]:
        assert part in page
    assert not re.findall(r'(?:src|href)="https?://', page)
    summary = (study / "report" / "tables" / "summary.tsv").read_text(encoding="utf-8")
    assert summary.splitlines()[0].split("\t")[-3:] == SYSTEMS


def test_snakemakes_own_report_shows_the_results_with_captions(finished, tmp_path):
    page = tmp_path / "snakemake.html"
    result = run(finished, "--report", str(page))
    assert result.returncode == 0, result.stderr[-3000:]
    text = page.read_text(encoding="utf-8")
    assert "It needs nothing beside it" in text and "Training sets" in text


def test_every_score_leads_back_to_its_sources_and_all_hashes_match(study):
    scores = sorted((study / "scoring").glob("*/translation.json"))
    assert [path.parent.name for path in scores] == sorted(SYSTEMS)
    fresh = partial(subprocess.run, text=True, capture_output=True)
    for run, score in zip((fresh, server(STUDY).run, server(STUDY).run), scores, strict=True):
        command = [sys.executable, "-m", "bayling_study.commands.why", str(score)]
        done = run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")})
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert "download/catalogues" in done.stdout and " 0 mismatches" in done.stdout


@pytest.mark.parametrize(
    ("change", "touched", "untouched"),
    [
        (
            {"scoring": {"bootstrap": {"samples": 50}}},
            {"scoring", "significance", "report"},
            {"generation"},
        ),
        ({"tuning": {"learning_rate": 5e-4}}, {"tuning", "export", "generation"}, {"synthesis"}),
        ({"report": {"rejected_samples": 2}}, {"report", "track"}, {"significance", "scoring"}),
        (
            {"systems": {"second": {"kind": "tuned", "base": "foundation", "mixture": "default"}}},
            {"tuning", "generation", "significance"},
            {"synthesis", "corpora", "prompts", "export"},
        ),
    ],
    ids=["bootstrap", "learning rate", "report", "another system"],
)
def test_a_change_reruns_what_it_touches(finished, tmp_path, change, touched, untouched):
    path = tmp_path / "change.yaml"
    path.write_text(yaml.safe_dump(change), encoding="utf-8")
    files = ("--configfile", str(finished), str(path))
    options = ("--cores", "2", *files, "--dry-run", "--quiet", "rules")
    result = run_snakemake(*options, cwd=finished.parent, env=environment(finished))
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", result.stdout, flags=re.MULTILINE))
    assert touched <= set(jobs), result.stdout
    assert not untouched & set(jobs), result.stdout
    if "systems" in change:
        assert jobs["tuning"] == jobs["generation"] == "1"


def test_a_killed_workflow_goes_on_and_ends_with_the_same_bytes(finished, tmp_path):
    """Same config in another folder, killed at random moments: data, weights, answers agree."""
    config = prepare(tmp_path)
    for seconds in (6.0, 11.0, 16.0):
        job = subprocess.Popen(
            command(config, "--rerun-incomplete", "--nolock"),
            cwd=config.parent,
            env=environment(config),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        time.sleep(1)  # processes of other sessions see the death of their parent
    result = run(config, "--rerun-incomplete", "--nolock")
    assert result.returncode == 0, result.stderr[-6000:]
    one, two = (path.parent / "results" / "tiny" for path in (finished, config))
    same = ["corpora/parallel.parquet", "synthesis/default/train.parquet"]
    same += ["prompts/translation.jsonl", "tuning/tuned/model.safetensors"]
    same += [f"generation/{system}/translation.jsonl" for system in SYSTEMS]
    for name in same:
        assert sha256_path(one / name) == sha256_path(two / name), name
    assert all(record["state"] == "finished" for record in records(two).values())
    comparisons = [
        (folder / "significance" / "comparisons.json").read_text() for folder in (one, two)
    ]
    assert json.loads(comparisons[0]) == json.loads(comparisons[1])
