"""Tunes a foundation: ``python -m bayling_study.tuning``.

Reads ``--foundation`` (a checkpoint in the hub's format) and ``train.parquet``
of ``--instructions``; writes the tuned checkpoint to ``--out`` when the last
step is done, and nothing there before. Work in progress lies in
``--checkpoints``: a second start goes on from the newest checkpoint that
verifies. SIGTERM, SIGUSR1 and the end of ``tuning.budget_minutes`` save and end
with status 75: start the same command again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bayling_study.cli import EXIT_INTERRUPTED, run_program, stage_parser
from bayling_study.config.loading import load_settings
from bayling_study.config.model import StudyConfig
from bayling_study.config.systems import TunedSystem
from bayling_study.errors import StudyError
from bayling_study.files import read_json, sha256_file, sha256_json, sha256_path, write_json
from bayling_study.tracking.record import RunRecord, run_record
from bayling_study.tuning import checkpoints, data
from bayling_study.tuning.follow import Reports
from bayling_study.tuning.job import Job
from bayling_study.tuning.launcher import launch
from bayling_study.tuning.output import AUDIT
from bayling_study.tuning.packing import check_batch

OPERATIONAL = {"checkpoint_minutes", "keep_checkpoints", "budget_minutes"}
"""Settings that change when work is saved and not what is learnt."""


def parser() -> argparse.ArgumentParser:
    """Returns the stage's command line."""
    result = stage_parser("tuning", __doc__ or "")
    result.add_argument("--system", required=True, help="name of the tuned system")
    result.add_argument("--foundation", type=Path, required=True, help="checkpoint to start from")
    result.add_argument("--instructions", type=Path, required=True, help="folder of the mixture")
    result.add_argument(
        "--checkpoints", type=Path, required=True, help="folder of work in progress"
    )
    result.add_argument("--out", type=Path, required=True, help="tuned checkpoint to write")
    result.add_argument("--processes", type=int, default=1, help="worker processes (GPUs or cores)")
    result.add_argument("--tracking-uri", default=None, help="MLflow store for live metrics")
    result.add_argument(
        "--flush-seconds", type=float, default=15.0, help="time between two transfers to it"
    )
    return result


def main() -> int:
    """Runs the stage; returns 75 if training was stopped before its end."""
    begin = time.time()
    options = parser().parse_args()
    config = load_settings(options.settings, "study", "tuning", "systems")
    system = config.systems.get(options.system)
    if not isinstance(system, TunedSystem):
        raise StudyError(f"{options.system!r} is not a tuned system", where="--system")
    check_batch(config.tuning.batch, options.processes)
    check_device(config.tuning.device, options.processes)
    with run_record(
        options.record, "tuning", options.system, config.study.name, options.code
    ) as run:
        job = prepare(options, config, system, begin, run)
        reports = Reports(run, options.tracking_uri, options.flush_seconds)
        try:
            launch(job, options.processes, reports.handle)
        finally:
            reports.close()
        if not reports.finished:
            print("stopped before the last step; start again to go on", file=sys.stderr)
            sys.exit(EXIT_INTERRUPTED)
        run.output("checkpoint", options.out)
        run.artefact(options.out / AUDIT)
    store = checkpoints.Checkpoints(job.folder, config.tuning.keep_checkpoints)
    store.remove_all()
    return 0


def check_device(device: str, processes: int) -> None:
    """Checks that the granted GPUs fit the configuration.

    Raises:
        StudyError: GPUs are asked for and there are none, or fewer than processes.
    """
    import torch

    count = torch.cuda.device_count()
    if device == "cuda" and count == 0:
        raise StudyError("no GPU was granted", where="tuning.device: cuda", fix="device: auto")
    if count and processes > count:
        raise StudyError(
            f"{count} GPUs cannot hold {processes} processes",
            where="--processes",
            fix=f"--processes {count}",
        )


