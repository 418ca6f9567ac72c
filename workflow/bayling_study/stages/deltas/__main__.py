"""Differences to a base: ``python -m bayling_study.stages.deltas make | apply | merge``.

    make  --base DIR --target DIR --out DIR    target minus base: BayLing's delta form
    apply --base DIR --delta DIR --out DIR     base plus delta: an ordinary checkpoint
    merge --base DIR --member NAME=DIR … --out DIR   base plus the members' deltas, combined

All are checkpoints in the hub's format; what is written is safetensors. Needs
the disk space of the result and the memory of the largest tensor, some five times a member.
"""

import os
from pathlib import Path

from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.fetched import checkpoint_of, files_root
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.deltas.conversion import DTYPES, apply_delta, make_delta
from bayling_study.stages.deltas.merging import merge

COMMON = {
    "base": cli.path("checkpoint of the base"),
    "out": cli.path("folder to write"),
    "record": cli.path("run record; beside --out if not given", required=False),
    "study": cli.option("name of the study in the run record", default=""),
    "code": cli.option("hash of the code of this stage", default=""),
}
MAKE = {
    "target": cli.path("folder of the target"),
    "dtype": cli.option("type of the delta", choices=sorted(DTYPES), default="fp16"),
}
DELTA = cli.OneOf(
    delta=cli.path("folder of the delta"), download=cli.path("manifest of a downloaded delta")
)
MERGE = {
    "member": cli.option("a tuned model", action="append", metavar="NAME=DIR", required=True),
    "method": cli.option("how to combine", choices=["linear", "ties"], required=True),
    "weights": cli.option("one of each member", nargs="+", type=float, required=True),
    "density": cli.number("share that ties keeps", 0, float, default=0.2),
}
COMMAND_LINE = cli.command(
    __name__,
    action=cli.Actions(
        make=("target minus base", MAKE | COMMON),
        apply=("base plus delta", {"source": DELTA, **COMMON}),
        merge=("base plus the members' differences to it, combined", MERGE | COMMON),
    ),
)


def downloaded(folder: Path) -> Path:
    """Returns the checkpoint folder in a download (``StudyError`` if it holds none)."""
    root = files_root(folder)
    if (checkpoint := checkpoint_of(root)) is None:
        raise StudyError("the download holds no checkpoint (config.json)", where=root)
    return checkpoint


def main() -> None:
    """Makes or applies a delta, or merges several models."""
    options = COMMAND_LINE.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"  # everything needed is on disk; never ask the hub
    path = options.record or options.out.with_name(f"{options.out.name}.record.json")
    with run_record(path, "deltas", path.stem, options.study, options.code) as run:
        run.input("base", options.base)
        if options.action == "make":
            run.input("target", options.target)
            run.parameters({"command": "make", "dtype": options.dtype})
            facts = make_delta(options.base, options.target, options.out, options.dtype)
        elif options.action == "merge":
            members = cli.pairs(options.member, "--member")
            for name, folder in members.items():
                run.input(f"members/{name}", folder)
            how = {key: vars(options)[key] for key in ("method", "weights", "density")}
            run.parameters({"command": "merge", **how})
            facts = merge(options.base, members, options.out, **how)
        else:
            delta = options.delta or downloaded(options.download.parent)
            run.input("delta", options.download or delta)
            run.parameters({"command": "apply"})
            facts = apply_delta(options.base, delta, options.out)
        run.metrics(facts)
        run.output("checkpoint", options.out)


if __name__ == "__main__":
    cli.run_program(main)
