"""Publishing: what would be uploaded, the card that the hub can read, and an upload to a hub."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from bayling_study.commands.publish.__main__ import gather
from bayling_study.config.loading import load_config
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.core.records import Score, write_scores
from bayling_study.dag.layout import Layout
from bayling_study.shared.cards import licence_keys
from helpers import ROOT
from helpers.download_server import served
from helpers.small_hub import Receiver
from helpers.tiny_model import save_checkpoint

OWN_CARD = "---\nlicense: x\n---\n\n# tuned\n\n## Data\n\n120 conversations.\n"
HUB_DATA = {"sources": {"talks": {"kind": "hub", "location": "datasets/o/talks", "licence": "MIT"}}}


def score(item: str, metric: str, value: float) -> Score:
    return Score("translation", item, "tuned", metric, value, value - 1, value + 1, 9, "sig|a")


SCORES = [
    score("zh-en", "chrf2", 43.6),
    score("zh-en", "bleu", 12.5),
    score("de-en", "chrf2", 38.125),
]
COMET = [score("zh-en", "comet-embedded", 70.0), score("trained-average", "comet-embedded", 60.0)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the embedded study's tuned system is finished."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "results" / "embedded"
    save_checkpoint(study / "tuning" / "tuned")
    (study / "tuning" / "tuned" / ".snakemake_timestamp").touch()
    (study / "tuning" / "tuned" / "README.md").write_text(OWN_CARD, encoding="utf-8")
    write_scores(study / "scoring" / "tuned" / "translation.json", SCORES)
    write_scores(study / "comet" / "score" / "tuned" / "translation.json", COMET)
    write_json(
        study / "report" / "verdict.json", {"sentences": ["chrF rose.", "8 bits lost nothing."]}
    )
    return tmp_path


def layout(place: Path, **values: Any) -> Layout:
    (place / "mine.yaml").write_text(yaml.safe_dump({"study": {}, **values}), encoding="utf-8")
    return Layout(load_config(Path("config/config.yaml"), place / "mine.yaml"))


def card_of(place: Path, base: str | None = "o/base", **values: Any) -> ModelCard:
    folder = gather(layout(place, **values), "tuned", "org/name", base)
    return ModelCard.load(folder / "README.md")


def test_the_card_is_what_the_hub_reads(place: Path) -> None:
    card = card_of(place)
    assert isinstance(card.data, ModelCardData)
    data = card.data
    assert (data.license, data.base_model, data.library_name) == (
        "apache-2.0",
        "o/base",
        "transformers",
    )
    assert data.language == ["de", "en", "zh"]
    assert data.metrics == ["bleu", "chrf", "comet-embedded"]
    results = data.eval_results
    assert results and all(isinstance(found, EvalResult) for found in results)
    found = {(r.dataset_config, r.metric_name): (r.metric_type, r.metric_value) for r in results}
    assert found["zh-en", "chrf2"] == ("chrf", 43.6)
    assert found["de-en", "chrf2"] == ("chrf", 38.125)
    assert found["trained-average", "comet-embedded"] == ("comet-embedded", 60.0)
    assert len(found) == 5
    assert results[0].metric_args == {"signature": "sig|a", "n": 9}
    assert ModelCard(str(card)).data.to_dict() == data.to_dict()
    assert "\n- chrF rose.\n- 8 bits lost nothing.\n\n## Use\n" in card.text
    assert "| translation | zh-en | chrf2 | 43.60 | 42.60 to 44.60 | 9 |" in card.text
    assert "| homeassistant | homeassistant | Apache-2.0 |" in card.text
    assert card.text.endswith("## Data\n\n120 conversations.\n")


def test_a_study_without_a_report_has_a_card_without_a_verdict(place: Path) -> None:
    (place / "results/embedded/report/verdict.json").unlink()
    assert "\n# name\n\n## Use\n" in card_of(place).text


def test_what_the_card_lacks_is_told(place: Path) -> None:
    for file in (place / "results/embedded").rglob("*.json"):
        if file.parent.name != "tuned" or file.name == "translation.json":
            file.unlink()
    told = published(place, "http://127.0.0.1:9", "--dry").stdout
    assert re.findall("the card has no (.*?),", told) == ["base_model", "verdict", "scores"]


def test_a_damaged_verdict_is_told(place: Path) -> None:
    write_json(place / "results/embedded/report/verdict.json", {"sentences": "chrF rose."})
    with pytest.raises(StudyError, match="no list of sentences"):
        card_of(place)


def test_hub_sources_are_named_by_their_hub_names(place: Path) -> None:
    corpora = {
        "conversations": [{"source": "talks", "reader": "sharegpt", "path": "a", "language": "en"}]
    }
    system = {"foundation": {"source": "o/other@abc"}}
    data = card_of(place, None, corpora=corpora, systems=system, **HUB_DATA).data
    assert (data.base_model, data.datasets) == ("o/other", ["o/talks"])
    assert (data.license, data.license_name) == ("other", "unknown")


def test_of_a_large_suite_the_averages_are_in_the_card(place: Path) -> None:
    codes = [f"{a}{b}" for a in "abcdefg" for b in "uvwxyz"]
    rows = [score(f"{code}-en", "chrf2", 1.0) for code in codes] + [score("xx-en", "chrf2", 1.0)]
    rows[-1] = score("xx-en.low", "chrf2", 2.0)
    write_scores(place / "results/embedded/scoring/tuned/translation.json", rows)
    (place / "results/embedded/comet/score/tuned/translation.json").unlink()
    assert [r.dataset_config for r in card_of(place).data.eval_results or []] == ["xx-en.low"]


def test_the_example_of_the_card_runs(place: Path) -> None:
    card = card_of(place)
    (code,) = re.findall(r"```python\n(.*?)```", card.text, flags=re.DOTALL)
    assert len(code.splitlines()) <= 11
    folder = place / "results/embedded/publish/tuned"
    result = subprocess.run(
        [sys.executable, "-c", code.replace("org/name", str(folder))],
        capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()


@pytest.mark.parametrize(
    ("system", "repo", "values", "reason"),
    [
        ("tuned", "name", {}, "REPO: 'name' has no owner"),
        ("tuned", "", {}, "REPO: .*org/name"),
        ("tuned", "org/na me", {}, "REPO: .*org/name"),
        ("foundation", "org/name", {}, "no tuned system is called 'foundation'"),
        ("tuned", "org/name", {"systems": {"tuned": {"delta": True}}}, "may not be passed on"),
    ],
)
def test_what_cannot_be_published_is_refused(
    place: Path, system: str, repo: str, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StudyError) as error:
        gather(layout(place, **values), system, repo, None)
    assert re.search(reason, error.value.render(), flags=re.DOTALL)
    assert not (place / "results/embedded/publish").exists()


def test_an_untrained_system_is_refused(place: Path) -> None:
    (place / "results/embedded/tuning/tuned/config.json").unlink()
    with pytest.raises(StudyError, match="not trained yet"):
        gather(layout(place), "tuned", "org/name", None)


@pytest.mark.parametrize(
    ("licence", "keys"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("CC BY-NC 4.0", {"license": "cc-by-nc-4.0"}),
        ("Llama 2 Community License", {"license": "llama2"}),
        (
            "LLaMA licence (research)",
            {"license": "other", "license_name": "llama-licence-research"},
        ),
        ("CC BY 4.0 (unconfirmed)", {"license": "other", "license_name": "cc-by-4.0-unconfirmed"}),
    ],
)
def test_licences_have_the_hubs_identifiers(licence: str, keys: dict[str, str]) -> None:
    assert licence_keys(licence) == keys


def published(place: Path, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    own = {
        "HF_ENDPOINT": url,
        "HF_TOKEN": "t",
        "HF_HOME": str(place / "home"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "bayling_study.commands.publish"]
    command += ["--study-config", "config/config.yaml", "--system", "tuned", "--repo", "org/name"]
    environment |= {**own, "PYTHONPATH": str(ROOT / "workflow"), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [*command, *more], cwd=place, env=environment, capture_output=True, text=True, check=False
    )


def test_a_dry_run_asks_no_hub_and_an_upload_sends_every_file(place: Path) -> None:
    with served({}, kind=Receiver) as hub:
        dry = published(place, hub.url, "--dry")
        assert dry.returncode == 0, dry.stderr
        assert not hub.ranges
        assert "model.safetensors" in dry.stdout and "BASE=org/name" in dry.stdout
        assert "has no verdict" not in dry.stdout and "has no scores" not in dry.stdout
        result = published(place, hub.url, "--base", "o/base")
        assert result.returncode == 0, result.stderr
        created = json.loads(hub.files["/api/repos/create"])
        lines = hub.files["/api/models/org/name/commit/main"].decode().splitlines()
    assert created["name"] == "name" and created["visibility"] == "private"
    sent = {
        row["value"]["path"]: row["value"] for row in map(json.loads, lines) if row["key"] == "file"
    }
    folder = place / "results/embedded/publish/tuned"
    assert ".snakemake_timestamp" not in sent
    assert set(sent) == {path.name for path in folder.iterdir()} >= {"README.md", "config.json"}
    assert all(base64.b64decode(v["content"]) == (folder / k).read_bytes() for k, v in sent.items())


def test_a_card_that_the_hub_refuses_is_not_uploaded(place: Path) -> None:
    with served({}, kind=Receiver) as hub:
        hub.etag = "refuse"
        result = published(place, hub.url)
    assert result.returncode == 2
    assert "the hub did not take it" in result.stderr
    assert "/api/repos/create" not in hub.files


def test_a_hub_that_is_not_there_is_told_in_one_line(place: Path) -> None:
    result = published(place, "http://127.0.0.1:9")
    assert result.returncode == 2, result.stderr
    assert "org/name: the hub did not take it: " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_system_tuned_on_a_restored_model_names_the_foundation(place: Path) -> None:
    """The base of a tuned system may be a delta; licence and name are its foundation's."""
    restored = {"kind": "delta", "base": "foundation", "source": "talks"}
    systems = {"restored": restored, "tuned": {"base": "restored"}}
    card = card_of(place, systems=systems, **HUB_DATA)
    assert isinstance(card.data, ModelCardData)
    assert (card.data.license, card.data.base_model) == ("apache-2.0", "o/base")
