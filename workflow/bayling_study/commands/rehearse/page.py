"""The page of a rehearsal: what a lab asks before the real run, as HTML and as text."""

from pathlib import Path
from textwrap import fill
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bayling_study.commands.plan.downloads import downloads
from bayling_study.commands.plan.tables import decimal, table
from bayling_study.commands.rehearse.answers import models, suites
from bayling_study.commands.rehearse.left import Left, Table
from bayling_study.commands.summary import WIDTH
from bayling_study.config import StudyConfig
from bayling_study.config.systems import TunedSystem
from bayling_study.core.files import write_text
from bayling_study.dag.chain import A100_TFLOPS, UTILISATION, hours, mixture_tokens, training_flops
from bayling_study.dag.layout import Layout
from bayling_study.dag.shapes import study_models

PASSED = "every stage ran to the report; nothing needs you"


def write_page(study: StudyConfig, rehearsal: StudyConfig, overlay: Path) -> str:
    """Writes ``rehearsal.html`` and ``rehearsal.txt`` beside the report of ``rehearsal``, which ran
    in the place of ``study``; ``overlay`` holds what they differ in. Returns the text."""
    left = Left(rehearsal)
    tables = [left.stages(), left.sources(), models(left), suites(left), costs(study, left)]
    if left.finished("report", "report"):  # else what did not run reads nothing
        left.needs += [f"configuration: {key} reaches no job" for key in left.unread_keys(study)]
    name, laid_over = f"{study.study.title} ({study.study.name})", overlay.read_text("utf-8")
    values: dict[str, Any] = {"needs": left.needs, "tables": tables, "verdict": verdict(left)}
    values |= {"name": name, "overlay": laid_over}
    folder = Path(__file__).parent
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    write_text(left.layout.study / "rehearsal.html", pages.get_template("page.html").render(values))
    text = as_text(**values)
    write_text(left.layout.study / "rehearsal.txt", text)
    return text


def verdict(left: Left) -> str:
    """Says in one line whether every stage ran, and how much needs somebody."""
    open_jobs = [pair for pair in left.expected() if not left.finished(*pair)]
    if not open_jobs and not left.needs:
        return PASSED
    jobs, needs = len(open_jobs), len(left.needs)
    ran = f"{jobs} job{'s' * (jobs != 1)} did not end" if jobs else "every stage ran to the report"
    return f"{ran}; {needs} thing{'s' * (needs != 1)} need{'s' * (needs == 1)} you"


def as_text(name: str, verdict: str, needs: list[str], tables: list[Table], overlay: str) -> str:
    """Returns the page for a terminal."""
    listed = [fill(need, WIDTH, initial_indent="- ", subsequent_indent="  ") for need in needs]
    parts = [f"Rehearsal of {name}\n{verdict}\n"]
    parts += ["\n".join(["What needs you", *listed, ""])] if needs else []
    parts += [table(one.title, one.header, one.rows) + f"  {one.note}\n" for one in tables]
    return "\n".join([*parts, f"Overlay\n{overlay}"])


def costs(study: StudyConfig, left: Left) -> Table:
    """Returns what the real run costs by what was measured here, beside the plan's own."""
    real, rows = Layout(study), []
    size = sum(one.bytes or 0 for one in downloads(real))
    fetched = [job.record["metrics"] for (stage, _), job in left.jobs.items()
               if stage == "download" and "seconds" in job.record["metrics"]]  # fmt: skip
    rate = sum(one["bytes"] for one in fetched) / max(sum(o["seconds"] for o in fetched), 1e-9)
    if fetched:
        said = f"{decimal(rate)}/s as with the small files here, one source after the other"
        rows.append(("download", f"{size / max(rate, 1) / 3600:.1f} h", decimal(size), said))
    shapes = study_models(real)
    for name in real.names(TunedSystem):
        mixture = real.system(name, TunedSystem).mixture
        made, shape = left.jobs.get(("synthesis", mixture)), shapes[name].shape
        if made is None or shape is None or not made.record["metrics"].get("conversations"):
            continue
        metrics, tuning = made.record["metrics"], study.tuning_of(name)
        each = metrics["tokens.real"] / metrics["conversations"]
        count = study.synthesis.mixtures[mixture].conversations
        tokens, planned = (n * tuning.passes(count, n)
                           for n in (count * each, mixture_tokens(real, name)[0]))  # fmt: skip
        spent, most = (hours(training_flops(shape, tuning, n), A100_TFLOPS, UTILISATION)
                       for n in (tokens, planned))  # fmt: skip
        said = f"{each:.0f} tokens a conversation as here; 6 N tokens at {UTILISATION:.0%} of "
        said += f"{A100_TFLOPS:g} TFLOP/s"
        took, most_hours = (f"{number:.3g} device hours" for number in (spent, most))
        rows.append((f"tuning {name}", took, most_hours, said))
    header = ("what", "by what was measured here", "by make plan", "assumed")
    note = "Answers are not in it: what tiny weights write tells nothing of how long real ones do."
    return Table("What the real run costs", header, rows, note)
