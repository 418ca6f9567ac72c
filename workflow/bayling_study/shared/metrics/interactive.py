"""Interactive translation, turn by turn: is each demand met, how good is it, what was kept.

A conversation's ``meta["demands"]`` holds one demand a turn, with a kind and checks
(``bayling_study.shared.interactive.checks``). A demand is met when all its checks are; a check that
speaks of the previous answer sees the system's own.

Where a script is asked for, the answer must be in the language too: a German text that comes back
as it is passes as English. It is not when it copies the user's text, or when the identifiers of
``identification`` find another language (on short texts both must). Both are controlled by the
reference: what is found of it too (a product name, an odd text) counts against no answer.

The headline is ``satisfaction.follow-up``, all turns but the first: a first turn is a plain
translation, and a system that meets nothing else meets most of them. A rate's n is the number of
demands. Paired tests resample conversations, not turns.
"""

from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from typing import Any, NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.core.records import grouped
from bayling_study.shared.interactive.checks import matched_share, verify
from bayling_study.shared.metrics import overlap
from bayling_study.shared.metrics.identification import SHORT, is_off, letters, votes
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, rate
from bayling_study.shared.metrics.one_form import one_form

SATISFACTION = "interactive|demand:all-checks+language|unit:turn|version:2"
DIALOGUE = "interactive|demand:all-checks+language|unit:conversation|version:2"
KEPT = "interactive|kept:words-in-order-of-previous-answer|version:1"
KEPT_REFERENCE = "interactive|kept:words-in-order-of-previous-reference|version:1"
COPIED = 0.8
"""Share of an answer's words, in order, that make it a copy; ``KEPT`` of demands is alike."""


class CheckedTurn(NamedTuple):
    """A judged turn: its conversation's place in the item, its own (from 1), its demand's kind.
    ``met`` is none where the demand has no checks. ``kept`` are the shares of the words of the
    previous answer, and of its reference, that this one keeps in order; there are none at turn 1.
    """

    conversation: int
    number: int
    kind: str
    met: bool | None
    kept: list[float]


@one_form
def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns satisfaction, the kept share and quality, whole and by demand kind or turn
    (``StudyError`` if demands, references and answers differ in number)."""
    size = len(answers.prompts)
    turns = [turn for index in range(size) for turn in _judge(answers, index)]
    demands = _demands(turns)
    whole = [(n, all(met for _, met in own)) for n, own in grouped(demands, itemgetter(0)).items()]
    results = [
        _met("satisfaction", SATISFACTION, demands, size),
        _met("satisfaction-all", DIALOGUE, whole, size, "conversations with all demands met"),
        *_kept(turns, size),
    ]
    for name, own in _parts(turns).items():
        if demands := _demands(own):
            results.append(_met(f"satisfaction.{name}", SATISFACTION, demands, size))
        if any(turn.kept for turn in own):
            results += _kept(own, size, f".{name}")
    return results + _quality(answers, options)


def _parts(turns: list[CheckedTurn]) -> dict[str, list[CheckedTurn]]:
    """Returns the turns after the first, by number (``turn-1``) and by kind of demand."""
    later = [turn for turn in turns if turn.number > 1]
    in_order = sorted(turns, key=lambda turn: turn.number)
    by_number = grouped(in_order, lambda turn: f"turn-{turn.number}")
    by_kind = grouped(turns, lambda turn: turn.kind)
    return ({"follow-up": later} if later else {}) | by_number | by_kind


def _judge(answers: Answers, index: int) -> list[CheckedTurn]:
    prompt, given = answers.prompts[index], answers.hypotheses[index].turns
    demands: list[dict[str, Any]] = prompt.meta.get("demands", [])
    if len({len(demands), len(prompt.references), len(given)}) != 1:
        what = f"{len(given)} answers, {len(prompt.references)} references, {len(demands)} demands"
        raise StudyError(what, where=answers.where(index), fix="one of each for every turn")
    turns = []
    for position, demand in enumerate(demands):
        checks = demand["checks"]
        met = all(verify(checks, given[position], given[:position])) if checks else None
        if met and any(check["type"] == "script" for check in checks):
            met = _in_language(answers, index, position)
        sides = (given, prompt.references) if position else ()
        kept = [matched_share(side[position - 1], side[position], of="one") for side in sides]
        turns.append(CheckedTurn(index, position + 1, demand["kind"], met, kept))
    return turns


def _in_language(answers: Answers, index: int, position: int) -> bool:
    """Tells whether an answer is in its demand's language and no copy of what the user wrote, both
    controlled by the reference; a language that no identifier knows is not judged."""
    prompt = answers.prompts[index]
    language = prompt.meta["demands"][position].get("target") or answers.target_language()
    source = [prompt.meta["source_text"]] if position == 0 and "source_text" in prompt.meta else []
    answer, reference = answers.hypotheses[index].turns[position], prompt.references[position]
    for text in (prompt.turns[position], *source):
        copied = [matched_share(one, text, of="one") >= COPIED for one in (answer, reference)]
        if copied == [True, False]:
            return False
    found = votes([answer, reference], language)
    off = is_off(found)
    return not off[0] or bool(off[1]) or (letters(answer) < SHORT and not found[0, [1, 3]].all())


def _demands(turns: list[CheckedTurn]) -> list[tuple[int, bool]]:
    """Returns the conversation of each demand that can be checked, and whether it is met."""
    return [(turn.conversation, turn.met) for turn in turns if turn.met is not None]


def _met(
    metric: str, signature: str, pairs: list[tuple[int, bool]], size: int, what: str = "demands met"
) -> Measurement:
    note = f"{sum(met for _, met in pairs)}/{len(pairs)} {what}"
    return replace(_by_conversation(metric, signature, pairs, size, note), judged=True)


def _kept(turns: list[CheckedTurn], size: int, suffix: str = "") -> list[Measurement]:
    own, expected = ([(t.conversation, t.kept[n]) for t in turns if t.kept] for n in (0, 1))
    return [
        _by_conversation(f"kept{suffix}", KEPT, own, size),
        _by_conversation(f"kept-reference{suffix}", KEPT_REFERENCE, expected, size),
    ]


def _by_conversation(
    metric: str, signature: str, pairs: Iterable[tuple[int, float]], size: int, note: str = ""
) -> Measurement:
    """Returns a rate from (conversation, value) pairs, summed within each conversation."""
    parts, wholes = [0.0] * size, [0.0] * size
    for conversation, value in pairs:
        parts[conversation] += value
        wholes[conversation] += 1
    return rate(metric, signature, parts, wholes, note)


def _quality(answers: Answers, options: Options) -> list[Measurement]:
    """Returns BLEU and chrF of each turn against its reference, over those who have the turn."""
    tokenizers = overlap.tokenizers_of(answers, options)
    results = []
    pairs = list(zip(answers.hypotheses, answers.prompts, strict=True))
    for place in range(max(len(prompt.turns) for prompt in answers.prompts)):
        rows = [(h.turns[place], p.references[place]) for h, p in pairs if len(p.turns) > place]
        given, expected = map(list, zip(*rows, strict=True))
        results += overlap.score(given, expected, tokenizers, options, f".turn-{place + 1}")
    return results
