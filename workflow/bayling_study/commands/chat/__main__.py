"""Opens a terminal chat with a system of a study or any local checkpoint, in 16 or 8 bits.

Answers appear while they are written. ``/reset`` forgets the conversation, ``/prompt TEXT``
shows what would be sent for TEXT, ``/quit`` (or end of input) ends. Ctrl-C stops an answer; the
question is then forgotten.
"""

import logging
import sys
from collections.abc import Callable
from typing import get_args

from bayling_study.commands.chat.answering import DEFAULT_TOKENS, Answerer
from bayling_study.commands.chat.system import MODEL, chosen, loaded
from bayling_study.commands.chat.writing import Question
from bayling_study.config.systems import TemplateName
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared import reasoning, templates

HELP = "/reset  forget the conversation   /prompt TEXT  show the prompt for TEXT   /quit  end"

COMMAND_LINE = cli.command(
    __name__,
    model=MODEL,
    system=cli.option("name of a system of the study"),
    template=cli.option(
        "needed with --checkpoint; a system has its own", choices=get_args(TemplateName)
    ),
    answer_tokens=cli.number("longest answer", default=DEFAULT_TOKENS),
    temperature=cli.number("0 is greedy", 0, float, default=0.0),
    precision=cli.option("default: the study's, else bf16", choices=["bf16", "fp16", "fp32"]),
    int8_compute=cli.option(
        "8-bit groupwise weights: streamed needs least memory, cached is faster",
        choices=["streamed", "cached"],
        default="streamed",
    ),
)


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
        (``StudyError`` if the question alone does not fit the model's context)."""
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


def main() -> None:
    """Loads the model and talks until the input ends."""
    options = COMMAND_LINE.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    [(_, model)] = models = chosen(options, [options.system])
    if not (options.template or model.template):
        raise StudyError("which conversation template does it use?", fix="--template bayling")
    changes = {"precision": options.precision} if options.precision else {}
    changes["int8_compute"] = options.int8_compute
    [answerer] = loaded(models, options.template, **changes).values()
    session = ChatSession(answerer, options.answer_tokens)
    print(f"{model.checkpoint.name} ({answerer.loaded.format}). {HELP}", flush=True)
    while (line := read_line()) is not None:
        if not respond(session, line.strip(), options.temperature):
            break


def read_line() -> str | None:
    """Returns the next line, or none at the end of the input."""
    try:
        return input("> " if sys.stdin.isatty() else "")
    except (EOFError, KeyboardInterrupt):
        return None


def respond(session: ChatSession, line: str, temperature: float) -> bool:
    """Does what a line asks for; returns whether to go on."""
    command, _, rest = line.partition(" ")
    if command == "/quit":
        return False
    if command == "/reset":
        session.reset()
        print("(forgotten)", flush=True)
    elif command == "/prompt":
        print(session.prompt(rest.strip() or "…"), flush=True)
    elif command.startswith("/"):
        print(HELP, flush=True)
    elif line:
        answer(session, line, temperature)
    return True


def answer(session: ChatSession, question: str, temperature: float) -> None:
    """Prints the answer to one question as it is written."""
    try:
        forgotten = session.ask(question, temperature, lambda text: print(text, end="", flush=True))
        print(flush=True)
        if forgotten:
            print(f"({forgotten} earlier exchange(s) no longer fit)", flush=True)
    except KeyboardInterrupt:
        print("\n(stopped)", flush=True)
    except StudyError as error:
        print(f"({error.render()})", flush=True)


if __name__ == "__main__":
    cli.run_program(main)
