"""What a checkpoint's own generation config asks for decides no answer, and is recorded."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.models import load
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens
from bayling_study.stages.generation.decoding import decode, ended
from bayling_study.stages.tuning.output import set_generation
from helpers.export_models import export_tiny, save_tiny
from helpers.tiny_model import save_checkpoint

FP32 = GenerationSection(precision="fp32")
FILE = "generation_config.json"
STOPS, LIMIT = [2, 7], 16
HOWS = {
    "greedy": Decoding(beams=1),
    "beam": Decoding(beams=3),
    "sample": Decoding(beams=1, sample=True),
}
ASKED: dict[str, Any] = {
    "repetition_penalty": 1.9,
    "no_repeat_ngram_size": 1,
    "encoder_repetition_penalty": 5.0,
    "encoder_no_repeat_ngram_size": 1,
    "forced_bos_token_id": 40,
    "forced_eos_token_id": 2,
    "suppress_tokens": list(range(8, 200)),
    "begin_suppress_tokens": list(range(8, 200)),
    "bad_words_ids": [[number] for number in range(8, 200)],
    "sequence_bias": [[[50], 1e4]],
    "min_new_tokens": 24,
    "exponential_decay_length_penalty": [2, 9.0],
    "length_penalty": -4.0,
    "early_stopping": True,
    "temperature": 0.1,
    "top_p": 0.2,
    "top_k": 3,
    "max_new_tokens": 3,
    "renormalize_logits": True,
}
"""Keys of generation configs, each with a value that would change answers somewhere."""
OBEYED = ("repetition_penalty", "no_repeat_ngram_size", "forced_eos_token_id", "suppress_tokens")
OBEYED += ("begin_suppress_tokens", "bad_words_ids", "sequence_bias", "min_new_tokens")
OBEYED += ("exponential_decay_length_penalty",)
"""Those that transformers' beam search takes from the model where the caller leaves them open."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


def asking(source: Path, folder: Path, **values: Any) -> Path:
    """A copy of a checkpoint whose generation config asks for more."""
    folder.mkdir(exist_ok=True)
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    write_json(folder / FILE, {**read_json(source / FILE), **values})
    return folder


def answers(model: Any, how: Decoding) -> list[list[int]]:
    batch = [PromptTokens(str(number), row, LIMIT) for number, row in enumerate(rows())]
    seeds = {str(number): random.Random(number) for number in range(6)}
    some = decode(model, BatchLimits(10**6, 6), {}, batch, how, STOPS, seeds)
    found = {request.id: answer.ids for pairs in some for request, answer in pairs}
    return [found[request.id] for request in batch]


def by_transformers(model: Any, how: Decoding) -> list[list[int]]:
    """The answers of transformers' own beam search, with all that it takes from the model."""
    config = GenerationConfig(
        num_beams=how.beams, do_sample=False, length_penalty=1.0, early_stopping=False,
        max_new_tokens=LIMIT, eos_token_id=STOPS, pad_token_id=STOPS[0],
    )  # fmt: skip
    written = model.generate(torch.tensor(rows()), generation_config=config)[:, 9:].tolist()
    return [ended(row, set(STOPS)).ids for row in written]


def rows() -> list[list[int]]:
    draw = random.Random(5)
    return [[draw.randrange(8, 300) for _ in range(9)] for _ in range(6)]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("key", ASKED)
def test_decoding_is_what_the_study_says(
    checkpoint: Path, tmp_path: Path, key: str, how: str
) -> None:
    folder = asking(checkpoint, tmp_path / "asking", **{key: ASKED[key]})
    plain = answers(load(checkpoint, FP32).model, HOWS[how])
    loaded = load(folder, FP32)
    assert answers(loaded.model, HOWS[how]) == plain
    assert loaded.set_aside == {key: ASKED[key]}
    if how == "beam" and key in OBEYED:  # what it would be without this project's loading
        obedient = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        assert by_transformers(load(checkpoint, FP32).model, HOWS[how]) == plain
        assert by_transformers(obedient, HOWS[how]) != plain


def test_stops_stay_and_a_config_that_asks_nothing_sets_nothing_aside(
    checkpoint: Path, tmp_path: Path
) -> None:
    asked = {"eos_token_id": [2, 5], "do_sample": False, "use_cache": True, "top_p": None}
    loaded = load(asking(checkpoint, tmp_path / "asking", **asked), FP32)
    assert loaded.set_aside == {}
    assert loaded.model.generation_config.eos_token_id == [2, 5]
    assert load(checkpoint, FP32).set_aside == {}


@pytest.mark.parametrize("form", ["groupwise", "bitsandbytes", "gguf"])
def test_exports_inherit_stops_and_no_penalties(tmp_path: Path, form: str) -> None:
    save_tiny(tmp_path / "plain")
    model = asking(tmp_path / "plain", tmp_path / "model", repetition_penalty=1.3, top_p=0.9)
    export_tiny(model, tmp_path / "out", form)
    assert read_json(tmp_path / "out" / FILE) == read_json(tmp_path / "plain" / FILE)
    if form != "gguf":
        export_tiny(tmp_path / "plain", tmp_path / "other", form)
        same = (tmp_path / "other" / FILE).read_bytes() == (tmp_path / "plain" / FILE).read_bytes()
        assert same  # where nothing is set aside, the file is the same to the byte


class Job:
    template = "bayling"

    def __init__(self, foundation: Path) -> None:
        self.foundation = str(foundation)


def test_a_tuned_model_inherits_no_penalties(checkpoint: Path, tmp_path: Path) -> None:
    folder = asking(checkpoint, tmp_path / "asking", repetition_penalty=1.3, temperature=0.6)
    loaded = load(checkpoint, FP32)
    set_generation(loaded.model, loaded.tokenizer, Job(folder))  # type: ignore[arg-type]
    loaded.model.generation_config.save_pretrained(tmp_path)
    kept = GenerationConfig.from_pretrained(tmp_path)
    assert (kept.repetition_penalty, kept.temperature) == (None, None)
    assert kept.eos_token_id == loaded.tokenizer.eos_token_id
