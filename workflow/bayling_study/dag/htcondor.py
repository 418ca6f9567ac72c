"""What HTCondor is told of a study's jobs beside what its profile says.

Its executor plugin (0.3.0) reads memory, disk, time and GPUs only from resources with names of
its own, gives jobs no mark of a study, and forgets a held job while HTCondor keeps it. So a
profile whose default resources name ``MARKED`` gets all of it here, for each rule.
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
REMOVAL = "htcondor_submit_periodic_remove"
HELD = "held_seconds"
BY_A_PERSON = 1  # HoldReasonCode of condor_hold


def complete(rules: Iterable[Any], study: str) -> None:
    """Completes the resources of Snakemake's rules where a profile marks jobs for HTCondor.

    What the profile says in the plugin's own names stays. A job is started by ``WRAPPER``.
    """
    for rule in rules:
        asked = rule.resources
        if MARKED not in asked:
            continue
        asked[MARKED] = study
        for name, (own, factor) in OWN_NAMES.items():
            if name in asked and own not in asked:
                asked[own] = _times(asked[name], factor)
        for name, value in (("job_wrapper", str(WRAPPER)), (REMOVAL, removal(asked.get(HELD)))):
            if value and name not in asked:
                asked[name] = value


def _times(resource: Any, factor: int) -> Any:
    """Returns the multiple of a resource, whatever that depends on; none for 0."""

    def evaluate(wildcards: Any, **given: Any) -> Any:
        found = resource.evaluate(wildcards, **given).value
        return found * factor or None if isinstance(found, int) else found

    return evaluate


def removal(held: Any) -> str:
    """Returns the rule by which HTCondor removes a job that was held for some seconds.

    Only then the plugin counts it as failed, and the next attempt starts: never beside a job
    that is still ending, or that may be released. What a person holds stays. The text begins and
    ends inside quotes, since the plugin writes it between two: it takes every text for a string.
    """
    if held is None:
        return ""
    long = f"time() - EnteredCurrentStatus > {held.value}"
    return f'" == "" && JobStatus == 5 && HoldReasonCode =!= {BY_A_PERSON} && {long} && "" == "'
