"""The examples of ``config/examples/``: each has a DAG, and together with the studies they set
every key of the configuration."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from test_dag import ROOT, elsewhere

from bayling_study.config.document import inner_models
from bayling_study.config.loading import load_config
from bayling_study.config.model import StudyConfig
from bayling_study.config.synthesis import Mixture
from bayling_study.config.systems import TunedSystem
from helpers.programs import run_snakemake

__all__ = ["elsewhere"]  # a fixture
CONFIG = ROOT / "config"
EXAMPLES = {path.stem: path for path in sorted((CONFIG / "examples").glob("*.yaml"))}
STUDIES = sorted((CONFIG / "studies").glob("*.yaml"))

FILES = {
    "own-copies": (
        "my-data/homeassistant/README",
        "my-data/wmt22-comet-da/checkpoints/model.ckpt",
    ),
    "own": (
        "my-data/text/README",
        "my-data/tests/README",
        "my-data/outputs/README",
        "my-data/model/README",
    ),
}
"""Example to the files of the user's own that it names; a path that is absent is refused."""

ADDS = {
    "answering": {"generation": 2, "scoring": 2, "foundation": 0},
    "alma": {"download": 3, "prompts": 2, "generation_elsewhere": 7},
    "altered-sources": {"prompts": 3},
    "entities": {"synthesis": 1, "tuning": 1, "masks": 1, "scoring": 1},
    "alignment": {"tuning": 1, "masks": 1, "scoring": 1},
    "inference": {"download": 1, "prompts": 1, "harness": 4},
    "instructions": {"download": 1, "prompts": 1},
    "probing": {"probing": 3},
    "plug": {"synthesis": 1, "tuning": 1, "masks": 1, "scoring": 1},
    "curriculum": {"synthesis": 1, "tuning": 2, "masks": 2, "scoring": 2},
    "delta": {"deltas_make": 1},
    "endpoint": {"generation_elsewhere": 1},
    "export": {"export": 2, "perplexity": 2},
    "generation": {"generation": -1, "scoring": -1},  # fp32 is then no other precision
    "harness": {"prompts": 2, "harness": 4},
    "judged": {"judging": 3},
    "lora": {"tuning": 2, "masks": 2, "scoring": 2},
    "merged": {
        **dict.fromkeys(("synthesis", "masks", "tuning", "scoring"), 3),
        **{"deltas_merge": 1, "generation": 2, "generation_elsewhere": 1},
    },
    "mined-text": {"download": 3},
    "own": {"generation_elsewhere": 1, "foundation": 1, "prompts": 1, "comet_training": -1},
    "own-copies": {"comet_training": -1, "comet_segments": -1},
    "vocabulary": {"foundation_vocabulary": 1, "tuning": 1, "masks": 1, "scoring": 2},
    "released-delta": {"deltas_apply": 1, "foundation": 1},
    "released-tests": {"prompts": 4},
}
"""Example to the jobs that it adds to the embedded study, where it adds any."""

NEVER_SET = {
    "StudySection.results": "make looks for a study in results/; only snakemake by hand may differ",
    "ScoringSection.metrics": "the metrics are modules of one's own, and none is shipped",
    "StudyConfig.rehearsal": "make rehearse writes the section; a study has none",
    **dict.fromkeys(
        (
            *("RehearsalSection.of", "RehearsalSection.rows"),
            *("RehearsalSection.file_megabytes", "RehearsalSection.source_megabytes"),
        ),
        "a key of that section",
    ),
    **dict.fromkeys(
        (f"{kind}System.answering" for kind in ("Delta", "Endpoint", "Int8")),
        "as of a tuned system (examples/plug.yaml, answering.yaml)",
    ),
    "ParallelCorpus.transliterated": "as of a suite (examples/altered-sources.yaml)",
    "ReviewsSuite.decoding": "the reviews are released, so nothing is generated",
    "ReviewsSuite.source": "the released reviews are in one source",
    "ReviewsSuite.judged": "the release has reviews of one system",
    "ReviewsSuite.opponents": "the release has these four",
    "ReviewsSuite.parts": "the release has these four",
}
"""Keys that no shipped file sets, and why."""


def jobs_of(output: str) -> dict[str, int]:
    """Returns the jobs of a dry run by rule."""
    found = re.findall(r"^(\w+) +(\d+)$", output, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in found}


@pytest.fixture(scope="module")
def embedded_jobs(tmp_path_factory):
    place = tmp_path_factory.mktemp("embedded")
    for name in ("config", ".venv"):
        (place / name).symlink_to(ROOT / name)
    return jobs_of(run_snakemake("--dry-run", "--cores", "2", cwd=place).stdout)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_has_the_jobs_that_it_is_for(elsewhere, embedded_jobs, name):
    for file in FILES.get(name, ()):
        (elsewhere / file).parent.mkdir(parents=True)
        (elsewhere / file).touch()
    files = "--configfile", str(CONFIG / "config.yaml"), str(EXAMPLES[name])
    result = run_snakemake("--dry-run", "--cores", "2", *files, cwd=elsewhere)
    assert result.returncode == 0, result.stdout + result.stderr
    jobs = jobs_of(result.stdout)
    changed = {rule: jobs.get(rule, 0) - embedded_jobs.get(rule, 0) for rule in ADDS.get(name, {})}
    assert changed == ADDS.get(name, {})
    if name not in ADDS:
        assert jobs == embedded_jobs


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_says_how_it_is_run_and_is_in_the_manual(name):
    first = EXAMPLES[name].read_text().partition("\n\n")[0]
    assert f"make study CONFIG=config/examples/{name}.yaml" in first
    assert f"examples/{name}.yaml" in (CONFIG / "README.md").read_text()


def every_key(model: type[BaseModel] = StudyConfig) -> Iterator[str]:
    """Yields ``SECTION.key`` for each key; a section that stands in several places counts once."""
    for key, field in model.model_fields.items():
        yield f"{model.__name__}.{key}"
        for inner in inner_models(field.annotation):
            yield from every_key(inner)


def keys_set(value: object) -> Iterator[str]:
    """Yields ``SECTION.key`` for each key that a parsed file gave a value."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from keys_set(inner)
    if isinstance(value, BaseModel):
        for key in value.model_fields_set:
            yield f"{type(value).__name__}.{key}"
            yield from keys_set(getattr(value, key))


def keys_of_file(*paths: Path) -> Iterator[str]:
    """Yields the keys that files set, laid over each other."""
    config = load_config(*paths)
    yield from keys_set(config)
    for name, system in config.systems.items():
        if isinstance(system, TunedSystem) and system.tuning:
            yield from keys_set(config.tuning_of(name))
    # What a derived mixture has of its own is worked into it when the file is read.
    plain = yaml.safe_load(paths[-1].read_text())
    for mixture in plain.get("synthesis", {}).get("mixtures", {}).values():
        yield from (f"{Mixture.__name__}.{key}" for key in mixture)
    yield from (f"StudyConfig.{key}" for key in plain)


def test_every_key_is_set_in_a_shipped_file_or_there_is_a_reason():
    embedded = CONFIG / "config.yaml"
    shipped = [(embedded,), *((path,) for path in STUDIES)]
    shipped += [(embedded, path) for path in EXAMPLES.values()]
    shipped += [(CONFIG / "studies" / "bayling-7b.yaml", CONFIG / "overlays" / "bayling-80.yaml")]
    found = {key for paths in shipped for key in keys_of_file(*paths)}
    known = set(every_key())
    assert len(known) > 150
    assert known - found == set(NEVER_SET)
    assert found <= known
