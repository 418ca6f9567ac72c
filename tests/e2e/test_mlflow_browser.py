"""MLflow's pages of a small study in a real browser: its runs, curves, artefacts and models.

``BAYLING_PICTURES=DIR`` keeps a picture of each page to look at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bayling_study.shared.tracking.mlflow_store import Store
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.shared.tracking.target import default_uri
from helpers.browser import BROWSER, NO_BROWSER, Browser
from helpers.servers import MlflowServer

PICTURES = os.environ.get("BAYLING_PICTURES")
STEPS = 12
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
    scoring.metrics({"translation.zh-en.chrf2": 43.5})
    scoring.close("finished")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    study = tmp_path_factory.mktemp("pages") / "small"
    write_study(study)
    store = Store(default_uri(study), study)
    for path in sorted((study / "runs").glob("*/*.json")):
        store.sync(path)
    store.finish([])
    server = MlflowServer(default_uri(study), study / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def runs(pages: MlflowServer) -> dict[str, str]:
    """Returns the address of each job's page, and the experiment's."""
    client = MlflowClient(tracking_uri=pages.uri)
    experiment = client.get_experiment_by_name("small").experiment_id
    found = client.search_runs([experiment])
    place = f"experiments/{experiment}/runs"
    jobs = {
        r.data.tags["bayling.job"]: r.info.run_id for r in found if "bayling.job" in r.data.tags
    }
    return {"": place} | {job: f"{place}/{run}" for job, run in jobs.items()}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def look(pages: MlflowServer, browser: Browser) -> Callable[..., str]:
    """Returns what shows a page once all that is wanted is there."""

    def shown(page: str, name: str, *wanted: str) -> str:
        picture = None
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            picture = Path(PICTURES) / f"{name}.png"
        return browser.wait_for(f"{pages.uri}/#/{page}", wanted, picture)

    return shown


def test_the_studys_runs_are_listed(look, runs):
    look(runs[""], "runs", "matching runs", ">small<", "<strong>4</strong>")


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
