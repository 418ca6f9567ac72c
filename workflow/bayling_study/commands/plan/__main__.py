"""Prints what a study will cost: downloads, disk, memory, device hours and jobs.

Starts nothing. Ends with an error that says what to change when the disk, or the memory of the
machine that trains, cannot hold the study, or a training takes more jobs than it may. Without
``--gpus`` and ``--gpu-gib`` that machine is this one; where it has no GPU, the time here follows
from a measurement of two seconds. Nine tenths of a memory may be planned, as in the training.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence

from bayling_study.commands.plan import machine, tables
from bayling_study.commands.plan.disk import check_disk, disk_needs
from bayling_study.commands.plan.downloads import Download, downloads
from bayling_study.commands.plan.jobs import job_counts
from bayling_study.commands.plan.probe import speed
from bayling_study.commands.plan.work import Work
from bayling_study.config import load_config
from bayling_study.config.systems import FoundationSystem, TunedSystem
from bayling_study.core import cli
from bayling_study.dag.chain import A100_TFLOPS, UTILISATION, attempts, chain
from bayling_study.dag.profiles import Profile, read_profile
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import study_models
from bayling_study.shared.sizing.choice import GIBIBYTE
from bayling_study.shared.sizing.shape import Shape

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    gpus=cli.number("GPUs of the cluster that trains", least=0),
    gpu_gib=cli.option("memory of each of them in GiB", type=float),
    host_gib=cli.option("GiB of a node (default: the profile's mem_mb of tuning)", type=float),
    profile=cli.path("folder of the profile that will be used", required=False),
    processes=cli.number("training processes on this machine"),
    teraflops=cli.number("bf16 peak of a device (default: an A100's 312)", 0.001, float),
    utilisation=cli.number(
        "model FLOPs utilisation: share of the peak that 6 N operations per token reach; "
        "recomputed activations do not count (default: 0.4)",
        least=0.001,
        kind=float,
        default=UTILISATION,
    ),
)


def main() -> None:
    """Prints the plan, then refuses what cannot be held."""
    options = COMMAND_LINE.parse_args()
    config = load_config(*options.study_config)
    dag = Dag(config)
    layout, counts = dag.layout, job_counts(dag)
    layout.check()
    models, sources = study_models(layout), downloads(layout)
    shapes = {name: model.shape for name, model in models.items()}
    needs = disk_needs(layout, sources, shapes)
    tuned = {name: shapes[name] for name in layout.names(TunedSystem)}
    profile = read_profile(options.profile) if options.profile else None
    asked = profile.request("tuning") if profile else None
    described = (options.gpus, options.gpu_gib, options.processes, options.host_gib)
    where = machine.machine(*described, asked) if tuned else None
    tunings = [
        machine.tuning_plan(layout, n, s, where.budget) for n, s in tuned.items() if where and s
    ]
    print(f"{config.study.title} ({config.study.name})\n")
    print(tables.download_table(sources) + tables.gate_table(sources))
    if foundations := {name: models[name] for name in layout.names(FoundationSystem)}:
        print(tables.model_table(foundations, config.export.group_size))
    if tunings and where is not None:
        peak = (options.teraflops or A100_TFLOPS) if where.budget.device else None
        print(tables.training_table(tunings, peak, options.utilisation))
        print(f"Training is planned for: {where.name}\n")
    print(tables.disk_table(needs) + tables.unknown_shapes(shapes))
    print(tables.job_table(counts), flush=True)
    if profile:
        on_cluster(dag, profile, tuned, options)
    elif options.gpus is None and not machine.gpu_here():
        print(time_here(dag, shapes, sources, tunings), flush=True)
    check_disk(needs)
    if where is not None:
        for tuning in tunings:
            machine.check_memory(where, tuning)


def on_cluster(
    dag: Dag, profile: Profile, tuned: Mapping[str, Shape | None], options: Namespace
) -> None:
    """Prints what a profile's cluster gives each job, and refuses trainings of too many jobs."""
    asked = profile.request("tuning")
    rate = options.teraflops, options.utilisation
    chains = {n: chain(dag.layout, n, shape, asked, *rate) for n, shape in tuned.items() if shape}
    allowed = attempts(dag.layout, asked)
    print(tables.partition_tables(profile, job_counts(dag), chains))
    print(tables.chain_table(chains, allowed), flush=True)
    machine.check_attempts(chains, allowed)


def time_here(
    dag: Dag, shapes: Mapping[str, Shape | None], sources: Sequence[Download],
    tunings: Sequence[machine.Tuning],
) -> str:  # fmt: skip
    """Returns the table of minutes on the cores of this machine."""
    here, used = speed(), set(dag.config.corpora.sources)
    size = sum(source.bytes or 0 for source in sources if source.row.id in used)
    jobs = Work(dag, shapes, here).jobs(size)
    need = max((tuning.memory.resident for tuning in tunings), default=0) / GIBIBYTE
    return tables.here_table(dag.layout.study, jobs, job_counts(dag), here, need)


if __name__ == "__main__":
    cli.run_program(main)
