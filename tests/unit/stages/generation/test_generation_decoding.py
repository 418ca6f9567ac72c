"""Decoding of a tiny random model: against transformers, and whatever the batch."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig

from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import generator
from bayling_study.shared.models import load
from bayling_study.shared.reading import common
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens
from bayling_study.stages.generation.decoding import AnswerTokens, decode, ended
from bayling_study.stages.generation.token_loop import TokenLoop
from helpers.tiny_model import save_checkpoint

STOPS = [2, 7]
LIMIT = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_checkpoint(tmp_path_factory.mktemp("tiny"))
    return load(folder, GenerationSection(precision="fp32")).model


@pytest.fixture(scope="module")
def asked() -> list[PromptTokens]:
    draw = random.Random(5)
    rows = [[draw.randrange(8, 300) for _ in range(draw.randint(2, 40))] for _ in range(23)]
    return [PromptTokens(f"p{number}", row, LIMIT) for number, row in enumerate(rows)]


def answers(
    model: Any, asked: list[PromptTokens], how: Decoding, max_batch: int, seed: int = 1,
    stops: list[int] = STOPS, tokens: int = 10**6,
) -> dict[str, AnswerTokens]:  # fmt: skip
    seeds = {request.id: generator(seed, request.id) for request in asked}
    limits = BatchLimits(tokens, max_batch)
    found = [pair for some in decode(model, limits, {}, asked, how, stops, seeds) for pair in some]
    assert sorted(request.id for request, _ in found) == sorted(request.id for request in asked)
    return {request.id: answer for request, answer in found}


GREEDY = Decoding(beams=1)
BEAM = Decoding(beams=3)
SAMPLE = Decoding(beams=1, sample=True, temperature=1.3)


@pytest.mark.parametrize("how", [GREEDY, BEAM, SAMPLE], ids=["greedy", "beam", "sample"])
def test_answers_do_not_depend_on_the_batch(
    model: Any, asked: list[PromptTokens], how: Decoding
) -> None:
    alone = answers(model, asked, how, max_batch=1)
    for size in (2, 5, 23):
        assert answers(model, asked, how, max_batch=size) == alone
    assert len({tuple(answer.ids) for answer in alone.values()}) > 10  # not all the same


def test_greedy_equals_transformers(model: Any, asked: list[PromptTokens]) -> None:
    found = answers(model, asked, GREEDY, max_batch=8)
    assert set(found) == {request.id for request in asked} != set()
    config = GenerationConfig(
        do_sample=False, max_new_tokens=LIMIT, eos_token_id=STOPS, pad_token_id=0
    )
    for request in asked:
        ids = torch.tensor([request.ids])
        output = model.generate(ids, generation_config=config)[0, len(request.ids) :].tolist()
        ended = output[-1] in STOPS
        expected = AnswerTokens(
            output[:-1] if ended else output, len(output), "stop" if ended else "length"
        )
        assert found[request.id] == expected


@pytest.mark.parametrize("beams", [2, 3, 5])
@pytest.mark.parametrize("stops", [[2, 7], [7], [*range(0, 320, 9)]], ids=["two", "one", "many"])
def test_beam_search_equals_transformers(
    model: Any, asked: list[PromptTokens], beams: int, stops: list[int]
) -> None:
    """With few stops answers go to the limit, with many they end early; searches end at
    different lengths."""
    found = answers(model, asked, Decoding(beams=beams), 8, stops=stops)
    config = GenerationConfig(
        num_beams=beams, do_sample=False, length_penalty=1.0, early_stopping=False,
        max_new_tokens=LIMIT, eos_token_id=stops, pad_token_id=stops[0],
    )  # fmt: skip
    for request in asked:
        ids = torch.tensor([request.ids])
        output = model.generate(ids, generation_config=config)[0, len(request.ids) :].tolist()
        assert found[request.id] == ended(output, set(stops))
    lengths = {answer.tokens for answer in found.values()}
    assert len(lengths) > 3 if len(stops) > 2 else max(lengths) == LIMIT


@pytest.mark.parametrize("how", [GREEDY, SAMPLE, BEAM], ids=["greedy", "sample", "beam"])
def test_limits_may_differ_by_request(model: Any, asked: list[PromptTokens], how: Decoding) -> None:
    mixed = [r._replace(limit=1 + 7 * n % 20) for n, r in enumerate(asked)]
    found = answers(model, mixed, how, 6)
    assert found == answers(model, mixed, how, 1)
    assert all(found[r.id].tokens <= r.limit for r in mixed)
    assert {found[r.id].tokens for r in mixed if found[r.id].finish == "length"} > {1, 8, 15}


@pytest.mark.parametrize("how", [GREEDY, SAMPLE, BEAM], ids=["greedy", "sample", "beam"])
@pytest.mark.parametrize("start", [3, 8, 60])
def test_a_start_that_all_share_changes_nothing(
    model: Any, asked: list[PromptTokens], how: Decoding, start: int
) -> None:
    draw = random.Random(6)
    first = [draw.randrange(8, 300) for _ in range(start)]
    longer = [PromptTokens(r.id, first + r.ids, LIMIT) for r in asked]
    longer.append(PromptTokens("same", first + asked[0].ids, LIMIT))
    longer.append(PromptTokens("start", [*first, 9], LIMIT))
    alone = answers(model, longer, how, max_batch=1)
    assert answers(model, longer, how, max_batch=30) == alone
    assert answers(model, longer, how, max_batch=4) == alone


@pytest.mark.parametrize(("seed", "places"), [(0, 2), (6, 4)])
def test_no_row_that_leaves_takes_what_all_share_with_it(
    model: Any, seed: int, places: int
) -> None:
    """When the longest row leaves, columns are left out of the others: only of padding."""
    draw = random.Random(seed)
    first, count = [draw.randrange(8, 300) for _ in range(60)], 40
    rows = [[draw.randrange(8, 300) for _ in range(draw.randint(2, 40))] for _ in range(count)]
    longer = [PromptTokens(f"p{number}", first + row, LIMIT) for number, row in enumerate(rows)]
    stops = [*range(0, 320, 9)]
    alone = answers(model, longer, GREEDY, max_batch=1, stops=stops)
    assert answers(model, longer, GREEDY, max_batch=places, stops=stops) == alone


def test_answers_come_as_soon_as_they_end_and_others_take_their_places(
    model: Any, asked: list[PromptTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step has as many rows as places while prompts wait."""
    rows: list[int] = []
    stepped = TokenLoop.logits

    def counted(loop: TokenLoop) -> torch.Tensor:
        rows.append(len(loop.rows) if loop.ids.shape[1] == 1 else 0)
        return stepped(loop)

    monkeypatch.setattr(TokenLoop, "logits", counted)
    mixed = [r._replace(limit=3 + 7 * n % 20) for n, r in enumerate(asked)]
    some: list[Any] = []
    for pairs in decode(model, BatchLimits(10**6, 4), {}, mixed, GREEDY, STOPS, {}):
        assert not torch.is_inference_mode_enabled()  # the caller is free to train meanwhile
        some.append(pairs)
    assert max(rows) == 4 and len(some) > 5
    steps = [n for n in rows if n]
    assert steps == sorted(steps, reverse=True)  # full until nothing waits
    by_id = {request.id: answer for pairs in some for request, answer in pairs}
    for request in mixed:
        alone = answers(model, [request], GREEDY, 1)
        assert by_id[request.id] == alone[request.id]


