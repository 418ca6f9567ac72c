"""What HTCondor is told of a study's jobs beside what its profile says. Its executor plugin (0.3.0)
knows memory, disk, time and GPUs only by names of its own, marks no job, and forgets a held one
while HTCondor keeps it."""

from collections.abc import Callable, Iterable
from typing import Any

from bayling_study.shared.tracking.code import ROOT

MARK = "BaylingStudy"  # attribute of a job: the study's name
MARKED = f"classad_{MARK}"
WRAPPER = ROOT.parent / "config" / "profiles" / "htcondor" / "job.sh"


def removal(seconds: int) -> str:
    """Returns the rule by which HTCondor removes a job that has been held for some seconds. Only
    then the next attempt starts: never beside a job that still ends or may be released. What a
    person holds (code 1) stays. The text begins and ends inside quotes, since the plugin takes
    every text for a string and adds them."""
    held = f"JobStatus == 5 && HoldReasonCode =!= 1 && time() - EnteredCurrentStatus > {seconds}"
    return f'" == "" && {held} && "" == "'


OWN_NAMES: dict[str, tuple[str, Callable[[int], Any]]] = {
    "mem_mb": ("htcondor_request_mem_mb", int),
    "disk_mb": ("htcondor_request_disk_mb", int),
    "gpu": ("request_gpus", int),
    "runtime": ("allowed_execute_duration", lambda minutes: minutes * 60),
    "held_seconds": ("htcondor_submit_periodic_remove", removal),
}
"""Snakemake's resource, or ours, to the plugin's and what becomes of its value."""


def complete(rules: Iterable[Any], study: str) -> None:
    """Completes the resources of Snakemake's rules where a profile marks jobs for HTCondor. What
    the profile says in the plugin's own names stays. A job is started by ``WRAPPER``."""
    for asked in (rule.resources for rule in rules if MARKED in rule.resources):
        found: dict[str, Any] = {"job_wrapper": str(WRAPPER)}
        for name, (own, change) in OWN_NAMES.items():
            if name in asked:
                found[own] = _changed(asked[name], change)
        for name in (name for name in found if name not in asked):
            asked[name] = found[name]
        asked[MARKED] = study


def _changed(resource: Any, change: Callable[[int], Any]) -> Any:
    """Returns what becomes of a resource, whatever that depends on; none for 0."""

    def evaluate(wildcards: Any, **given: Any) -> Any:
        found = resource.evaluate(wildcards, **given).value
        return change(found) or None if isinstance(found, int) else found

    return evaluate
