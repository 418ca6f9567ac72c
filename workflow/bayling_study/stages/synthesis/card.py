"""The data card: ``README.md`` in the form that Hugging Face data sets have."""

from collections.abc import Mapping
from typing import Any

import yaml

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Size categories of the hub's data-card metadata."""


def card(
    title: str, facts: Mapping[str, Any], mixture: Mapping[str, Any], licences: Mapping[str, str]
) -> str:
    """Returns the card of a mixture with the audit's facts. ``mixture`` is its section of the
    config, shown as it is; ``licences`` has each source's licence, as its manifest states it."""
    count = facts["conversations"]
    header = {
        "pretty_name": title,
        "language": sorted(facts["by_language"]),
        "license": "other",
        "license_name": "per-source",
        "task_categories": ["translation", "text-generation"],
        "size_categories": [next((size for limit, size in SIZES if count < limit), "n>1M")],
        "configs": [{"config_name": "default", "data_files": "train.parquet"}],
    }
    tokens = facts["tokens"]
    return "\n".join(
        [
            f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---",
            f"# {title}",
            f"{count} conversations for instruction tuning, "
            f"{tokens['real']} tokens, of which {tokens['supervised_share']:.1%} are supervised.",
            "Each row has `id`, `recipe`, `source`, `direction`, `languages` and `messages` "
            "(`role`, `content`). Answers are upstream text or an exact edit of it; every later "
            "turn of an interactive conversation was verified by code against its demand.",
            _table("Recipes and directions", "recipe/direction", facts["by_recipe_and_direction"]),
            _table("Demands of interactive conversations", "demand", facts["by_demand"]),
            _table("Sources", "source", facts["by_source"]),
            _licences(facts, licences),
            "## Made with\n\n```yaml\n"
            f"{yaml.safe_dump(dict(mixture), sort_keys=False, allow_unicode=True)}```",
            _contamination(facts["contamination"]),
            "`audit.json` has all counts, lengths, and rejected rows with examples.",
            "",
        ]
    )


def _contamination(suites: Mapping[str, Mapping[str, int]]) -> str:
    """Returns the section on the test sets that were kept out."""
    lines = [
        "\n## Test sets kept out\n",
        "No text of these is in the data as a whole, nor shares 13 words with it (8 or 6 where the "
        "test text is short; 21, 13 and 10 characters in scripts without spaces).\n",
        "| test set | aligned rows removed | conversations removed |",
        "|---|---:|---:|",
    ]
    counts = [f"| {name} | {n['rows']} | {n['conversations']} |" for name, n in suites.items()]
    return "\n".join([*lines, *counts, ""])


def _table(heading: str, column: str, counts: Mapping[str, int]) -> str:
    lines = [f"\n## {heading}\n", f"| {column} | conversations |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {name} | {count} |" for name, count in counts.items()), ""])


def _licences(facts: Mapping[str, Any], licences: Mapping[str, str]) -> str:
    parts = {part for name in facts["by_source"] for part in name.split("+")}
    sources = sorted(parts | set(facts.get("listed_terms", ())))
    unknown = "see the source manifest"
    lines = [f"| {source} | {licences.get(source, unknown)} |" for source in sources]
    return "\n".join(["## Licences\n", "| source | licence |", "|---|---|", *lines, ""])
