"""Several tuned systems beside each other: what differs between them, and what it did."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from bayling_study.config.systems import TunedSystem
from bayling_study.core.files import read_json
from bayling_study.core.records import Score
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.tracking.record import flatten
from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import NOTES, Cell, Figure, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.heatmap import directions_of
from bayling_study.stages.report.metrics import by_system, explain, headline, score_row
from bayling_study.stages.report.significance import MEAN

FEWEST = 2
SIZES = ("conversations", "supervised_tokens", "steps", "loss")
"""Metrics of a tuning job that are columns of the table."""
OTHER_MODEL = 1.1
"""Factor between the largest and the smallest model from which they differ in size; added words
of a vocabulary make less."""

POOL = " items pooled"
Means = dict[tuple[str, str], dict[str, float]]
"""(suite, headline metric) to the plain mean over items of each system."""


def ablation_section(study: Study) -> PageSection:
    """Returns the table and figure of tuned systems; empty where there are not several."""
    section = PageSection("ablations", "Scaling and ablations")
    tuned = [n for n, system in study.config.systems.items() if isinstance(system, TunedSystem)]
    if len(tuned) < FEWEST or study.config.comparison:  # which has a chapter of its own
        return section
    means = means_of(study, tuned)
    section.tables.append(_table(study, tuned, means))
    label, sizes = sizes_of(study, tuned)
    points = {}
    for (suite, metric), values in means.items():
        sized = ((name, sizes[name], value) for name, value in values.items())
        found = {name: (size, value) for name, size, value in sized if size is not None}
        if len(found) >= FEWEST:
            points[f"{suite}: {metric}"] = found
    if points:
        svg = figures.scaling(points, label)
        caption = "One point per tuned system; a suite's mean is the plain mean over its items."
        section.figures.append(Figure("scaling", "Size and scores", svg, caption))
    return section


def sizes_of(study: Study, tuned: Sequence[str]) -> tuple[str, dict[str, float | None]]:
    """Returns what the systems differ in, and of each how much: model size, or training set."""
    parameters = {name: _parameters(study.folder / "tuning" / name) for name in tuned}
    known = [value for value in parameters.values() if value is not None]
    if len(known) == len(tuned) and max(known) > OTHER_MODEL * min(known):
        return "parameters (millions)", parameters
    sizes = {name: _metric(study, name, "conversations") for name in tuned}
    return "conversations of the training set", sizes


def _parameters(checkpoint: Path) -> float | None:
    """Returns the millions of parameters of a model of Llama's kind; none for any other."""
    path = checkpoint / "config.json"
    try:
        return Shape.from_config(read_json(path)).parameters() / 1e6 if path.is_file() else None
    except KeyError:
        return None


def means_of(study: Study, systems: Sequence[str]) -> Means:
    """Returns (suite, headline metric) to the plain mean over items of each system. Where items are
    directions, averages among them do not count twice."""
    result: Means = {}
    for suite, every in study.by_suite.items():
        scores = [score for score in every if score.system in systems]
        directions = set(directions_of(score.item for score in scores))
        for metric in headline(score.metric for score in scores):
            own = [s for s in scores if s.metric == metric]
            own = [s for s in own if not directions or s.item in directions]
            for name in systems:
                if values := [score.value for score in own if score.system == name]:
                    result.setdefault((suite, metric), {})[name] = fmean(values)
    return result


def is_average(score: Score) -> bool:
    """Tells whether a score is over several items, with the resamples of them all. It says so
    itself: a plain mean by its signature, pooled items by their note (``scoring.aggregates``)."""
    whole = score.signature.startswith(MEAN) or score.note.endswith(POOL)
    return whole and score.low is not None and "." not in score.item


def _scores(study: Study, tuned: Sequence[str], means: Means) -> dict[str, list[Cell]]:
    """Returns columns of averages that scoring resampled and, where a system has none, of plain
    means. Averages of groups of languages (``script.Latn``) are left to the suites' tables."""
    columns: dict[str, list[Cell]] = {}
    for (suite, metric), values in means.items():
        scores = [s for s in study.by_suite[suite] if s.metric == metric and s.system in tuned]
        averages = list(filter(is_average, scores))
        for item, row in by_system(averages, lambda score: score.item).items():
            columns[f"{suite} {metric}, {item}"] = score_row(study, row, tuned)
        if not values.keys() <= {score.system for score in averages}:
            columns[f"{suite} {metric}"] = [number(values.get(name), 2) for name in tuned]
    return columns


def _metric(study: Study, name: str, metric: str) -> float | None:
    found: float | None = study.trainings.get(name, {"metrics": {}})["metrics"].get(metric)
    return found


def _table(study: Study, tuned: Sequence[str], means: Means) -> Table:
    settings = {name: flatten(study.config.systems[name].model_dump(mode="json")) for name in tuned}
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    varied = [k for k in keys if len({str(v.get(k)) for v in settings.values()}) > 1]
    scores = _scores(study, tuned, means)
    rows = [
        [
            *(name, *(settings[name].get(key, "–") for key in varied)),
            *(number(_metric(study, name, key), 3 if key == "loss" else 0) for key in SIZES),
            *(cells[place] for cells in scores.values()),
        ]
        for place, name in enumerate(tuned)
    ]
    columns = ["system", *varied, *(key.replace("_", " ") for key in SIZES), *scores]
    note = NOTES["ablations"].format(baseline=study.baseline)
    about = {name: explain(name.split()[1].rstrip(",")) for name in scores}
    return Table("ablations", "Tuned systems", columns, rows, note, about=about)
