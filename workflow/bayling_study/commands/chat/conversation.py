"""A conversation with a loaded model: turns in, streamed answers out."""

from collections.abc import Callable

from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.chat.writing import Question
from bayling_study.core.errors import StudyError
from bayling_study.shared import reasoning, templates


class ChatSession:
    """The turns so far, user and assistant in turn, and the model that answers them."""

    def __init__(self, answerer: Answerer, answer_tokens: int) -> None:
        context = answerer.loaded.context
        if answer_tokens >= context:
            what = f"the model has {context} positions, {answer_tokens} of them for the answer"
            raise StudyError(f"{what} leave no room for a question", where="--answer-tokens")
        self.answerer, self.answer_tokens = answerer, answer_tokens
        self.prompt_tokens = context - answer_tokens
        self.messages: list[templates.Message] = []

    def reset(self) -> None:
        """Forgets all turns."""
        self.messages = []

    def prompt(self, question: str) -> str:
        """Returns the exact text, special tokens included, that a question would send."""
        return "".join(text for text, _ in self.answerer.prompt(self._with(question)))

    def ask(self, question: str, temperature: float, emit: Callable[[str], None]) -> int:
        """Asks the next question, hands on each piece of the answer as it comes, and keeps it.

        Reasoning is handed on too but not kept: later turns see answers alone. A temperature of 0
        is greedy decoding. Returns how many earlier exchanges were forgotten to make room
        (``StudyError`` if the question alone does not fit the model's context).
        """
        before, messages = len(self.messages), self._with(question)
        while len(self.answerer.ids(messages)) > self.prompt_tokens:
            if len(messages) == 1:
                raise StudyError(f"the question is longer than {self.prompt_tokens} tokens")
            messages = messages[2:]
        asked = self.answerer.accept(Question(messages, self.answer_tokens, temperature))
        text = ""
        for piece in self.answerer.pieces(asked):
            emit(piece)
            text += piece
        inside = reasoning.begun(self.answerer.loaded.tokenizer.decode(asked.ids))
        answer = reasoning.split(text, inside)[1].strip()
        self.messages = [*messages, {"role": "assistant", "content": answer}]
        return (before + 2 - len(self.messages)) // 2

    def _with(self, question: str) -> list[templates.Message]:
        return [*self.messages, {"role": "user", "content": question}]
