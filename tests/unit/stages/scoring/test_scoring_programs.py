"""The programs: score files, comparisons, the cache, and refusals without partial output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.files import read_json, read_jsonl
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_scores,
    write_hypotheses,
    write_prompts,
)
from helpers import ROOT
from helpers.programs import STUDY, server

WORKFLOW = ROOT / "workflow"
SUITE = {"kind": "translation", "directions": ["de-en", "en-de", "cs-en"], "zero_shot": ["cs-en"]}


class Study:
    """A study of two systems on one suite; the second system lacks cs-en."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prompts = [
            Prompt(
                f"{item}/{n}",
                "tiny",
                item,
                {"target": item[3:]},
                ["…"],
                [f"word {n} is here now"],
                {"averages": ["zero-shot-average" if item == "cs-en" else "trained-average"]},
            )
            for item in SUITE["directions"]
            for n in range(1, 5)
        ]
        write_prompts(folder / "prompts" / "tiny.jsonl", self.prompts)
        settings = {
            "study": {"name": "test"},
            "suites": {"tiny": SUITE},
            "scoring": {"bootstrap": {"samples": 50}, "off_target": False},
            "report": {},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        self.answer("good", [p.references[0] for p in self.prompts])
        self.answer("bad", ["word"] * 8 + [""] * 4)

    def answer(self, system: str, texts: list[str]) -> Path:
        path = self.folder / "generation" / system / "tiny.jsonl"
        rows = zip(self.prompts, texts, strict=False)
        write_hypotheses(path, (Hypothesis(p.id, [t], [1], ["stop"]) for p, t in rows))
        return path

    def run(self, program: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"bayling_study.stages.{program}", "--suites", "tiny"]
        command += ["--settings", f"{self.folder}/settings.json"]
        command += ["--record", f"{self.folder}/runs/{program}.json"]
        command += ["--prompts", f"{self.folder}/prompts", *options]
        return server(STUDY).run(command, {"PYTHONPATH": str(WORKFLOW)})

    def score(self, system: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            "scoring",
            *("--system", system, "--generation", f"{self.folder}/generation/{system}"),
            *("--out", f"{self.folder}/scoring/{system}"),
        )


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_scores_segments_aggregates_and_cache(study: Study) -> None:
    done = study.score("bad")
    assert done.returncode == 0, done.stderr
    scores = {(s.item, s.metric): s for s in read_scores(study.folder / "scoring/bad/tiny.json")}
    assert scores["cs-en", "bleu"].note == "4 empty hypotheses, scored as empty"
    assert scores["de-en", "chrf2"].n == 4 and scores["de-en", "chrf2"].signature
    mean = (scores["de-en", "chrf2"].value + scores["en-de", "chrf2"].value) / 2
    assert scores["trained-average", "chrf2"].value == pytest.approx(mean)
    assert scores["zero-shot-average", "bleu"].value == 0
    rows = list(read_jsonl(study.folder / "scoring/bad/tiny.segments.jsonl"))
    assert len(rows) == 12 * 3 and set(rows[0]) == {"id", "metric", "value"}
    parameters = read_json(study.folder / "runs/scoring.json")["parameters"]
    # de-en and en-de hold the same text here, so BLEU and chrF of the second are found
    assert (parameters["cache.hits"], parameters["cache.misses"]) == (2, 4)
    first = (study.folder / "scoring/bad/tiny.json").read_bytes()
    assert study.score("bad").returncode == 0
    parameters = read_json(study.folder / "runs/scoring.json")["parameters"]
    assert (parameters["cache.hits"], parameters["cache.misses"]) == (6, 0)
    assert (study.folder / "scoring/bad/tiny.json").read_bytes() == first


def test_a_damaged_cache_entry_is_computed_again(study: Study) -> None:
    study.score("good")
    expected = (study.folder / "scoring/good/tiny.json").read_bytes()
    for entry in (study.folder / "work" / "scoring").glob("*/*.npz"):
        entry.write_bytes(entry.read_bytes()[:40])
    assert study.score("good").returncode == 0
    assert (study.folder / "scoring/good/tiny.json").read_bytes() == expected


def test_comparisons_with_further_segment_scores(study: Study) -> None:
    for system, value in (("good", 0.9), ("bad", 0.2)):
        path = study.folder / "comet" / "score" / system / "tiny.segments.jsonl"
        path.parent.mkdir(parents=True)
        rows = [{"id": p.id, "metric": "comet", "value": value} for p in study.prompts]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = study.folder / "significance" / "comparisons.json"
    done = study.run(
        "significance",
        *("--generation", f"{study.folder}/generation", "--systems", "good", "bad"),
        *("--comet", f"{study.folder}/comet/score", "--out", str(out)),
    )
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = read_json(out)["comparisons"]
    assert {row["metric"] for row in rows} == {"bleu", "chrf2", "chrf++", "comet"}
    comet = next(row for row in rows if row["metric"] == "comet")
    assert comet["difference"] == pytest.approx(0.7) and comet["n"] == 4
    assert "Holm" in read_json(out)["method"]["correction"]


def test_only_items_that_the_system_has_are_scored(study: Study) -> None:
    study.answer("good", [p.references[0] for p in study.prompts][:8])
    assert study.score("good").returncode == 0
    scores = read_scores(study.folder / "scoring/good/tiny.json")
    assert {s.item for s in scores} == {"de-en", "en-de", "trained-average"}


def test_a_declared_item_without_hypotheses_is_refused(study: Study) -> None:
    study.answer("good", [p.references[0] for p in study.prompts][:8])
    declared = {"items": {"tiny": ["de-en", "en-de", "cs-en"]}}
    (study.folder / "generation/good/system.json").write_text(json.dumps(declared))
    assert "cs-en/1" in study.score("good").stderr


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


BREAKS = {
    "a missing row": (lambda rows: rows[:-1], "cs-en/4"),
    "a repeated id": (lambda rows: [*rows, rows[0]], ":13"),
    "an unknown id": (lambda rows: [*rows, rows[0].replace("de-en/1", "de-en/9")], "de-en/9"),
    "NaN": (lambda rows: [*rows[:2], rows[2].replace("[1]", "[NaN]"), *rows[3:]], ":3"),
    "two turns": (
        lambda rows: [rows[0].replace('["word 1', '["x", "word 1'), *rows[1:]],
        "de-en/1",
    ),
    "nothing": (lambda rows: [], "empty"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_bad_hypotheses_are_refused_whole(study: Study, name: str) -> None:
    change, told = BREAKS[name]
    path = study.folder / "generation" / "good" / "tiny.jsonl"
    path.write_text("".join(change(_lines(path))), encoding="utf-8")
    done = study.score("good")
    assert done.returncode == 2
    assert "tiny.jsonl" in done.stderr and told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (study.folder / "scoring" / "good").exists()


def test_another_encoding_is_refused(study: Study) -> None:
    path = study.answer("good", ["Käse"] * 12)
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    done = study.score("good")
    assert done.returncode == 2 and "tiny.jsonl:1: not UTF-8" in done.stderr


def test_bad_segment_scores_name_file_and_line(study: Study) -> None:
    path = study.folder / "comet" / "score" / "good" / "tiny.segments.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"id": "de-en/1", "metric": "comet", "value": null}\n')
    done = study.run(
        "significance",
        *("--generation", f"{study.folder}/generation", "--systems", "good", "bad"),
        *("--comet", f"{study.folder}/comet/score", "--out", f"{study.folder}/c.json"),
    )
    assert done.returncode == 2 and "tiny.segments.jsonl:1" in done.stderr
    assert not (study.folder / "c.json").exists()
