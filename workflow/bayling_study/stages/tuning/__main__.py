"""Tunes a foundation: ``python -m bayling_study.stages.tuning``.

Reads ``--foundation`` (a checkpoint in the hub's format) and ``train.parquet`` of ``--synthesis``;
writes the tuned checkpoint to ``--out`` when the last step is done, and nothing there before. A
second start goes on from the newest checkpoint in ``--checkpoints`` that verifies. SIGTERM, SIGUSR1
and the end of ``tuning.budget_minutes`` save and end with status 75: start the same command again.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bayling_study.config.loading import load_settings
from bayling_study.config.model import StudyConfig
from bayling_study.config.systems import TunedSystem
from bayling_study.core import cli, files
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up_kind
from bayling_study.shared import token_set
from bayling_study.shared.corpus_tables import PARALLEL_FILE
from bayling_study.shared.sizing.minutes import job_minutes
from bayling_study.shared.tracking.record import RunRecord, run_record
from bayling_study.stages.tuning import adapters, checkpoints, curriculum, kept, pairs, resources
from bayling_study.stages.tuning.follow import Reports
from bayling_study.stages.tuning.job import TrainingJob
from bayling_study.stages.tuning.launcher import launch
from bayling_study.stages.tuning.nodes import TIMEOUT_SECONDS, Nodes

OPERATIONAL = {
    *("checkpoint_minutes", "keep_checkpoints", "budget_minutes", "attempts", "zero_stage"),
    *("offload", "micro_batch_tokens", "attention", "gradient_checkpointing", "device"),
}
"""Settings that change when and how work is done and, but for rounding, not what is learnt."""

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    operations=cli.OPERATIONS,
    system=cli.option("name of the tuned system", required=True),
    foundation=cli.path("checkpoint to start from"),
    synthesis=cli.path("folder of the mixture"),
    masks=cli.path("the encoded training set"),
    corpora=cli.path("folder of parallel.parquet, for tuning.alignment", required=False),
    licence=cli.option("of the foundation, where its files do not say"),
    checkpoints=cli.path("folder of work in progress"),
    out=cli.path("tuned checkpoint to write"),
    processes=cli.number(
        "worker processes of each node; 0: one for each GPU granted, without any just one",
        least=0,
        default=1,
    ),
    threads=cli.number("cores granted on each node", default=1),
    nodes=cli.number("nodes granted", default=1),
    node_launcher=cli.option(
        "starts one task on each of several nodes: srun, or a whole command line", default="srun"
    ),
    node_logs=cli.path("folder for a log of each of several nodes", required=False),
    node_seconds=cli.option("to wait for all nodes", type=float, default=TIMEOUT_SECONDS),
    limit_minutes=cli.option("the scheduler's limit; 0 is none", type=float, default=0),
    tracking_uri=cli.option(
        "MLflow store for live metrics", default=os.environ.get("BAYLING_TRACKING") or None
    ),
)


def main() -> int:
    """Runs the stage; returns 75 if training was stopped before its end."""
    begin = time.time()
    options = COMMAND_LINE.parse_args()
    sections = "study", "tuning", "systems"
    config = load_settings(options.settings, *sections, operations=options.operations)
    system = look_up_kind(TunedSystem, "tuned system", options.system, config.systems, "--system")
    # Without a GPU one process takes all cores: two on two cores did 0.86 times the tokens of one
    # in 1.4 times its memory (``tests/bench/tuning_speed.py --processes``).
    each = options.processes or torch.cuda.device_count() or 1
    resources.check_grant(config.tuning, each, options.nodes)
    options.processes = each * options.nodes
    granted = options.nodes, options.threads, options.node_launcher
    nodes = Nodes(*granted, options.node_logs, options.node_seconds)
    adapters.check(config.tuning.adapter, str(options.foundation))
    name, study = options.system, config.study.name
    with run_record(options.record, "tuning", name, study, options.code) as run:
        job = prepare(options, config, system, begin, run)
        if not kept.hand_over(run, options.out, job.folder):
            reports = Reports(run, options.tracking_uri, config.tracking.flush_seconds)
            try:
                launch(job, each, reports.handle, nodes)
            finally:
                reports.close()
            if not reports.finished:
                print("stopped before the last step; start again to continue", file=sys.stderr)
                sys.exit(cli.EXIT_INTERRUPTED)
        run.output("checkpoint", options.out)
        run.artefact(options.out / token_set.AUDIT)
        kept.keep(run, options.out, job.folder)
    checkpoints.Checkpoints(job.folder, config.tuning.keep_checkpoints).remove_all()
    return 0


def prepare(
    options: argparse.Namespace,
    config: StudyConfig,
    system: TunedSystem,
    begin: float,
    run: RunRecord,
) -> TrainingJob:
    """Takes the encoded conversations over, notes inputs in the run record and writes the job
    (``StudyError`` if an input is not what its job wrote, or does not fit)."""
    settings = config.tuning
    for name in ("synthesis", "foundation", "masks"):  # before they are read: damage is named first
        run.input(name, getattr(options, name))
    if settings.alignment:
        run.input("corpora", need_corpora(options))
    identity = identify(config, system, options)
    folder = options.checkpoints / identity[:12]
    folder.mkdir(parents=True, exist_ok=True)
    for other in sorted(options.checkpoints.iterdir()):
        if other != folder and any(other.glob(f"{checkpoints.PREFIX}*")):
            print(f"{other}: of other settings or data, not used; delete it?", file=sys.stderr)
    sources = options.synthesis, options.foundation
    expected = token_set.made_from(*sources, system.template, settings.max_length)
    audit = adopt(options.masks, folder, expected)
    run.parameters({"tuning": settings.model_dump(mode="json"), "template": system.template})
    run.parameters({"processes": options.processes, "identity": identity})
    tokens = token_set.load(folder / "tokens")
    seed = config.study.seed
    run.parameters(curriculum.prepare(folder, options.synthesis, tokens, settings, seed))
    if settings.alignment:
        languages, asked = token_set.languages(options.synthesis), settings.alignment
        sources = options.corpora, options.foundation
        taken = pairs.prepare(folder, *sources, languages, asked, seed)
        run.metrics({f"alignment_pairs_{what}": count for what, count in taken.items()})
    run.metrics({key: audit[key] for key in ("conversations", "tokens", "supervised_tokens")})
    run.metrics({"supervised_share": audit["supervised_share"]})
    budget = resources.memory_budget(options.processes, options.processes // options.nodes)
    mean = audit["tokens"] / audit["conversations"]
    choice = resources.settle(settings, options.foundation, budget, mean)
    run.parameters(resources.facts(choice))
    run.metrics({"uniform_loss": resources.uniform_loss(options.foundation)})
    minutes = job_minutes(settings.budget_minutes, options.limit_minutes)
    job = TrainingJob(
        system=options.system,
        tuning=choice.tuning.model_dump(mode="json"),
        template=system.template,
        seed=config.study.seed,
        foundation=str(options.foundation),
        work=str(folder),
        out=str(options.out),
        code=options.code,
        deadline=None if minutes is None else begin + 60 * minutes,
        card={
            "base": system.base,
            "study": config.study.name,
            "licence": licence(options.foundation) or options.licence,
            "languages": token_set.languages(options.synthesis),
            "recipes": audit["recipes"],
            "processes": options.processes,
            "data": files.sha256_file(options.synthesis / "train.parquet"),
            "audit": audit,
        },
    )
    job.write()
    return job


def need_corpora(options: argparse.Namespace) -> Path:
    """Returns the file of the pairs (``StudyError`` if the job was not given it)."""
    if options.corpora is None:
        raise StudyError("tuning.alignment needs pairs", where="--corpora", fix="S/corpora")
    return Path(options.corpora) / PARALLEL_FILE


def adopt(masks: Path, folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Takes what the stage ``masks`` wrote into a training job's folder; returns the audit
    (``StudyError`` if it was made from other data, another tokenizer or with other settings).
    ``expected`` is ``made_from`` of the training job."""
    audit: dict[str, Any] = files.read_json(masks / token_set.AUDIT)
    differing = sorted(key for key in expected if audit["made_from"].get(key) != expected[key])
    if differing:
        raise StudyError(f"the encoding is of other {', '.join(differing)}", where=masks)
    if not (folder / token_set.AUDIT).exists():
        with files.atomic_directory(folder / token_set.TOKENS) as scratch:
            made = masks / token_set.TOKENS
            shutil.copytree(made, scratch, dirs_exist_ok=True, copy_function=files.link_file)
        files.write_json(folder / token_set.AUDIT, audit)
    return audit


def identify(config: StudyConfig, system: TunedSystem, options: argparse.Namespace) -> str:
    """Returns the hash of all that decides what is learnt; each has checkpoints of its own."""
    settings = config.tuning.model_dump(mode="json", exclude=OPERATIONAL)
    return files.sha256_json(
        {
            "tuning": settings,
            "seed": config.study.seed,
            "template": system.template,
            "instructions": files.sha256_file(options.synthesis / "train.parquet"),
            "foundation": files.sha256_path(options.foundation),
            # The same rows are other tokens once the code that encodes them changes.
            "tokens": files.sha256_path(options.masks / token_set.TOKENS),
        }
        | ({"pairs": files.sha256_file(need_corpora(options))} if config.tuning.alignment else {})
    )


def licence(foundation: Path) -> str | None:
    """Returns the licence that the foundation's model card names in its header, if any."""
    card = foundation / "README.md"
    lines = card.read_text(encoding="utf-8").splitlines() if card.exists() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("license:"))
    return next(found, None)


if __name__ == "__main__":
    cli.run_program(main)
