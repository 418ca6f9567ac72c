"""The verdict of a study in a few sentences, computed from scores, tests and published values.
Every sentence names its test, and what is not significant is not said of two systems; where nothing
is, that is said, with the number of tests and the bounds of a mean. They are the first thing on the
page, the last of ``make study``, and MLflow's description of the study."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bayling_study.config.rehearsal import WARNING
from bayling_study.config.suites import InteractiveSuite, TranslationSuite
from bayling_study.config.systems import OtherForm, TunedSystem
from bayling_study.core.records import grouped
from bayling_study.shared.verdict import HEADLINE
from bayling_study.stages.report.blocks import signed
from bayling_study.stages.report.cautions import few_segments
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.comparison import comparison_sentences
from bayling_study.stages.report.heatmap import directions_of
from bayling_study.stages.report.metrics import counted, title_of
from bayling_study.stages.report.significance import WORDS, difference, is_average, mark_of, pair_of
from bayling_study.stages.report.verdicts import CLOSE, DIFFERS, NOT_COMPARABLE, REPRODUCED, Verdict

INTERFACES = ("homeassistant", "homeassistant-all", "django", "mediawiki")
"""Sources whose text is that of programs' interfaces: short, and of a narrow domain."""
ORDER = ("satisfaction.follow-up", "constraint-rate", "comet", *HEADLINE)
"""Metrics of the verdict: first what a suite is there to measure, whose values are said."""
MOST_NAMED = 4  # items that a sentence names with their values
Row = Mapping[str, Any]


def conclusion(study: Study, verdicts: Sequence[Verdict]) -> list[str]:
    """Returns the verdict's sentences, at least one; released outputs are judged by what is
    published on them alone, where something is."""
    reproduced = [*_reproduction(study, [row for row in verdicts if row.published is not None])]
    section = study.config.comparison
    found = [*comparison_sentences(study, section)] if section else []
    if not section and not (study.published_only and reproduced):
        found = [*outcomes(study)]
    nothing = "No two systems of this study were compared, and no published value concerns it."
    limits = "; ".join(_limits(study))
    if study.config.rehearsal:
        found.insert(0, WARNING)
    return [*(found + reproduced or [nothing]), *([f"Limits: {limits}."] if limits else [])]


def _reproduction(study: Study, judged: Sequence[Verdict]) -> Iterator[str]:
    """Yields how many published values are met, which are not, and how many cannot be compared."""
    found = Counter(row.verdict for row in judged)
    comparable = found[REPRODUCED] + found[CLOSE] + found[DIFFERS]
    if not judged:
        return
    within = f"within the metric's tolerance{'' if study.published_only else ' or our interval'}"
    yield (
        f"Of {comparable:,} comparable published values {found[REPRODUCED]:,} are reproduced "
        f"(equal at the printed decimals), {found[CLOSE]:,} close ({within}), {found[DIFFERS]:,} "
        f"different (by more); {found[NOT_COMPARABLE]:,} cannot be compared."
    )
    differ = [
        f"{' '.join(row.key)} {score.value:.{known.decimals}f}, not {known.text}"
        for row in judged
        if row.verdict == DIFFERS and (score := row.score) and (known := row.published)
    ]
    if differ:
        more = f"; and {len(differ) - MOST_NAMED:,} more" if len(differ) > MOST_NAMED else ""
        yield f"Different by more than the tolerance: {'; '.join(differ[:MOST_NAMED])}{more}."


def _limits(study: Study) -> Iterator[str]:
    """Yields what the sentences above cannot carry."""
    for what, _ in few_segments(study):
        yield what
    groups = (study.corpora or {}).get("parallel", {}).get("groups", {})
    sources = dict.fromkeys(group.partition("/")[0] for group in groups)
    suites = study.config.suites.values()
    if sources and any(isinstance(suite, TranslationSuite | InteractiveSuite) for suite in suites):
        texts = (f"{'interface ' * (name in INTERFACES)}text of {name}" for name in sources)
        yield f"all parallel text of this study is {', '.join(texts)}"
    if any(score.metric == "comet-embedded" for score in study.scores):
        yield "comet-embedded is a small model of this study's own, not COMET"
    if any(isinstance(system, TunedSystem) for system in study.config.systems.values()):
        seeds = study.config.comparison.seeds if study.config.comparison else 1
        once = "one training of each system" if seeds == 1 else f"{seeds} trainings of each method"
        yield f"{once}: the tests draw other segments, not other trainings"


class Side(NamedTuple):
    """The tests of a system with another one on one suite: headline metric to rows."""

    suite: str
    system: str
    other: str
    tests: dict[str, list[Row]]

    def sign(self, row: Row) -> str:
        """Returns whether the system is significantly ``better`` or ``worse``, or nothing."""
        return WORDS.get(mark_of(row, self.system), "")

    def change(self, row: Row) -> str:
        """Returns the other system's value and the system's, and of which item or average."""
        values = f"{row['value_a']:.1f}", f"{row['value_b']:.1f}"
        sides = values if row["system_b"] == self.system else values[::-1]
        return f"{' → '.join(sides)} ({row['item']})"


