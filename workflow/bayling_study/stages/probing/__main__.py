"""Measures, layer by layer, what the hidden states of one system hold.

Produces one JSON file: how often the nearest of all texts of another language is a text's
translation, and how well linear probes tell true from false statements about capitals.
"""

import argparse
import re
from functools import partial
from typing import Any

from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.evaluation import ProbingSection
from bayling_study.core import cli
from bayling_study.core.files import write_json
from bayling_study.shared.models import load
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.probing.measure import (
    aligned,
    fits,
    probes,
    retrieval,
    statements,
    vectors,
)

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.option("name of the system", required=True),
    checkpoint=cli.path("folder of its checkpoint"),
    parallel=cli.path("file of aligned segments"),
    out=cli.path("JSON file to write"),
)


def main() -> None:
    """Measures one system."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "probing", "generation")
    name = options.system
    with run_record(options.record, "probing", name, config.study.name, options.code) as run:
        assert config.probing is not None
        run.parameters({**vars(config.probing), "precision": config.generation.precision})
        run.input("checkpoint", options.checkpoint)
        run.input("parallel", options.parallel)
        result = measure(config, config.probing, options)
        write_json(options.out, {"schema": 1, "system": name, **result})
        for curve in result["curves"]:
            key = re.sub("[>, ]+", ".", curve["name"])
            run.metrics({f"{curve['kind']}.{key}": max(curve["values"])})
        run.output("probing", options.out)


def measure(
    config: StudyConfig, section: ProbingSection, options: argparse.Namespace
) -> dict[str, Any]:
    """Loads the system; returns ``curves``, each with its kind, name, counts and a value a layer,
    and the ``unprobed`` languages, in which CLDR names too little."""
    loaded, seed = load(options.checkpoint, config.generation), config.study.seed
    read = partial(vectors, loaded, config.generation.batch_tokens)
    drawn = aligned(options.parallel, section.languages, section.segments, seed)
    curves: list[dict[str, Any]] = []
    for name, pairs in drawn.items():
        kept = [pair for pair in pairs if all(fits(loaded, text) for text in pair)]
        about = {"n": len(kept), "left_out": len(pairs) - len(kept), "chance": 1 / len(kept)}
        values = retrieval(*(read(texts) for texts in zip(*kept, strict=True)))
        curves.append({"kind": "retrieval", "name": name, **about, "values": values})
    languages = list(dict.fromkeys(code for name in drawn for code in name.split("-")))
    said = statements(languages, seed)
    states = {one: {side: read(own[side]) for side in own} for one, own in said.items()}
    count = {side: len(texts) for own in said.values() for side, texts in own.items()}
    about = {"n": count.get("test", 0), "trained": count.get("train", 0), "chance": 0.5}
    for kind, found in zip(("probe", "cosine"), probes(states), strict=True):
        curves += [{"kind": kind, "name": n, **about, "values": v} for n, v in found.items()]
    return {"unprobed": [one for one in languages if one not in said], "curves": curves}


if __name__ == "__main__":
    cli.run_program(main)
