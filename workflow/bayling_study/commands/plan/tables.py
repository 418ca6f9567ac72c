"""The plan as text: one small table a topic."""

from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent

from bayling_study.commands.plan.arithmetic import FILE_SCALE_BYTES, GIBIBYTE, memory
from bayling_study.commands.plan.disk import Need, peaks
from bayling_study.commands.plan.downloads import Download
from bayling_study.commands.plan.training import Tuning
from bayling_study.commands.summary import aligned
from bayling_study.dag.chain import hours
from bayling_study.dag.shapes import Model
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sources.gates import TOKEN_ADVICE, has_token, page

CACHE_TOKENS = 2048
ACCESS = {True: "gated", False: "open"}


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
