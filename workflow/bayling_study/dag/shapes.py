"""The shape of a study's models: from ``config.json`` where it is at hand, else from a table. A
model in neither is taken to be like one whose weights are as large. This only serves the plan: once
a foundation is downloaded, its own file counts."""

from pathlib import Path
from typing import Literal, NamedTuple

from bayling_study.config.comparison import made_of
from bayling_study.config.systems import FoundationSystem
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.shared.sizing.shape import PUBLISHED, Shape

ALIKE = 0.05
"""Share by which a stated size may differ from that of a known shape's weights in 16 bits."""


class Model(NamedTuple):
    """A foundation as far as it is known: the numbers of its ``config.json``, and their origin."""

    shape: Shape | None
    origin: Literal["config.json", "table", "estimate", "unknown"]


def foundation_model(layout: Layout, system: str) -> Model:
    """Returns what is known of the model of the foundation that a system goes back to."""
    foundation = made_of(layout.config.systems, system)[0]
    source = layout.system(foundation, FoundationSystem).source
    local = layout.config.download.local.get(source)
    for folder in [layout.foundation(foundation), *([Path(local)] if local else [])]:
        if (folder / "config.json").is_file():
            return Model(Shape.from_config(read_json(folder / "config.json")), "config.json")
    if source in PUBLISHED:
        return Model(PUBLISHED[source], "table")
    size = layout.row(source).bytes or 0
    for shape in PUBLISHED.values():
        if abs(size / (2 * shape.parameters()) - 1) < ALIKE:
            return Model(shape, "estimate")
    return Model(None, "unknown")


def study_models(layout: Layout) -> dict[str, Model]:
    """Returns what is known of the model of every system that is run here."""
    here = layout.with_model(*layout.config.systems)
    return {name: foundation_model(layout, name) for name in here}
