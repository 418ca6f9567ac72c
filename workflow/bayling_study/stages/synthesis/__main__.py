"""Writes one mixture's training set.

Produces OUT/train.parquet (id, recipe, source, direction, languages, messages),
OUT/audit.json (counts, lengths, rejections, mask samples) and OUT/README.md (data card with
licences); ``datasets.load_dataset(OUT)`` reads it. No text of the suites whose prompts are given
gets in. The bytes do not depend on ``--workers``.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bayling_study.config import load_settings
from bayling_study.core import cli, files
from bayling_study.core.lookup import look_up
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.synthesis.audit import audit
from bayling_study.stages.synthesis.card import card
from bayling_study.stages.synthesis.decontamination import held_out_texts
from bayling_study.stages.synthesis.mixture import MixtureTask, load_tokenizer, make
from bayling_study.stages.synthesis.teacher import hired

TRAIN_FILE = "train.parquet"


def write(task: MixtureTask, out: Path, title: str, licences: Mapping[str, str]) -> dict[str, Any]:
    """Makes the mixture and writes its three files, whole or not at all; returns the audit."""
    files.remove_leftovers(out)
    with (
        files.atomic_directory(out) as folder,
        TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp") as scratch,
    ):
        made = make(task, folder / TRAIN_FILE, Path(scratch))
        facts = audit(made, task.load_tokenizer(), task.mixture.template)
        files.write_json(folder / "audit.json", facts)
        text = card(title, facts, task.mixture.model_dump(mode="json"), licences)
        files.write_text(folder / "README.md", text)
    return facts


COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    operations=cli.OPERATIONS,
    mixture=cli.option("name of the mixture in the config", required=True),
    corpora=cli.path("output of the corpora stage"),
    tokenizer=cli.path("checkpoint of the foundation"),
    prompts=cli.path(
        "test sets whose texts are kept out",
        nargs="*",
        required=False,
        default=[],
        metavar="SUITE.jsonl",
    ),
    source_manifest=cli.DOWNLOADS,
    workers=cli.number("processes", default=1),
    cache=cli.path("folder of teachers' answers", required=False),
    checkpoint=cli.option(
        "teacher that is run here", action="append", default=[], metavar="SYSTEM=DIR"
    ),
    out=cli.path("folder to write"),
)


def main() -> None:
    """Makes the mixture that the command line names."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "study", "synthesis", operations=options.operations)
    mixture = look_up("mixture", options.mixture, config.synthesis.mixtures, "synthesis.mixtures")
    study = config.study
    with (
        run_record(options.record, "synthesis", options.mixture, study.name, options.code) as run,
        ExitStack() as stack,
    ):
        run.parameters(mixture.model_dump(mode="json"))
        run.input("corpora", options.corpora)
        run.input("tokenizer", options.tokenizer / "tokenizer.json")
        for path in options.prompts:
            run.input(f"prompts.{path.stem}", path)
        checkpoints = cli.pairs(options.checkpoint, "--checkpoint")
        for name, folder in checkpoints.items():
            run.input(f"checkpoint/{name}", folder)
        teachers = hired(mixture, config.systems, checkpoints, options.cache, stack)
        tests = {path.stem: held_out_texts(path) for path in options.prompts}
        what = options.mixture, mixture, study.seed, options.corpora, tests
        tokenizer = partial(load_tokenizer, options.tokenizer)
        task = MixtureTask(*what, tokenizer, teachers, options.workers)
        licences = {
            source: str(files.read_json(folder / "manifest.json")["source"].get("licence", ""))
            for source, folder in cli.pairs(options.source_manifest, "--source-manifest").items()
        }
        facts = write(task, options.out, f"{study.name}: {options.mixture}", licences)
        run.metrics(numbers(facts))
        for teacher, role in {teacher: role for role, teacher in teachers.items()}.items():
            run.metrics({f"{role}.{name}": n for name, n in teacher.spent.items()})
        run.artefact(options.out / "audit.json")
        run.artefact(options.out / "README.md")
        run.output("synthesis", options.out)


def numbers(facts: dict[str, Any]) -> dict[str, float]:
    """Returns the audit's figures that are worth comparing between runs."""
    tokens = facts["tokens"]
    contamination = facts["contamination"].values()
    return {
        "conversations": facts["conversations"],
        "tokens.real": tokens["real"],
        "tokens.supervised": tokens["supervised"],
        "duplicates": facts["duplicates"],
        "contaminated.rows": sum(counts["rows"] for counts in contamination),
        "contaminated.conversations": sum(counts["conversations"] for counts in contamination),
        **{f"conversations.{name}": count for name, count in facts["by_recipe"].items()},
    }


if __name__ == "__main__":
    cli.run_program(main)
