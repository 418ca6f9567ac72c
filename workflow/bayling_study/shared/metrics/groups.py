"""Which averages over items a suite reports: those that its prompts name in ``meta["averages"]``;
the prompts stage knows why. Standard library only: the COMET environment reads them too."""

from collections.abc import Iterable

from bayling_study.core.records import Prompt


def averages(prompts: Iterable[Prompt]) -> dict[str, list[str]]:
    """Returns a suite's averages, each with all its items in the order of the prompts."""
    groups: dict[str, list[str]] = {}
    for item, names in {one.item: one.meta.get("averages", []) for one in prompts}.items():
        for name in names:
            groups.setdefault(name, []).append(item)
    return groups
