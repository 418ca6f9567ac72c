"""MLflow's pages of a small study in a real browser: its runs, curves, artefacts and models.

``BAYLING_PICTURES=DIR`` keeps a picture of each page to look at.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bayling_study.core.files import write_json, write_text
from bayling_study.core.network import free_port
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    Score,
    write_hypotheses,
    write_prompts,
    write_scores,
)
from bayling_study.shared.tracking.jobs import study_jobs
from bayling_study.shared.tracking.mlflow_store import send_study
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.shared.tracking.target import target_of
from helpers import ROOT
from helpers.browser import BROWSER, NO_BROWSER, Browser
from helpers.servers import START_SECONDS

PICTURES = os.environ.get("BAYLING_PICTURES")
STEPS = 12
SOURCE, SAID = "房子是红色的。", "The house is red."
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=NO_BROWSER),
]


def write_study(study: Path) -> None:
    """Writes the records of three jobs: data, a tuned model with its curve, its scores."""
    data, model = study / "synthesis" / "default", study / "tuning" / "tuned"
    for folder, card in ((data, "# Data card"), (model, "# Model card")):
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(card)
    synthesis = RunRecord(
        study / "runs/synthesis/default.json", "synthesis", "default", "small", "c0"
    )
    synthesis.output("synthesis", data)
    synthesis.artefact(data / "README.md")
    synthesis.close("finished")
    tuning = RunRecord(study / "runs/tuning/tuned.json", "tuning", "tuned", "small", "c0")
    tuning.input("synthesis", data)
    tuning.parameters({"tuning": {"learning_rate": 2e-5}})
    for step in range(STEPS):
        tuning.metrics({"loss": 3.0 / (step + 1)}, step=step)
    tuning.output("checkpoint", model)
    samples = [{"time": time.time() + n, "cpu_percent": 150.0 + n} for n in range(5)]
    tuning.data["usage"] = {"samples": samples, "gpus": 0, "energy_joules": {}}
    tuning.close("finished")
    scoring = RunRecord(study / "runs/scoring/tuned.json", "scoring", "tuned", "small", "c0")
    prompts = [Prompt(f"zh-en/{n}", "translation", "zh-en", {}, [SOURCE], [SAID]) for n in range(3)]
    write_prompts(study / "prompts/translation.jsonl", prompts)
    answers = [Hypothesis(prompt.id, [SAID], [3], ["stop"]) for prompt in prompts]
    write_hypotheses(study / "generation/tuned/translation.jsonl", answers)
    score = Score("translation", "zh-en", "tuned", "chrf2", 43.5, 41.0, 46.0, 3, "chrf2|v:1")
    write_scores(study / "scoring/tuned/translation.json", [score])
    scoring.output("scores", study / "scoring" / "tuned")
    scoring.close("finished")
    write_json(study / "report/verdict.json", {"sentences": ["tuned is better by chrF (t)."]})
    write_text(study / "report/answers.html", f"<p>{SAID}</p>")


@dataclass
class Pages:
    """What ``make ui`` serves: the address that it printed, and the server's own."""

    address: str
    uri: str


@contextmanager
def shown(study: Path, *options: str) -> Iterator[Pages]:
    """Runs the command of ``make ui`` until its pages are no longer needed."""
    port = free_port()
    command = [sys.executable, "-m", "bayling_study.commands.ui", "--study", str(study)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    with open(study / "ui.log", "w") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), *options],
            stdout=subprocess.PIPE, stderr=log, env=environment, text=True, start_new_session=True,
        )  # fmt: skip
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        uri = f"http://127.0.0.1:{port}"
        end = time.monotonic() + START_SECONDS
        while not answers(f"{uri}/health"):
            assert server.poll() is None and time.monotonic() < end, (study / "ui.log").read_text()
            time.sleep(0.3)
        yield Pages(address, uri)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    study = tmp_path_factory.mktemp("pages") / "small"
    write_study(study)
    send_study(study, study_jobs(study), target_of(study))
    with shown(study) as pages:
        yield pages


@pytest.fixture(scope="module")
def runs(pages: Pages) -> dict[str, str]:
    """Returns the address of each job's page, of ``system/NAME``, and the experiment's."""
    client = MlflowClient(tracking_uri=pages.uri)
    experiment = client.get_experiment_by_name("small").experiment_id
    place = f"experiments/{experiment}/runs"
    found = {"": place}
    for run in client.search_runs([experiment]):
        kind = run.data.tags["bayling.kind"]
        name = f"{run.info.run_name}" if kind == "job" else f"{kind}/{run.info.run_name}"
        found[name] = f"{place}/{run.info.run_id}"
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def look(pages: Pages, browser: Browser) -> Callable[..., str]:
    """Returns what shows a page once all that is wanted is there."""

    def looked(page: str, name: str, *wanted: str) -> str:
        picture = None
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            picture = Path(PICTURES) / f"{name}.png"
        return browser.wait_for(f"{pages.uri}/#/{page}", wanted, picture)

    return looked


def test_the_printed_page_lists_the_runs(look, runs, pages):
    assert pages.address == f"{pages.uri}/#/{runs['']}"
    look(runs[""], "runs", "matching runs", ">small<", "<strong>5</strong>")


def test_the_tuned_systems_chrf_is_found_from_the_studys_run(look, runs):
    link = f'href="#/{runs["system/tuned"]}"'
    look(runs["study/small"], "study", "tuned is better by chrF (t).", link)
    look(runs["system/tuned"], "tuned", "translation.zh-en.chrf2", ">43.5<", "#/models/small.tuned")


def test_a_systems_answers_are_a_table(look, runs):
    table = f"{runs['system/tuned']}/artifacts/answers/translation.json"
    look(table, "answers", SOURCE, SAID, "reference", "zh-en/2")


def test_the_page_of_answers_opens(look, runs):
    look(f"{runs['study/small']}/artifacts/answers.html", "page", "answers.html", "<iframe")


def test_nothing_is_told_to_others(pages):
    address = f"{pages.uri}/ajax-api/3.0/mlflow/ui-telemetry"
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert json.load(answer)["disable_ui_telemetry"] is True


def test_all_studies_are_compared_on_one_page(browser, tmp_path):
    for name in ("small", "other"):
        write_study(tmp_path / name)
    with shown(tmp_path / "small", "--all") as pages:
        browser.wait_for(pages.address, ["matching runs", ">small<", ">other<"])


def test_a_job_says_where_its_files_are(look, runs):
    wanted = ("runs/tuning/tuned.json", "synthesis/default", "tuning.learning_rate")
    look(runs["tuning/tuned"], "job", *wanted)


def test_the_training_curve_is_drawn(look, runs):
    look(f"{runs['tuning/tuned']}/model-metrics", "curves", ">loss<", 'class="js-line"')


def test_what_the_job_used_of_its_machine_is_a_system_metric(look, runs):
    look(f"{runs['tuning/tuned']}/system-metrics", "system", "cpu_percent", 'class="js-line"')


def test_the_artefacts_are_there(look, runs):
    look(f"{runs['tuning/tuned']}/artifacts", "artefacts", "tuned.json", ">model<")


def test_the_models_page_leads_to_its_data_card(look, runs):
    card = f"#/{runs['synthesis/default']}/artifacts/README.md"
    wanted = ("current", "Schema", f'href="{card}"')
    look("models/small.tuned/versions/1", "model", *wanted)
    look(card.removeprefix("#/"), "card", "Data card")
