"""COMET scores of all systems, and the embedded COMET model; runs in the COMET environment.

``score`` writes ``OUT/SYSTEM/SUITE.json`` (mean and interval of each item) and
``OUT/SYSTEM/SUITE.segments.jsonl`` (one score a segment). ``train`` writes a checkpoint folder
(``checkpoints/model.ckpt``, ``hparams.yaml``, ``encoder/``, ``correlation.json``) that ``score``
accepts and reports as ``comet-embedded``.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TypeAlias

from bayling_study.cli import run_program, stage_parser

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of both commands."""
    parser = argparse.ArgumentParser(
        prog="python -m bayling_study.scoring.comet", description=(__doc__ or "").splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    _add_score(commands)
    _add_train(commands)
    return parser


def _command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    common = stage_parser(f"scoring.comet {name}", text)
    # "resolve": both the stage's parser and the command bring a --help
    return commands.add_parser(
        name, help=text, description=text, parents=[common], conflict_handler="resolve"
    )


def _add_score(commands: Commands) -> None:
    parser = _command(commands, "score", "score all systems of a study in one model load")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint file or folder")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder's config and tokenizer")
    parser.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    parser.add_argument("--outputs", type=Path, required=True, help="folder of SYSTEM/SUITE.jsonl")
    parser.add_argument("--systems", nargs="+", required=True)
    parser.add_argument("--suites", nargs="+", required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder kept between runs")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")


def _add_train(commands: Commands) -> None:
    parser = _command(commands, "train", "train the embedded COMET model")
    parser.add_argument("--segments", type=Path, required=True, help="rows of comet_data")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write")


def main() -> None:
    """Runs one command; no hub is asked for anything."""
    options = build_parser().parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Imported only now: --help needs no torch, and the hub must be off before it is imported.
    if options.command == "score":
        from bayling_study.scoring.comet.scoring import score

        score(options)
    else:
        from bayling_study.scoring.comet.training import train

        train(options)


if __name__ == "__main__":
    run_program(main)
