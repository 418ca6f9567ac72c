"""A small finished study on disk, with hostile text in it, for tests of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import write_json, write_jsonl
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    Score,
    write_hypotheses,
    write_prompts,
    write_scores,
)
from bayling_study.stages.report.collect import Study

SYSTEMS = ("foundation", "tuned", "tuned-int8")
HOSTILE = "<script>document.title='owned'</script> \u202etxet desrever\u202c &amp; \u0007"
LONG_LINE = "word " * 200_000
ANSWERS = {"foundation": HOSTILE, "tuned": "the green house", "tuned-int8": LONG_LINE}
CHRF2 = {"foundation": 20.0, "tuned": 45.5, "tuned-int8": 45.25}
START = 1_700_000_000.0


def config(published: Path) -> StudyConfig:
    """Returns the study's configuration."""
    return StudyConfig.model_validate(
        {
            "study": {"name": "small", "title": "A small <study>"},
            "systems": {
                "foundation": {"kind": "foundation", "source": "model", "template": "foundation"},
                "tuned": {
                    "kind": "tuned",
                    "base": "foundation",
                    "mixture": "default",
                    "template": "bayling",
                },
                "tuned-int8": {"kind": "int8", "base": "tuned", "format": "groupwise"},
            },
            "suites": {
                "translation": {
                    "kind": "translation",
                    "directions": ["zh-en", "de-en"],
                    "zero_shot": ["de-en"],
                }
            },
            "report": {"published": str(published)},
        }
    )


def make(folder: Path, published: str = "") -> Study:
    """Writes the study into a folder and returns its reader.

    Args:
        folder: an empty folder.
        published: rows of the table of published values, without the heading.
    """
    table = folder / "published.tsv"
    heading = "suite\titem\tsystem\tmetric\tvalue\tdecimals\tkind\tsource\tnote\n"
    folder.mkdir(parents=True, exist_ok=True)
    table.write_text(heading + published, encoding="utf-8")
    prompts = [
        Prompt(f"{item}/{n}", "translation", item, {}, [f"translate {n}"], ["the red house"])
        for item in ("zh-en", "de-en")
        for n in range(2)
    ]
    write_prompts(folder / "prompts/translation.jsonl", prompts)
    for system in SYSTEMS:
        rows = [Hypothesis(p.id, [ANSWERS[system]], [3], ["stop"]) for p in prompts]
        write_hypotheses(folder / f"generation/{system}/translation.jsonl", rows)
        write_scores(folder / f"scoring/{system}/translation.json", scores(system))
        write_segments(folder / f"scoring/{system}/translation.segments.jsonl", prompts)
    write_comparisons(folder / "significance/comparisons.json")
    write_records(folder)
    write_audit(folder / "synthesis" / "default" / "audit.json")
    write_error_report(folder / "export/tuned-int8")
    write_perplexity(folder / "perplexity" / "tuned-int8.json")
    return Study(folder, config(table))


def score(system: str, metric: str, item: str, value: float, **changes: Any) -> Score:
    """Returns a score with an interval of one to each side."""
    fields: dict[str, Any] = {"suite": "translation", "n": 100, "signature": f"{metric}|v:1"}
    fields |= {"low": value - 1, "high": value + 1} | changes
    return Score(item=item, system=system, metric=metric, value=value, **fields)


def scores(system: str) -> list[Score]:
    """Returns a system's scores: one without an interval, one metric of no headline."""
    return [
        score(system, "chrf2", "zh-en", CHRF2[system]),
        score(system, "chrf2", "de-en", 10.0, low=None, high=None),
        score(system, "satisfaction.quotes", "zh-en", 50.0),
    ]


def write_comparisons(path: Path) -> None:
    """Writes the paired tests: tuned is better, the export changes nothing."""
    method = {"tests": ["paired bootstrap"], "samples": 100, "level": 0.05, "significant": "below"}
    method["baseline"] = "foundation"
    rows = [_comparison("foundation", "tuned", True), _comparison("tuned", "tuned-int8", False)]
    write_json(path, {"method": method, "comparisons": rows})


def _comparison(first: str, second: str, significant: bool) -> dict[str, Any]:
    difference = CHRF2[first] - CHRF2[second]
    return {
        "suite": "translation", "item": "zh-en", "metric": "chrf2",
        "system_a": first, "system_b": second,
        "value_a": CHRF2[first], "value_b": CHRF2[second],
        "difference": difference, "low": difference - 0.5, "high": difference + 0.25,
        "significant": significant, "n": 100, "samples": 100,
    }  # fmt: skip


def write_records(folder: Path) -> None:
    """Writes the run records of a chain of jobs, and of the report that is being made."""
    chain = ["corpora", "synthesis", "tuning", "generation"]
    for place, stage in enumerate(chain):
        made = {"out": {"path": str(folder / stage), "sha256": "0"}}
        read = {"in": {"path": str(folder / chain[place - 1] / "part"), "sha256": "0"}}
        record = _record(stage, place, read if place else {}, made)
        write_json(folder / f"runs/{stage}/job.json", record)
    running = _record("report", 9, {}, {}) | {"state": "running", "end": None}
    write_json(folder / "runs/report/report.json", running)


def _record(stage: str, place: int, inputs: object, outputs: object) -> dict[str, Any]:
    history = [{"step": n, "values": {"loss": 3.0 / n, "learning_rate": 1e-4}} for n in (1, 2)]
    return {
        "stage": stage, "name": "job", "state": "finished",
        "start": START + 10 * place, "end": START + 10 * place + 5, "code": "abcdef0123456789",
        "packages": {"python": "3.11"}, "host": {"system": "Linux", "cores": 2},
        "inputs": inputs, "outputs": outputs,
        "parameters": {"tuning.schedule": "cosine"}, "metrics": {"loss": 1.5},
        "history": history if stage == "tuning" else [],
    }  # fmt: skip


def write_segments(path: Path, prompts: list[Prompt]) -> None:
    """Writes a segment score for each prompt, each better than the one before."""
    rows = [{"id": p.id, "metric": "chrf2", "value": 10.0 * n} for n, p in enumerate(prompts)]
    write_jsonl(path, rows)


def write_audit(path: Path) -> None:
    """Writes an audit with an example of what is learnt, in hostile text."""
    spans = [[f"USER: {HOSTILE} ASSISTANT: ", False], ["a house</s>", True]]
    write_json(path, {"conversations": 1, "mask_samples": {"translation": [{"spans": spans}]}})


def write_error_report(folder: Path) -> None:
    """Writes what the export says about its rounding."""
    tensors = [
        {"tensor": f"model.layers.{n}.q_proj.weight", "quantised": True, "relative_error": 0.005}
        for n in range(3)
    ]
    tensors.append({"tensor": "norm.weight", "quantised": False, "relative_error": 0.0})
    write_json(folder / "error.json", {"total": {"relative_error": 0.005}, "tensors": tensors})


def write_perplexity(path: Path) -> None:
    """Writes what the perplexity job says about the export."""
    base = {"system": "tuned", "perplexity": 12.5, "low": 12.0, "high": 13.0}
    base["bits_per_byte"] = 1.25
    export = {"system": "tuned-int8", "perplexity": 12.625, "low": 12.1, "high": 13.1}
    export["bits_per_byte"] = 1.26
    change = {"value": 0.125, "low": 0.1, "high": 0.15}
    facts = {"n": 40, "tokens": 900, "top1_agreement": 0.975}
    write_json(path, {"base": base, "export": export, "difference": change, **facts})
