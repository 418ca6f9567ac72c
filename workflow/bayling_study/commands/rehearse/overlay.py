"""What a rehearsal changes of a study: counts and sizes, and where it is made; nothing is left out.
Every source, reader, recipe, template, suite, metric and block of the report stays; of trainings in
several seeds the first."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from bayling_study.config import StudyConfig
from bayling_study.config.comparison import made_of, seeded
from bayling_study.config.rehearsal import FOLDER, MARK, WARNING
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json, write_text
from bayling_study.core.tables import beside
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import OWN, Profile
from bayling_study.dag.settings import HASH_DIGITS

MINUTES = 30  # time limit of every job in a scheduler's queue
ROWS = 200
"""Rows of each file: news are some forty sentences long, and a study holds out whole documents."""
VALUES = beside(__file__)
MOST: dict[str, int] = VALUES["most"]
"""Counts by key, with what is left of them."""
INSTEAD: dict[str, Any] = VALUES["instead"]
"""Values that a few rows could not keep, where a study has them."""
Leaf = tuple[tuple[str, ...], Any]
ON_CORES: dict[str, Any] = VALUES["on_cores"]
"""Values that may ask for a GPU."""


def overlay(study: StudyConfig, gpu: bool) -> dict[str, Any]:
    """Returns what is laid over a study to rehearse it, on cores alone if there is no ``gpu``.
    Sources that the study has fetched are read where they are."""
    values, changed = study.study, dict[str, Any]()
    whole = study.model_dump(mode="json")
    seeds = range(2, study.comparison.seeds + 1 if study.comparison else 2)
    compared = study.comparison.shown if study.comparison else []
    parts = {part for name in compared for part in made_of(study.systems, name)}
    copies = {seeded(name, seed) for name in parts for seed in seeds}
    for path, value in _leaves(whole):
        key = ".".join(path)
        new = _smaller(key, value, gpu)
        if new != value and not (path[0] == "systems" and path[1] in copies):
            *sections, last = path
            place, old = changed, whole
            for section in sections:
                place, old = place.setdefault(section, {}), old[section]
            # Where a key of the decoding is set, the others are not the suite's own any more.
            place |= (old if "decoding" in key else {}) | place | {last: new}
    return changed | {
        "study": {
            "title": f"Rehearsal of {values.title}",
            "results": str(Path(values.results) / FOLDER),
            "resources": str(Path(values.resources) / FOLDER),
        },
        "rehearsal": {"of": rehearsed(study), "rows": ROWS},
        "tracking": {"uri": None, "experiment": None},  # no number of it gets into a lab's store
        "download": {"local": fetched(study)},
    }


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yields the values by their keys, from the section inwards: a name may hold dots."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


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
    """Returns the hash by which a rehearsal knows the configuration that it is one of: of all that
    decides what is computed, not of places, titles and the network."""
    left_out: dict[str, Any] = dict.fromkeys(("rehearsal", "download", "environments"), True)
    left_out |= {"tracking": True, "study": {"name", "title", "results", "resources"}}
    return sha256_json(study.model_dump(mode="json", exclude=left_out))[:HASH_DIGITS]


def overlay_path(study: StudyConfig) -> Path:
    """Returns the file of a study's rehearsal, which is named as the study is."""
    return Path(study.study.results) / FOLDER / f"{study.study.name}.yaml"


def write_profile(profile: Profile, folder: Path) -> None:
    """Writes a profile that asks for what another one does, but for minutes of time alone
    (``StudyError`` if its ``set-resources`` are a list)."""
    asked = profile.values.get("set-resources", {})
    if not isinstance(asked, Mapping):
        fix = "set-resources: {tuning: {gpu: 8, runtime: 480}, …}"
        raise StudyError("a rehearsal changes a mapping alone", where=profile.folder, fix=fix)
    times = {rule: {**asked.get(rule, {}), "runtime": MINUTES} for rule in (*OWN, *asked)}
    values = {**profile.values, "set-resources": times}
    write_text(folder / "config.yaml", yaml.safe_dump(values, sort_keys=False))


def write_overlay(study: StudyConfig, gpu: bool) -> Path:
    """Writes the rehearsal's configuration, and marks its folders; returns its file."""
    path = overlay_path(study)
    for folder in (path.parent / study.study.name, Path(study.study.resources) / FOLDER):
        write_text(folder / MARK, f"{WARNING}\n")
    text = yaml.safe_dump(overlay(study, gpu), sort_keys=False, allow_unicode=True)
    write_text(path, f"# The rehearsal of {study.study.name}, written by `make rehearse`.\n{text}")
    return path
