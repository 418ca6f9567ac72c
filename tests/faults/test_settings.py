"""Configurations that cannot work: one clear line, never a traceback, never a job.

Forty mistakes that people make, each through the workflow's own entry, and a
fuzzer that breaks the embedded study anywhere, in any way.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayling_study.dag.rules import Dag
from helpers.main_workflow import main_workflow
from helpers.sandbox import ROOT, Sandbox

EMBEDDED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
EMBEDDED["study"]["name"] = "config"  # as the file is called that the tests write
MIXTURE = "synthesis.mixtures.default"
MISTAKES: dict[str, tuple[str, object]] = {
    "an unknown section": ("tunning", {}),
    "an unknown key": ("tuning.learning_rat", 1e-4),
    "a section that is a list": ("tuning", []),
    "a section that is a number": ("scoring", 3),
    "a section that is null": ("systems", None),
    "no systems": ("systems", {}),
    "a study name that is a number": ("study.name", 7),
    "an empty study name": ("study.name", ""),
    "a study name that climbs": ("study.name", "../other"),
    "an absolute study name": ("study.name", "/tmp/other"),
    "a study name with a newline": ("study.name", "a\nb"),
    "a study name with a zero byte": ("study.name", "a\0b"),
    "a results folder with a space": ("study.results", "my results"),
    "a results folder with shell signs": ("study.results", "$(reboot)"),
    "a seed that is text": ("study.seed", "twelve"),
    "a seed below zero": ("study.seed", -1),
    "a learning rate that is text": ("tuning.learning_rate", "fast"),
    "a learning rate that is not a number": ("tuning.learning_rate", float("nan")),
    "an infinite learning rate": ("tuning.learning_rate", float("inf")),
    "a batch of none": ("tuning.batch", 0),
    "a batch of halves": ("tuning.batch", 2.5),
    "epochs below zero": ("tuning.epochs", -3),
    "an unknown precision": ("tuning.precision", "fp8"),
    "an unknown ZeRO stage": ("tuning.zero_stage", 7),
    "an unknown schedule": ("tuning.schedule", "sideways"),
    "an unknown kind of system": ("systems.tuned.kind", "finetuned"),
    "a system without a kind": ("systems.tuned", {"base": "foundation"}),
    "a base that is not there": ("systems.tuned.base", "foundatoin"),
    "a base that is itself": ("systems.tuned.base", "tuned"),
    "a mixture that is not there": ("systems.tuned.mixture", "defualt"),
    "a source that is not there": ("systems.foundation.source", "smollm3"),
    "a system name with a slash": ("systems.a/b", {"kind": "int8", "base": "tuned"}),
    "an unknown template": ("systems.tuned.template", "vicuna"),
    "an unknown 8-bit format": ("systems.tuned-int8.format", "int4"),
    "shares that are negative": (f"{MIXTURE}.shares.translation", -0.5),
    "a recipe that is not there": (f"{MIXTURE}.shares.translate", 0.5),
    "a direction into itself": (f"{MIXTURE}.directions", {"en-en": 1.0}),
    "a direction of one language": (f"{MIXTURE}.directions", {"en": 1.0}),
    "a language that does not exist": ("suites.translation.directions", ["qq-en"]),
    "an unknown kind of suite": ("suites.translation.kind", "translations"),
    "a beam of none": ("suites.translation.decoding.beams", 0),
    "a reader that is not there": ("corpora.parallel.0.reader", "homeasistant"),
    "a baseline that is not there": ("report.baseline", "nobody"),
    "published values that are not there": ("report.published", "nowhere.tsv"),
    "a local source that is not there": ("download.local", {"smollm2": "/nowhere"}),
    "a manifest that is not there": ("download.manifest", "nowhere.tsv"),
}


def changed(values: dict, path: str, value: object) -> dict:
    """Returns a copy of a configuration with one dotted key set."""
    whole = copy.deepcopy(values)
    place = whole
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in parents:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    place[last] = value
    return whole


def verdict(values: dict, base: Path) -> str:
    """Returns the message of the workflow's entry; empty when it accepts a configuration."""
    try:
        path = base / "config.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        Dag.open(main_workflow(path), {})
    except SystemExit as end:
        assert isinstance(end.code, str)
        return end.code
    return ""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory):
    """Enters a folder that looks like the repository; whatever is written goes there."""
    folder = tmp_path_factory.mktemp("settings")
    for entry in ("config", ".venv"):
        (folder / entry).symlink_to(ROOT / entry)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.fault("malformed configuration, {mistake}")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_message(base, mistake):
    path, value = MISTAKES[mistake]
    message = verdict(changed(EMBEDDED, path, value), base)
    assert message.startswith("error: "), message
    assert "Traceback" not in message
    key = path.split(".")[-1]
    assert key in message or path.split(".")[0] in message or str(value) in message, message
    assert not (base / "results" / "config" / "runs").exists()


def places(values: object, path: tuple = ()) -> list[tuple]:
    """Returns the paths of all keys and list items of a configuration."""
    found = [path] if path else []
    if isinstance(values, dict):
        for key, value in values.items():
            found += places(value, (*path, key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            found += places(value, (*path, index))
    return found


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.just("../../etc"), st.just("x" * 5000), st.just([]), st.just({}), st.just([[]]),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2), st.just("日本 \u202e\0"),
)  # fmt: skip


@pytest.mark.fault("malformed configuration, anything anywhere (fuzzer over the embedded study)")
@settings(
    max_examples=300, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(place=st.sampled_from(places(EMBEDDED)), junk=JUNK, remove=st.booleans())
def test_junk_anywhere_is_accepted_or_told(base, place, junk, remove):
    whole = copy.deepcopy(EMBEDDED)
    holder = whole
    for key in place[:-1]:
        holder = holder[key]
    if remove:
        del holder[place[-1]]
    else:
        holder[place[-1]] = junk
    message = verdict(whole, base)
    assert message == "" or message.startswith("error: "), message


@pytest.mark.slow
@pytest.mark.fault("a configuration file that is no YAML")
def test_broken_yaml_starts_no_job(tmp_path):
    sandbox = Sandbox.make(tmp_path / "study")
    (sandbox.root / "tiny.yaml").write_text("study: {name: [\n", encoding="utf-8")
    status, output = sandbox.run()
    assert status != 0
    assert "Traceback" not in output
    assert not (sandbox.study / "logs").exists()
