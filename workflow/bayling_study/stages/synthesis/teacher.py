"""A teacher: a model that writes what aligned text cannot give (a paraphrase, a style).

Its answers cost money or hours, so they are asked for in bulk, kept on disk by the client and
asked only once. The recipe that asked verifies each; what fails is rejected and never mended.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up
from bayling_study.shared.endpoint import ChatRequest, Endpoint
from bayling_study.stages.synthesis.types import Instruction

Messages = Sequence[dict[str, str]]
"""Chat messages that end with the user's."""


@dataclass(frozen=True)
class TeacherQuestion:
    """What a recipe asks; ``finish`` makes the conversation of the answer, or says why not."""

    messages: Messages
    finish: Callable[[str], Instruction | str]


ANSWER_TOKENS = 1024
"""Largest number of tokens of an answer: a translated sentence or a short text."""


class EndpointTeacher:
    """An endpoint as a teacher; the client keeps answers, rate and budget."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def complete(self, requests: Iterable[Messages]) -> Iterator[str | None]:
        """Yields the answers without reasoning; nothing for one that was cut or never came."""
        asked = (ChatRequest(messages, ANSWER_TOKENS) for messages in requests)
        for answer in self._endpoint.complete(asked):
            thought, text = answer.parts
            unfinished = answer.finish == "length" or (thought and not text)
            yield None if unfinished else text.strip()


def hired(
    name: str | None, systems: Mapping[str, object], cache: Path | None, stack: ExitStack
) -> EndpointTeacher | None:
    """Returns the teacher that a system of the config is, or none where none is named.

    Its answers go to the folder ``cache``; ``stack`` closes its connections.

    Raises:
        StudyError: the system is unknown or no endpoint, or there is no folder.
    """
    if name is None:
        return None
    system = look_up("system", name, systems, "teacher")
    if not isinstance(system, EndpointSystem):
        raise StudyError("a teacher is a system of the kind endpoint", where=f"systems.{name}")
    if cache is None:
        raise StudyError("a teacher's answers need a folder", fix="--cache FOLDER")
    return EndpointTeacher(stack.enter_context(Endpoint(system, cache / f"{name}.jsonl")))
