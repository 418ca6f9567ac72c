"""Log-probabilities of continuations: those of reading each alone, and how little is read."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, DynamicCache

from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.progress import Progress
from bayling_study.shared.models import Loaded, load
from bayling_study.shared.reading import Reading
from bayling_study.stages.harness import likelihoods
from bayling_study.stages.harness.likelihoods import Continuation, Examination, Group, alike
from bayling_study.stages.harness.model import StudyModel
from helpers.tiny_model import save_checkpoint

SHAPE = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.4,
}  # fmt: skip
Scores = list[tuple[float, bool]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_checkpoint(tmp_path_factory.mktemp("tiny"))
    return load(folder, GenerationSection(precision="fp32")).model


def text(draw: random.Random, least: int, most: int) -> list[int]:
    return [draw.randrange(8, 300) for _ in range(draw.randint(least, most))]


def questions(kind: str, count: int = 9) -> list[Continuation]:
    """Returns continuations as tasks of the harness have them."""
    draw, asked = random.Random(3), []
    examples = text(draw, 40, 40)
    for number in range(count):
        context = text(draw, 5, 30)
        choices = [text(draw, 1, 12) for _ in range(4)]
        if kind == "letters":
            choices = [[20], [21], [22], [23]]
        if kind == "examples":
            context = examples + context
        if kind == "whole texts":  # nothing but the start token is given, as by XNLI
            start, choices = text(draw, 20, 20), [[9, *choice] for choice in choices]
            asked += [Continuation([1, *start, *own], len(start) + len(own)) for own in choices]
        elif kind == "contexts":  # the choice is in the question, as in XWinograd
            end = text(draw, 3, 9)
            asked += [Continuation([*context, *own, *end], len(end)) for own in choices]
        else:
            asked += [Continuation([*context, *own], len(own)) for own in choices]
        if kind == "mixed" and number % 3 == 0:  # the harness asks some without a question too
            asked += [Continuation([1, *own], len(own)) for own in choices]
    draw.shuffle(asked)
    return asked


def alone(model: Any, asked: list[Continuation]) -> Scores:
    """Returns what reading each text by itself gives."""
    found = []
    for ids, count in asked:
        with torch.inference_mode():
            logits = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0, -count:]
        own = torch.tensor(ids[-count:])
        scores = logits.log_softmax(dim=-1).gather(1, own.unsqueeze(1))
        found.append((float(scores.sum()), bool((logits.argmax(dim=-1) == own).all())))
    return found


def examined(model: Any, asked: list[Continuation], tokens: int, most: int = 64) -> Scores:
    section = GenerationSection(batch_tokens=tokens, max_batch=most)
    examination = Examination(model, asked, section)
    with Progress("test", len(asked)) as progress:
        examination.run(progress)
    assert progress.n == len(asked)
    return list(zip(examination.totals, examination.greedy, strict=True))


def assert_same(found: Scores, expected: Scores) -> None:
    assert [total for total, _ in found] == pytest.approx([t for t, _ in expected], abs=1e-4)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]


KINDS = ["choices", "letters", "examples", "whole texts", "contexts", "mixed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("tokens", "read"), [(1, 1), (200, 30), (100_000, 1024)])
def test_each_is_as_likely_as_when_it_is_read_alone(
    model: Any, kind: str, tokens: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihoods, "READ_TOKENS", read)
    asked = questions(kind)
    assert_same(examined(model, asked, tokens), alone(model, asked))


def test_a_continuation_that_the_model_would_write_is_greedy(model: Any) -> None:
    ids = [30, 31, 32]
    for _ in range(4):
        with torch.inference_mode():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    asked = [Continuation(ids, 4), Continuation([*ids[:-1], (ids[-1] + 1) % 300], 4)]
    found = examined(model, asked, 1000)
    assert [greedy for _, greedy in found] == [True, False]
    assert_same(found, alone(model, asked))


@pytest.mark.parametrize("kind", ["MistralConfig", "Qwen2Config"])
@pytest.mark.parametrize("window", [4, 24])
def test_a_sliding_window_is_obeyed(kind: str, window: int) -> None:
    torch.manual_seed(4)
    shape: dict[str, Any] = {**SHAPE, "sliding_window": window}
    if kind == "Qwen2Config":
        shape |= {"use_sliding_window": True, "max_window_layers": 1}
    windowed = AutoModelForCausalLM.from_config(getattr(transformers, kind)(**shape)).eval()
    asked = questions("examples")
    assert_same(examined(windowed, asked, 400), alone(windowed, asked))


def test_what_is_shared_is_read_once(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    reading = Reading.read_on

    def counted(self: Reading, keep: int = 1) -> torch.Tensor:
        read.append(self.ids.numel())
        return reading(self, keep)

    monkeypatch.setattr(Reading, "read_on", counted)
    asked = questions("examples")
    examined(model, asked, 1)  # a question at a time: no padding between questions
    rows = {tuple(ids[:-1]): len(ids) - 1 - count for ids, count in asked}
    contexts = {row[:length] for row, length in rows.items()}
    assert len(contexts) == 9
    longest = max(map(len, rows)) - min(map(len, contexts))
    assert sum(read) < 40 + sum(len(c) - 40 for c in contexts) + len(rows) * longest
    read.clear()
    letters = questions("letters")
    examined(model, letters, 1)
    assert sum(read) == sum({tuple(ids[:-1]): len(ids) - 1 for ids, _ in letters}.values())


def test_only_scored_places_have_logits(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    reading = Reading.read_on
    monkeypatch.setattr(
        Reading, "read_on", lambda self, keep=1: (kept.append(keep), reading(self, keep))[1]
    )
    examined(model, questions("letters"), 100_000)
    assert kept == [1]
    kept.clear()
    asked = questions("choices")
    examined(model, asked, 100_000)
    assert len(kept) == 2 and kept[1] == max(count for _, count in asked) - 1


def test_choices_of_a_question_make_a_group() -> None:
    one, two = (1, 5, 6, 7, 8), (1, 9, 9, 9)
    rows = sorted([*((*one, own, own) for own in (20, 30, 40)), one, (*two, 3), (*two, 4)])
    assert list(alike(rows, 1)) == [Group(5, rows[:4]), Group(4, rows[4:])]
    assert list(alike([one, two], 1)) == [Group(5, [one]), Group(4, [two])]
    assert list(alike([one], 5)) == [Group(5, [one])]
    # little in common is no reason to compute two passes instead of one
    assert list(alike([(1, 2, *range(3, 12)), (1, 2, *range(20, 30))], 1)) == [
        Group(11, [(1, 2, *range(3, 12))]), Group(12, [(1, 2, *range(20, 30))]),
    ]  # fmt: skip


def test_a_model_with_linear_attention_is_examined_text_by_text(model: Any) -> None:
    torch.manual_seed(4)
    config = transformers.Qwen3NextConfig(
        **SHAPE, head_dim=8, linear_num_key_heads=2, linear_num_value_heads=2,
        linear_key_head_dim=8, linear_value_head_dim=8, num_experts=0,
        layer_types=["linear_attention", "full_attention"],
    )  # fmt: skip
    hybrid = AutoModelForCausalLM.from_config(config).eval()
    assert any(DynamicCache(config=hybrid.config).is_linear)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model.name_or_path)
    section = GenerationSection(batch_tokens=60, max_batch=8)
    asker = StudyModel(Loaded(hybrid, tokenizer, "safetensors", 256), "foundation", section)
    asked = questions("choices", 4)
    requests: Any = [
        ((str(number), ""), ids[:-count], ids[-count:]) for number, (ids, count) in enumerate(asked)
    ]
    assert_same(asker._loglikelihood_tokens(requests), alone(hybrid, asked))
    hybrid.to(torch.bfloat16)  # the harness's own way would round each sum to 8 bits
    values = torch.tensor([value for value, _ in asker._loglikelihood_tokens(requests)])
    assert not torch.equal(values, values.bfloat16().float())
