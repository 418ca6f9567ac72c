"""Rows that do not leak, and a step that does not depend on packing or processes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared import templates
from bayling_study.shared.token_set import shared_prefixes
from bayling_study.stages.tuning.attention import inside_conversations, kernel
from bayling_study.stages.tuning.grouped import SHARED
from bayling_study.stages.tuning.packing import Schedule, best_fit, check_batch, level
from bayling_study.stages.tuning.sequences import (
    Tokenised,
    build_sequence,
    fill,
    sequence_logits,
    sequence_loss,
)
from helpers.training import chatml_tokenizer, conversations, tiny_model

TOKENIZER = chatml_tokenizer()
SHARED_TOKENS = 3


def encoded(count: int) -> list[Tokenised]:
    pairs = [
        templates.encode(TOKENIZER, "foundation", row["messages"]) for row in conversations(count)
    ]
    return [(np.asarray(ids, np.int32), np.asarray(mask, bool)) for ids, mask in pairs]


@pytest.fixture(params=["grouped_sdpa", "grouped_eager"])
def attention(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def model_for(attention: str) -> torch.nn.Module:
    model = tiny_model(len(TOKENIZER), attn_implementation=attention)
    return model.eval()


def all_logits(model: torch.nn.Module, parts: list[Tokenised], attention: str) -> torch.Tensor:
    packed = build_sequence(parts, "cpu")
    places = torch.arange(packed.tokens.shape[1])
    with torch.no_grad():
        return sequence_logits(model, packed, attention, places)


def test_logits_alone_and_packed_are_the_same(attention: str) -> None:
    model, parts = model_for(attention), encoded(4)
    packed = all_logits(model, parts, attention)
    alone = [all_logits(model, [part], attention) for part in parts]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_alone_means_what_the_model_gives_without_our_mask(attention: str) -> None:
    model, parts = model_for(attention), encoded(1)
    ids = torch.tensor(parts[0][0], dtype=torch.int64)[None]
    with torch.no_grad():
        plain = model_for("eager")(ids).logits[0]
    torch.testing.assert_close(all_logits(model, parts, attention), plain, atol=1e-5, rtol=1e-5)


def test_a_neighbour_changes_nothing(attention: str) -> None:
    model, (first, second, third) = model_for(attention), encoded(3)
    other = (np.roll(second[0], 5), second[1])
    before = all_logits(model, [first, second, third], attention)
    after = all_logits(model, [first, other, third], attention)
    own = np.r_[: len(first[0]), len(first[0]) + len(second[0]) : len(before)]
    assert torch.equal(before[own], after[own])
    middle = slice(len(first[0]), len(first[0]) + len(second[0]))
    assert not torch.equal(before[middle], after[middle])


def test_positions_restart_and_borders_predict_nothing() -> None:
    first, second = encoded(2)
    packed = build_sequence([first, (second[0], np.ones_like(second[1]))], "cpu")
    border = len(first[0])
    assert packed.positions[0, border] == 0
    assert border - 1 not in packed.keep  # the last place of a conversation predicts no neighbour
    assert border in packed.keep
    assert packed.targets.tolist() == packed.tokens[0][packed.keep + 1].tolist()


def test_packed_loss_is_the_sum_of_unpacked_losses(attention: str) -> None:
    model, parts = model_for(attention), encoded(6)
    packed = sequence_loss(model, build_sequence(parts, "cpu"), attention)
    alone = sum(sequence_loss(model, build_sequence([part], "cpu"), attention) for part in parts)
    torch.testing.assert_close(packed, alone, rtol=1e-5, atol=1e-4)


def test_a_shared_start_changes_no_number(attention: str) -> None:
    """System text once for all: same logits, loss and gradients as with a copy in each."""
    model = model_for(attention)
    pairs = [templates.encode(TOKENIZER, "bayling", row["messages"]) for row in conversations(4)]
    parts = [(np.asarray(ids, np.int32), np.asarray(mask, bool)) for ids, mask in pairs]
    offsets = np.cumsum([0, *(len(ids) for ids, _ in parts)])
    flat = [np.concatenate(part) for part in zip(*parts, strict=True)]
    prefixes = shared_prefixes(offsets, *flat)
    assert len(set(prefixes)) == 1
    prefix = prefixes[0]
    assert prefix > 100  # the system text, a byte a token
    results = []
    for shared in (0, prefix):
        packed = build_sequence(parts, "cpu", shared)
        assert packed.tokens.shape[1] == packed.real == offsets[-1] - 3 * shared
        model.zero_grad()
        loss = sequence_loss(model, packed, attention)
        loss.backward()
        results.append(
            [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]
        )
    for copied, once in zip(*results, strict=True):
        torch.testing.assert_close(copied, once, rtol=1e-4, atol=1e-4)


def test_the_shared_start_ends_before_supervised_tokens() -> None:
    first, second = np.arange(20), np.r_[np.arange(18), 98, 99]
    for supervised, expected in ((19, 18), (18, 17), (5, 4)):
        mask = np.zeros(40, bool)
        mask[[supervised, 39]] = True
        found = shared_prefixes(np.array([0, 20, 40]), np.r_[first, second], mask)
        assert found == [expected] * 2


def test_conversations_with_another_start_get_rows_of_their_own() -> None:
    head = np.arange(20)
    parts = [np.r_[head, 50, 51, 60], np.r_[head[::-1], 52, 53, 61], np.r_[head, 54, 55, 62]]
    offsets = np.cumsum([0, *map(len, parts)])
    tokens = np.concatenate(parts)
    mask = np.zeros(len(tokens), bool)
    mask[offsets[1:] - 1] = True
    prefixes = shared_prefixes(offsets, tokens, mask)
    assert prefixes == [20, 0, 20]
    lengths = [len(part) for part in parts]
    plan = schedule(1, lengths=lengths, prefixes=prefixes, batch=3, epochs=1)
    sequences = plan.sequences(0)[0]
    assert sorted(map(sorted, sequences)) == [[0, 2], [1]]
    assert sorted(plan.tokens(packed) for packed in sequences) == [23, 26]
    assert {plan.prefix(packed) for packed in sequences} == {0, 20}


def test_the_loss_is_cross_entropy_over_all_positions() -> None:
    """Computing the output layer only at supervised places changes nothing."""
    model, parts = model_for("grouped_sdpa"), encoded(1)
    ids, mask = (torch.tensor(part) for part in parts[0])
    labels = torch.where(mask, ids.long(), -100)
    logits = model_for("sdpa")(ids.long()[None]).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[:-1], labels[1:], reduction="sum")
    ours = sequence_loss(model, build_sequence(parts, "cpu"), "grouped_sdpa")
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-4)


def test_an_empty_row_runs_backward_with_zero_gradients() -> None:
    model = model_for("grouped_sdpa")
    loss = sequence_loss(model, build_sequence([], "cpu"), "grouped_sdpa")
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert loss.item() == 0
    assert all(grad is not None and not grad.any() for grad in gradients)


def test_best_fit_keeps_every_item_once_within_the_capacity() -> None:
    draw = random.Random(3)
    for _ in range(50):
        lengths = [draw.randint(1, 60) for _ in range(draw.randint(1, 40))]
        sequences = best_fit(lengths, 64)
        assert sorted(itertools.chain(*sequences)) == list(range(len(lengths)))
        assert all(sum(lengths[place] for place in packed) <= 64 for packed in sequences)


def test_best_fit_takes_the_fullest_row_that_fits() -> None:
    assert best_fit([5, 6, 3, 4], 10) == [[1, 3], [0, 2]]


def test_an_item_longer_than_a_row_is_refused() -> None:
    with pytest.raises(StudyError, match="65 tokens is longer than a packed sequence"):
        best_fit([3, 65], 64)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("shared", [0, 5])
def test_every_process_gets_as_many_rows_within_the_capacity(processes: int, shared: int) -> None:
    lengths = [10 + (7 * number) % 50 for number in range(21)]
    prefixes = [shared if number % 3 else 0 for number in range(21)]
    plan = schedule(processes, lengths=lengths, prefixes=prefixes)
    assert plan.steps > 1
    for step in range(plan.steps):
        dealt = plan.sequences(step)
        assert len(dealt) == processes
        assert len({len(sequences) for sequences in dealt}) == 1
        found = sorted(index for sequences in dealt for packed in sequences for index in packed)
        assert found == sorted(plan.conversations(step))
        assert all(plan.tokens(packed) <= 100 for sequences in dealt for packed in sequences)
        assert all(
            len({prefixes[i] for i in packed}) <= 1 for sequences in dealt for packed in sequences
        )


def test_rows_that_cannot_be_halved_are_filled_up() -> None:
    plan = schedule(2, lengths=[60, 70, 80], batch=3, epochs=1)
    assert plan.sequences(0) == [[[2], [0]], [[1], []]]


def test_rows_are_of_one_length_as_far_as_can_be() -> None:
    """Best fit alone gives [10, 9] and [2]; processes would wait for the first sequence."""
    assert best_fit([10, 9, 2], 20) == [[0, 1], [2]]
    assert level([10, 9, 2], 20, [[0, 1], [2]]) == [[0], [1, 2]]


def test_where_levelling_overflows_best_fit_stays() -> None:
    lengths = [6, 5, 4, 3, 2]  # levelled: 6+2, 5+3 and then 4 fits nowhere
    packed = best_fit(lengths, 10)
    assert packed == [[0, 2], [1, 3, 4]]
    assert level(lengths, 10, packed) == packed
    assert level(lengths, 10, packed, more=1) == [[0], [1, 4], [2, 3]]
    tight = [7, 5, 5, 3]  # longest first to the shorter sequence: 7, 5+5, and 3 to the 7
    assert level(tight, 10, best_fit(tight, 10)) == [[0, 3], [1, 2]]


def test_waiting_is_rare() -> None:
    """Rows of the same pass differ by less than a tenth on average, in data like the study's."""
    draw = random.Random(2)
    lengths = [min(200, int(draw.lognormvariate(4.1, 0.5)) + 20) for _ in range(400)]
    plan = schedule(2, lengths=lengths, batch=16, epochs=1, capacity=215)
    work = waited = 0
    for step in range(plan.steps):
        for sequences in zip(*plan.sequences(step), strict=True):
            sizes = [plan.tokens(packed) for packed in sequences]
            work += sum(sizes)
            waited += 2 * max(sizes) - sum(sizes)
    assert waited / work < 0.05


