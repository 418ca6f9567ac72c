"""BayLing's delta form and its inverse: ``python -m bayling_study.stages.deltas make | apply``.

    make  --base DIR --target DIR --out DIR    target minus base
    apply --base DIR --delta DIR --out DIR     base plus delta: an ordinary checkpoint

All are checkpoints in the hub's format; what is written is safetensors. Needs
the disk space of the result and the memory of the largest tensor.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bayling_study.core.cli import run_program
from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.fetched import files_root
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.deltas.applying import apply_delta
from bayling_study.stages.deltas.making import DTYPES, make_delta


def parser() -> argparse.ArgumentParser:
    """Returns the program's options."""
    result = argparse.ArgumentParser(
        prog="python -m bayling_study.stages.deltas",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = result.add_subparsers(dest="command", required=True)
    for name, other in (("make", "--target"), ("apply", "--delta")):
        options = commands.add_parser(name)
        options.add_argument("--base", type=Path, required=True, help="checkpoint of the base")
        source = options.add_mutually_exclusive_group(required=True)
        source.add_argument(other, type=Path, help=f"folder of the {other[2:]}")
        if name == "apply":
            source.add_argument("--download", type=Path, help="manifest of a downloaded delta")
        options.add_argument("--out", type=Path, required=True, help="folder to write")
        options.add_argument("--record", type=Path, help="run record; beside --out if not given")
        options.add_argument("--study", default="", help="name of the study in the run record")
        options.add_argument("--code", default="", help="hash of the code of this stage")
    make = commands.choices["make"]
    make.add_argument("--dtype", choices=sorted(DTYPES), default="fp16", help="type of the delta")
    return result


def downloaded(folder: Path) -> Path:
    """Returns the checkpoint folder in a download.

    Raises:
        StudyError: it holds none.
    """
    root = files_root(folder)
    configs = sorted(root.rglob("config.json"), key=lambda path: len(path.parts))
    if not configs:
        raise StudyError("the download holds no checkpoint (config.json)", where=root)
    return configs[0].parent


def main() -> None:
    """Makes or applies a delta."""
    options = parser().parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # everything needed is on disk; never ask the hub
    path = options.record or options.out.with_name(f"{options.out.name}.record.json")
    with run_record(path, "deltas", path.stem, options.study, options.code) as run:
        run.input("base", options.base)
        if options.command == "make":
            run.input("target", options.target)
            run.parameters({"command": "make", "dtype": options.dtype})
            facts = make_delta(options.base, options.target, options.out, options.dtype)
        else:
            delta = options.delta or downloaded(options.download.parent)
            run.input("delta", options.download or delta)
            run.parameters({"command": "apply"})
            facts = apply_delta(options.base, delta, options.out)
        run.metrics(facts)
        run.output("checkpoint", options.out)


if __name__ == "__main__":
    run_program(main)
