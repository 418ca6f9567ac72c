"""A scheduler of Snakemake's (``--scheduler patient``) for one machine. A job that wants more cores
than are free, such as a training, begins once those that run have ended: Snakemake's own gives each
free core to whatever fits, and a training waits for the last of them. Of jobs of the same priority
the longest begins first, as nothing is left to run beside one that begins last."""

from functools import cached_property
from typing import Any

from snakemake.scheduling.greedy import Scheduler as Greedy
from snakemake.scheduling.greedy import SchedulerSettings

from bayling_study.commands.running.costs import Costs
from bayling_study.commands.running.run import name_of


class Scheduler(Greedy):  # type: ignore[misc]  # Snakemake is not type-checked
    """Snakemake's greedy scheduler, given some of the jobs: of equals it takes the first."""

    def __post_init__(self) -> None:
        self.settings = SchedulerSettings(omit_prioritize_by_temp_and_input=True)
        super().__post_init__()
        self.cores = 0

    @cached_property
    def costs(self) -> Costs | None:
        """What jobs are expected to take, where the workflow is a study's."""
        study = self.dag.workflow.globals.get("STUDY")
        return Costs(study) if study else None

    def _seconds(self, job: Any) -> float:
        costs = None if job.is_group() else self.costs
        return costs(job.rule.name, name_of(job.wildcards_dict)) if costs else 0.0

    def select_jobs(self, selectable: Any, remaining: Any, available: Any, sizes: Any) -> Any:
        """Returns the jobs to start. While anything runs, a job that waits for nothing else holds
        back those of lower priority. What waits for a job that failed looks alike: the others begin
        whenever nothing runs any more."""
        free, least = available["_cores"], 0
        self.cores = max(self.cores, free)
        if free < self.cores:
            waiting = set(remaining)
            wide = (job for job in waiting if job.scheduler_resources["_cores"] > free)
            ready = (job for job in wide if not waiting & {*self.dag.job_dependencies(job)})
            least = max((job.priority for job in ready), default=0)
        jobs = [job for job in selectable if job.priority >= least]
        jobs.sort(key=self._seconds, reverse=True)
        return super().select_jobs(jobs, remaining, available, sizes)
