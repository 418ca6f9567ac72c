r"""The letters that an exam answer states, in the forms that systems of a study write. The released
rules (``exams``) take letters wherever they stand: the F of "Final answer: D". Here a letter counts
where the text gives it as the answer, in this order:

1. the last ``\boxed{B}``;
2. the last statement ("the answer is B", else "选 BD"), else all that are called correct;
3. the start of the text ("B. because", "(B)", "BD");
4. the only letters in brackets, else a letter alone on the last line.

Text after a next question is not read, nor what is denied ("not A but C"). Anything else is
unparseable, which is counted: a list of options without a conclusion, a refusal.
"""

import re
import unicodedata

BRACKET = r"(?:[(\[]\s*[A-Fa-f]\s*[)\]])"
BARE = r"(?:(?<![A-Za-z0-9])(?:[A-F]{1,6}|[a-f])(?![A-Za-z0-9=]))"
ONE = f"(?:{BRACKET}|{BARE})"
JOIN = r"(?:\s*(?:,\s*and|[,、/&;]|and|or|和|与|及|或)?\s*)"
GROUP = f"(?P<letters>{BRACKET}(?:{JOIN}{BRACKET})*|{BARE}(?:{JOIN}{BARE})*)"
"""All in brackets or none: in "(D) A book …" the option's text begins with A."""
ARTICLE = r"(?!a\s+\w)(?!A\s+(?!and\b|or\b|because|since|as\b|is\b|are\b|but\b|for\b)[a-z])"
"""Keeps "the answer is a dog" and "A dog" from naming option A."""
LEAD = r"(?:the|both|either|option|choice|answer|选项|letter)?s?\s*"
SAYS = (
    r"(?:is|are|was|would be|should be|must be|will be|but"
    r"|而是|应该是|应为|应选|应是|为|是|选|[:=])"
)
NOUN = r"(?:answer|choice|option|solution|conclusion|答案|选项|正确的是|结论)s?"
STATEMENTS = (
    re.compile(
        rf"(?i:\b|(?<=[^a-z]))(?i:{NOUN}(?:\s*{SAYS})+\s*(?:{LEAD}){{0,2}}){ARTICLE}{GROUP}"
    ),
    re.compile(
        r"(?:答案|(?:应|故|所以|因此)选择?(?!项)|(?<![果若])选(?![择项])"
        rf"|(?i:\b(?:choose|pick|select|go with)\b))\s*:?\s*(?i:{LEAD}){ARTICLE}{GROUP}"
    ),
)
"""Forms in which a text says what the answer is, the surest first."""
RIGHT = re.compile(
    rf"{GROUP}\s*(?i:(?:is|are)\s+(?:the\s+)?(?:most\s+)?(?:correct|right|best|true)\b"
    r"|(?:项|选项)?(?:是|为)?(?:正确|对的))"
)
DENIED = re.compile(
    rf"(?i:\bnot|n't|\brather than|\binstead of|不是|并非|不选|不能选|排除)\s*(?i:{LEAD}){ONE}"
)
BOXED = re.compile(rf"\\boxed\s*\{{\s*(?:{GROUP}\s*\}}|(?P<option>{BRACKET})[^{{}}]*\}})")
WRAPS = re.compile(r"\\(?:text|textbf|mathrm|mathbf|rm)\s*\{([^{}]*)\}")
MARKS = re.compile(r"[*_`$#]|\\[()\[\]]")
START = re.compile(
    rf"\s*(?i:(?:选项|option|choice)\s*)?{ARTICLE}{GROUP}"
    r"(?=\s*(?:[.,:;)。、]|$|\n|\s(?:because|since)|[^\x00-\x7f])|(?<=[)\]]))"
)
LISTED = re.compile(r"(?i:^|\n|选项|(?<!choice)(?<!option)\s)\(?B\s*[.):]")
BRACKETED = re.compile(r"[(\[]\s*([A-F])\s*[)\]]")
NEXT_QUESTION = re.compile(r"\n\s*(?i:question|problem|问题|题目)\s*\d*\s*:")


def stated_letters(text: str) -> str | None:
    """Returns the letters A to F that a text states as its answer, sorted, or none."""
    plain = unicodedata.normalize("NFKC", text)
    plain = MARKS.sub("", WRAPS.sub(r"\1", NEXT_QUESTION.split(plain, maxsplit=1)[0]))
    if boxes := list(BOXED.finditer(plain)):
        return _letters(boxes[-1]["letters"] or boxes[-1]["option"])
    plain = DENIED.sub("", plain)
    for form in STATEMENTS:
        if said := list(form.finditer(plain)):
            return _letters(said[-1]["letters"])
    if rights := [match["letters"] for match in RIGHT.finditer(plain)]:
        return _letters(" ".join(rights))
    if start := START.match(plain):
        found = _letters(start["letters"])
        return None if found == "A" and LISTED.search(plain) else found
    if bracketed := set(BRACKETED.findall(plain)):
        return bracketed.pop() if len(bracketed) == 1 else None
    last = plain.strip().rpartition("\n")[2]
    alone = re.fullmatch(rf"\s*(?:\w+,?\s+)?{GROUP}\s*[.。]?", last)
    return _letters(alone["letters"]) if alone else None


def _letters(found: str) -> str:
    names = re.sub(r"(?i)\b(?:and|or)\b", "", found).upper()
    return "".join(sorted({sign for sign in names if sign in "ABCDEF"}))