def schedule(processes: int, **changes: object) -> Schedule:
    values = {"batch": 8, "epochs": 2.0, "max_steps": None, "capacity": 100, "seed": 1}
    values["lengths"] = [10 + (7 * number) % 50 for number in range(21)]
    return Schedule(processes=processes, **{**values, **changes})  # type: ignore[arg-type]


def test_steps_and_their_conversations_do_not_depend_on_processes() -> None:
    one = schedule(1)
    for processes in (2, 4, 8):
        other = schedule(processes)
        assert other.steps == one.steps == 6  # ceil(2 epochs · 21 / 8)
        for step in range(one.steps):
            expected = sorted(one.conversations(step))
            dealt = other.sequences(step)
            found = (packed for sequences in dealt for packed in sequences)
            assert sorted(index for packed in found for index in packed) == expected


def test_an_epoch_takes_each_conversation_once_in_an_order_of_its_own() -> None:
    plan = schedule(1, batch=7)
    epochs = [[plan.conversations(3 * epoch + step) for step in range(3)] for epoch in range(2)]
    flat = [[index for step in epoch for index in step] for epoch in epochs]
    assert sorted(flat[0]) == sorted(flat[1]) == list(range(21))
    assert flat[0] != flat[1]


def test_steps_can_be_asked_for_in_any_order() -> None:
    plan = schedule(1)
    forward = [plan.conversations(step) for step in range(6)]
    assert [plan.conversations(step) for step in reversed(range(6))] == forward[::-1]


