"""Of a rehearsal: whether models are asked in their own form, and whether suites are scored."""

from pathlib import Path
from typing import Any

from bayling_study.commands.rehearse.left import Left, Table
from bayling_study.config.systems import DeltaSystem, FoundationSystem, OtherForm
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.templates.encoding import declared_ends

TALK = [{"role": "user", "content": "Good morning.\n早上好。"}]
"""What every model is asked here, to compare the tokens."""


def models(left: Left) -> Table:
    """Compares the ids, template and stops of each model here with its tokenizer's own."""
    systems = left.config.systems
    names = [n for n in left.layout.with_model() if not isinstance(systems[n], OtherForm)]
    rows = [_model(left, name) for name in names if left.layout.checkpoint(name).is_dir()]
    header = ("system", "template", "ids of a prompt", "stops", "vocabulary")
    note = "Compared with the chat template and generation config in the model's own folder."
    return Table("Models", header, rows, note)


def _model(left: Left, name: str) -> tuple[str, ...]:
    folder, template = left.layout.checkpoint(name), left.config.template_of(name)
    try:
        facts = compare(folder, template)
    except (StudyError, OSError, ValueError) as error:
        left.needs.append(f"system {name}: {(str(error) or repr(error)).splitlines()[0]}")
        return (name, template, "not compared", "", "")
    released = isinstance(left.config.systems[name], FoundationSystem | DeltaSystem)
    if facts[0] == "differ" and released:
        facts = ("differ by design: the study asks in its own template", *facts[1:])
    for fact in facts:
        if fact.startswith(("differ", "lack", "too")) and "by design" not in fact:
            left.needs.append(f"system {name}, template {template}: {fact}")
    return (name, template, *facts)


def compare(folder: Path, template: Any) -> tuple[str, str, str]:
    """Says of a checkpoint how ids, stops and vocabulary agree with what its folder declares."""
    # Imported late: transformers takes seconds, and commands that only look need none of it.
    from transformers import AutoTokenizer

    from bayling_study.shared import templates

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    ids = templates.prompt_ids(tokenizer, template, TALK)
    same = "no template of its own"
    if tokenizer.chat_template:
        options = {"add_generation_prompt": True, "return_dict": False}
        own = list(tokenizer.apply_chat_template(TALK, **options))
        dated = templates.pinned_date(tokenizer, template)
        differ = "differ by design: its day is pinned" if dated else "differ"
        same = "equal" if own == ids else differ
    more = {*declared_ends(tokenizer)} - {*templates.stop_ids(tokenizer, template)}
    words = ", ".join(map(str, tokenizer.convert_ids_to_tokens(sorted(more))))
    size = read_json(folder / "config.json")["vocab_size"]
    fits = f"{len(tokenizer):,} of {size:,}" if max(ids) < size else f"too small: {size:,}"
    return same, f"lack {words} of its generation config" if more else "equal", fits


def suites(left: Left) -> Table:
    """Returns prompts, answers and scores by suite and system."""
    rows: list[tuple[str, ...]] = []
    for suite in left.config.suites:
        made = left.jobs.get(("prompts", suite))
        prompts = int(made.record["metrics"].get("prompts", 0)) if made else 0
        if not prompts:
            left.needs.append(f"suite {suite}: it has no prompts")
        rows += [_suite(left, suite, name, prompts) for name in left.layout.config.evaluated()]
    header = ("suite", "system", "prompts", "answers", "empty", "cut off", "scores", "unreadable")
    note = "Unreadable: the largest share of an item's answers in which the scorer found no choice;"
    return Table("Suites", header, rows, f"{note} of random weights it is high by nature.")


def _suite(left: Left, suite: str, system: str, prompts: int) -> tuple[str, ...]:
    stage = "harness" if suite in left.layout.knowledge_suites() else "generation"
    answered, scored = (_own(left, suite, part, system) for part in (stage, "scoring"))
    count = prompts if stage == "harness" and answered else int(answered.get("hypotheses", 0))
    asked = system in left.layout.with_model() and left.finished(stage, system)
    if asked and prompts and not count:
        left.needs.append(f"suite {suite}: {system} gave no answers")
    if count and not scored and left.finished("scoring", system):
        left.needs.append(f"suite {suite}: no score of the {count:,} answers of {system}")
    unread = [value for key, value in scored.items() if ".unparseable" in key]
    counts = prompts, count, *(int(answered.get(key, 0)) for key in ("empty", "truncated"))
    numbers = [f"{number:,}" for number in (*counts, len(scored))]
    return (suite, system, *numbers, f"{max(unread):.0f} %" if unread else "")


def _own(left: Left, suite: str, stage: str, system: str) -> dict[str, float]:
    """Returns what a job measured of one suite."""
    job = left.jobs.get((stage, system))
    values = job.record["metrics"].items() if job else ()
    return {key.removeprefix(f"{suite}."): n for key, n in values if key.startswith(f"{suite}.")}
