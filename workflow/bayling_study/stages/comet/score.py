"""COMET of all systems and suites with each model loaded once; runs in the COMET environment.

Writes ``OUT/SYSTEM/SUITE.json`` (mean and interval of each item) and
``OUT/SYSTEM/SUITE.segments.jsonl`` (one score per segment).
``python -m bayling_study.stages.comet.score --help``.
"""

import argparse
import logging
import time
from pathlib import Path
from typing import Any

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory
from bayling_study.core.records import Prompt, Score
from bayling_study.shared.metrics.groups import averages
from bayling_study.shared.score_files import write_suite
from bayling_study.shared.tracking.record import RunRecord, run_record
from bayling_study.stages.comet.cache import Cache
from bayling_study.stages.comet.checkpoint import CometCheckpoint, find_checkpoint
from bayling_study.stages.comet.model import load_model, signature
from bayling_study.stages.comet.results import item_scores
from bayling_study.stages.comet.scorable import Scorable, is_covered, read_segments, read_suites
from bayling_study.stages.comet.scorer import JointScorer, Scorer
from bayling_study.stages.comet.settings import CometSettings, read_score_settings

LOG = logging.getLogger(__name__)
SCALE = 100
"""The papers' tables give COMET times 100; ``comet-score`` prints it on its own scale."""
Found = dict[tuple[str, str], tuple[list[Score], list[dict[str, Any]]]]
"""(system, suite) to the scores of all models and the segments' rows."""

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    operations=cli.OPERATIONS,
    model=cli.path("checkpoint file or folder"),
    encoder=cli.path("folder of the encoder's config and tokenizer", required=False),
    more=cli.option("a further model", action="append", default=[], metavar="SOURCE=PATH"),
    encoders=cli.option("its encoder", action="append", default=[], metavar="SOURCE=PATH"),
    prompts=cli.PROMPTS,
    generation=cli.GENERATION,
    systems=cli.option("names of systems in the config", required=True, nargs="+"),
    suites=cli.SUITES,
    cache=cli.path("folder kept between runs"),
    out=cli.path("folder to write"),
)


def main() -> None:
    """Scores what the options name (``StudyError`` if an input cannot be used)."""
    options = COMMAND_LINE.parse_args()
    settings = read_score_settings(options.settings, options.operations)
    checkpoints = [find_checkpoint(options.model, options.encoder)]
    encoders = cli.pairs(options.encoders, "--encoders")
    for source, path in cli.pairs(options.more, "--more").items():
        checkpoints.append(find_checkpoint(path, encoders.get(source), source))
    metrics = [checkpoint.metric for checkpoint in checkpoints]
    if twice := [name for name in metrics if metrics.count(name) > 1]:
        what = f"the scores of two models would be called {twice[0]}"
        raise StudyError(what, where="comet.more", fix="another name for one of the sources")
    with run_record(options.record, "comet", "score", settings.study, options.code) as run:
        suites = read_suites(options.prompts, options.suites)
        if not suites:
            what = "no suite has single-turn prompts with a source_text and a reference"
            fix = "name a translation suite, or set comet to nothing"
            raise StudyError(what, where="--suites", fix=fix)
        skipped = [suite for suite in options.suites if suite not in suites]
        _note(run, options, settings, checkpoints, skipped)
        systems = {name: read_system(options.generation / name, suites) for name in options.systems}
        groups = {name: averages(filter(is_covered, rows)) for name, rows in suites.items()}
        found: Found = {}
        encoded, seconds = 0, 1e-9
        for checkpoint in checkpoints:
            scorer = open_scorer(checkpoint, settings, options.cache)
            try:
                values = _score_all(scorer, systems)
            finally:
                scorer.cache.flush()
            encoded, seconds = encoded + scorer.encoded, seconds + scorer.encoding_seconds
            _collect(found, systems, values, checkpoint, settings, groups)
        run.metrics({"texts_encoded": encoded, "texts_per_second": encoded / seconds})
        with atomic_directory(options.out) as folder:
            for (system, suite), (scores, rows) in found.items():
                write_suite(folder / system, suite, scores, rows)
                run.metrics({f"{s.metric}/{system}/{suite}/{s.item}": s.value for s in scores})
        run.output("scores", options.out)


