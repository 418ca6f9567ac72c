"""What a model thinks before it answers, told apart from the answer. A server that knows its model
does this itself and sends the reasoning in a field of its own; others, and models that are run
here, write both into one text."""

from bayling_study.core.tables import beside

TAGS: list[tuple[str, str]] = [(first, last) for first, last in beside(__file__)]
"""First and last mark of reasoning and whose they are: those of vLLM's parsers that are a pair
of marks (``vllm/reasoning``, 2026), the models' own documentation, and two names in common use."""
MARKS = frozenset(mark for pair in TAGS for mark in pair)


def begun(prompt: str) -> bool:
    """Returns whether a prompt ends with the mark after which the model goes on thinking."""
    return prompt.rstrip().endswith(tuple(start for start, _ in TAGS))


def split(text: str, inside: bool = False) -> tuple[str, str]:
    """Returns an answer's reasoning and what stands behind it. Reasoning stands at the start; marks
    further on are text like any other. Its first mark may be missing, for some templates write it
    into the prompt. Reasoning without an end, which the prompt may have ``begun`` (``inside``),
    leaves an empty answer. A text without reasoning comes back as it is."""
    rest = text.lstrip()
    thoughts: list[str] = []
    ends = (end for start, end in TAGS if end in rest and start not in rest.split(end)[0])
    if end := next(ends, ""):
        thought, _, rest = rest.partition(end)
        thoughts.append(thought)
    elif inside and not _opening(rest):
        return text.strip(), ""
    while pair := _opening(rest := rest.lstrip()):
        thought, _, rest = rest.removeprefix(pair[0]).partition(pair[1])
        thoughts.append(thought)
    if not thoughts:
        return "", text
    return "\n\n".join(filter(None, map(str.strip, thoughts))), rest.strip()


def _opening(text: str) -> tuple[str, str] | None:
    return next((pair for pair in TAGS if text.startswith(pair[0])), None)
