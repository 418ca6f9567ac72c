"""What HTCondor is told of a study's jobs beside what its profile says.

Its executor plugin (0.3.0) knows memory, disk, time and GPUs only by names of its own, marks no
job, and forgets a held one while HTCondor keeps it.
"""

from collections.abc import Iterable
from typing import Any

from bayling_study.shared.tracking.code import ROOT

MARK = "BaylingStudy"
"""Attribute of a job: the study's name."""
MARKED = f"classad_{MARK}"
OWN_NAMES = {
    "mem_mb": ("htcondor_request_mem_mb", 1),
    "disk_mb": ("htcondor_request_disk_mb", 1),
    "gpu": ("request_gpus", 1),
    "runtime": ("allowed_execute_duration", 60),
}
"""Snakemake's resource to the plugin's, and what it is multiplied by: minutes to seconds."""
WRAPPER = ROOT.parent / "config" / "profiles" / "htcondor" / "job.sh"


def complete(rules: Iterable[Any], study: str) -> None:
    """Completes the resources of Snakemake's rules where a profile marks jobs for HTCondor.

    What the profile says in the plugin's own names stays. A job is started by ``WRAPPER``.
    """
    for rule in rules:
        asked = rule.resources
        if MARKED not in asked:
            continue
        known = {name: value for name, value in OWN_NAMES.items() if name in asked}
        found = {own: _times(asked[name], by) for name, (own, by) in known.items()}
        found["job_wrapper"] = str(WRAPPER)
        if "held_seconds" in asked:
            found["htcondor_submit_periodic_remove"] = removal(asked["held_seconds"].value)
        for name in found.keys() - set(asked):
            asked[name] = found[name]
        asked[MARKED] = study


def _times(resource: Any, factor: int) -> Any:
    """Returns the multiple of a resource, whatever that depends on; none for 0."""

    def evaluate(wildcards: Any, **given: Any) -> Any:
        found = resource.evaluate(wildcards, **given).value
        return found * factor or None if isinstance(found, int) else found

    return evaluate


def removal(seconds: int) -> str:
    """Returns the rule by which HTCondor removes a job that has been held for some seconds.

    Only then the plugin counts it as failed, and the next attempt starts: never beside a job
    that is still ending, or that may be released. What a person holds (code 1) stays. The text
    begins and ends inside quotes, since the plugin takes every text for a string and adds them.
    """
    held = f"JobStatus == 5 && HoldReasonCode =!= 1 && time() - EnteredCurrentStatus > {seconds}"
    return f'" == "" && {held} && "" == "'