def prepare(
    options: argparse.Namespace,
    config: StudyConfig,
    system: TunedSystem,
    begin: float,
    run: RunRecord,
) -> Job:
    """Encodes the conversations, notes inputs in the run record and writes the job."""
    settings = config.tuning
    instructions = options.instructions / "train.parquet"
    rows = data.read_conversations(options.instructions)
    identity = identify(config, system, options)
    folder = options.checkpoints / identity[:12]
    folder.mkdir(parents=True, exist_ok=True)
    tell_others(options.checkpoints, folder)
    audit = encode(folder, rows, options.foundation, system, settings.max_length)
    check_processes(folder, options.processes)
    run.input("instructions", instructions)
    run.input("foundation", options.foundation)
    run.parameters({"tuning": settings.model_dump(mode="json"), "template": system.template})
    run.parameters({"processes": options.processes, "identity": identity})
    run.metrics({key: audit[key] for key in ("conversations", "tokens", "trained_tokens")})
    run.metrics({"trained_share": audit["trained_share"]})
    minutes = settings.budget_minutes
    job = Job(
        system=options.system,
        tuning=settings.model_dump(mode="json"),
        template=system.template,
        seed=config.study.seed,
        foundation=str(options.foundation),
        work=str(folder),
        out=str(options.out),
        code=options.code,
        deadline=None if minutes is None else begin + 60 * minutes,
        card={
            "base": system.base,
            "study": config.study.title,
            "licence": licence(options.foundation),
            "languages": [],
            "recipes": dict(Counter(row["recipe"] for row in rows)),
            "processes": options.processes,
            "data": sha256_file(instructions),
            "audit": audit,
        },
    )
    job.write()
    return job


def identify(config: StudyConfig, system: TunedSystem, options: argparse.Namespace) -> str:
    """Returns the hash of all that decides what is learnt; each has checkpoints of its own."""
    settings = config.tuning.model_dump(mode="json", exclude=OPERATIONAL)
    return sha256_json(
        {
            "tuning": settings,
            "seed": config.study.seed,
            "template": system.template,
            "instructions": sha256_file(options.instructions / "train.parquet"),
            "foundation": sha256_path(options.foundation),
        }
    )


def tell_others(folder: Path, own: Path) -> None:
    """Tells of work in progress with other settings or data, which is not used."""
    for other in sorted(folder.iterdir()):
        if other != own and any(other.glob(f"{checkpoints.PREFIX}*")):
            print(f"{other}: of other settings or data, not used; delete it?", file=sys.stderr)


def check_processes(folder: Path, processes: int) -> None:
    """Checks that checkpoints were written by as many processes as are granted now.

    Raises:
        StudyError: ZeRO's shards cannot be shared out anew.
    """
    for path in reversed(checkpoints.Checkpoints(folder, 1).all()):
        if not (path / checkpoints.MANIFEST).exists():
            continue
        wrote = read_json(path / checkpoints.MANIFEST).get("processes")
        if wrote != processes:
            raise StudyError(
                f"the checkpoint was written by {wrote} processes, not {processes}",
                where=path,
                fix=f"--processes {wrote}, or delete {folder} to start from the beginning",
            )
        return


def encode(
    folder: Path,
    rows: list[dict[str, Any]],
    foundation: Path,
    system: TunedSystem,
    max_length: int,
) -> dict[str, Any]:
    """Encodes conversations once; a later start finds them. Returns the mask audit."""
    from transformers import AutoTokenizer

    path = folder / AUDIT
    if not path.exists():
        tokenizer = AutoTokenizer.from_pretrained(foundation)
        audit = data.encode_all(rows, tokenizer, system.template, max_length, folder / "tokens")
        write_json(path, audit)
    result: dict[str, Any] = read_json(path)
    return result


def licence(foundation: Path) -> str | None:
    """Returns the licence that the foundation's model card names in its header, if any."""
    card = foundation / "README.md"
    if not card.exists():
        return None
    for line in card.read_text(encoding="utf-8").splitlines():
        if line.startswith("license:"):
            return line.partition(":")[2].strip()
    return None


if __name__ == "__main__":
    run_program(main)
