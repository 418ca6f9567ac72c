"""Aligned training-side segments for the embedded COMET model, as JSON lines.

The COMET environment reads no Parquet, so this program runs in the study environment: it draws
segments of the train split, evenly over the directions of the translation suites, and writes rows
``{"direction", "source", "reference", "foreign", "spaced", "group"}``. ``foreign`` is the sentence
in a third language where the corpora have one; ``group`` is all of one pivot sentence.
"""

from collections import Counter
from itertools import zip_longest
from pathlib import Path

from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.suites import DIRECTED
from bayling_study.core import cli, parquet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json, write_jsonl
from bayling_study.core.languages import is_unspaced
from bayling_study.core.seeds import generator
from bayling_study.shared.tracking.record import run_record

Translations = dict[str, dict[str, str]]
"""Pivot sentence to language to text, the pivot language included."""

Drawn = dict[str, str | bool]


def wanted_directions(config: StudyConfig) -> list[str]:
    """Returns the directions of all suites of translation segments, without repetition."""
    suites = [suite for suite in config.suites.values() if isinstance(suite, DIRECTED)]
    return list(dict.fromkeys(direction for suite in suites for direction in suite.directions))


def read_translations(corpora: Path, languages: set[str]) -> Translations:
    """Reads the train split of ``parallel.parquet``; of doubled segments the first counts."""
    columns = ["lang_a", "lang_b", "text_a", "text_b", "split"]
    found: Translations = {}
    for row in parquet.rows(corpora / "parallel.parquet", columns):
        if row["split"] == "train" and row["lang_b"] in languages:
            texts = found.setdefault(row["text_a"], {row["lang_a"]: row["text_a"]})
            texts.setdefault(row["lang_b"], row["text_b"])
    return found


def draw(translations: Translations, directions: list[str], count: int, seed: int) -> list[Drawn]:
    """Draws ``count`` rows evenly over directions, mixed (``StudyError`` if one has none)."""
    each = -(-count // len(directions))
    rows: list[list[Drawn]] = []
    for direction in directions:
        source, target = direction.split("-")
        pivots = [pivot for pivot, texts in translations.items() if {source, target} <= set(texts)]
        if not pivots:
            what = f"no training-side segments for {direction}"
            fix = "corpora with both languages, or a suite without this direction"
            raise StudyError(what, where="comet.embedded", fix=fix)
        chosen = generator(seed, "comet-data", direction).sample(pivots, min(each, len(pivots)))
        rows.append([_row(translations[pivot], pivot, direction) for pivot in chosen])
    return [row for turn in zip_longest(*rows) for row in turn if row][:count]


def _row(texts: dict[str, str], pivot: str, direction: str) -> Drawn:
    source, target = direction.split("-")
    others = [language for language in sorted(texts) if language not in (source, target)]
    return {
        "direction": direction,
        "source": texts[source],
        "reference": texts[target],
        "foreign": texts[others[0]] if others else "",
        "spaced": not is_unspaced(target),
        "group": sha256_json(pivot)[:16],
    }


COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    corpora=cli.path("folder of parallel.parquet"),
    out=cli.path("JSON lines to write"),
)


def main() -> None:
    """Runs the program."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "comet", "suites")
    if (embedded := config.comet.embedded) is None:
        raise StudyError("comet.embedded is not set", where=options.settings)
    study = config.study
    with run_record(options.record, "comet", "segments", study.name, options.code) as run:
        run.input("corpora", options.corpora / "parallel.parquet")
        directions = wanted_directions(config)
        languages = {language for direction in directions for language in direction.split("-")}
        found = read_translations(options.corpora, languages)
        rows = draw(found, directions, embedded.rows + embedded.held_out, study.seed)
        write_jsonl(options.out, rows)
        counts = Counter(str(row["direction"]) for row in rows)
        run.metrics({f"segments/{direction}": count for direction, count in counts.items()})
        run.output("segments", options.out)


if __name__ == "__main__":
    cli.run_program(main)
