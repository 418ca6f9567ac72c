"""The parts of the COMET package that need no torch: batches, cache, checkpoints, results."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from bayling_study.config.evaluation import CometSection, ScoringSection
from bayling_study.core.batches import length_batches
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.core.records import Hypothesis, Prompt, read_scores, write_hypotheses
from bayling_study.shared.score_files import write_suite
from bayling_study.stages.comet.cache import Cache, Triple, text_key
from bayling_study.stages.comet.checkpoint import MARKER, find_checkpoint
from bayling_study.stages.comet.results import item_scores, resampled_means
from bayling_study.stages.comet.scorable import Scorable, read_segments, scorable
from bayling_study.stages.comet.settings import (
    CometSettings,
    read_score_settings,
    read_training_settings,
)

SETTINGS = CometSettings("t", 1, 4096, "fp32", 500, 0.95)


def test_batches_hold_every_index_once_within_the_budget() -> None:
    lengths = [5, 80, 3, 3, 40, 7, 200, 1]
    batches = list(length_batches(lengths, 100))
    assert sorted(index for batch in batches for index in batch) == list(range(8))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 100
    assert batches[0] == [6]


def test_text_key_separates_texts() -> None:
    assert text_key("ab", "c") != text_key("a", "bc")
    assert text_key("a", "") != text_key("", "a")
    assert len(text_key("猫")) == 32


def test_cache_is_read_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.add("scores", {text_key("a"): np.float32(0.1)})
    cache.add("embeddings", {text_key("b"): np.array([1.5, -2], dtype=np.float32)})
    assert not list(tmp_path.iterdir())
    cache.flush()
    again = Cache(tmp_path)
    assert again.scores[text_key("a")] == np.float32(0.1)
    np.testing.assert_array_equal(again.embeddings[text_key("b")], [1.5, -2])


def _fill(folder: Path, number: int) -> None:
    cache = Cache(folder)
    for part in range(5):
        cache.add("scores", {text_key(f"{number}/{part}"): number, text_key("shared"): 0.5})
        cache.flush()


def test_processes_share_a_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_fill, args=(tmp_path, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = Cache(tmp_path).scores
    assert len(found) == 21
    assert all(found[text_key(f"{n}/{part}")] == n for n in range(4) for part in range(5))


def test_broken_cache_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores-1.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(StudyError, match=r"scores-1\.npz.*cannot be read"):
        Cache(tmp_path)


def checkpoint_folder(root: Path, kind: str = "regression_metric") -> Path:
    (root / "checkpoints").mkdir(parents=True)
    (root / "checkpoints" / "model.ckpt").write_bytes(b"weights")
    values = {"class_identifier": kind, "pretrained_model": "xlm-roberta-large"}
    (root / "hparams.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return root


def test_checkpoint_is_found_by_folder_and_by_file(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "files" / "x")
    by_folder = find_checkpoint(tmp_path)
    assert by_folder == find_checkpoint(folder / "checkpoints" / "model.ckpt")
    assert by_folder.metric == "comet"
    assert by_folder.encoder is None
    checkpoint_folder(tmp_path / "files" / "y")
    with pytest.raises(StudyError, match="2 checkpoints found"):
        find_checkpoint(tmp_path)


def test_checkpoint_hash_sees_weights_settings_and_encoder(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path / "x")
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "config.json").write_text("{}")
    hashes = [find_checkpoint(folder).hash, find_checkpoint(folder, encoder).hash]
    (encoder / "config.json").write_text("{} ")
    hashes.append(find_checkpoint(folder, encoder).hash)
    (folder / "checkpoints" / "model.ckpt").write_bytes(b"others")
    hashes.append(find_checkpoint(folder).hash)
    assert len(set(hashes)) == 4


def test_other_model_classes_are_refused(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path, kind="ranking_metric")
    with pytest.raises(StudyError, match="the model's class is 'ranking_metric'"):
        _ = find_checkpoint(folder).hparams


@pytest.mark.parametrize("where", ["manifest.json", "files/manifest.json"])
def test_download_manifest_decides(tmp_path: Path, where: str) -> None:
    folder = checkpoint_folder(tmp_path / "files")
    good = hashlib.sha256(b"weights").hexdigest()
    row = {"path": "checkpoints/model.ckpt", "sha256": good, "bytes": 7}
    write_json(tmp_path / where, {"files": [row]})
    assert find_checkpoint(folder).verify().endswith("manifest.json")
    write_json(tmp_path / where, {"files": [{**row, "sha256": "0" * 64}]})
    with pytest.raises(StudyError, match="not the one in its manifest"):
        find_checkpoint(folder).verify()
    write_json(tmp_path / where, {"files": []})
    with pytest.raises(StudyError, match="is not in its manifest"):
        find_checkpoint(folder).verify()


def test_of_a_download_with_several_models_each_has_its_own_hash(tmp_path: Path) -> None:
    rows = []
    for name in ("one", "two"):
        file = checkpoint_folder(tmp_path / "files" / name) / "checkpoints" / "model.ckpt"
        file.write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        rows.append({"path": f"{name}/checkpoints/model.ckpt", "sha256": digest})
    write_json(tmp_path / "manifest.json", {"files": rows})
    for name in ("one", "two"):
        assert find_checkpoint(tmp_path / "files" / name).verify().endswith("manifest.json")
    write_json(tmp_path / "manifest.json", {"files": rows[:1]})
    with pytest.raises(StudyError, match="is not in its manifest"):
        find_checkpoint(tmp_path / "files" / "two").verify()


def test_marker_names_the_metric_and_guards_every_file(tmp_path: Path) -> None:
    folder = checkpoint_folder(tmp_path)
    sha256 = hashlib.sha256((folder / "hparams.yaml").read_bytes()).hexdigest()
    write_json(folder / MARKER, {"files": {"hparams.yaml": sha256}})
    checkpoint = find_checkpoint(folder)
    assert checkpoint.metric == "comet-embedded"
    assert checkpoint.verify() == MARKER
    with open(folder / "hparams.yaml", "a") as stream:
        stream.write("pool: cls\n")
    with pytest.raises(StudyError, match=r"hparams\.yaml.*not the one"):
        checkpoint.verify()


def prompt(number: int) -> Prompt:
    languages = {"source": "de", "target": "en"}
    meta = {"source_text": f" Satz {number} "}
    return Prompt(f"de-en/{number}", "s", "de-en", languages, ["?"], [f"line {number}"], meta)


def test_only_single_turns_with_a_source_are_scorable() -> None:
    good = prompt(1)
    assert scorable([good])
    assert not scorable([])
    assert not scorable([good, replace(good, turns=["a", "b"])])
    assert not scorable([good, replace(good, meta={})])
    assert not scorable([good, replace(good, references=[])])


def test_segments_are_stripped_and_in_prompt_order(tmp_path: Path) -> None:
    prompts = [prompt(1), prompt(2)]
    rows = [Hypothesis(p.id, [f" hyp {p.id}\n"], [1], ["stop"]) for p in reversed(prompts)]
    write_hypotheses(tmp_path / "s.jsonl", rows)
    segments = read_segments(prompts, tmp_path, "s")
    assert segments[0].triple == Triple("Satz 1", "hyp de-en/1", "line 1")
    assert [segment.id for segment in segments] == ["de-en/1", "de-en/2"]
    write_hypotheses(tmp_path / "s.jsonl", rows[:1])
    with pytest.raises(StudyError, match="no hypothesis for prompt 'de-en/1'"):
        read_segments(prompts, tmp_path, "s")


def test_items_that_a_system_does_not_have_are_left_out(tmp_path: Path) -> None:
    prompts = [prompt(1), replace(prompt(2), id="fr-de/2", item="fr-de")]
    write_hypotheses(tmp_path / "s.jsonl", [Hypothesis("de-en/1", ["x"], [1], ["stop"])])
    write_json(tmp_path / "system.json", {"items": {"s": ["de-en"]}})
    assert [segment.id for segment in read_segments(prompts, tmp_path, "s")] == ["de-en/1"]
    write_json(tmp_path / "system.json", {"items": {"s": []}})
    assert read_segments(prompts, tmp_path, "s") == []


def test_item_scores_are_means_with_an_interval(tmp_path: Path) -> None:
    items = ["de-en", "zh-en", "de-en"]
    segments = [Scorable(str(i), item, Triple("s", "", "r")) for i, item in enumerate(items)]
    groups = {"average": ["de-en", "zh-en"], "others": ["ru-en", "zh-en"]}
    names = ("s", "x", "comet")
    scores = item_scores(segments, [0.2, 0.9, 0.4], names, "sig", SETTINGS, groups)
    write_suite(tmp_path, "s", scores, [{"id": "1", "metric": "comet", "value": 0.9}])
    first, second, average = read_scores(tmp_path / "s.json")
    assert (first.item, first.n, first.value) == ("de-en", 2, pytest.approx(0.3))
    assert (first.low, first.high) == (pytest.approx(0.2), pytest.approx(0.4))
    assert first.note == "2 empty hypotheses"
    assert (second.item, second.n, second.low, second.high) == ("zh-en", 1, 0.9, 0.9)
    assert (average.item, average.n, average.value) == ("average", 3, pytest.approx(0.6))
    assert (average.low, average.high) == (pytest.approx(0.55), pytest.approx(0.65))
    lines = (tmp_path / "s.segments.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"id": "1", "metric": "comet", "value": 0.9}


@pytest.mark.parametrize("kind", ["model", "published"])
def test_both_sides_are_scored_in_one_normal_form_and_the_signature_says_so(
    tmp_path: Path, kind: str
) -> None:
    composed, parts = (
        "\u095c \u09dc \u0a5b \u00e9",
        "\u0921\u093c \u09a1\u09bc \u0a1c\u0a3c e\u0301",
    )
    form = unicodedata.normalize("NFC", composed)
    prompts = [
        Prompt("hi/1", "s", "hi", {"target": "hi"}, ["t"], [composed], {"source_text": parts}),
        Prompt("de/1", "s", "de", {"target": "de"}, ["t"], ["\u00e9"], {"source_text": "e"}),
    ]
    answers = {"hi/1": parts, "de/1": "\u00e9"}
    rows = [Hypothesis(name, [text], [1], ["stop"]) for name, text in answers.items()]
    write_hypotheses(tmp_path / "s.jsonl", rows)
    write_json(tmp_path / "system.json", {"kind": kind, "items": {"s": ["hi", "de"]}})
    segments = read_segments(prompts, tmp_path, "s")
    released = kind == "published"
    wanted = Triple(parts, parts, composed) if released else Triple(form, form, form)
    assert [segment.triple for segment in segments] == [wanted, Triple("e", "\u00e9", "\u00e9")]
    groups = {"average": ["hi", "de"], "others": ["de"]}
    scores = item_scores(segments, [0.2, 0.9], ("s", "x", "comet"), "sig", SETTINGS, groups)
    mark = "" if released else "|norm:NFC"
    assert [score.signature for score in scores] == [
        f"sig{mark}",
        "sig",
        f"mean of 2 items|sig{mark}",
        "mean of 1 items|sig",
    ]


def test_bootstrap_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.1, 400).tolist()
    means = resampled_means(values, 2000, seed=1)
    low, high = np.quantile(means, [0.025, 0.975])
    half = 1.96 * np.std(values) / 20
    assert low == pytest.approx(np.mean(values) - half, abs=0.15 * half)
    assert high == pytest.approx(np.mean(values) + half, abs=0.15 * half)
    assert (means == resampled_means(values, 2000, seed=1)).all()


def test_settings_fit_the_configuration(tmp_path: Path) -> None:
    comet = CometSection.model_validate({"embedded": {"rows": 10}}).model_dump(mode="json")
    scoring = ScoringSection().model_dump(mode="json")
    values = {"study": {"name": "n", "seed": 3}, "comet": comet, "scoring": scoring}
    path, operations = tmp_path / "settings.json", tmp_path / "operations.json"
    write_json(path, values)
    write_json(operations, {"comet": {"batch_tokens": 64}})
    study, seed, embedded = read_training_settings(path)
    assert (study, seed, vars(embedded)) == ("n", 3, comet["embedded"])
    found = read_score_settings(path, operations)
    assert found == CometSettings("n", 3, 64, "fp32", 1000, 0.95)
    del comet["precision"], comet["embedded"]["rows"]
    write_json(path, values)
    with pytest.raises(StudyError, match="'precision' is missing"):
        read_score_settings(path, operations)
    with pytest.raises(StudyError, match=r"embedded is not set.*rows"):
        read_training_settings(path)
