"""Makes a foundation system's checkpoint from its download.

Produces a folder that transformers loads without further help: safetensors weights, tokenizer
with chat template, config and generation config. GGUF downloads are dequantised, hub-format
downloads are linked.
"""

import os
from pathlib import Path

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory
from bayling_study.shared.sources.fetched import checkpoint_of, files_root
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.foundation.checkpoint import adopt_hub, convert_gguf

COMMAND_LINE = cli.command(
    __name__,
    **cli.JOB,
    download=cli.path("folder of its download"),
    out=cli.path("checkpoint folder to write"),
)


def main() -> None:
    """Writes the checkpoint."""
    options = COMMAND_LINE.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # everything needed is on disk; never ask the hub
    # The checkpoint of a foundation belongs to all studies.
    with run_record(options.record, "foundation", options.out.name, "shared", options.code) as run:
        run.input("download", options.download / "manifest.json")
        with atomic_directory(options.out) as scratch:
            facts = make_checkpoint(files_root(options.download), scratch)
        run.metrics(facts)
        run.output("checkpoint", options.out)


def make_checkpoint(files: Path, out: Path) -> dict[str, float]:
    """Writes the checkpoint of a download's files into the existing folder ``out`` (``StudyError``
    if the files hold neither one GGUF file nor one hub checkpoint)."""
    if checkpoint := checkpoint_of(files):
        return adopt_hub(checkpoint, out)
    ggufs = [*files.rglob("*.gguf")]
    if len(ggufs) != 1:
        what = f"expected one GGUF file or a config.json, found {len(ggufs)}"
        raise StudyError(what, where=files)
    return convert_gguf(ggufs[0], out)


if __name__ == "__main__":
    cli.run_program(main)
