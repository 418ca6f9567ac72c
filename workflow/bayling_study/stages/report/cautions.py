"""What a careful reader should know before trusting a number."""

from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import fmean

from bayling_study.config.multiple_choice import HarnessSuite, QuestionsSuite
from bayling_study.core.languages.flores import flores_languages, spellings
from bayling_study.core.records import Score, by_item, grouped
from bayling_study.core.tables import beside
from bayling_study.shared.corpus_tables import ODD
from bayling_study.stages.report.blocks import PageSection, Table
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.data import PARTS
from bayling_study.stages.report.losses import notable
from bayling_study.stages.report.metrics import counted, headline
from bayling_study.stages.report.samples import shown

FEW_SEGMENTS = 200
"""Below this number of segments an interval is wide; Koehn (2004) used 300 and more."""
NOTABLE_SHARE = 0.05  # share of empty or cut answers from which a warning says so
FAILINGS: dict[str, list[str]] = beside(__file__)
"""Count of ``system.json`` to what it counts, and what follows."""
CURVE_ENDS = 10  # a curve's ends are its first and last tenth, so that one odd step decides nothing
UNIFORM = 0.99  # share of a uniform guess's loss from which a training has learnt next to nothing
NOT_IN_THE_PAPERS = ("schedule", "warmup_share", "precision", "gradient_clip", "zero_stage")
"""Settings of tuning that neither BayLing paper states."""

Caution = tuple[str, str]
"""What, and why it matters."""


def warning_table(study: Study) -> Table:
    """Returns the warnings of a study."""
    sources = (diverged, few_segments, at_chance, zeros, unasked, answers, notable)
    more = (approximations, training, corpora, origins, jobs)
    rows: list[Caution] = []
    for source in (*sources, *more):
        with study.block(f"read this first: {source.__name__.replace('_', ' ')}"):
            rows += list(source(study))
    return Table("warnings", "Read this first", ["what", "why"], rows)


def missing_section(study: Study) -> PageSection:
    """Returns what the page lacks, and why; the caller puts it first."""
    rows = [map(shown, lack) for lack in study.missing.items()]
    note = "All other blocks are whole. The tracebacks are in the job's log, logs/report.log."
    table = Table("missing", "Blocks that could not be made", ["block", "why"], rows, note)
    return PageSection("missing", "Missing from this report", tables=[table])


