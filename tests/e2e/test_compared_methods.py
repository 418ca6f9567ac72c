"""A comparison of methods under one budget, through the whole DAG to the report."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bayling_study.core.files import read_json, read_jsonl
from e2e.test_study import COMET, prepare, records, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not COMET.exists(), reason="the environment 'comet' is missing: make envs"),
]


def comparison(root: Path, seeds: int) -> Path:
    """Writes the miniature study with translation alone as the reference of a method of two stages,
    code-switching and then translation beside aligned pairs."""
    path = prepare(root)
    values = yaml.safe_load(path.read_text())
    drop = [name for name in values["synthesis"]["mixtures"]["default"]["shares"]
            if name != "translation"]  # fmt: skip
    values["synthesis"]["mixtures"]["translation"] = {"base": "default", "drop": drop}
    switch = {"base": "default", "shares": {"code-switch": 1.0}, "code_switch": {"rate": 0.4}}
    values["synthesis"]["mixtures"]["code-switch"] = switch
    plain = values["systems"].pop("tuned") | {"mixture": "translation"}
    del values["systems"]["tuned-int8"]
    stage = plain | {"mixture": "code-switch", "tuning": {"max_steps": 1}, "evaluated": False}
    pairs = {"layer": 1, "pairs_per_step": 2}
    last = plain | {"base": "restored-1", "tuning": {"max_steps": 3, "alignment": pairs}}
    values["systems"] |= {"translation": plain, "restored-1": stage, "restored": last}
    asked = {
        "steps": ["translate", "proofread"],
        "examples": {"languages": ["cs", "ru"], "count": 1, "synthetic": True},
    }
    values["systems"]["agents"] = values["systems"]["foundation"] | {"answering": asked}
    # Beside the methods, of the same trainings.
    directions = {"*-en": "mean", "en-*": "restored"}
    values["systems"] |= {
        "mean": {"kind": "merged", "of": ["translation", "restored-1"], "method": "linear"},
        "routed": {"kind": "routed", "directions": directions, "default": "mean"},
    }
    length = values["tuning"]["max_length"]
    values["tuning"] |= {"batch_tokens": length, "max_steps": 4, "epochs": "auto"}
    plain_suite = values["suites"]["translation"]
    values["suites"]["mixed"] = plain_suite | {
        "directions": ["cs-en"], "same_segments_as": "translation",
        "source_text": {"switched": {"rate": 0.4}},
    }  # fmt: skip
    values["comparison"] = {
        "reference": "translation", "methods": ["restored", "foundation", "agents"],
        "seeds": seeds,
    }  # fmt: skip
    values["report"]["baseline"] = "translation"
    values["comet"] = {"embedded": None}
    values["probing"] = {"languages": ["de"], "segments": 10}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


@pytest.mark.parametrize("seeds", [1, pytest.param(2, marks=pytest.mark.long)])
def test_methods_are_trained_under_one_budget_and_compared(tmp_path: Path, seeds: int) -> None:
    path = comparison(tmp_path, seeds)
    result = run(path)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    study = tmp_path / "results" / "tiny"
    found = records(study)
    trained = {name for name in found if name.startswith("tuning/")}
    names = ["translation", "restored-1", "restored"]
    names += [f"{name}.seed2" for name in names] * (seeds - 1)
    assert trained == {f"tuning/{name}" for name in names}
    assert sum(name.startswith("synthesis/") for name in found) == 2

    length = yaml.safe_load(path.read_text())["tuning"]["max_length"]
    for name in names:
        metrics = found[f"tuning/{name}"]["metrics"]
        steps = {"restored-1": 1, "restored": 3}.get(name.partition(".")[0], 4)
        assert metrics["steps"] == steps
        assert abs(metrics["trained_tokens"] - steps * length) <= length, name
        assert 0 < metrics["trained_supervised"] < metrics["trained_tokens"], name
    outputs = {found[f"tuning/{name}"]["outputs"]["checkpoint"]["sha256"] for name in names}
    assert len(outputs) == 3 * seeds  # another order is another model
    copy = ".seed2" * (seeds - 1)
    last, before = found[f"tuning/restored{copy}"], found[f"tuning/restored-1{copy}"]
    assert last["inputs"]["foundation"]["sha256"] == before["outputs"]["checkpoint"]["sha256"]
    assert last["metrics"]["alignment_tokens"] > 0
    assert not (study / "generation" / "restored-1").exists()
    switched = read_json(study / "synthesis" / "code-switch" / "audit.json")["switched"]
    assert 0 < switched["words exchanged"] < switched["words"]

    mean = found["deltas/merged-mean"]["outputs"]["checkpoint"]["sha256"]
    assert found["generation/mean"]["inputs"]["checkpoint"]["sha256"] == mean
    for suite in ("translation", "interactive"):
        own, into, out_of = (
            (study / "generation" / name / f"{suite}.jsonl").read_text().splitlines()
            for name in ("routed", "mean", "restored")
        )
        english = ['"id": "en-' in row for row in own]
        assert 0 < sum(english) < len(own)
        assert own == [
            theirs if away else mine
            for mine, theirs, away in zip(into, out_of, english, strict=True)
        ]
    assert (study / "scoring" / "routed" / "translation.json").is_file()
    probed = {name for name in found if name.startswith("probing/")}
    with_states = ["foundation", "translation", "restored", "mean"]
    assert probed == {f"probing/{name}" for name in with_states}
    states = (study / "report/tables/probing.tsv").read_text().splitlines()
    assert states[0].split("\t")[4:] == with_states
    assert states[1].startswith("retrieval\ten-de\t10\t10.0\t")

    report = (study / "report" / "index.html").read_text()
    assert report.index('id="comparison"') < report.index('id="overview"')
    [row] = (study / "report/tables/sources-mixed.tsv").read_text().splitlines()[1:]
    exchanged, leak = (float(cell.removesuffix(" %")) for cell in row.split("\t")[2:])
    assert exchanged > 0 and leak > 0
    rows = (study / "report/tables/comparison.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == [
        "translation (its score)", "restored", "foundation", "agents",
    ]  # fmt: skip
    costs = (study / "report/tables/comparison-costs.tsv").read_text().splitlines()
    assert [row.split("\t")[1] for row in costs[1:]] == [f"{4 * length:,}"] * 2 + ["0"] * 2
    calls = costs[0].split("\t").index("answer calls")
    plain, twice = (int(costs[row].split("\t")[calls].replace(",", "")) for row in (3, 4))
    assert twice == 2 * plain > 0
    answers = list(read_jsonl(study / "generation" / "agents" / "translation.jsonl"))
    assert all([one["step"] for one in row["steps"][0]] == ["translate"] for row in answers)
    assert "corpora" in found["generation/agents"]["inputs"]
    assert "corpora" not in found["generation/foundation"]["inputs"]
    assert ("2 seeds" in report) == (seeds == 2)
    sentences = read_json(study / "report" / "verdict.json")["sentences"]
    assert sum(text.startswith(("restored is ", "agents is ")) for text in sentences) >= 2
