"""The plan as text: one small table a topic."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from bayling_study.commands.plan.arithmetic import FILE_SCALE_BYTES, memory
from bayling_study.commands.plan.disk import Need, peaks
from bayling_study.commands.plan.downloads import Download
from bayling_study.commands.plan.machine import Tuning
from bayling_study.commands.plan.probe import Speed
from bayling_study.commands.plan.work import Job, schedule
from bayling_study.commands.summary import aligned
from bayling_study.core.files import read_json
from bayling_study.dag.chain import Chain, hours
from bayling_study.dag.profiles import Profile, ResourceRequest
from bayling_study.dag.shapes import Model
from bayling_study.shared.sizing.choice import GIBIBYTE
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sources.gates import TOKEN_ADVICE, has_token, page

CACHE_TOKENS = 2048
ACCESS = {True: "gated", False: "open"}
NO_WORK = ("foundation",)  # rules that link what others made
HERE = "(here)"
HERE_RULES = {"download", "track"}
"""Rules that run where Snakemake runs (``localrules`` of the Snakefile)."""


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Renders rows under a title."""
    return f"{title}\n{indent(aligned([header, *rows], ruled=False), '  ')}\n"


def decimal(size: float) -> str:
    """Renders bytes in decimal units, as disks and downloads are sold."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def gibibytes(size: float) -> str:
    """Renders bytes in binary gigabytes, as memory is sold."""
    return f"{size / GIBIBYTE:.2f} GiB"


def download_table(sources: Sequence[Download]) -> str:
    """Renders the downloads; the sum says how much of it is estimated and what is not in it."""
    rows = [(s.row.id, _size(s), s.state, ACCESS[s.row.gated], s.row.licence) for s in sources]
    left = sum(source.left for source in sources)
    unknown = sum(source.bytes is None and source.state == "missing" for source in sources)
    more = ""
    if guesses := [source.guessed for source in sources if source.guessed]:
        more = f", of it {decimal(sum(guesses))} estimated for {len(guesses)}, each at the mean "
        more += "size of sources like it in the table"
    more += f", and {unknown} of unknown size" if unknown else ""
    title = f"Downloads (still to fetch: {decimal(left)}{more})"
    return table(title, ("source", "size", "state", "access", "licence"), rows)


def gate_table(sources: Sequence[Download]) -> str:
    """Renders the gated sources and where their terms are; of the token only whether it is set."""
    rows = [(s.row.id, page(s.row), s.row.licence, s.state) for s in sources if s.row.gated]
    token = "a token is set" if has_token() else f"no token is set: {TOKEN_ADVICE}"
    title = f"Gated sources ({token}; its account must accept the terms of each on the hub's page)"
    return table(title, ("source", "page", "terms", "state"), rows) if rows else ""


def _size(source: Download) -> str:
    words = {"": "", "shape": "about ", "estimate": "estimate "}[source.origin]
    return "unknown" if source.bytes is None else words + decimal(source.bytes)


def model_table(models: Mapping[str, Model], group: int) -> str:
    """Renders what foundations need to answer in 16 bits, and in 8 with one scale per group."""
    header = ("foundation", "parameters", "16 bits", "+ cache", "8 bits", "+ cache", "shape from")
    rows = [(name, *_answering(one.shape, group), one.origin) for name, one in models.items()]
    title = f"Memory to answer (cache of {CACHE_TOKENS:,} tokens in 16 bits; in 8 bits with the "
    return table(f"{title}largest matrix rebuilt)", header, rows)


def _answering(shape: Shape | None, group: int) -> tuple[str, ...]:
    if shape is None:
        return ("unknown",) * 5
    need = memory(shape, CACHE_TOKENS, group, FILE_SCALE_BYTES)
    cache = need.with_cache - need.int8
    sizes = (need.fp16, need.fp16 + cache, need.int8, need.with_matrix)
    return (f"{shape.parameters():,}", *map(gibibytes, sizes))


def training_table(tunings: Sequence[Tuning], teraflops: float | None, share: float) -> str:
    """Renders tuning jobs by formula, for a device of which training reaches a share of the peak
    ``teraflops``; that is none where processes share the cores of this machine."""
    rows = []
    for tuning in tunings:
        need, chosen = tuning.memory, tuning.settings
        tokens = ("" if tuning.measured_tokens else "<= ") + f"{tuning.tokens:,.0f}"
        took = f"{hours(tuning.flops, teraflops, share):.3g} h" if teraflops else "see below"
        whole = need.device if teraflops else need.resident
        parts = map(gibibytes, (need.states, need.activations, need.buffers, whole, need.host))
        job = [tuning.system, tokens, f"{tuning.flops:.2e}", took]
        job += [f"{chosen.zero_stage}, {chosen.offload}", f"{chosen.micro_batch_tokens}"]
        rows.append((*job, *parts))
    header = ["system", "tokens", "model FLOPs", "device hours", "ZeRO stage, offload"]
    header += ["packed length", "states", "activations", "buffers", "in all", "on the host"]
    title = "Tuning (6 N tokens; memory of each process, in all with libraries and a torn heap)"
    if teraflops:
        title = f"Tuning (6 N tokens; device hours at {share:.0%} model FLOPs utilisation of "
        title += f"{teraflops:g} TFLOP/s; memory of each process, without libraries and reserves)"
    return table(title, header, rows)


def disk_table(needs: Sequence[Need]) -> str:
    """Renders what each stage still adds, and the peak above what is there today."""
    pairs = zip(needs, peaks(needs), strict=True)
    rows = [(n.stage, *map(decimal, (n.stays, n.scratch, peak))) for n, peak in pairs]
    title = "Disk (still to be written; peak: all that stays so far and the stage's own scratch)"
    return table(title, ("stage", "stays", "scratch", "peak"), rows)


def unknown_shapes(shapes: Mapping[str, Shape | None]) -> str:
    """Says which systems are in no sum, for nothing tells the shape of their model yet."""
    names = ", ".join(name for name, shape in shapes.items() if shape is None)
    told = f"Not in the numbers of training, disk and time: {names}, whose model's shape is not "
    return f"{told}known before it is fetched (make fetch)\n" if names else ""


def job_table(counts: dict[str, int]) -> str:
    """Renders the jobs of a run from nothing."""
    listed = ", ".join(f"{rule} {count}" for rule, count in counts.items())
    return f"Jobs (a run from nothing): {sum(counts.values())}\n  {listed}\n"


def here_table(
    study: Path, jobs: Sequence[Job], counts: Mapping[str, int], speed: Speed, memory_gib: float
) -> str:
    """Renders minutes by rule of all its jobs (``counts``), their sum on all cores, and what the
    run records say; training takes ``memory_gib``."""
    done = [(job.rule, record) for job in jobs for record in _finished(study, job)]
    records, rows, unknown = [record for _, record in done], [], 0
    for rule, count in counts.items():
        seconds = [job.seconds for job in jobs if job.rule == rule and job.seconds is not None]
        known = len(seconds) == count or rule in NO_WORK
        unknown += 0 if known or rule == "download" else count - len(seconds)
        otherwise = "network" if rule == "download" else "unknown"
        planned = _minutes(sum(seconds)) if known else otherwise
        gib = f"{memory_gib:.1f} GiB" if rule == "tuning" else ""
        took = _measured([record for other, record in done if other == rule])
        rows.append((rule, str(count), planned, gib, *took))
    begin = min((record["start"] for record in records), default=0.0)
    whole = _minutes(max(record["end"] for record in records) - begin) if records else "-"
    more = f", without {unknown} job(s) of unknown length" if unknown else ""
    total = _minutes(schedule(list(jobs), speed.cores))
    rows.append(("all, jobs side by side", str(len(jobs)), total, "", whole, ""))
    header = ("rule", "jobs", "minutes", "memory", "measured minutes", "measured memory")
    title = f"Time on this machine: {speed.cores} cores of {speed.products / 1e9:.0f} GFLOP/s in "
    title += f"large bf16 products, {speed.steps / 1e9:.0f} in single steps{more}; "
    return table(f"{title}downloads come on top", header, rows)


def _finished(study: Path, job: Job) -> list[dict[str, Any]]:
    path = study / "runs" / job.rule.partition("_")[0] / f"{job.name}.json"
    record = read_json(path) if path.is_file() else {}
    return [record] if record.get("state") == "finished" else []


def _measured(records: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    if not records:
        return "-", "-"
    peak = max(record["host"].get("peak_memory_bytes", 0) for record in records)
    took = sum(record["end"] - record["start"] for record in records)
    return _minutes(took), f"{peak / GIBIBYTE:.1f} GiB"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"


def partition_tables(
    profile: Profile, counts: Mapping[str, int], chains: Mapping[str, Chain]
) -> str:
    """Renders the jobs of a run from nothing by rule and by partition, from the jobs of each rule,
    where a training is one, and the ``chains`` of trainings by system. GPU-hours of trainings are
    those expected of all the jobs that they take; of the other rules, whose work nobody measured,
    jobs x GPUs x time limit, which they take at most in their first attempts."""
    rows, placed, taken = list[tuple[str, ...]](), Counter[str](), defaultdict[str, float](float)
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
        taken[partition] += spent
    header = ("rule", "jobs", "partition", "nodes", "GPUs", "memory", "limit", "GPU-hours")
    title = f"Jobs with the profile {profile.folder} (GPU-hours of trainings as expected, "
    title += "of other rules at most: the limits of their first attempts)"
    sums = [(name, str(count), f"{taken[name]:,.0f}") for name, count in placed.items()]
    sums.append(("all", str(placed.total()), f"{sum(taken.values()):,.0f}"))
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
