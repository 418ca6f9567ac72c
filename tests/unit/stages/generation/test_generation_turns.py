"""Turns that go on from what the model has read in those before, against turns read afresh."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM

from bayling_study.config.answering import Answering
from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.suites import Decoding, InteractiveSuite
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.core.seeds import generator
from bayling_study.shared.models import load
from bayling_study.shared.reading import Read
from bayling_study.stages.generation.answering import Answerer
from bayling_study.stages.generation.batching import BatchLimits, PromptTokens, in_order, taken
from bayling_study.stages.generation.decoding import AnswerTokens, decode
from bayling_study.stages.generation.engines import Engine, load_engine
from bayling_study.stages.generation.outputs import PromptSet
from bayling_study.stages.generation.running import Runner
from bayling_study.stages.generation.token_loop import Kept, TokenLoop
from helpers.tiny_model import save_checkpoint

STOPS = [*range(0, 320, 20)]
LIMIT = 16
GREEDY, BEAM = Decoding(beams=1), Decoding(beams=3)
SAMPLE = Decoding(beams=1, sample=True, temperature=1.3)
Said = list[dict[str, AnswerTokens]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return load(checkpoint, GenerationSection(precision="fp32")).model


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The columns of each batch of prompts that a model reads, without what all begin with."""
    found: list[int] = []
    stepped = TokenLoop.logits

    def counted(loop: TokenLoop) -> torch.Tensor:
        if loop.rows[0].request.id and not any(row.answer for row in loop.rows):
            found.append(loop.ids.shape[1])
        return stepped(loop)

    monkeypatch.setattr(TokenLoop, "logits", counted)
    yield found


class Watched(dict[str, Read]):
    """What is kept, with the most tokens that it ever had."""

    most = 0

    def __setitem__(self, name: str, read: Read) -> None:
        super().__setitem__(name, read)
        self.most = max(self.most, sum(len(one.ids) for one in self.values()))


def conversations(
    model: Any, how: Decoding = GREEDY, kept: Kept | None = None, places: int = 6,
    tokens: int = 10**6, spoilt: int = 0, forgotten: int = 0,
) -> Said:  # fmt: skip
    """Returns the answers to some conversations, turn by turn. Of every ``spoilt``-th the first
    demand reads otherwise in later turns, every ``forgotten``-th is taken out of what is kept.
    Without a place to keep anything all turns are read afresh."""
    draw = random.Random(8)
    first, said = [draw.randrange(8, 300) for _ in range(20)], Said()
    ids = {f"c{n}": [*first, *draw.choices(range(8, 300), k=3 + n)] for n in range(14)}
    turns = {name: 2 + (int(name[1:]) % 3 > 0) for name in ids}
    more, kept = kept is not None, {} if kept is None else kept
    for turn in range(3):
        names = [name for name in ids if turn < turns[name]]
        ends = {n: turn + 1 == turns[n] for n in names}
        asked = [PromptTokens(n, ids[n], LIMIT, goes_on=more and not ends[n]) for n in names]
        seeds = {name: generator(1, name, str(turn)) for name in ids}
        done = decode(model, BatchLimits(tokens, places), kept, asked, how, STOPS, seeds)
        said.append({request.id: answer for some in done for request, answer in some})
        for place, name in enumerate(names):
            demand = draw.choices(range(8, 300), k=2 + place % 9)
            ids[name] = [*ids[name], *said[-1][name].ids, *demand]
            if spoilt and place % spoilt == 0:
                ids[name][len(first) + 1] = 301
            if forgotten and place % forgotten == 0:
                kept.pop(name, None)
    return said


@pytest.mark.parametrize("how", [GREEDY, SAMPLE, BEAM], ids=["greedy", "sample", "beam"])
@pytest.mark.parametrize("places", [1, 4, 14])
def test_answers_are_those_of_turns_read_afresh(model: Any, how: Decoding, places: int) -> None:
    kept: Kept = {}
    said = conversations(model, how, kept, places)
    assert said == conversations(model, how, places=places)
    assert [len(turn) for turn in said] == [14, 14, 9] and not kept
    if how.beams == 1:
        assert {answer.finish for turn in said for answer in turn.values()} == {"stop", "length"}


def test_only_new_tokens_are_read(model: Any, read: list[int]) -> None:
    conversations(model, places=14)
    afresh = [*read]
    read.clear()
    conversations(model, places=14, kept={})
    kept = [*read]
    assert kept[0] == afresh[0]  # the first turn
    assert max(kept[1:]) <= 1 + 10 + LIMIT < min(afresh[1:])