def diverged(study: Study) -> Iterator[Caution]:
    """Warns of losses that did not fall, or that a uniform guess over the vocabulary reaches."""
    for system, record in study.trainings.items():
        points = [point["values"] for point in record.get("history", [])]
        losses = [values["loss"] for values in points if "loss" in values]
        if not losses:
            continue
        width = max(1, len(losses) // CURVE_ENDS)
        first, last = fmean(losses[:width]), fmean(losses[-width:])
        name = f"{system}: training ended at a loss of {last:.3f}"
        why = "it has probably diverged; lower tuning.learning_rate"
        if len(losses) > 1 and last >= first:
            yield f"{name}, not below the {first:.3f} of its start", why
        uniform = record["metrics"].get("uniform_loss")
        if uniform is not None and last >= UNIFORM * uniform:
            yield f"{name}; a uniform guess has {uniform:.3f}", why


def few_segments(study: Study) -> Iterator[Caution]:
    """Warns of suites with small items."""
    few = (s for s in study.scores if s.n < FEW_SEGMENTS and counted(s.metric) == "segments")
    for suite, own in grouped(few, lambda score: score.suite).items():
        sizes = {score.n for score in own}
        low, high = min(sizes), max(sizes)
        size = f"{low}" if low == high else f"{low} to {high}"
        yield f"{suite}: items of {size} segments", "the intervals are wide; take them into account"


def at_chance(study: Study) -> Iterator[Caution]:
    """Warns of scores that guessing, or always giving an exam's most frequent answer, reaches."""
    found = (score for score in study.scores if score.metric == "accuracy")
    accuracies = grouped(found, lambda score: score.suite)
    for suite, own in accuracies.items():
        low = [score for score in own if score.chance]
        yield from _at_chance(suite, own, low, "the interval reaches down to what guessing gives")
    for suite, config in study.config.suites.items():
        if config.kind == "exams" and (own := accuracies.get(suite, [])):
            share = _most_frequent(study, suite)
            least = ((s, s.value if s.low is None else s.low) for s in own if s.item in share)
            low = [score for score, bound in least if bound <= share[score.item]]
            why = "not above the share of the exam's most frequent answer"
            yield from _at_chance(suite, own, low, why)


def _at_chance(suite: str, own: list[Score], low: list[Score], why: str) -> Iterator[Caution]:
    if low:
        names = ", ".join(dict.fromkeys(score.system for score in low))
        yield f"{suite}: {len(low)} of {len(own)} accuracies at chance level", f"{why} ({names})"


def _most_frequent(study: Study, suite: str) -> dict[str, float]:
    """Returns the share of the most frequent expected answer of each item, in per cent."""
    gold = by_item(prompt for prompt in study.prompts(suite) if prompt.references)
    counts = {item: Counter(p.references[-1] for p in own) for item, own in gold.items()}
    return {item: 100 * max(found.values()) / found.total() for item, found in counts.items()}


def zeros(study: Study) -> Iterator[Caution]:
    """Warns of items on which every system scored nothing."""
    found = []
    for suite, scores in study.by_suite.items():
        for metric in headline(score.metric for score in scores):
            own = [score for score in scores if score.metric == metric]
            items = dict.fromkeys(score.item for score in own)
            if none := [i for i in items if all(s.value == 0 for s in own if s.item == i)]:
                found.append(f"{suite} {metric} on {len(none)} of {len(items)} items")
    if found:
        yield f"0 for every system: {', '.join(found)}", "does not tell the systems apart"


def unasked(study: Study) -> Iterator[Caution]:
    """Warns, pivot by pivot, of the suites of one task per language that lack it. Okapi's HellaSwag
    has no Chinese in the harness, for one: its average says nothing of a pivot."""
    suites = study.config.suites
    asked = {name: set(s.languages) for name, s in suites.items() if isinstance(s, QuestionsSuite)}
    for name in (name for name, suite in suites.items() if isinstance(suite, HarnessSuite)):
        asked[name] = task_languages(score.item for score in study.by_suite.get(name, []))
    for code in dict.fromkeys(c for suite in suites.values() for c in getattr(suite, "pivots", ())):
        if lacking := [name for name in suites if asked.get(name) and code not in asked[name]]:
            what = f"no task in {code}: {', '.join(lacking)}"
            yield what, "their averages say nothing of this pivot"


def task_languages(tasks: Iterable[str]) -> set[str]:
    """Returns the languages of tasks such as ``xnli_zh`` and ``belebele_zho_Hans``, by this
    project's codes; none where half of the tasks or more are named after something else."""
    codes = {
        name: one.code
        for one in flores_languages()
        for name in (one.code, one.flores101, *spellings(one.flores200))
    }
    names = [task.split("_")[1:] for task in {*tasks} if "_" in task]
    ends = [["_".join(name[start:]) for start in range(len(name))] for name in names]
    found = [codes[end] for several in ends for end in several if end in codes]
    return set(found) if 2 * len(found) > len(names) else set()


def answers(study: Study) -> Iterator[Caution]:
    """Warns of many empty or cut answers, and of items that are absent."""
    for key, (what, why) in FAILINGS.items():
        found = [
            f"{name} on {suite} {100 * facts[key] / facts['turns']:.0f} %"
            for name, system in study.systems.items()
            for suite, facts in system.get("suites", {}).items()
            if facts.get("turns") and facts.get(key, 0) / facts["turns"] > NOTABLE_SHARE
        ]
        if found:
            yield f"{what}: {', '.join(found)}", why
    for name, system in study.systems.items():
        if system.get("absent"):
            reasons = dict.fromkeys(row["reason"] for row in system["absent"])
            yield f"{name}: {len(system['absent'])} items absent", "; ".join(reasons)


def approximations(study: Study) -> Iterator[Caution]:
    """Warns of metrics and formats that are not what their name may suggest."""
    if any(score.metric == "comet-embedded" for score in study.scores):
        why = "a small model trained here on known degradations; never compare it with COMET"
        if study.comet_correlation is not None:
            why += f" (Spearman {study.comet_correlation:.2f} on held-out degradations)"
        yield "comet-embedded is not COMET", why


def training(study: Study) -> Iterator[Caution]:
    """Warns of what the papers leave open about training and this study had to choose."""
    for system, record in study.trainings.items():
        values = [
            f"{name.replace('_', ' ')} {record['parameters'][f'tuning.{name}']}"
            for name in NOT_IN_THE_PAPERS
            if f"tuning.{name}" in record["parameters"]
        ]
        if values:
            yield f"{system}: {', '.join(values)}", "chosen here; the papers do not state them"
    for name, mixture in study.config.synthesis.mixtures.items():
        if name in study.audits:
            shares = ", ".join(f"{recipe} {share:g}" for recipe, share in mixture.shares.items())
            what = f"mixture {name}: {mixture.conversations:,} conversations; {shares}"
            yield what, "chosen here; the papers state no shares of recipes and turns"
    if study.audits:
        why = "the papers' own training data was never released"
        yield f"training data ({', '.join(study.audits)}): synthesised here", why


def corpora(study: Study) -> Iterator[Caution]:
    """Warns of languages without a segment and of rows that did not fit their format."""
    report = study.corpora or {}
    segments = report.get("parallel", {}).get("segments", {})
    if missing := [language for language, n in segments.items() if not sum(n.values())]:
        yield f"no segment is left of {', '.join(missing)}", "nothing is learnt or tested in them"
    groups = [g for part in PARTS for g in report.get(part, {}).get("groups", {}).items()]
    if odd := {name: n for name, g in groups if (n := g["rejected"].get(ODD))}:
        found = ", ".join(f"{name} {n:,}" for name, n in odd.items())
        yield f"rows that do not fit their format: {found}", "left out; see the rejected segments"


def origins(study: Study) -> Iterator[Caution]:
    """Warns of sources whose content the source table does not pin, or that were not checked."""
    found: dict[str, list[str]] = {}
    for manifest in study.sources:
        source, pin = manifest["source"], manifest.get("pin")
        checked = manifest.get("checked", "local, not checked")
        why = ""
        if pin == "local" and checked != "local, checked":
            why = f"{checked}: others cannot verify its content"
        elif pin == "lock" or (pin == "local" and not source.get("sha256")):
            why = "hash locked at the first download, not pinned by the source table"
        if why:
            found.setdefault(why, []).append(source["id"])
    for why, names in found.items():
        yield f"sources: {', '.join(names)}", why


def jobs(study: Study) -> Iterator[Caution]:
    """Warns of jobs that did not end well."""
    for record in study.records:
        if record["state"] != "finished":
            yield f"job {record['stage']}/{record['name']}", f"ended as {record['state']}"
