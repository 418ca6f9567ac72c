"""What differs in how two sides were made: configuration, code, data and environment."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bayling_study.commands.compare.sides import Side
from bayling_study.shared.tracking.jobs import RecordedJob
from bayling_study.shared.tracking.record import flatten

ABSENT = "–"
SHOWN = 12
"""Hex digits of a hash that are shown."""
LONGEST = 200
"""Characters of a configuration value that are shown."""


class Difference(NamedTuple):
    """One thing that both sides have, or one of them, and that differs."""

    kind: str
    what: str
    a: str
    b: str


def differences(a: Side, b: Side) -> list[Difference]:
    """Returns every difference, the configuration's first."""
    return [
        *_compared("config", _plain(a.config), _plain(b.config)),
        *_compared("code", *_by_job(a, b, lambda job: {"": job.record["code"]})),
        *_compared("data", *_by_job(a, b, _hashes)),
        *_compared("environment", _environment(a), _environment(b)),
    ]


def _compared(kind: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(kind, name, a.get(name, ABSENT), b.get(name, ABSENT))
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _plain(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns a configuration as dotted keys and texts, without the study's name and title."""
    texts = {key: str(value) for key, value in flatten(config).items()}
    return {
        key: text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        for key, text in texts.items()
        if key not in ("study.name", "study.title")
    }


def _hashes(job: RecordedJob) -> dict[str, str]:
    """Returns the hashes of what a job made, and of the source behind a download."""
    if job.record["stage"] != "download":
        return {f" {output.name}": output.sha256[:SHOWN] for output in job.outputs()}
    known = job.record["parameters"].get
    return {" revision": str(known("source.revision")), " files": str(known("listing"))[:SHOWN]}


def _by_job(
    a: Side, b: Side, facts: Callable[[RecordedJob], Mapping[str, str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns facts of both sides' jobs, named by the stage where a stage has one job on each."""
    ours, theirs = (Counter(job.record["stage"] for job in side.jobs) for side in (a, b))
    most = ours | theirs

    def named(job: RecordedJob) -> dict[str, str]:
        title = job.record["stage"] if most[job.record["stage"]] == 1 else job.title
        return {f"{title}{key}": value for key, value in facts(job).items()}

    first, second = ({k: v for j in side.jobs for k, v in named(j).items()} for side in (a, b))
    return first, second


def _environment(side: Side) -> dict[str, str]:
    """Returns the versions and machines of a side's jobs."""
    found: dict[str, set[str]] = {}
    for job in side.jobs:
        host = job.record["host"]
        found.setdefault("machine", set()).add(f"{host['system']}, {host['cores']} cores")
        for package, version in job.record["packages"].items():
            found.setdefault(package, set()).add(version)
    return {name: "; ".join(sorted(values)) for name, values in found.items()}