@pytest.mark.parametrize("change", [{"spoilt": 2}, {"forgotten": 3}, {"spoilt": 3, "forgotten": 2}])
def test_what_was_not_read_so_is_read_again(model: Any, change: dict[str, int]) -> None:
    """A prompt may not begin with what was said; a resumed job has no tokens of earlier turns."""
    kept = Watched()
    said = conversations(model, GREEDY, kept, **change)
    assert kept.most and not kept
    assert said == conversations(model, **change)


def test_no_more_is_kept_than_is_decoded_at_once(model: Any) -> None:
    """Half of the conversations have no room."""
    all_of_it, some = Watched(), Watched()
    said = conversations(model, GREEDY, all_of_it)
    room = all_of_it.most // 2
    assert conversations(model, GREEDY, some, tokens=room) == said
    assert room // 2 < some.most <= room and not some


def test_a_sliding_window_is_obeyed_in_later_turns() -> None:
    torch.manual_seed(4)
    shape = {
        "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 24,
        "initializer_range": 0.4,
    }  # fmt: skip
    windowed = AutoModelForCausalLM.from_config(transformers.MistralConfig(**shape)).eval()
    kept = Watched()
    said = conversations(windowed, GREEDY, kept, places=14)
    assert kept.most and said == conversations(windowed, places=1)


def test_prompts_are_computed_together_by_what_is_new_of_them() -> None:
    asked = [PromptTokens(f"p{n}", [1] * 400, 10, known=390 * (n > 2)) for n in range(9)]
    waiting = in_order(asked)
    found = []
    while waiting:
        found.append([len(r.ids) - r.known for r in taken(waiting, BatchLimits(10**6, 99), [])])
    assert found == [[10] * 6, [400] * 2, [400]]


class Study:
    """A suite of up to three turns, and a loaded engine for it."""

    def __init__(self, checkpoint: Path, work: Path) -> None:
        self.suite = InteractiveSuite(
            kind="interactive", directions=["zh-en"],
            decoding=Decoding(beams=1, max_new_tokens=16),
        )  # fmt: skip
        languages = {"source": "zh", "target": "en"}
        turns = [[f"turn {turn} {'word ' * n}" for turn in range(1 + n % 3)] for n in range(9)]
        rows = [
            Prompt(f"zh-en/{n}", "talk", "zh-en", languages, own, []) for n, own in enumerate(turns)
        ]
        self.prompts, self.work = PromptSet("talk", rows, "0" * 64), work
        self.engine = load_engine(checkpoint, GenerationSection(precision="fp32"), [])

    def answers(self, engine: Engine, steps: list[str] | None = None) -> list[Hypothesis]:
        how = Answerer(Answering(steps=steps or []))
        runner = Runner(engine, "bayling", "0" * 64, 5, self.work, how)
        return runner.answer(self.suite, self.prompts).hypotheses


def afresh(engine: Engine, seen: list[list[PromptTokens]] | None = None, most: int = 99) -> Engine:
    """Returns an engine that keeps nothing, notes its requests and is killed after ``most``."""

    def decode(requests: list[PromptTokens], *rest: Any) -> Any:
        if seen is not None:
            seen.append(requests)
            if len(seen) > most:
                raise KeyboardInterrupt
        return engine.decode([request._replace(goes_on=False) for request in requests], *rest)

    return replace(engine, decode=decode)


def test_a_runner_tells_which_conversations_go_on(checkpoint: Path, tmp_path: Path) -> None:
    study, seen = Study(checkpoint, tmp_path / "afresh"), list[list[PromptTokens]]()
    expected = study.answers(afresh(study.engine, seen))
    assert [[request.goes_on for request in some] for some in seen] == [
        [n % 3 > 0 for n in range(9)],
        [n % 3 > 1 for n in range(9) if n % 3],
        [False] * 3,
    ]
    assert Study(checkpoint, tmp_path / "kept").answers(study.engine) == expected
    assert len({text for row in expected for text in row.turns}) > 10  # not all the same


def test_a_job_that_was_killed_between_turns_gives_the_same(
    checkpoint: Path, tmp_path: Path
) -> None:
    study = Study(checkpoint, tmp_path / "whole")
    expected = study.answers(study.engine)
    again = Study(checkpoint, tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        again.answers(afresh(again.engine, [], most=1))
    assert again.answers(again.engine) == expected


def test_steps_of_a_turn_give_the_same(checkpoint: Path, tmp_path: Path) -> None:
    study, steps = Study(checkpoint, tmp_path / "kept"), ["translate", "annotate", "proofread"]
    kept = study.answers(study.engine, steps)
    assert kept == Study(checkpoint, tmp_path / "afresh").answers(afresh(study.engine), steps)
