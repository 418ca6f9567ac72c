"""Tables of the 13 multiple-choice sets of BayLing 2's studies: rows of each set's real form, and
about as long as its own. Their text is drawn from a study's parallel corpus."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.core import parquet as tables
from bayling_study.core.files import write_json
from bayling_study.shared.corpus_tables import PARALLEL_FILE
from bayling_study.shared.harness_tasks import definitions
from helpers.upstream.packing import parquet
from helpers.upstream.suites import SETS

OPTIONS = [f"option_{letter}" for letter in "abcd"]
ANSWERS = [f"mc_answer{number}" for number in range(1, 5)]
SENTENCES = [f"input_sentence_{number}" for number in range(1, 5)]


class Form(NamedTuple):
    """One task of a set: its language and split, and how long its texts are in words, or in
    characters of Chinese (means; a text has between half and one and a half times as many)."""

    task: str
    language: str
    split: str
    lengths: dict[str, int]


def columns(names: list[str], length: int) -> dict[str, int]:
    """Returns columns that are equally long."""
    return dict.fromkeys(names, length)


FORMS = {
    "facebook/belebele": Form("belebele_eng_Latn", "en", "test", {
        "flores_passage": 79, "question": 13, **columns(ANSWERS, 4)}),
    "facebook/xnli": Form("xnli_de", "de", "validation", {"premise": 20, "hypothesis": 10}),
    "alexandrainst/m_hellaswag": Form("hellaswag_es", "es", "val", {"ctx_a": 40, "endings": 20}),
    "alexandrainst/m_arc": Form("arc_fr", "fr", "test", {
        "instruction": 22, **columns(OPTIONS, 5)}),
    "alexandrainst/m_mmlu": Form("m_mmlu_de", "de", "test", {
        "instruction": 35, **columns(OPTIONS, 7)}),
    "Rowan/hellaswag": Form("hellaswag", "en", "validation", {"ctx_a": 40, "endings": 20}),
    "allenai/ai2_arc": Form("arc_challenge", "en", "test", {"question": 22, "choices": 5}),
    "cais/mmlu": Form("mmlu_anatomy", "en", "test", {"question": 35, "choices": 7}),
    "haonan-li/cmmlu": Form("cmmlu_anatomy", "zh", "test", {
        "Question": 37, **columns(list("ABCD"), 8)}),
    "ceval/ceval-exam": Form("ceval-valid_accountant", "zh", "val", {
        "question": 37, **columns(list("ABCD"), 8)}),
    "cambridgeltl/xcopa": Form("xcopa_zh", "zh", "test", {
        "premise": 14, "choice1": 12, "choice2": 12}),
    "Muennighoff/xwinograd": Form("xwinograd_fr", "fr", "test", {
        "sentence": 18, "option1": 2, "option2": 2}),
    "juletxara/xstory_cloze": Form("xstorycloze_ru", "ru", "eval", {
        **columns(SENTENCES, 9), "sentence_quiz1": 8, "sentence_quiz2": 8}),
}  # fmt: skip
"""Data set to the task that is measured."""
EXAMPLES = {"cais/mmlu": "dev", "haonan-li/cmmlu": "dev", "ceval/ceval-exam": "dev",
            "allenai/ai2_arc": "train", "alexandrainst/m_arc": "train",
            "alexandrainst/m_mmlu": "train", "facebook/xnli": "train",
            "Rowan/hellaswag": "train", "juletxara/xstory_cloze": "train",
            "cambridgeltl/xcopa": "validation"}  # fmt: skip
"""Data set to the split from which the harness shows solved examples, where it is another one."""


class Text:
    """Gives text of a language, from anywhere in the corpus."""

    def __init__(self, corpora: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.words: dict[str, list[str]] = {}
        for row in tables.rows(corpora / PARALLEL_FILE):
            for language, text in ((row["lang_a"], row["text_a"]), (row["lang_b"], row["text_b"])):
                parts = text.replace(" ", "") if language == "zh" else text.split()
                self.words.setdefault(language, []).extend(parts)

    def take(self, language: str, length: int) -> str:
        """Returns a text of about so many words or characters."""
        count = self.random.randint(-(-length // 2), length + length // 2)
        start = self.random.randrange(len(self.words[language]) - count)
        return ("" if language == "zh" else " ").join(self.words[language][start : start + count])

    def fill(self, value: Any, language: str, length: int) -> Any:
        """Returns texts in the form of ``value``; a gap to fill is about in the middle."""
        if isinstance(value, list):
            return [self.take(language, length) for _ in value]
        if isinstance(value, dict):
            return {**value, "text": self.fill(value["text"], language, length)}
        halves = (self.take(language, length // 2) for _ in range(2))
        return " _ ".join(halves) if "_" in value else self.take(language, length)


def write_tables(folder: Path, corpora: Path, rows: int) -> dict[str, HarnessSuite]:
    """Writes the tables as downloads, ``FOLDER/SUITE``, and returns the suites that read them."""
    suites, text = {}, Text(corpora, 1)
    for name, form in FORMS.items():
        below, row, schema, *_ = SETS[name]
        source = name.rpartition("/")[2].replace("_", "-")
        suite = HarnessSuite(kind="harness", source=source, folder=below, tasks=[form.task])
        suites[source] = suite
        for split in dict.fromkeys((form.split, EXAMPLES.get(name, form.split))):
            made = []
            for number in range(rows):
                one = row(number)
                filled = {
                    key: text.fill(one[key], form.language, length)
                    for key, length in form.lengths.items()
                }
                made.append(one | filled)
            path = folder / source / "files" / configuration(suite) / split / "0000.parquet"
            path.parent.mkdir(parents=True)
            path.write_bytes(parquet(made, schema))
        write_json(folder / source / "manifest.json", {})
    return suites


def configuration(suite: HarnessSuite) -> str:
    """Returns the configuration of its data set that a suite's only task asks for."""
    from lm_eval.tasks._yaml_loader import load_yaml

    definition = load_yaml(definitions(suite.folder)[suite.tasks[0]], resolve_func=False)
    return str(definition.get("dataset_name") or "default")
