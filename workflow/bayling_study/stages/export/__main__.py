"""Writes the 8-bit export of a checkpoint.

Produces ``--out`` with the weights in the format of the system, config, tokenizer,
``error.json`` (rounding error of each tensor and in total) and a short card, whole or not at
all; an interrupted export starts again from scratch (7B takes under a minute).
"""

from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.systems import Int8System
from bayling_study.core import cli
from bayling_study.core.lookup import look_up_kind
from bayling_study.shared.checkpoints.reading import Checkpoint, open_checkpoint
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.export.job import ERROR_FILE, export
from bayling_study.stages.export.plan import Format

MEBIBYTE = 1 << 20

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.option("name of an int8 system of the study", required=True),
    checkpoint=cli.path("hub-format checkpoint"),
    out=cli.path("folder to make"),
)


def main() -> None:
    """Exports one system."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "export", "systems")
    system = look_up_kind(Int8System, "int8 system", options.system, config.systems, "--system")
    name, study = options.system, config.study.name
    with run_record(options.record, "export", name, study, options.code) as run:
        run.parameters({"format": system.format, **config.export.model_dump(mode="json")})
        run.input("checkpoint", options.checkpoint)
        checkpoint = open_checkpoint(options.checkpoint)
        report = export(checkpoint, make_format(checkpoint, system.format, config), options.out)
        run.metrics(report["total"])
        run.output("checkpoint", options.out)
        run.artefact(options.out / ERROR_FILE)


def make_format(checkpoint: Checkpoint, name: str, config: StudyConfig) -> Format:
    """Returns the format object; each library is imported only where its format is asked for."""
    section = config.export
    limit = section.shard_mebibytes * MEBIBYTE
    if name == "bitsandbytes":
        from bayling_study.stages.export.format_bitsandbytes import BitsAndBytesFormat

        return BitsAndBytesFormat(checkpoint, section.kept_precision, limit)
    if name == "gguf":
        from bayling_study.stages.export.format_gguf import GgufFormat

        return GgufFormat(checkpoint)
    from bayling_study.stages.export.format_groupwise import GroupwiseFormat

    return GroupwiseFormat(checkpoint, section.group_size, section.kept_precision, limit)


if __name__ == "__main__":
    cli.run_program(main)
