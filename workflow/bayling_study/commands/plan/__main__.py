"""Prints what a study will cost: downloads, disk, memory, device hours and jobs.

Starts nothing. Ends with an error that says what to change when the disk, or
the memory of the machine that trains, cannot hold the study. Without ``--gpus``
and ``--gpu-gib`` that machine is this one. Nine tenths of a memory may be planned,
as in the training itself.
"""

from bayling_study.commands.plan import partitions, tables
from bayling_study.commands.plan.disk import check_disk, disk_needs
from bayling_study.commands.plan.downloads import downloads
from bayling_study.commands.plan.jobs import job_counts
from bayling_study.commands.plan.machine import check_memory, machine
from bayling_study.commands.plan.shapes import study_models
from bayling_study.commands.plan.training import tuning_plan
from bayling_study.config import load_config
from bayling_study.config.systems import FoundationSystem, TunedSystem
from bayling_study.core import cli
from bayling_study.dag.profiles import read_profile
from bayling_study.dag.rules import Dag

A100_TFLOPS = 312.0
"""Dense bf16 peak of one NVIDIA A100, from its data sheet."""

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    gpus=cli.number("GPUs of the cluster that trains", least=0),
    gpu_gib=cli.option("memory of each of them in GiB", type=float),
    host_gib=cli.option(
        "host memory of each node in GiB (default: the profile's mem_mb of tuning)", type=float
    ),
    profile=cli.path("folder of the profile that will be used", required=False),
    processes=cli.number("training processes on this machine"),
    teraflops=cli.number("bf16 peak of a device (A100: 312)", 0.001, float, default=A100_TFLOPS),
    utilisation=cli.number(
        "model FLOPs utilisation: share of the peak that 6 N operations per token reach; "
        "recomputed activations do not count (default: 0.4)",
        least=0.001,
        kind=float,
        default=0.4,
    ),
)


def main() -> None:
    """Prints the plan, then refuses what cannot be held."""
    options = COMMAND_LINE.parse_args()
    config = load_config(*options.study_config)
    dag = Dag(config)
    layout = dag.layout
    layout.check()
    models = study_models(layout)
    shapes = {name: model.shape for name, model in models.items()}
    sources = downloads(layout)
    needs = disk_needs(layout, sources, shapes)
    tuned = [(name, shapes[name]) for name in layout.names(TunedSystem)]
    profile = None if options.profile is None else read_profile(options.profile)
    asked = None if profile is None else profile.request("tuning")
    described = (options.gpus, options.gpu_gib, options.processes, options.host_gib)
    where = machine(*described, asked) if tuned else None
    tunings = [
        tuning_plan(layout, name, shape, where.budget)
        for name, shape in tuned
        if where is not None and shape is not None
    ]
    print(f"{config.study.title} ({config.study.name})\n")
    print(tables.download_table(sources))
    foundations = {name: models[name] for name in layout.names(FoundationSystem)}
    if foundations:
        print(tables.model_table(foundations, config.export.group_size))
    if tunings and where is not None:
        print(tables.training_table(tunings, options.teraflops, options.utilisation))
        print(f"Training is planned for: {where.name}\n")
    print(tables.disk_table(needs))
    print(tables.job_table(job_counts(dag)), flush=True)
    if profile is not None:
        print(partitions.partition_tables(profile, job_counts(dag)))
        share = options.utilisation
        print(partitions.training_hours(layout, tunings, profile, options.teraflops, share))
    check_disk(needs)
    for tuning in tunings:
        if where is not None:
            check_memory(where, tuning)


if __name__ == "__main__":
    cli.run_program(main)