def test_rows_have_no_more_tokens_than_allowed(
    model: Any, asked: list[PromptTokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    stepped = TokenLoop.logits
    monkeypatch.setattr(
        TokenLoop,
        "logits",
        lambda loop: (sizes.append(len(loop.rows) * loop.width), stepped(loop))[1],
    )
    found = answers(model, asked, GREEDY, 23, tokens=300)
    assert found == answers(model, asked, GREEDY, 1)
    assert 150 < max(sizes[: len(sizes) // 2]) <= 300


@pytest.mark.parametrize("kind", ["MistralConfig", "Qwen2Config"])
@pytest.mark.parametrize(("window", "start", "places"), [(6, 0, 3), (24, 20, 4), (24, 20, 23)])
def test_a_sliding_window_is_obeyed_by_rows_that_join(
    kind: str, window: int, start: int, places: int, asked: list[PromptTokens]
) -> None:
    torch.manual_seed(4)
    asked = [r._replace(ids=[*range(8, 8 + start), *r.ids]) for r in asked]
    shape = {
        "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": window,
        "initializer_range": 0.4,
    }  # fmt: skip
    if kind == "Qwen2Config":
        shape |= {"use_sliding_window": True, "max_window_layers": 1}
    windowed = AutoModelForCausalLM.from_config(getattr(transformers, kind)(**shape)).eval()
    config = GenerationConfig(
        do_sample=False, max_new_tokens=LIMIT, eos_token_id=STOPS, pad_token_id=0
    )
    found = answers(windowed, asked, GREEDY, places)
    assert len({tuple(answer.ids) for answer in found.values()}) > 10  # not all the same
    for request in asked:
        ids = torch.tensor([request.ids])
        output = windowed.generate(ids, generation_config=config)[0, len(request.ids) :].tolist()
        assert found[request.id] == ended(output, set(STOPS))


def test_a_model_with_linear_attention_is_refused(asked: list[PromptTokens]) -> None:
    config = transformers.Qwen3NextConfig(
        vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, linear_num_key_heads=2,
        linear_num_value_heads=2, linear_key_head_dim=8, linear_value_head_dim=8, num_experts=0,
        layer_types=["linear_attention", "full_attention"], initializer_range=0.4,
    )  # fmt: skip
    hybrid = AutoModelForCausalLM.from_config(config).eval()
    with pytest.raises(StudyError, match="linear attention") as caught:
        answers(hybrid, asked, GREEDY, 3)
    assert caught.value.fix == "backend: vllm"


def test_what_is_common() -> None:
    start = list(range(20))
    assert common([[*start, 1, 2], [*start, 3]]) == 20
    assert common([start, [*start, 3]]) == common([start, start]) == common([start]) == 20
    assert common([[*start, 3], start[:9], [*start, 1]]) == 9
    assert common([[5, *start], [6, *start]]) == common([[], start]) == 0


def test_both_ends_occur_and_limits_hold(model: Any, asked: list[PromptTokens]) -> None:
    found = answers(model, asked, SAMPLE, max_batch=8).values()
    assert {answer.finish for answer in found} == {"stop", "length"}
    for answer in found:
        assert not set(answer.ids) & set(STOPS)
        assert answer.tokens == len(answer.ids) + (answer.finish == "stop")
        assert answer.finish == "stop" or answer.tokens == LIMIT


def test_another_seed_gives_another_sample(model: Any, asked: list[PromptTokens]) -> None:
    assert answers(model, asked, SAMPLE, 8, seed=1) != answers(model, asked, SAMPLE, 8, seed=2)


def test_samples_follow_the_models_distribution(model: Any) -> None:
    """Draws of one next token, against its probabilities (chi-squared, 1 in 1,000)."""
    ids = [9, 11, 13]
    draws = 2000
    batch = [PromptTokens(str(number), ids, 1) for number in range(draws)]
    how = Decoding(beams=1, sample=True, temperature=2.0)
    decoded = answers(model, batch, how, max_batch=draws).values()
    with torch.inference_mode():
        logits = model(torch.tensor([ids])).logits[0, -1].double()
    expected = (logits / 2.0).softmax(-1) * draws
    counted = torch.zeros(len(expected), dtype=torch.double)
    for answer in decoded:
        counted[answer.ids[0] if answer.ids else STOPS[0]] += 1
    # Tokens that are rare, or that end an answer (and are not told apart), count as one class.
    rare = expected < 5
    rare[STOPS] = True
    statistic = ((counted - expected) ** 2 / expected)[~rare].sum()
    statistic += (counted[rare].sum() - expected[rare].sum()) ** 2 / expected[rare].sum()
    degrees = int((~rare).sum())
    assert statistic < degrees + 3.1 * (2 * degrees) ** 0.5 + 5


def test_beams_and_sampling_exclude_each_other(model: Any, asked: list[PromptTokens]) -> None:
    with pytest.raises(StudyError, match="exclude each other"):
        answers(model, asked, Decoding(beams=2, sample=True), 4)
