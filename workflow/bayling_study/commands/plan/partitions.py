"""What a study asks of a cluster: jobs, memory, time and GPU-hours by rule and partition.

From the profile's own numbers. GPU-hours of trainings are those expected of all the jobs that they
take (``dag.chain``); of the other rules, whose work nobody measured, jobs x GPUs x time limit,
which they take at most in their first attempts.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from bayling_study.commands.plan.tables import table
from bayling_study.core.errors import StudyError
from bayling_study.dag.chain import Chain
from bayling_study.dag.profiles import Profile, ResourceRequest

HERE = "(here)"
HERE_RULES = {"download", "track"}
"""Rules that run where Snakemake runs (``localrules`` of the Snakefile)."""


def partition_tables(
    profile: Profile, counts: Mapping[str, int], chains: Mapping[str, Chain]
) -> str:
    """Renders the jobs of a run from nothing by rule and by partition, from the jobs of each rule,
    where a training is one, and the ``chains`` of trainings by system."""
    rows, placed, hours = list[tuple[str, ...]](), Counter[str](), defaultdict[str, float](float)
    for rule, count in counts.items():
        asked, trained = profile.request(rule), chains.values() if rule == "tuning" else ()
        jobs = sum(one.jobs for one in trained) if trained else count
        partition, spent, about = HERE, 0.0, ("",) * 5
        if rule not in HERE_RULES:
            partition, limit = asked.partition or "default", count * asked.gpus * asked.minutes / 60
            if asked.gpus:
                spent = sum(one.device_hours for one in trained) if trained else limit
            about = _asked(asked, f"{'' if trained else '<= '}{spent:,.0f}")
        rows.append((rule, str(jobs), partition, *about))
        placed[partition] += jobs
        hours[partition] += spent
    header = ("rule", "jobs", "partition", "nodes", "GPUs", "memory", "limit", "GPU-hours")
    title = f"Jobs with the profile {profile.folder} (GPU-hours of trainings as expected, "
    title += "of other rules at most: the limits of their first attempts)"
    sums = [(name, str(count), f"{hours[name]:,.0f}") for name, count in placed.items()]
    sums.append(("all", str(placed.total()), f"{sum(hours.values()):,.0f}"))
    by_partition = table("Jobs by partition", ("partition", "jobs", "GPU-hours"), sums)
    return table(title, header, rows) + by_partition


def _asked(asked: ResourceRequest, hours: str) -> tuple[str, str, str, str, str]:
    memory = f"{asked.mem_mb / 1000:g} GB" if asked.mem_mb else "the rule's"
    limit = f"{asked.minutes / 60:g} h" if asked.minutes else "the rule's"
    gpus = f"{asked.gpus}{f' {asked.gpu_type}' if asked.gpu_type else ''}" if asked.gpus else ""
    return str(asked.nodes), gpus, memory, limit, hours if gpus else ""


def chain_table(chains: Mapping[str, Chain], allowed: int) -> str:
    """Renders the hours that trainings are expected to take, and in how many jobs."""
    rows = [
        (name, f"{c.device_hours:,.1f}", f"{c.hours:.1f}", f"{c.jobs} of {allowed}", c.basis)
        for name, c in chains.items()
    ]
    header = ("system", "device hours", "wall-clock hours", "jobs, of those allowed", "basis")
    return table("Training with this profile", header, rows) if rows else ""


def check_attempts(chains: Mapping[str, Chain], allowed: int) -> None:
    """Checks that no training needs more jobs than the study allows (``StudyError``: it would end
    before its last step; what to write)."""
    for name, one in chains.items():
        if one.jobs > allowed:
            what = f"training {name!r} takes {one.jobs} jobs of {one.minutes:.0f} minutes "
            what += f"({one.hours:.1f} hours; {one.basis}), and {allowed} are allowed"
            fix = f"tuning: {{attempts: {one.allowed}}}\n"
            fix += "or tuning: {attempts: auto}, which counts jobs as the plan does by default"
            raise StudyError(what, where="tuning.attempts", fix=fix)
