"""Teachers: models that write what aligned text cannot give (a paraphrase, an answer of their own),
and translators of what they wrote. Their answers cost money or hours, so they are asked for in
bulk, kept on disk by the client and asked only once. The recipe that asked verifies each; what
fails is rejected and never mended."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bayling_study.config.synthesis import Mixture
from bayling_study.config.systems import EndpointSystem
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.core.lookup import look_up
from bayling_study.shared.endpoint import ChatRequest, Endpoint
from bayling_study.shared.endpoint.local import served
from bayling_study.stages.synthesis.types import Instruction

Messages = Sequence[dict[str, str]]
"""Chat messages that end with the user's."""


@dataclass(frozen=True)
class TeacherQuestion:
    """What a recipe asks the ``teacher``, or the ``translator``: ``finish`` makes the conversation
    of the answer, or the next question, or says why there is none."""

    messages: Messages
    finish: "Callable[[str], Instruction | TeacherQuestion | str]"
    of: str = "teacher"


ROLES = ("teacher", "translator")  # keys of a mixture that name a system to ask
ANSWER_TOKENS = 1024  # largest number of tokens of an answer: a translated sentence or a short text


class EndpointTeacher:
    """An endpoint as a teacher; the client keeps answers, rate and budget."""

    def __init__(self, endpoint: Endpoint, most_tokens: int = ANSWER_TOKENS) -> None:
        self._endpoint, self._most = endpoint, min(most_tokens, ANSWER_TOKENS)

    def complete(self, requests: Iterable[Messages]) -> Iterator[str | None]:
        """Yields the answers without reasoning; nothing for one that was cut or never came."""
        asked = (ChatRequest(messages, self._most) for messages in requests)
        for answer in self._endpoint.complete(asked):
            thought, text = answer.parts
            unfinished = answer.finish == "length" or (thought and not text)
            yield None if unfinished else text.strip()

    @property
    def spent(self) -> dict[str, int]:
        """The endpoint's requests and tokens."""
        return self._endpoint.spent


def hired(
    mixture: Mixture,
    systems: Mapping[str, object],
    checkpoints: Mapping[str, Path],
    cache: Path | None,
    stack: ExitStack,
) -> dict[str, EndpointTeacher]:
    """Returns a mixture's ``teacher`` and ``translator``, those that it names. One that is no
    server is served from its checkpoint. Answers go to the folder ``cache``; ``stack`` closes
    connections and ends servers (``StudyError`` if a system is unknown, its checkpoint is not
    given, or there is no folder)."""
    found: dict[str, EndpointTeacher] = {}
    for role in ROLES:
        if (name := getattr(mixture, role)) is None:
            continue
        if role == "translator" and name == mixture.teacher:
            found[role] = found["teacher"]
            continue
        if cache is None:
            raise StudyError(f"a {role}'s answers need a folder", fix="--cache FOLDER")
        system, identity = look_up("system", name, systems, role), ""
        if not isinstance(system, EndpointSystem):
            checkpoint = look_up("checkpoint", name, checkpoints, "--checkpoint")
            identity = sha256_path(checkpoint)
            system = stack.enter_context(served(checkpoint, cache / f"{role}-server.log"))
        endpoint = Endpoint(system, cache / f"{name}.jsonl", f"systems.{name}", identity)
        found[role] = EndpointTeacher(stack.enter_context(endpoint), mixture.max_tokens)
    return found