def outcomes(study: Study) -> Iterator[str]:
    """Yields what the tests found, a sentence a pair of systems and suite."""
    method = study.comparisons["method"]
    names = " and ".join(name.partition(" (")[0] for name in method["tests"])
    pairs = grouped(_sides(study), lambda side: (side.system, side.other))
    for (system, other), sides in pairs.items():
        config = study.config.systems[system]
        base = config.base if isinstance(config, OtherForm) else other
        if base != other and (system, base) in pairs:
            continue  # what its base gained is said of the base
        for text in [*filter(None, (_found(study, side) for side in sides))] or [_nothing(sides)]:
            yield f"{text} ({names}, p < {method['level']} after correction)."
    for system, report in study.perplexities.items():
        base, export, change = report["base"], report["export"], report["difference"]
        if change["low"] > 0 or change["high"] < 0:
            low, high = signed(change["low"], 3), signed(change["high"], 3)
            values = f"{base['perplexity']:.3f} → {export['perplexity']:.3f}"
            how = f"paired bootstrap over conversations, {low} to {high}"
            yield f"The perplexity of {system} is not that of {base['system']}: {values} ({how})."


def _sides(study: Study) -> Iterator[Side]:
    """Yields every pair of systems that was tested on a suite, the one to compare with second."""
    systems = study.config.systems
    every: list[Row] = study.comparisons["comparisons"]
    own = (row for row in every if row["metric"] in ORDER and pair_of(row) <= {*systems})
    for (suite, pair), rows in grouped(own, lambda row: (row["suite"], pair_of(row))).items():
        last = [name for name in pair if getattr(systems[name], "base", None) in pair]
        order = sorted(pair, key=lambda name: (name != study.baseline, name in last, name))
        tests = grouped(rows, lambda row: str(row["metric"]))
        first = {metric: tests[metric] for metric in ORDER if metric in tests}
        yield Side(suite, order[1], order[0], first)


def _nothing(sides: Sequence[Side]) -> str:
    """Returns that no test found anything, and within which bounds the first mean lies."""
    rows = [row for side in sides for found in side.tests.values() for row in found]
    system, count = sides[0].system, sum(not is_average(row) for row in rows)
    text = f"{system} and {sides[0].other}: 0 of {count} tests find a difference"
    if row := next(filter(is_average, rows), None):
        low, high = (signed(bound, 1) for bound in difference(row, system)[1:])
        text += f"; {title_of(row['metric'])}, {row['item']}: {low} to {high}"
    return text


def _found(study: Study, side: Side) -> str:
    """Returns what was found on one suite; empty where nothing was."""
    signs = {side.sign(row) for rows in side.tests.values() for row in rows} - {""}
    parts: list[str] = []
    for metric, rows in side.tests.items():
        shown = [*_values(study, side, rows)] if not parts else []
        shown += _counts(study, side, [row for row in rows if not is_average(row)])
        parts += [f"{title_of(metric)} {', '.join(shown)}"] if shown else []
    verb = f"is {' and '.join(sorted(signs))} than"
    return f"{side.system} {verb} {side.other} on {side.suite}: {'; '.join(parts)}" * bool(signs)


def _values(study: Study, side: Side, rows: Sequence[Row]) -> Iterator[str]:
    """Yields the values of averages; without any, those of all demands, or of some items."""
    averages = [row for row in rows if is_average(row) and "." not in row["item"]]
    found = [row for row in averages or rows if side.sign(row)]
    if averages or counted(rows[0]["metric"]) == "segments" or len(found) < len(rows):
        yield from map(side.change, found[:MOST_NAMED])
        return
    items, shares = {row["item"] for row in rows}, []
    for system in (side.other, side.system):
        every = (s for s in study.by_suite[side.suite] if s.metric == rows[0]["metric"])
        own = [s for s in every if s.system == system and s.item in items]
        shares.append(sum(s.value * s.n for s in own) / sum(s.n for s in own))
    yield f"{shares[0]:.1f} → {shares[1]:.1f}"


def _counts(study: Study, side: Side, rows: Sequence[Row]) -> Iterator[str]:
    """Yields on how many items the system is better and worse, untrained directions apart."""
    unseen = getattr(study.config.suites.get(side.suite), "zero_shot", ())
    kinds = {" trained": [row for row in rows if row["item"] not in unseen]}
    kinds[" untrained"] = [row for row in rows if row["item"] in unseen]
    noun = "directions" if len(directions_of(row["item"] for row in rows)) == len(rows) else "items"
    for sign in ("better", "worse"):
        found = []
        for kind, own in kinds.items():
            if count := [side.sign(row) for row in own].count(sign):
                found.append(f"{count} of {len(own)}{kind if unseen else ''}")
        if found:
            yield f"{sign} on {' and '.join(found)} {noun}"
