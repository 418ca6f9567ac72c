"""What the user writes, in English and Chinese, several ways for each demand.

The wordings are this project's own, except for the first of ``translate`` and
``include``: those are BayLing's released prompts (``bayling_study.shared.translation_prompts``),
with which its test sets were translated. ``{language}`` is the name of the
language to translate into, in the user's language.
"""

from __future__ import annotations

from random import Random

from bayling_study.core import languages
from bayling_study.shared.translation_prompts import CONSTRAINTS, TRANSLATION

PAPER_SHARE = 0.6
"""Share of the first wording where a list begins with the paper's own prompt.

The test sets use that prompt, so a model must know it well; the other wordings
keep it from knowing only that one.
"""

PAPER_KINDS = frozenset({"translate", "include"})

WORDINGS: dict[str, dict[str, list[str]]] = {
    "translate": {
        "en": [
            TRANSLATION["en"],
            "Translate into {language}: {source}",
            "What is this in {language}? {source}",
            "Please translate the following text into {language}.\n{source}",
        ],
        "zh": [
            TRANSLATION["zh"],
            "翻译成{language}：{source}",
            "这句话用{language}怎么说？{source}",
            "请把下面的文字译成{language}。\n{source}",
        ],
    },
    "include": {
        "en": [
            CONSTRAINTS["en"],
            "Use these words in the translation: {words}",
        ],
        "zh": [CONSTRAINTS["zh"], "译文中请使用这些词：{words}"],
    },
    "start-with": {
        "en": [
            "Begin the translation with “{prefix}”.",
            "The translation should start with “{prefix}”.",
        ],
        "zh": ["译文以“{prefix}”开头。", "请用“{prefix}”作为译文的开头。"],
    },
    "keep-name": {
        "en": ["Keep the name “{name}” as it is.", "Do not translate the name “{name}”."],
        "zh": ["保留名称“{name}”不译。", "不要翻译“{name}”这个名字。"],
    },
    "correct-draft": {
        "en": [
            "Correct this {language} translation.\nSentence: {source}\nTranslation: {draft}",
            "My {language} translation has a mistake. Please fix it.\n{source}\n{draft}",
        ],
        "zh": [
            "请改正这句话的{language}译文。\n原文：{source}\n译文：{draft}",
            "我的{language}译文有错误，请修改。\n{source}\n{draft}",
        ],
    },
    "use-term": {
        "en": ["Use “{new}” in the translation.", "Please use the wording “{new}”."],
        "zh": ["译文里请用“{new}”。", "请使用“{new}”这个说法。"],
    },
    "replace-words": {
        "en": [
            "Replace “{old}” with “{new}” and keep the rest.",
            "Use “{new}” instead of “{old}”.",
            "Change “{old}” to “{new}”, please.",
        ],
        "zh": [
            "请把“{old}”换成“{new}”，其余不变。",
            "将“{old}”改为“{new}”。",
            "不要用“{old}”，改用“{new}”。",
        ],
    },
    "revise-source": {
        "en": [
            "In the original, change “{old}” to “{new}” and update the translation.",
            "It should say “{new}” rather than “{old}”. Adapt the translation.",
        ],
        "zh": [
            "原文中的“{old}”改成了“{new}”，请更新译文。",
            "原文应该是“{new}”而不是“{old}”，请相应修改译文。",
        ],
    },
    "add-words": {
        "en": ["Add “{new}” after “{before}”.", "Please insert “{new}” behind “{before}”."],
        "zh": ["在“{before}”后面加上“{new}”。", "请在“{before}”之后补充“{new}”。"],
    },
    "drop-words": {
        "en": ["Leave out “{old}”.", "Please drop “{old}” and keep the rest."],
        "zh": ["去掉“{old}”。", "请删去“{old}”，其余不变。"],
    },
    "first-sentence": {
        "en": [
            "Keep only the first sentence.",
            "Make it shorter: only the first sentence, please.",
        ],
        "zh": ["只保留第一句。", "短一点，只要第一句。"],
    },
    "last-sentence": {
        "en": ["Keep only the last sentence.", "I only need the last sentence."],
        "zh": ["只保留最后一句。", "我只需要最后一句。"],
    },
    "word-limit.words": {
        "en": ["Shorten it to at most {limit} words.", "No more than {limit} words, please."],
        "zh": ["缩短到最多{limit}个单词。", "请不要超过{limit}个单词。"],
    },
    "word-limit.characters": {
        "en": [
            "Shorten it to at most {limit} characters.",
            "No more than {limit} characters, please.",
        ],
        "zh": ["缩短到最多{limit}个字。", "请不要超过{limit}个字。"],
    },
    "fuller": {
        "en": [
            "The text goes on: {rest}\nGive the whole translation.",
            "Add the next part too: {rest}",
        ],
        "zh": ["后面还有：{rest}\n请给出完整的译文。", "把下面这部分也加上：{rest}"],
    },
    "next-sentence": {
        "en": ["And this one: {source}", "Next: {source}", "Do the same for: {source}"],
        "zh": ["还有这句：{source}", "下一句：{source}", "这句也一样：{source}"],
    },
    "translate-back": {
        "en": ["Translate it back into {language}.", "And back into {language}?"],
        "zh": ["再译回{language}。", "把译文翻译回{language}。"],
    },
    "switch-language": {
        "en": ["Now in {language}, please.", "Give me the {language} version as well."],
        "zh": ["再给出{language}译文。", "那么{language}怎么说？"],
    },
    "ask-word": {
        "en": ["Which word stands for “{word}” here?", "How did you translate “{word}”?"],
        "zh": ["“{word}”在译文中是哪个词？", "你把“{word}”译成了什么？"],
    },
    "quotes": {
        "en": ["Put the translation in quotation marks.", "Add quotation marks around it."],
        "zh": ["给译文加上引号。", "请把译文放在引号里。"],
    },
    "capitals": {
        "en": ["Write it in capital letters.", "All in upper case, please."],
        "zh": ["请全部用大写字母。", "把译文改成大写。"],
    },
    "with-original": {
        "en": ["Add the original in brackets after it.", "Put the original behind it in brackets."],
        "zh": ["在译文后面用括号附上原文。", "请在后面加上括号，写出原文。"],
    },
}
"""Wordings of each kind by the user's language."""


def word(
    kind: str, instruction: str, rng: Random, *, target: str | None = None, **values: object
) -> str:
    """Returns one wording of a demand, filled in.

    Args:
        kind: key of ``WORDINGS``.
        instruction: the user's language, ``en`` or ``zh``.
        rng: chooses the wording.
        target: code of the language to translate into, where the wording names it.
        values: what else the wording names.
    """
    choices = WORDINGS[kind][instruction]
    chosen = choices[0] if len(choices) == 1 else rng.choice(choices)
    if kind in PAPER_KINDS:
        chosen = choices[0] if rng.random() < PAPER_SHARE else rng.choice(choices[1:])
    if target is not None:
        values["language"] = languages.name(target, instruction)
    return chosen.format(**values)
