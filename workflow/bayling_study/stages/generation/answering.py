"""How a system is asked, and which part of what it says is its answer.

The cut is made here, before an answer is cleaned up and written, so that every scorer and judge
sees the same. The system itself sees what it said in whole in later turns: it was tuned to
answer so.
"""

from dataclasses import dataclass
from typing import Any

from bayling_study.config import StudyConfig
from bayling_study.config.systems import Answering
from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.shared.answer_labels import PIVOT, behind_label
from bayling_study.shared.templates import Message
from bayling_study.stages.generation import turns


@dataclass(frozen=True)
class Answerer:
    """A system's ``answering``; without one, conversations and answers stay as they are."""

    settings: Answering | None = None

    @classmethod
    def of(cls, config: StudyConfig, name: str) -> "Answerer":
        """Returns that of a system, or else of the one that it is asked as."""
        own = (getattr(config.systems[one], "answering", None) for one in config.asked_as(name))
        return cls(next(filter(None, own), None))

    @property
    def details(self) -> dict[str, Any]:
        """What records and journals say of it: nothing where nothing is asked for."""
        settings = self.settings
        return {"answering": settings.model_dump(exclude_none=True)} if settings else {}

    def conversation(self, prompt: Prompt, answered: turns.Turns, turn: int) -> list[Message]:
        """Returns what the system is shown to answer a turn, its system message first."""
        messages = turns.conversation(prompt, answered, turn)
        if self.settings is None or self.settings.system is None:
            return messages
        named = {"language": languages.name(self._language(prompt)), "pivot": languages.name(PIVOT)}
        return [{"role": "system", "content": self.settings.system.format(**named)}, *messages]

    def part(self, prompt: Prompt, said: str, rule: str) -> tuple[str, str]:
        """Returns the answer, cleaned up, and all that was said where only a part is kept (else
        nothing). Without its label an answer is empty."""
        if self.settings is None or self.settings.keep is None:
            return turns.clean_up(said, rule), ""
        kept = behind_label(said, self._language(prompt))
        return turns.clean_up(kept or "", rule), said

    def _language(self, prompt: Prompt) -> str:
        """Returns the language of a prompt's answers (``StudyError`` if the suite states none)."""
        if "target" not in prompt.languages:
            what = "the prompt states no language of its answer, which answering needs"
            raise StudyError(what, where=f"{prompt.suite}: prompt {prompt.id}")
        return prompt.languages["target"]
