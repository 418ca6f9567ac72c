"""Three prompts of the main page, unfolded: a typical one, the largest gain, the largest loss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from statistics import median_low

from bayling_study.config.suites import InteractiveSuite
from bayling_study.core.records import Prompt
from bayling_study.stages.report.answer_marks import demands, outcome
from bayling_study.stages.report.blocks import PageSection, Sample, SampleTurn
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import headline
from bayling_study.stages.report.samples import marked, shown

FIRST_ANSWER = "chrf2.turn-1"
Gains = dict[str, tuple[float, float]]
"""Prompt id to the scores of the baseline and of the other system."""
Way = Callable[[Iterable[float]], float]


def dialogue_section(study: Study) -> PageSection:
    """Returns a typical prompt, a gain and a loss of the first system that is not the baseline. The
    first suite that both were scored on prompt by prompt, dialogues before others, has them by its
    first headline metric; where that knows no loss, the loss is one of the first answer's chrF."""
    section = PageSection("dialogues", "A typical prompt, a gain and a loss")
    talks = [n for n, one in study.config.suites.items() if isinstance(one, InteractiveSuite)]
    others = [name for name in study.config.systems if name != study.baseline]
    for suite in sorted(study.by_suite, key=lambda name: name not in talks):
        metric = headline(score.metric for score in study.by_suite[suite])[0]
        for system in others:
            if gains := _gains(study, suite, metric, system):
                pair = (study.baseline, system)
                worse = sum(after < before for before, after in gains.values())
                section.text = (
                    f"{suite}: {study.baseline} and {system}, {metric} of single prompts. Typical "
                    f"is the middle difference of the two. {system} is worse on {worse:,} of "
                    f"{len(gains):,} prompts; all are on the page of answers."
                )
                ways: dict[str, Way] = {"Typical": median_low, "Gain": max, "Loss": min}
                section.samples = _chosen(study, suite, pair, gains, ways)
                if not worse:
                    first = _gains(study, suite, FIRST_ANSWER, system)
                    way: dict[str, Way] = {f"Loss of {FIRST_ANSWER}": min}
                    section.samples += _chosen(study, suite, pair, first, way)
                return section
    return section


def _gains(study: Study, suite: str, metric: str, system: str) -> Gains:
    before = study.segments(study.baseline, suite, metric)
    after = study.segments(system, suite, metric)
    given = [study.answers(name, suite) for name in (study.baseline, system)]
    both = [name for name in before if name in after and all(name in own for own in given)]
    return {name: (before[name], after[name]) for name in both}


def _chosen(
    study: Study, suite: str, systems: tuple[str, str], gains: Gains, ways: Mapping[str, Way]
) -> list[Sample]:
    """Returns a prompt for each title, by what its way takes of all differences; none twice. No
    loss is shown where nothing was lost, and no gain likewise. Among equals comes what is about as
    long as most, for it reads best."""
    prompts = [prompt for prompt in study.prompts(suite) if prompt.id in gains]
    length = {prompt.id: sum(map(len, [*prompt.turns, *prompt.references])) for prompt in prompts}
    change = {name: after - before for name, (before, after) in gains.items()}
    found = []
    for title, way in ways.items():
        value = way(change.values()) if change else 0.0
        equal = [prompt for prompt in prompts if change[prompt.id] == value]
        if not equal or (way is max and value <= 0) or (way is min and value >= 0):
            continue
        usual = median_low(length.values())
        prompt = min(equal, key=lambda one: abs(length[one.id] - usual))
        prompts.remove(prompt)
        before, after = gains[prompt.id]
        name = f"{title}: {prompt.id}, {before:.1f} → {after:.1f}"
        found.append(Sample(name, _judged(study, prompt, systems)))
    return found


def _judged(study: Study, prompt: Prompt, systems: Sequence[str]) -> list[SampleTurn]:
    """Returns a prompt's turns with both answers, their words marked against the reference, and
    of each demand whether it is met and why."""
    answers = {name: study.answers(name, prompt.suite)[prompt.id]["turns"] for name in systems}
    turns = []
    for place, (user, demand) in enumerate(zip_longest(prompt.turns, demands(prompt))):
        reference = shown("".join(prompt.references[place : place + 1]))
        given = {name: own[place] for name, own in answers.items() if place < len(own)}
        spans = [(name, marked(shown(answer), reference)) for name, answer in given.items()]
        reasons = {}
        if demand:
            metric = "constraint-all" if demand.fragments else f"satisfaction.turn-{place + 1}"
            for name, own in answers.items():
                met = study.segments(name, prompt.suite, metric).get(prompt.id)
                reasons[name] = outcome(demand, met, own, place)
        turns.append(SampleTurn(shown(user), reference, spans, reasons))
    return turns