def test_too_many_processes_are_refused_with_what_works() -> None:
    with pytest.raises(StudyError, match=r"batch: 6, or grant 4 processes"):
        check_batch(4, 6)


@pytest.mark.parametrize("tokens", [60, 100, 333, 5000])
def test_a_batch_in_tokens_is_the_stream_cut_at_its_multiples(tokens: int) -> None:
    plan = schedule(1, batch_tokens=tokens)
    lengths = plan.lengths
    stream = [index for step in range(plan.steps) for index in plan.conversations(step)]
    starts = np.cumsum([0, *(lengths[index] for index in stream)])[:-1]
    assert plan.steps == -(-2 * sum(lengths) // tokens)
    place = 0
    for step in range(plan.steps):
        chosen = plan.conversations(step)
        assert chosen  # a step always has something to learn
        assert plan.position(step) == place
        inside = starts[place : place + len(chosen)]
        assert step * tokens <= inside.min() <= inside.max() < (step + 1) * tokens
        place += len(chosen)
    whole = sorted(stream[:42])
    assert whole == sorted([*range(21), *range(21)])  # two epochs, each conversation once in each


def test_the_position_counts_the_conversations_before_a_step() -> None:
    plan = schedule(1)
    assert [plan.position(step) for step in range(7)] == [8 * step for step in range(7)]


def test_a_batch_in_tokens_that_is_too_small_is_refused_with_what_works() -> None:
    check_batch(1, 3, batch_tokens=300, longest=100)
    with pytest.raises(StudyError, match=r"batch_tokens: 400, or grant 3 processes"):
        check_batch(1, 4, batch_tokens=300, longest=100)
    with pytest.raises(StudyError, match=r"fix: batch_tokens: 100$"):
        check_batch(1, 1, batch_tokens=50, longest=100)


def test_an_order_of_ones_own_is_followed() -> None:
    backwards = [20 - number for number in range(21)]
    plan = schedule(1, order=lambda epoch: backwards if epoch else sorted(backwards))
    assert plan.conversations(0) == list(range(8))
    assert plan.conversations(2) == [16, 17, 18, 19, 20, 20, 19, 18]


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_processes_together_have_the_gradient_of_one(processes: int) -> None:
    """As the worker computes it: sums over sequences, divided by the step's supervised tokens."""
    parts = encoded(21)
    lengths = [len(ids) for ids, _ in parts]
    plans = [schedule(count, lengths=lengths, capacity=512) for count in (1, processes)]
    model = model_for("grouped_eager")
    results = []
    for plan in plans:
        model.zero_grad()
        supervised = sum(int(parts[index][1].sum()) for index in plan.conversations(1))
        total = 0.0
        for sequences in plan.sequences(1):
            for packed in sequences:
                built = build_sequence([parts[index] for index in packed], "cpu")
                loss = sequence_loss(model, built, "grouped_eager") / supervised
                loss.backward()
                total += loss.item()
        results.append((total, [parameter.grad.clone() for parameter in model.parameters()]))
    assert results[1][0] == pytest.approx(results[0][0], abs=1e-5)
    for one, several in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(one, several, rtol=1e-4, atol=1e-6)


@pytest.fixture
def without_compiler() -> Iterator[None]:
    """Lets torch.compile hand back the plain function: flex attention's reference form."""
    import torch._dynamo

    with torch.compiler.set_stance("force_eager"):
        yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("without_compiler")
@pytest.mark.parametrize("shared", [False, True])
def test_flex_attention_gives_what_eager_attention_gives(shared: bool) -> None:
    """Through the block mask that a GPU's kernel is given; on CPU torch has no backward pass."""
    template = "bayling" if shared else "foundation"
    pairs = [templates.encode(TOKENIZER, template, row["messages"]) for row in conversations(4)]
    parts = [(np.asarray(ids, np.int32), np.asarray(mask, bool)) for ids, mask in pairs]
    packed = build_sequence(parts, "cpu", 100 if shared else 0)
    assert packed.tokens.shape[1] % 128  # it is filled up
    with torch.no_grad():
        eager, flex = (
            sequence_logits(model_for(attention), packed, attention, packed.keep)
            for attention in ("grouped_eager", "flex_attention")
        )
    torch.testing.assert_close(eager, flex, rtol=1e-4, atol=1e-4)


def test_the_block_mask_is_the_full_mask() -> None:
    """Also for the tokens that fill a sequence: no one sees them."""
    parts = encoded(4)
    packed = fill(build_sequence(parts, "cpu", SHARED_TOKENS), "flex_attention")
    length = packed.tokens.shape[1]
    assert length % 128 == 0 and length > packed.real
    segments, places = packed.segments, torch.arange(length)
    full = torch.tril((segments == segments[:, None]) | (segments == SHARED))
    block = inside_conversations(segments, "flex_attention")["attention_mask"]
    seen = block.mask_mod(0, 0, places[:, None], places[None, :])
    assert torch.equal(seen, full)
    assert not full[: packed.real, packed.real :].any()
    assert not full[packed.real :, SHARED_TOKENS : packed.real].any()


def test_kernels_that_cannot_train_here_are_refused() -> None:
    section = TuningSection(attention="flex")
    assert kernel(section, gpu=True) == "flex"
    with pytest.raises(StudyError, match="no backward pass on a CPU"):
        kernel(section, gpu=False)
    with pytest.raises(StudyError, match="needs a GPU"):
        kernel(TuningSection(attention="flash"), gpu=False)
    assert kernel(TuningSection(max_length=512), gpu=False) == "eager"
    assert kernel(TuningSection(max_length=513), gpu=False) == "sdpa"
