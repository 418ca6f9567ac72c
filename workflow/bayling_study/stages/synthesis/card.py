"""The data card: ``README.md`` in the form that Hugging Face data sets have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Size categories of the hub's data-card metadata."""
CARD = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


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
    parts = {part for name in facts["by_source"] for part in name.split("+")}
    sources = sorted(parts | set(facts.get("listed_terms", ())))
    suites = facts["contamination"].items()
    return CARD.format(
        header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True),
        title=title,
        facts=facts,
        recipes=_rows(facts["by_recipe_and_direction"]),
        demands=_rows(facts["by_demand"]),
        sources=_rows(facts["by_source"]),
        licences=_rows({name: licences.get(name, "see the source manifest") for name in sources}),
        mixture=yaml.safe_dump(dict(mixture), sort_keys=False, allow_unicode=True),
        suites=_rows({name: f"{n['rows']} | {n['conversations']}" for name, n in suites}),
    )


def _rows(cells: Mapping[str, object]) -> str:
    return "".join(f"| {name} | {value} |\n" for name, value in cells.items())
