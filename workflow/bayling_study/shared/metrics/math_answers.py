r"""Reading a final answer out of a mathematical solution, and comparing two of them.

The rules are AGIEval's (its answer parser and the MATH benchmark's string equivalence), so that
counts agree with published ones: the last ``\boxed{…}``, else what the last line with two dollar
signs has between them, else what follows the last equals sign, else the last number.
"""

import re

PREFIXES = ("The answer is therefore", "答案是")
"""What precedes a stated answer: dropped if a text begins so, else all up to its last place."""
BOX = r"\boxed"
DOLLARS = re.compile(r"\$(.*)\$")
NUMBER = re.compile(r"\$?\d+(?:\.\d+)?(?!\w)")
SPELLINGS = {
    **{"\n": "", r"\!": "", "\\\\": "\\", "tfrac": "frac", "dfrac": "frac"},
    **dict.fromkeys((r"\left", r"\right", r"^{\circ}", r"^\circ", r"\$"), ""),
}
"""Spellings to the usual ones, in the order in which they are replaced."""
UNIT = r"\text{ "  # text that starts with a space is a unit behind the number


def final_answer(text: str) -> str | None:
    """Returns the answer that a solution ends with, or none if it states none."""
    for prefix in PREFIXES:
        if text.startswith(prefix):
            text = text.removeprefix(prefix).strip()
        elif prefix in text:
            text = text.rpartition(prefix)[2].strip()
    if BOX in text:
        return _boxed(text)
    spans = DOLLARS.findall(text)
    if spans and (answer := _right_side(spans[-1])):
        return answer
    if "=" in text:
        # AGIEval cuts at a literal backslash-n, which escaped outputs contain
        return _right_side(text).rstrip(".").split("\\n")[0]
    numbers = NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _right_side(text: str) -> str:
    """Returns what follows the last equals sign, or all of it when there is none."""
    return text.rpartition("=")[2].lstrip(" ") if "=" in text else text


def _boxed(text: str) -> str | None:
    r"""Returns the content of the last ``\boxed{…}``, or none if its braces do not close."""
    start = text.rindex(BOX) + len(BOX)
    if text[start : start + 1] != "{":
        return None
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return _right_side(text[start + 1 : position])
    return None


def equivalent(answer: str | None, gold: str) -> bool:
    """Tells whether two answers are the same after normalisation; no answer equals none."""
    return answer is not None and normalise(answer) == normalise(gold)


def normalise(text: str) -> str:
    r"""Returns a canonical LaTeX spelling: fractions as ``\frac{a}{b}``, no units, no spaces."""
    for spelling, usual in SPELLINGS.items():
        text = text.replace(spelling, usual)
    text = text.partition(UNIT)[0].replace(r"\%", "")
    text = text.replace(" .", " 0.").replace("{.", "{0.")
    if text.startswith("."):
        text = f"0{text}"
    left, equals, right = text.partition("=")
    if equals and len(left) <= 2 and "=" not in right:
        text = right  # "k = 3" states 3
    return _fractions(re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", text).replace(" ", ""))


def _fractions(text: str) -> str:
    """Returns the text with every fraction in braces; a bare ``a/b`` or 0.5 becomes one."""
    text = re.sub(r"\\frac([^{])(?=\{)", r"\\frac{\1}", text)
    text = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", text)
    if text == "0.5":
        return r"\frac{1}{2}"
    bare = re.fullmatch(r"(-?(?:0|[1-9]\d*))/(-?(?:0|[1-9]\d*))", text)
    return rf"\frac{{{bare[1]}}}{{{bare[2]}}}" if bare else text
