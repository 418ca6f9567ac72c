"""What a rehearsal changes of a study: counts and sizes, and where it is made; nothing is left out.

Every source, reader, recipe, template, suite, metric and block of the report stays.
"""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from bayling_study.config import StudyConfig
from bayling_study.config.loading import DEFAULT_CONFIG, ROOT
from bayling_study.config.rehearsal import FOLDER, MARK, WARNING
from bayling_study.config.yaml_files import read_yaml
from bayling_study.core.files import sha256_json, write_text
from bayling_study.dag.layout import Layout
from bayling_study.dag.settings import HASH_DIGITS
from bayling_study.shared.tracking.record import flatten

ROWS = 200
"""Rows of each file: news are some forty sentences long, and a study holds out whole documents."""
MOST: dict[str, int] = {
    "synthesis.mixtures.*.conversations": 240,
    "suites.*.segments": 1,
    "suites.*.conversations": 2,
    "suites.*.limit": 2,
    # Random weights hardly ever write a stop.
    **dict.fromkeys(("suites.*.decoding.max_new_tokens", "suites.*.judge_decoding.*_tokens"), 8),
    **dict.fromkeys(("tuning.max_steps", "systems.*.tuning.max_steps"), 2),
    **dict.fromkeys(("tuning.batch", "systems.*.tuning.batch"), 4),
    "generation.batch_tokens": 2048,
    "generation.max_batch": 16,
    "perplexity.conversations": 4,
    "scoring.bootstrap.samples": 20,
    **{"comet.embedded.rows": 200, "comet.embedded.held_out": 40, "comet.embedded.epochs": 1},
    "comet.embedded.vocabulary": 1000,
}
"""Counts by key, with what is left of them."""
INSTEAD: dict[str, Any] = {"corpora.split.test_share": 0.5, "comet.embedded.min_spearman": -1.0}
"""Values that a few rows could not keep, where a study has them."""
ON_CORES: dict[str, Any] = {
    **dict.fromkeys(("tuning.device", "tuning.attention", "generation.backend"), "auto"),
    **dict.fromkeys(("systems.*.tuning.device", "systems.*.tuning.attention"), "auto"),
}
"""Values that may ask for a GPU."""


def overlay(study: StudyConfig, files: Sequence[Path], gpu: bool) -> dict[str, Any]:
    """Returns the rehearsal of a study as a configuration that extends the study's ``files``.

    Sources that the study has fetched already are read where they are.

    Args:
        study: the checked configuration that the files make.
        files: they, in their order.
        gpu: whether there is a GPU to run on.
    """
    values, below = study.study, [*files]
    if not files or not {"study", "extends"} & set(read_yaml(files[0])):
        below.insert(0, ROOT / DEFAULT_CONFIG)
    changed: dict[str, Any] = {
        "extends": [str(file.absolute()) for file in below],
        "study": {
            "title": f"Rehearsal of {values.title}",
            "results": str(Path(values.results) / FOLDER),
            "resources": str(Path(values.resources) / FOLDER),
        },
        "rehearsal": {"of": rehearsed(study), "rows": ROWS},
        "tracking": {"uri": None, "experiment": None},  # no number of it gets into a lab's store
        "download": {"local": fetched(study)},
    }
    for key, value in flatten(study.model_dump(mode="json")).items():
        new = _smaller(key, value, gpu)
        if new != value:
            *sections, last = key.split(".")
            place = changed
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = new
    return changed


def _smaller(key: str, value: Any, gpu: bool) -> Any:
    for pattern, most in MOST.items():
        if fnmatch(key, pattern):
            return most if value is None else min(value, most)
    instead = INSTEAD if gpu else INSTEAD | ON_CORES
    return next((new for pattern, new in instead.items() if value and fnmatch(key, pattern)), value)


def fetched(study: StudyConfig) -> dict[str, str]:
    """Returns where the sources are that the study has fetched in full."""
    layout = Layout(study)
    used = (source for source in layout.used_sources() if layout.manifest(source).is_file())
    folders = {source: layout.download(source) / "files" for source in used}
    return {source: str(path) for source, path in folders.items() if path.is_dir()}


def rehearsed(study: StudyConfig) -> str:
    """Returns the hash by which a rehearsal knows the configuration that it is one of.

    It is of all that decides what is computed: not of places, titles and the network.
    """
    left_out: dict[str, Any] = dict.fromkeys(("rehearsal", "download", "environments"), True)
    left_out |= {"tracking": True, "study": {"name": True, "results": True, "resources": True}}
    values = study.model_dump(mode="json", exclude=left_out)
    return sha256_json(values)[:HASH_DIGITS]


def overlay_path(study: StudyConfig) -> Path:
    """Returns the file of a study's rehearsal, which is named as the study is."""
    return Path(study.study.results) / FOLDER / f"{study.study.name}.yaml"


def write_overlay(study: StudyConfig, files: Sequence[Path], gpu: bool) -> Path:
    """Writes the rehearsal's configuration, and marks its folders; returns its file."""
    path = overlay_path(study)
    for folder in (path.parent / study.study.name, Path(study.study.resources) / FOLDER):
        write_text(folder / MARK, f"{WARNING}\n")
    text = yaml.safe_dump(overlay(study, files, gpu), sort_keys=False, allow_unicode=True)
    write_text(path, f"# The rehearsal of {study.study.name}, written by `make rehearse`.\n{text}")
    return path