def _note(
    run: RunRecord,
    options: argparse.Namespace,
    settings: CometSettings,
    checkpoints: list[CometCheckpoint],
    skipped: list[str],
) -> None:
    for suite in skipped:
        LOG.info("suite %s has no single-turn source sentences; COMET leaves it out", suite)
    run.parameters(
        {
            "systems": " ".join(options.systems),
            "suites": " ".join(options.suites),
            "skipped": " ".join(skipped),
            "signature": " ; ".join(signature(c, settings.precision) for c in checkpoints),
            "batch_tokens": settings.batch_tokens,
            "verified_against": " ; ".join(checkpoint.verify() for checkpoint in checkpoints),
        }
    )
    for checkpoint in checkpoints:
        run.input(f"model/{checkpoint.source}".rstrip("/"), checkpoint.file)
    run.input("prompts", options.prompts)
    for system in options.systems:
        run.input(f"generation/{system}", options.generation / system)


def read_system(folder: Path, suites: dict[str, list[Prompt]]) -> dict[str, list[Scorable]]:
    """Reads a system's segments of each suite it has, before any model is loaded."""
    found = {suite: read_segments(prompts, folder, suite) for suite, prompts in suites.items()}
    return {suite: segments for suite, segments in found.items() if segments}


def open_scorer(checkpoint: CometCheckpoint, settings: CometSettings, cache: Path) -> Scorer:
    """Loads the model and its part of the cache."""
    start = time.monotonic()
    model = load_model(checkpoint, settings.precision)
    name = signature(checkpoint, settings.precision).replace("|", "_").replace(":", "-")
    LOG.info("model on %s after %.1f s", model.device, time.monotonic() - start)
    kind = Scorer if checkpoint.identifier == "regression_metric" else JointScorer
    return kind(model, Cache(cache / name), settings.batch_tokens)


def _score_all(
    scorer: Scorer, systems: dict[str, dict[str, list[Scorable]]]
) -> dict[tuple[str, str], list[float]]:
    """Returns the scores of each (system, suite), computed one suite's item at a time.

    All systems of an item go together, since they share its sources and references; the
    embeddings of other items then need not be in memory.
    """
    places: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for system, suites in systems.items():
        for suite, segments in suites.items():
            for index, segment in enumerate(segments):
                places.setdefault((suite, segment.item), []).append((system, index))
    values = {
        (system, suite): [0.0] * len(segments)
        for system, suites in systems.items()
        for suite, segments in suites.items()
    }
    for number, ((suite, item), members) in enumerate(places.items(), start=1):
        LOG.info("%s %s (%d of %d): %d segments", suite, item, number, len(places), len(members))
        found = scorer.score([systems[system][suite][index].triple for system, index in members])
        for (system, index), value in zip(members, found, strict=True):
            values[system, suite][index] = value
    return values


def _collect(
    found: Found,
    systems: dict[str, dict[str, list[Scorable]]],
    values: dict[tuple[str, str], list[float]],
    checkpoint: CometCheckpoint,
    settings: CometSettings,
    groups: dict[str, dict[str, list[str]]],
) -> None:
    """Adds one model's scores."""
    text, metric = f"{signature(checkpoint, settings.precision)}|scale:{SCALE}", checkpoint.metric
    for (system, suite), raw in values.items():
        own, segments = [SCALE * value for value in raw], systems[system][suite]
        scores, rows = found.setdefault((system, suite), ([], []))
        names = suite, system, metric
        scores += item_scores(segments, own, names, text, settings, groups[suite])
        pairs = zip(segments, own, strict=True)
        rows += [{"id": part.id, "metric": metric, "value": value} for part, value in pairs]


if __name__ == "__main__":
    cli.run_program(main)
