"""Every test set of the full studies, in its upstream's form, from the download to its prompts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from bayling_study.config import load_config
from bayling_study.config.study import DownloadSection
from bayling_study.config.suites import ConstrainedSuite, ExamsSuite, Wmt22Suite
from bayling_study.config.systems import PublishedSystem
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.generation.outputs import PromptSet
from bayling_study.stages.generation.published import convert
from bayling_study.stages.generation.released import configured_items
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.__main__ import builder
from bayling_study.stages.prompts.harness import expanded
from helpers import ROOT
from helpers.upstream.fetching import SMALL, fetch, harness_suites, study
from helpers.upstream.hub import TOKEN
from helpers.upstream.release import SEGMENTS, segments
from helpers.upstream.sacrebleu_cache import fill
from helpers.upstream.server import Upstreams


@pytest.mark.parametrize("name", ["bayling-7b", "bayling-13b"])
def test_released_sets_and_outputs_are_read(name: str, upstreams: Upstreams, out: Path) -> None:
    config = study(name)
    fetch("bayling-release", upstreams, out)
    fetch("agieval", upstreams, out.with_name("other"))
    downloads = {"bayling-release": out, "agieval": out.with_name("other")}
    context = PromptContext(1, None, downloads)
    released = {key: s for key, s in config.systems.items() if isinstance(s, PublishedSystem)}
    kinds = Wmt22Suite | ConstrainedSuite | ExamsSuite
    suites = {key: suite for key, suite in config.suites.items() if isinstance(suite, kinds)}
    assert len(suites) == 5
    for suite_name, suite in suites.items():
        prompts = list(builder(suite.kind)(suite_name, suite, context))
        items = configured_items(suite)
        assert Counter(prompt.item for prompt in prompts) == dict.fromkeys(items, 3)
        for key, system in released.items():
            answers = convert(system, out / "files", suite, PromptSet(suite_name, prompts, ""))
            missing = [(key, gap.item) for gap in answers.absent]
            assert len(answers.hypotheses) + 3 * len(missing) == len(prompts)
            assert not missing or key == "gpt-4" or "zh-prompt" in suite_name


@pytest.mark.parametrize("name", harness_suites())
def test_the_harness_reads_every_task(name: str, upstreams: Upstreams, out: Path) -> None:
    suite = harness_suites()[name]
    fetch(suite.source, upstreams, out)
    prompts = list(builder("harness")(name, suite, PromptContext(1, None, {suite.source: out})))
    assert set(Counter(prompt.item for prompt in prompts).values()) == {3}
    assert {prompt.item for prompt in prompts} == {*expanded(name, suite)}
    for prompt in prompts:
        assert 0 <= prompt.meta["gold"] < len(prompt.meta["choices"]), prompt.id
        assert all(prompt.meta["choices"]), prompt.id


def test_flores_has_every_language(upstreams: Upstreams, out: Path) -> None:
    suite = study("bayling-2-8b").suites["flores"]
    fetch("flores-101", upstreams, out)
    prompts = list(builder("flores")("flores", suite, PromptContext(1, None, {"flores-101": out})))
    counts = Counter(prompt.item for prompt in prompts)
    assert len(counts) == 402 and set(counts.values()) == {3}


def test_flores_plus_needs_its_terms_accepted(
    upstreams: Upstreams, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(ROOT / "config" / "examples" / "released-tests.yaml")
    row = Layout(config).row("flores-plus").model_copy(update={"first": 3})
    with pytest.raises(StudyError, match="is gated and no accepted token was found"):
        ensure(row, out, DownloadSection(retries=0), SMALL)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    ensure(row, out, DownloadSection(retries=0), SMALL)
    suite = config.suites["flores"]
    prompts = list(builder("flores")("flores", suite, PromptContext(1, None, {"flores-plus": out})))
    assert len(prompts) == 3 * len({prompt.item for prompt in prompts}) == 3 * 22


def test_the_model_of_spbleu_cuts_a_text(upstreams: Upstreams, out: Path) -> None:
    fetch("sacrebleu-spm", upstreams, out)
    path = out / "files" / "sacrebleu_tokenizer_spm.model"
    assert SentencePieceProcessor(str(path)).encode("In the rain", out_type=str)


@pytest.mark.parametrize("first", [0, 3])
def test_wmt22_comes_from_a_filled_folder_of_sacrebleu(
    first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("zh-en", "en-cs", "de-fr")
    row = Layout(study("bayling-7b")).row("wmt22")
    row = row.model_copy(update={"first": first, "files": few})
    out = tmp_path / "resources" / "download" / "wmt22"
    monkeypatch.setenv("SACREBLEU", str(fill(tmp_path / "sacrebleu")))
    ensure(row, out, DownloadSection(retries=0), SMALL if first else None)
    suite = Wmt22Suite(kind="wmt22", source="wmt22", directions=list(few))
    prompts = list(builder("wmt22")("wmt22", suite, PromptContext(1, None, {"wmt22": out})))
    assert Counter(prompt.item for prompt in prompts) == dict.fromkeys(few, first or SEGMENTS)
    said = [prompt.references[0] for prompt in prompts if prompt.item == "en-cs"]
    assert said == [text for _, text in segments("en-cs")[: len(said)]]
