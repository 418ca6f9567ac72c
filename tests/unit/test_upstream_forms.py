"""Every source of the full studies, in its upstream's form, from the download to its reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from bayling_study.config import StudyConfig, load_config
from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.config.rehearsal import RehearsalSection
from bayling_study.config.study import DownloadSection
from bayling_study.config.suites import ConstrainedSuite, ExamsSuite, Wmt22Suite
from bayling_study.config.systems import PublishedSystem
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.corpora.readers import CONVERSATIONS, LEXICONS, PARALLEL
from bayling_study.stages.corpora.readers.odd import OddRow
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.generation.outputs import PromptSet
from bayling_study.stages.generation.published import convert
from bayling_study.stages.generation.released import configured_items
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.__main__ import builder
from bayling_study.stages.prompts.harness import expanded
from helpers import ROOT
from helpers.upstream import point_hub, upstream
from helpers.upstream.hub import TOKEN
from helpers.upstream.release import SEGMENTS, segments
from helpers.upstream.sacrebleu_cache import fill
from helpers.upstream.server import Upstreams

WEIGHTS = (".safetensors", ".bin", ".ckpt")

SMALL = RehearsalSection(of="0" * 12, rows=3)
STUDIES = ("bayling-7b", "bayling-2-8b", "bayling-13b", "bayling-2-7b", "bayling-2-13b")


@cache
def study(name: str) -> StudyConfig:
    return load_config(ROOT / "config" / "studies" / f"{name}.yaml")


@cache
def users() -> dict[str, StudyConfig]:
    """Returns a study that uses it for each source that any uses."""
    found: dict[str, StudyConfig] = {}
    for name in STUDIES:
        for source in Layout(study(name)).used_sources():
            found.setdefault(source, study(name))
    return found


def table() -> dict[str, SourceRow]:
    """Returns the rows of all sources that a full study uses."""
    return {source: Layout(config).row(source) for source, config in users().items()}


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    with upstream() as running:
        yield running


@pytest.fixture
def out(upstreams: Upstreams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    point_hub(upstreams, monkeypatch)
    return tmp_path / "resources" / "download" / "set-12345678"


def fetch(source: str, upstreams: Upstreams, out: Path, rows: int = 3) -> dict[str, Any]:
    """Fetches the first rows of each file; returns the receipt."""
    row = Layout(users()[source]).row(source).model_copy(update={"first": rows})
    ensure(row, out, DownloadSection(retries=0, mirrors=upstreams.mirrors), SMALL)
    receipt: dict[str, Any] = read_json(out / "manifest.json")
    return receipt


def corpora(kind: str) -> list[str]:
    return list(dict.fromkeys(
        corpus.source
        for name in ("bayling-7b", "bayling-2-8b")
        for corpus in getattr(study(name).corpora, kind)
    ))  # fmt: skip


def check_rows(rows: list[Any], at_least: int) -> None:
    assert not [row for row in rows if isinstance(row, OddRow)]
    assert len(rows) >= at_least


@pytest.mark.parametrize("source", corpora("parallel"))
def test_parallel_text_is_read(source: str, upstreams: Upstreams, out: Path) -> None:
    fetch(source, upstreams, out)
    for corpus in users()[source].corpora.parallel:
        if corpus.source == source:
            rows = list(PARALLEL[corpus.reader](out, corpus))
            check_rows(rows, 3 * len(corpus.targets))
            assert {row.lang_b for row in rows if not isinstance(row, OddRow)} == {*corpus.targets}
            assert all(row.text_a and row.text_b for row in rows if not isinstance(row, OddRow))


@pytest.mark.parametrize("source", corpora("conversations"))
def test_conversations_are_read(source: str, upstreams: Upstreams, out: Path) -> None:
    fetch(source, upstreams, out)
    for corpus in users()[source].corpora.conversations:
        if corpus.source == source:
            rows = list(CONVERSATIONS[corpus.reader](out, corpus))
            check_rows(rows, 3)
            drafts = [row for row in rows if not isinstance(row, OddRow)]
            assert sum(bool(draft.conversation.messages) for draft in drafts) >= 2


@pytest.mark.parametrize("source", corpora("lexicons"))
def test_terms_are_read(source: str, upstreams: Upstreams, out: Path) -> None:
    fetch(source, upstreams, out, rows=20)  # CC-CEDICT begins with remarks
    for lexicon in users()[source].corpora.lexicons:
        if lexicon.source == source:
            check_rows(list(LEXICONS[lexicon.reader](out, lexicon)), 10)


@pytest.mark.parametrize("name", ["bayling-7b", "bayling-13b"])
def test_released_sets_and_outputs_are_read(name: str, upstreams: Upstreams, out: Path) -> None:
    config = study(name)
    fetch("bayling-release", upstreams, out)
    fetch("agieval", upstreams, out.with_name("other"))
    downloads = {"bayling-release": out, "agieval": out.with_name("other")}
    context = PromptContext(1, None, downloads)
    released = {key: s for key, s in config.systems.items() if isinstance(s, PublishedSystem)}
    for suite_name, suite in config.suites.items():
        if isinstance(suite, Wmt22Suite | ConstrainedSuite | ExamsSuite):
            prompts = builder(suite.kind)(suite_name, suite, context)
            items = configured_items(suite)
            assert Counter(prompt.item for prompt in prompts) == dict.fromkeys(items, 3)
            for key, system in released.items():
                answers = convert(system, out / "files", suite, PromptSet(suite_name, prompts, ""))
                missing = [(key, gap.item) for gap in answers.absent]
                assert len(answers.hypotheses) + 3 * len(missing) == len(prompts)
                assert not missing or key == "gpt-4" or "zh-prompt" in suite_name


def harness_suites() -> dict[str, HarnessSuite]:
    suites = study("bayling-2-8b").suites.items()
    return {name: suite for name, suite in suites if isinstance(suite, HarnessSuite)}


@pytest.mark.parametrize("name", harness_suites())
def test_the_harness_reads_every_task(name: str, upstreams: Upstreams, out: Path) -> None:
    suite = harness_suites()[name]
    fetch(suite.source, upstreams, out)
    prompts = builder("harness")(name, suite, PromptContext(1, None, {suite.source: out}))
    assert set(Counter(prompt.item for prompt in prompts).values()) == {3}
    assert {prompt.item for prompt in prompts} == {*expanded(name, suite)}
    for prompt in prompts:
        assert 0 <= prompt.meta["gold"] < len(prompt.meta["choices"]), prompt.id
        assert all(prompt.meta["choices"]), prompt.id


def test_flores_has_every_language(upstreams: Upstreams, out: Path) -> None:
    suite = study("bayling-2-8b").suites["flores"]
    fetch("flores-101", upstreams, out)
    prompts = builder("flores")("flores", suite, PromptContext(1, None, {"flores-101": out}))
    counts = Counter(prompt.item for prompt in prompts)
    assert len(counts) == 402 and set(counts.values()) == {3}


def test_the_model_of_spbleu_cuts_a_text(upstreams: Upstreams, out: Path) -> None:
    fetch("sacrebleu-spm", upstreams, out)
    path = out / "files" / "sacrebleu_tokenizer_spm.model"
    assert SentencePieceProcessor(str(path)).encode("In the rain", out_type=str)


MODELS = sorted(name for name, row in table().items() if row.location.startswith("models/"))


@pytest.mark.parametrize("source", MODELS)
def test_models_come_without_their_weights(source: str, upstreams: Upstreams, out: Path) -> None:
    upstreams.asked.clear()
    receipt = fetch(source, upstreams, out)
    files = {item["path"] for item in receipt["files"]}
    assert not any(path.endswith(WEIGHTS) for path in upstreams.asked)
    assert not table()[source].gated or not upstreams.asked
    if source == "wmt22-comet-da":
        assert {"hparams.yaml", "checkpoints/model.ckpt", "LICENSE"} <= files
        return
    tokenizer = AutoTokenizer.from_pretrained(out / "files")
    pieces = tokenizer("a mat", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(pieces).strip() == "a mat"
    weights = {path for path in files if path.endswith(WEIGHTS)}
    assert len(weights) == (source != "xlm-roberta-large")


@pytest.mark.parametrize("source", [name for name in MODELS if table()[name].gated])
def test_with_an_accepted_token_a_gated_model_comes_with_its_template(
    source: str, upstreams: Upstreams, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    receipt = fetch(source, upstreams, out)
    assert len(receipt["revision"]) == 40
    tokenizer = AutoTokenizer.from_pretrained(out / "files")
    turns = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}]
    asked = tokenizer.apply_chat_template(turns, tokenize=False)
    assert asked.startswith(
        ("<s>[INST] Hello. [/INST] Hi.", "<|begin_of_text|><|start_header_id|>")
    )


def test_of_two_names_of_a_model_the_second_answers(upstreams: Upstreams, out: Path) -> None:
    receipt = fetch("bayling-2-llama-3-8b", upstreams, out)
    assert receipt["location"] == "models/ICTNLP/bayling-llama-3-8b"


def test_a_token_without_the_terms_is_refused(
    upstreams: Upstreams, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    fetch("llama-3-8b-instruct", upstreams, out)
    note = read_json(out / "files" / "stand-in.json")
    assert "no accepted token" in note["why"]


def test_a_busy_hub_is_asked_again(upstreams: Upstreams, out: Path) -> None:
    upstreams.hub.busy = 1
    receipt = fetch("slimorca", upstreams, out)
    assert upstreams.hub.busy == 0 and receipt["files"]


def test_a_tree_of_many_pages_is_read_to_its_end(upstreams: Upstreams, out: Path) -> None:
    receipt = fetch("opus-100", upstreams, out)
    assert len(receipt["files"]) == 99
    assert sum("/tree/" in path for path in upstreams.asked) > 3


@pytest.mark.parametrize("first", [0, 3])
def test_wmt22_comes_from_a_filled_folder_of_sacrebleu(first: int, tmp_path: Path) -> None:
    few = ("zh-en", "en-cs", "de-fr")
    row = Layout(study("bayling-7b")).row("wmt22")
    row = row.model_copy(update={"first": first, "files": few})
    out = tmp_path / "resources" / "download" / "wmt22"
    fill(out / "raw" / "whole" / "raw" if first else out / "raw")
    ensure(row, out, DownloadSection(retries=0), SMALL if first else None)
    suite = Wmt22Suite(kind="wmt22", source="wmt22", directions=list(few))
    prompts = builder("wmt22")("wmt22", suite, PromptContext(1, None, {"wmt22": out}))
    assert Counter(prompt.item for prompt in prompts) == dict.fromkeys(few, first or SEGMENTS)
    said = [prompt.references[0] for prompt in prompts if prompt.item == "en-cs"]
    assert said == [text for _, text in segments("en-cs")[: len(said)]]


def test_no_source_of_a_full_study_is_left_out() -> None:
    read = {*corpora("parallel"), *corpora("conversations"), *corpora("lexicons"), *MODELS}
    read |= {suite.source for suite in harness_suites().values()}
    read |= {"bayling-release", "agieval", "flores-101", "sacrebleu-spm"}
    assert read == {*table()}
