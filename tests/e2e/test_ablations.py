"""The ablations of config/studies/ablations.yaml, on the miniature data and model, and a judge."""

import json
import re
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import yaml

from bayling_study.config.loading import load_config
from bayling_study.core.files import read_json, read_jsonl, write_json
from e2e.test_study import COMET, ROOT, prepare, records, run

KEPT = {"without-interactive", "single-turn", "half"}
"""Of the shipped study's sets; each is trained, so not all."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2700),  # the first test runs a whole study
    pytest.mark.skipif(not COMET.exists(), reason="the environment 'comet' is missing: make envs"),
]


def write_questions(root: Path) -> None:
    """Writes two open questions as BayLing-80's file has them, and their row of the manifest."""
    folder = root / "upstream" / "questions" / "data" / "BayLing-80"
    folder.mkdir(parents=True)
    rows = [
        {"question_id": number, "text": f"What is {number}?", "category": "generic"}
        for number in (1, 2)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "BayLing-80.singleturn.en.jsonl").write_text(text)
    with open(root / "sources.tsv", "a", encoding="utf-8") as manifest:
        place = root / "upstream" / "questions"
        manifest.write(f"questions\tlocal\t{place}\t\t\t\t\tCC0-1.0\tno\t\t\n")


def ablations(root: Path) -> Path:
    """Writes the miniature study with the shipped study's derived sets and their systems."""
    path = prepare(root)
    shipped = yaml.safe_load((ROOT / "config" / "studies" / "ablations.yaml").read_text())
    values = yaml.safe_load(path.read_text())
    mixtures = shipped["synthesis"]["mixtures"]
    values["synthesis"]["mixtures"] |= {name: mixtures[name] for name in KEPT}
    values["systems"] |= {name: shipped["systems"][name] for name in KEPT}
    del values["systems"]["tuned-int8"]
    values["report"]["baseline"] = "tuned"
    values["comet"] = {"embedded": None}
    write_questions(root)
    for file in (root / "upstream").rglob("config.json"):  # a review does not fit into 512 tokens
        write_json(file, read_json(file) | {"max_position_embeddings": 2048})
    values["suites"]["questions"] = {
        "kind": "judged", "source": "questions", "parts": ["singleturn.en"], "judge": "foundation",
        "baseline": "foundation", "attempts": 1,
        "decoding": {"beams": 1, "max_new_tokens": 8},
        "judge_decoding": {"beams": 1, "max_new_tokens": 8},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def test_sets_are_trained_and_compared_in_one_study(tmp_path: Path) -> None:
    path = ablations(tmp_path)
    result = run(path)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    study = tmp_path / "results" / "tiny"
    stages = [name.split("/")[0] for name in records(study)]
    for stage, count in {"corpora": 1, "foundation": 1, "prompts": 3, "tuning": 4}.items():
        assert stages.count(stage) == count, stage

    audits = {name: read_json(study / "synthesis" / name / "audit.json") for name in KEPT}
    assert "interactive" not in audits["without-interactive"]["by_recipe"]
    assert audits["half"]["conversations"] == 60
    single = parquet.read_table(study / "synthesis" / "single-turn" / "train.parquet")
    assert {len(messages) for messages in single["messages"].to_pylist()} == {2}
    assert set(load_config(path).systems) == {"foundation", "tuned", *KEPT}

    report = (study / "report" / "index.html").read_text()
    section = report.partition('id="ablations"')[2]
    for name in KEPT:
        assert re.search(rf">\s*{name}\s*<", section), name

    reviews = list(read_jsonl(study / "judging" / "half" / "questions.jsonl"))
    assert len(reviews) == 4  # two questions in both orders, by a model that is no judge
    scores = read_json(study / "scoring" / "half" / "questions.json")["scores"]
    assert {row["value"] for row in scores if row["metric"] == "unjudged"} == {100}
