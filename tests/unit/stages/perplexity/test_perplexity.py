"""Perplexity of an export against its base: the numbers, the draw, the intervals."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoTokenizer

from bayling_study.config.evaluation import BootstrapSection, GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Prompt, write_prompts
from bayling_study.shared.models import load
from bayling_study.stages.perplexity import __main__ as program
from bayling_study.stages.perplexity.comparison import compare
from bayling_study.stages.perplexity.measure import Opinion, draw, encode, opinions
from helpers.export_models import export_tiny
from helpers.tiny_model import save_checkpoint

BOOTSTRAP = BootstrapSection(samples=400)
SEED = 11


def prompts(count: int = 12) -> list[Prompt]:
    """Conversations of one and two turns and of different lengths."""
    rows = []
    for number in range(count):
        turns = [f"translate {number} ba ke lo"] + ["again"] * (number % 2)
        references = [f"mi nu {'ra ' * number}se", "ti vo"][: len(turns)]
        languages = {"source": "zh", "target": "en"}
        rows.append(Prompt(f"zh-en/{number}", "small", "zh-en", languages, turns, references))
    return rows


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("perplexity")
    save_checkpoint(root / "model")
    export_tiny(root / "model", root / "int8", "groupwise", kept_precision="source")
    write_prompts(root / "prompts" / "small.jsonl", prompts())
    return root


@pytest.fixture(scope="module")
def loaded(folders):
    return load(folders / "model", GenerationSection(precision="fp32"))


@pytest.fixture(scope="module")
def conversations(loaded):
    return encode(prompts(), loaded.tokenizer, "bayling", 512)


def opinion(nats: list[float], best: int = 0) -> Opinion:
    return Opinion(np.array(nats), np.full(len(nats), best))


def test_only_answers_count_and_padding_changes_nothing(loaded, conversations):
    found = opinions(loaded.model, conversations, batch_tokens=400)
    assert len(found) == len(conversations) > 0
    for conversation, view in zip(conversations, found, strict=True):
        ids = torch.tensor([conversation.ids])
        with torch.no_grad():
            logits = loaded.model(ids).logits[0, :-1]
        nats = functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        supervised = torch.tensor(conversation.mask[1:])
        np.testing.assert_allclose(
            view.nats, nats[supervised].double().numpy(), rtol=2e-4, atol=1e-5
        )
        assert view.best.tolist() == logits.argmax(-1)[supervised].tolist()
        assert len(view.nats) == sum(conversation.mask)


def test_the_tokens_are_those_of_training(loaded, conversations):
    pair = (conversations[3].ids, conversations[3].mask)
    text = loaded.tokenizer.decode(
        [token for token, supervised in zip(*pair, strict=True) if supervised]
    )
    assert text == "mi nu ra ra ra se<|im_end|>ti vo<|im_end|>"


def test_perplexity_weighs_tokens_and_bits_are_its_logarithm():
    base = [opinion([1.0, 1.0, 1.0]), opinion([5.0])]
    result = compare(base, base, BOOTSTRAP, SEED)
    assert result["base"]["perplexity"] == pytest.approx(math.exp(2))
    assert result["base"]["bits"] == pytest.approx(2 / math.log(2))
    assert (result["n"], result["tokens"]) == (2, 4)


def test_a_model_does_not_differ_from_itself(loaded, conversations):
    view = opinions(loaded.model, conversations, 4096)
    result = compare(view, view, BOOTSTRAP, SEED)
    assert result["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert (result["top1_agreement"], result["mean_nats_change"]) == (1.0, 0.0)


def test_the_difference_is_paired():
    chance = np.random.default_rng(0)
    base = [opinion(list(chance.gamma(2.0, size=20) + shift)) for shift in chance.random(60) * 3]
    worse = [Opinion(view.nats + 0.01, view.best + 1) for view in base]
    result = compare(base, worse, BOOTSTRAP, SEED)
    difference, side = result["difference"], result["base"]
    assert difference["low"] > 0  # every conversation got worse by the same factor
    assert difference["high"] - difference["low"] < (side["high"] - side["low"]) / 10
    assert difference["low"] < difference["value"] < difference["high"]
    assert side["low"] < side["perplexity"] < side["high"]
    assert result["top1_agreement"] == 0.0
    assert result["mean_nats_change"] == pytest.approx(0.01)
    assert compare(base, worse, BOOTSTRAP, SEED) == result
    assert compare(base, worse, BOOTSTRAP, SEED + 1)["difference"] != difference


def test_the_interval_covers_the_truth_as_often_as_it_says():
    hits = 0
    for trial in range(200):
        chance = np.random.default_rng(trial)
        base = [opinion(list(chance.exponential(2.0, size=5))) for _ in range(50)]
        side = compare(base, base, BootstrapSection(samples=300), trial)["base"]
        hits += side["low"] <= math.exp(2.0) <= side["high"]
    assert 0.88 <= hits / 200 <= 0.99


def test_probabilities_that_are_no_numbers_are_refused():
    with pytest.raises(StudyError, match="not numbers"):
        compare([opinion([1.0])], [opinion([math.nan])], BOOTSTRAP, SEED)


def test_the_draw_takes_prompts_with_all_references_only(tmp_path):
    rows = prompts(6)
    rows[1] = Prompt(**{**vars(rows[1]), "references": ["only one"]})
    rows[2] = Prompt(**{**vars(rows[2]), "references": [" "]})
    write_prompts(tmp_path / "a.jsonl", rows)
    kept = [prompt.id for prompt in draw(tmp_path, ["a"], 100, SEED)]
    assert kept == ["zh-en/0", "zh-en/3", "zh-en/4", "zh-en/5"]
    some = [prompt.id for prompt in draw(tmp_path, ["a"], 2, SEED)]
    assert len(some) == 2 and set(some) < set(kept)
    assert some == [prompt.id for prompt in draw(tmp_path, ["a"], 2, SEED)]
    assert len({tuple(p.id for p in draw(tmp_path, ["a"], 2, seed)) for seed in range(20)}) > 2


def test_nothing_to_read_is_an_error(tmp_path, loaded):
    write_prompts(tmp_path / "a.jsonl", [Prompt("x/1", "a", "x", {"target": "en"}, ["q"], [])])
    with pytest.raises(StudyError, match="reference for each"):
        draw(tmp_path, ["a"], 5, SEED)
    with pytest.raises(StudyError, match="fits into 8 tokens"):
        encode(prompts(), loaded.tokenizer, "bayling", 8)


def test_too_long_conversations_are_left_out(loaded, conversations):
    longest = max(len(item.ids) for item in conversations)
    fitting = encode(prompts(), loaded.tokenizer, "bayling", longest - 1)
    assert 0 < len(fitting) < len(conversations)


def run(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, int8: Path) -> Path:
    systems = {
        "foundation": {"kind": "foundation", "source": "any", "template": "bayling"},
        "small": {"kind": "int8", "base": "foundation"},
    }
    sections = {
        "study": {"name": "s", "seed": SEED},
        "perplexity": {"conversations": 8},
        "generation": {"precision": "fp32"},
        "scoring": {"bootstrap": {"samples": 200}},
        "systems": systems,
    }
    write_json(tmp_path / "settings.json", sections)
    options = {
        "--settings": tmp_path / "settings.json",
        "--record": tmp_path / "record.json",
        "--base-checkpoint": folders / "model",
        "--checkpoint": int8,
        "--prompts": folders / "prompts",
        "--out": tmp_path / "perplexity" / "small.json",
    }
    words = [str(word) for pair in options.items() for word in pair]
    arguments = ["perplexity", "--system", "small", "--suites", "small", *words]
    monkeypatch.setattr(sys, "argv", arguments)
    program.main()
    return options["--out"]


def test_the_program_compares_an_export_with_its_base(folders, tmp_path, monkeypatch):
    result = read_json(run(folders, tmp_path, monkeypatch, folders / "int8"))
    assert (result["base"]["system"], result["export"]["system"]) == ("foundation", "small")
    assert (result["n"], result["left_out"]) == (8, 0)
    exact = result["export"]["perplexity"] - result["base"]["perplexity"]
    assert result["difference"]["value"] == pytest.approx(exact)
    assert result["difference"]["value"] != 0  # the weights were rounded
    assert 0 < result["mean_nats_change"] < 0.5
    assert result["top1_agreement"] > 0.8
    sizes = [
        len("".join(one.references).encode())
        for one in draw(folders / "prompts", ["small"], 8, SEED)
    ]
    bits = result["base"]["bits"] * result["tokens"]
    assert result["base"]["bits_per_byte"] == pytest.approx(bits / sum(sizes))
    record = read_json(tmp_path / "record.json")
    assert record["state"] == "finished"
    assert record["metrics"]["perplexity.export"] == result["export"]["perplexity"]
    assert set(record["inputs"]) == {"base", "export", "prompts/small"}


def test_an_export_with_another_tokenizer_is_refused(folders, tmp_path, monkeypatch):
    copy = export_copy(folders, tmp_path)
    with pytest.raises(StudyError, match="other tokens"):
        run(folders, tmp_path, monkeypatch, copy)
    assert not (tmp_path / "perplexity").exists()
    assert read_json(tmp_path / "record.json")["state"] == "failed"


def export_copy(folders: Path, tmp_path: Path) -> Path:
    """An export whose tokenizer has lost its merges."""
    copy = tmp_path / "int8"
    export_tiny(folders / "model", copy, "groupwise")
    values = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    values["model"]["merges"] = []
    (copy / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    assert AutoTokenizer.from_pretrained(copy)("ba ke lo") != AutoTokenizer.from_pretrained(
        folders / "model"
    )("ba ke lo")
    return copy
