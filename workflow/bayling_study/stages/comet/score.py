"""COMET of all systems and suites with each model loaded once; runs in the COMET environment.

Writes ``OUT/SYSTEM/SUITE.json`` (mean and interval of each item) and ``SUITE.segments.jsonl`` (one
score per segment). ``python -m bayling_study.stages.comet.score --help``.
"""

import argparse
import logging
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory
from bayling_study.core.records import Score, grouped
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
SCALE = 100  # the papers' tables give COMET times 100; ``comet-score`` prints it on its own scale
Key = tuple[str, str]
"""A system and a suite."""

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
        answers = {
            (system, suite): segments
            for system in options.systems
            for suite, prompts in suites.items()
            if (segments := read_segments(prompts, options.generation / system, suite))
        }
        groups = {name: averages(filter(is_covered, rows)) for name, rows in suites.items()}
        found: dict[Key, tuple[list[Score], list[dict[str, Any]]]] = {k: ([], []) for k in answers}
        encoded, seconds = 0, 1e-9
        for checkpoint in checkpoints:
            scorer = open_scorer(checkpoint, settings, options.cache)
            try:
                values = _score_all(scorer, answers)
            finally:
                scorer.cache.flush()
            encoded, seconds = encoded + scorer.encoded, seconds + scorer.encoding_seconds
            text = f"{signature(checkpoint, settings.precision)}|scale:{SCALE}"
            for (system, suite), (scores, rows) in found.items():
                segments, own = answers[system, suite], values[system, suite]
                names = suite, system, checkpoint.metric
                scores += item_scores(segments, own, names, text, settings, groups[suite])
                pairs = zip(segments, own, strict=True)
                rows += [{"id": s.id, "metric": names[-1], "value": value} for s, value in pairs]
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
    names = {"systems": options.systems, "suites": options.suites, "skipped": skipped}
    run.parameters({name: " ".join(values) for name, values in names.items()})
    signatures = " ; ".join(signature(c, settings.precision) for c in checkpoints)
    run.parameters({"signature": signatures, "batch_tokens": settings.batch_tokens})
    run.parameters({"verified_against": " ; ".join(c.verify() for c in checkpoints)})
    for checkpoint in checkpoints:
        run.input(f"model/{checkpoint.source}".rstrip("/"), checkpoint.file)
    run.input("prompts", options.prompts)
    for system in options.systems:
        run.input(f"generation/{system}", options.generation / system)


def open_scorer(checkpoint: CometCheckpoint, settings: CometSettings, cache: Path) -> Scorer:
    """Loads the model and its part of the cache."""
    start = time.monotonic()
    model = load_model(checkpoint, settings.precision)
    name = signature(checkpoint, settings.precision).replace("|", "_").replace(":", "-")
    LOG.info("model on %s after %.1f s", model.device, time.monotonic() - start)
    kind = Scorer if checkpoint.identifier == "regression_metric" else JointScorer
    return kind(model, Cache(cache / name), settings.batch_tokens)


def _score_all(scorer: Scorer, answers: dict[Key, list[Scorable]]) -> dict[Key, list[float]]:
    """Returns the segments' scores, scaled, computed one suite's item at a time: all systems share
    its sources and references, and the embeddings of other items need not be in memory."""
    rows = [(suite, one.item, one.triple) for (_, suite), own in answers.items() for one in own]
    items = grouped(rows, itemgetter(0, 1))
    for number, ((suite, item), members) in enumerate(items.items(), start=1):
        LOG.info("%s %s (%d of %d): %d segments", suite, item, number, len(items), len(members))
        scorer.score([triple for _, _, triple in members])
    triples = {key: [one.triple for one in own] for key, own in answers.items()}
    return {key: [SCALE * value for value in scorer.score(own)] for key, own in triples.items()}


if __name__ == "__main__":
    cli.run_program(main)
