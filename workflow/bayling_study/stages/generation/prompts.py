"""A suite's prompts as the generation stage holds them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bayling_study.core.files import sha256_file
from bayling_study.core.records import Prompt, by_item, read_prompts


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one suite in their file's order, with the file's hash."""

    suite: str
    prompts: list[Prompt]
    sha256: str

    @classmethod
    def load(cls, folder: Path, suite: str) -> "PromptSet":
        """Reads ``FOLDER/SUITE.jsonl``."""
        path = folder / f"{suite}.jsonl"
        return cls(suite, read_prompts(path), sha256_file(path))

    def by_item(self, expected: Iterable[str]) -> dict[str, list[Prompt]]:
        """Returns the prompts by item; an expected item without prompts has an empty list."""
        empty: dict[str, list[Prompt]] = {item: [] for item in expected}
        return empty | by_item(self.prompts)
