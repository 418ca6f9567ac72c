"""Exports a blind ranking sheet of a study's systems, or analyses sheets that came back.

    python -m bayling_study.commands.ranking export --study results/embedded --suite interactive
        --systems foundation tuned tuned-int8 --items 60 --out ranking/
    python -m bayling_study.commands.ranking analyse --key ranking/key.json
        --sheets anna.csv ben.csv --study results/embedded

``export`` writes sheet.csv, INSTRUCTIONS.txt and key.json: give annotators the
first two. ``analyse`` prints the result and, with --study, adds it to the
study's scores, which the next report shows.
"""

import argparse

from bayling_study.commands.ranking.results import scores, write_found
from bayling_study.commands.ranking.sheet import ABILITIES, Key, draw_rows, read_sheet, write_sheet
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Score, read_hypotheses, read_prompts

SEED = 20230619  # the default study seed

EXPORT = {
    "study": cli.STUDY,
    "suite": cli.option("suite of conversations", default="interactive"),
    "systems": cli.option("names of the systems to rank", required=True, nargs="+"),
    "items": cli.number("conversations to rank", default=60),
    "seed": cli.option("of the draw", type=int, default=SEED),
    "out": cli.path("folder to write"),
}
ANALYSE = {
    "key": cli.path("key.json of the export"),
    "sheets": cli.path("one per annotator", nargs="+"),
    "study": cli.path("results folder that gets the scores", required=False),
    "seed": cli.option("of the resampling", type=int, default=SEED),
}
ACTIONS = cli.Actions(
    export=("write a sheet to fill", EXPORT), analyse=("read filled sheets", ANALYSE)
)
COMMAND_LINE = cli.command(__name__, action=ACTIONS)


def main() -> None:
    """Exports or analyses."""
    options = COMMAND_LINE.parse_args()
    (export_sheet if options.action == "export" else analyse_sheets)(options)


def export_sheet(options: argparse.Namespace) -> None:
    """Writes sheet, instructions and key (``StudyError`` if the study lacks the suite or a system,
    or a sheet is there already)."""
    if (options.out / "key.json").exists():
        what = "there is a sheet already, and its key would be lost"
        raise StudyError(what, where=options.out, fix="--out NEW")
    prompts = read_prompts(options.study / "prompts" / f"{options.suite}.jsonl")
    folder, name = options.study / "generation", f"{options.suite}.jsonl"
    rows = {s: read_hypotheses(folder / s / name, prompts) for s in options.systems}
    answers = {system: {row.id: row for row in own} for system, own in rows.items()}
    drawn = draw_rows(prompts, answers, options.items, options.seed)
    about = {"suite": options.suite, "seed": options.seed, "systems": list(answers)}
    write_sheet(options.out, drawn, about)
    print(f"{options.out}: {len(drawn)} conversations, {len(answers)} systems; keep key.json apart")


def analyse_sheets(options: argparse.Namespace) -> None:
    """Prints shares, mean ranks and agreement; with a study, writes them to its scores
    (``StudyError`` if a sheet has a mistake: names its row and column)."""
    key = Key.read(options.key)
    found = scores([read_sheet(path, key) for path in options.sheets], key, options.seed)
    for ability in ABILITIES:
        _print_ability([s for s in found if s.item == ability.replace("_", "-")])
    if options.study:
        print(f"written: {write_found(options.study, key, found)}")


def _print_ability(rows: list[Score]) -> None:
    print(f"{rows[0].item}: {rows[0].n} conversations, {rows[0].note}")
    ranks = {row.system: row for row in rows if row.metric == "mean-rank"}
    shares = (row for row in rows if row.metric == "first-place-share")
    for row in sorted(shares, key=lambda row: -row.value):
        rank = ranks[row.system]
        first = f"{row.system:20} first {row.value:5.1f} % [{row.low:.1f}, {row.high:.1f}]"
        print(f"  {first}   mean rank {rank.value:.2f} [{rank.low:.2f}, {rank.high:.2f}]")


if __name__ == "__main__":
    cli.run_program(main)
