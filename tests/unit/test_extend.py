"""``config/EXTEND.md``: every step of the page is run on inputs of a few lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from bayling_study.config import names
from bayling_study.config.loading import load_config, merge
from bayling_study.config.model import StudyConfig
from bayling_study.core.errors import StudyError
from bayling_study.core.plugins import import_all
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.core.seeds import generator
from bayling_study.dag.layout import Layout
from bayling_study.dag.rules import Dag
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.shared.interactive import own as own_demands
from bayling_study.shared.interactive.dialogue import Director
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.registry import DEMANDS
from bayling_study.shared.metrics import own as own_metrics
from bayling_study.shared.metrics.answers import measure, options_of, plan_of
from bayling_study.shared.metrics.measurement import Answers
from bayling_study.shared.metrics.measures import is_better, meaning
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.generation.outputs import PromptSet
from bayling_study.stages.generation.published import convert
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.__main__ import builder
from bayling_study.stages.scoring.results import score_suite
from bayling_study.stages.synthesis import recipes
from bayling_study.stages.synthesis.registry import RECIPES
from helpers import ROOT
from helpers.interactive_corpus import rows
from helpers.synthesis_corpora import made, mixture, write_corpora

PAGE = ROOT / "config" / "EXTEND.md"
FILES = {
    "text/train.en-zh.en": "A red house.\nA train.\n",
    "text/train.en-zh.zh": "一座红房子。\n一列火车。\n",
    "tests/news.zh-en.zh": "一座红房子。\n\n一列火车。\n",
    "tests/news.zh-en.en": "A red house.\nAn empty source.\nA train.\n",
    "outputs/other/zh-en.txt": "A house red.\nNothing\nA train.\n",
    "model/config.json": "{}",
}


def blocks(section: str, language: str) -> list[str]:
    """Returns a section's code blocks in a language."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert found, f"{section} has no {language}"
    return list(found)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the repository's configuration and one's own files."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    for name, text in FILES.items():
        file = tmp_path / "my-data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(place: Path, *sections: str, **more: Any) -> StudyConfig:
    """Returns the embedded study with the YAML of sections laid over it, checked as by make."""
    values = [yaml.safe_load(text) for section in sections for text in blocks(section, "yaml")]
    file = place / "mine.yaml"
    file.write_text(yaml.safe_dump(reduce(merge, [*values, more], {})), encoding="utf-8")
    config = load_config(file)
    Layout(config).check()
    return config


def fetched(config: StudyConfig, source: str) -> Path:
    folder = Layout(config).download(source)
    ensure(Layout(config).row(source), folder, config.download)
    return folder


def test_every_section_has_a_test_here() -> None:
    sections = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tested = Path(__file__).read_text(encoding="utf-8")
    assert len(sections) == 10
    assert sections.pop() == "Publish"  # commands/test_publish.py
    assert [s for s in sections if f'"{s}"' not in tested] == []


def test_the_example_of_the_readme_is_valid(place: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (text,) = re.findall(
        r"^```yaml\n(# mine\.yaml.*?)^```$", readme, flags=re.DOTALL | re.MULTILINE
    )
    (place / "mine.yaml").write_text(text, encoding="utf-8")
    layout = Layout(load_config(place / "mine.yaml"))
    layout.check()
    assert "my-tests" in layout.used_sources()
    assert layout.config.suites["news"].kind == "file"
    assert layout.row(layout.config.systems["mine"].source).location == "./my-data/model"


def test_own_text_is_read(place: Path) -> None:
    config = configured(place, "Data")
    *_, corpus = config.corpora.parallel
    found = reader_named(corpus.reader)(fetched(config, corpus.source), corpus)
    pairs = [(row.text_a, row.text_b) for row in found if isinstance(row, ParallelSegment)]
    assert pairs == [("A red house.", "一座红房子。"), ("A train.", "一列火车。")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"location": "my-data/absent"}, r"sources\.my-text\.location: .*does not exist"),
        (
            {"files": ["*.none"]},
            r"no file matches \*\.none\n  fix: correct sources\.my-text\.files",
        ),
        ({"kind": "locl"}, r"sources\.my-text\.kind: .*write 'local' instead"),
        ({"licence": None}, r"sources\.my-text\.licence: Field required"),
    ],
)
def test_a_wrong_source_is_told_by_its_key(
    place: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StudyError, match=reason):
        fetched(configured(place, "Data", sources={"my-text": changes}), "my-text")


def test_a_copy_elsewhere_replaces_a_folder_that_is_not_here(place: Path) -> None:
    (place / "my-data" / "text").rename(place / "elsewhere")
    config = configured(place, "Data", download={"local": {"my-text": "elsewhere"}})
    assert files_root(fetched(config, "my-text")) == place / "elsewhere"


def test_a_folder_that_is_gone_is_told_by_its_key(place: Path) -> None:
    config = configured(place, "Data")
    (place / "my-data" / "text").rename(place / "elsewhere")
    with pytest.raises(StudyError, match=r"sources\.my-text\.location: the path my-data/text does"):
        fetched(config, "my-text")


def test_a_model_is_named_by_its_place(place: Path) -> None:
    config = configured(place, "A model")
    mine, hubs = (Layout(config).row(config.systems[name].source) for name in ("mine", "hubs"))
    assert (mine.kind, mine.location) == ("local", "./my-data/model")
    assert (hubs.kind, hubs.location) == ("hub", "models/HuggingFaceTB/SmolLM2-360M")
    assert (hubs.revision, hubs.licence) == ("main", "unknown")
    assert StudyConfig.model_validate(config.model_dump()) == config
    assert (files_root(fetched(config, mine.id)) / "config.json").is_file()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("./my-data/absent", "systems.mine.source: ./my-data/absent: the path does not exist"),
        ("my-data/model@1@2", "neither a path"),
        ("a/b/c", "neither a path"),
        ("my-data/model", "source: ./my-data/model, or my-data/model@main of the hub"),
        ("smollm", "no source is called 'smollm'"),
    ],
)
def test_a_model_that_is_nowhere_is_refused(place: Path, source: str, reason: str) -> None:
    with pytest.raises(StudyError, match=re.escape(reason)):
        configured(place, "A model", systems={"mine": {"source": source}})


def test_a_source_of_the_table_is_not_replaced(place: Path) -> None:
    taken = {"smollm2": {"kind": "local", "location": "my-data", "licence": "MIT"}}
    with pytest.raises(StudyError, match=r"sources\.smollm2: config/sources\.tsv has a source of"):
        configured(place, "A model", sources=taken)


def test_a_test_set_and_outputs_are_taken_as_they_are(place: Path) -> None:
    config = configured(place, "A test set, as it is", "Outputs of another system")
    suite = config.suites["news"]
    downloads = {source: fetched(config, source) for source in ("my-tests", "my-outputs")}
    prompts = list(builder("file")("news", suite, PromptContext(1, None, downloads)))
    texts = [(prompt.meta["source_text"], *prompt.references) for prompt in prompts]
    assert texts[1] == ("", "An empty source.") and len(texts) == 3
    assert prompts[0].languages == {"source": "zh", "target": "en"}
    root = files_root(downloads["my-outputs"])
    given = convert(config.systems["other"], root, suite, PromptSet("news", prompts, ""))  # type: ignore[arg-type]
    assert [row.turns for row in given.hypotheses] == [["A house red."], ["Nothing"], ["A train."]]
    answers = Answers("news", "zh-en", "other", place, prompts, given.hypotheses, True)
    scores, _ = score_suite([answers], suite, options_of(config, None), plan_of(config), {})
    assert {score.metric for score in scores} >= {"bleu", "chrf2"}
    assert all(score.n == 3 for score in scores if score.metric == "chrf2")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".zh", ".en", ".txt"))])
def test_files_of_windows_are_the_same_text(place: Path, name: str) -> None:
    file = place / "my-data" / name
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    test_a_test_set_and_outputs_are_taken_as_they_are(place)


def test_a_folder_may_be_named_after_the_suite(place: Path) -> None:
    (place / "my-data/outputs/other").rename(place / "my-data/outputs/news-other")
    folders = {"other": {"folders": {"file": "{suite}-other"}}}
    sections = "A test set, as it is", "Outputs of another system"
    config = configured(place, *sections, systems=folders)
    suite, other = config.suites["news"], config.systems["other"]
    downloads = {source: fetched(config, source) for source in ("my-tests", "my-outputs")}
    prompts = list(builder("file")("news", suite, PromptContext(1, None, downloads)))
    given = convert(
        other, files_root(downloads["my-outputs"]), suite, PromptSet("news", prompts, "")
    )  # type: ignore[arg-type]
    assert [row.turns for row in given.hypotheses] == [["A house red."], ["Nothing"], ["A train."]]
    assert given.absent == []


@pytest.mark.parametrize("files", ["/tmp/{direction}.{language}", "../{direction}.{language}"])
def test_a_test_set_outside_its_source_is_refused(place: Path, files: str) -> None:
    changed = {"news": {"files": files}}
    with pytest.raises(StudyError, match=r"suites\.news\.files: .* leaves the source"):
        configured(place, "A test set, as it is", suites=changed)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("tests/news.zh-en.en", "A red house.\n", "1 lines, but news.zh-en.zh has 3"),
        ("outputs/other/zh-en.txt", "one\ntwo\n", "2 lines, but the test set has 3"),
    ],
)
def test_a_line_too_few_is_told(place: Path, file: str, text: str, reason: str) -> None:
    (place / "my-data" / file).write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=reason):
        test_a_test_set_and_outputs_are_taken_as_they_are(place)


def test_one_file_for_both_sides_is_refused(place: Path) -> None:
    same = {"news": {"files": "news.{direction}"}}
    with pytest.raises(StudyError, match=r"suites\.news\.file\.files"):
        configured(place, "A test set, as it is", suites=same)


def added(monkeypatch: pytest.MonkeyPatch, folder: Path, package: ModuleType, known: str) -> None:
    """Makes a folder a part of a package, as if its modules lay there."""
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    monkeypatch.setattr(names, known, [*getattr(names, known), folder])


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    """A folder for a module of the page; what it registers is forgotten afterwards."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    before = set(sys.modules)
    yield folder
    for name in ("politely", "restate"):
        RECIPES.pop(name, None)
    DEMANDS.pop("exclaim", None)
    own_metrics.METRICS.pop("ter", None)
    for name in set(sys.modules) - before:
        if name.endswith((".politely", ".restate", ".final_mark", ".ter")):
            del sys.modules[name]


def test_a_recipe(place: Path, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (module / "politely.py").write_text(blocks("A recipe", "python")[0], encoding="utf-8")
    with pytest.raises(StudyError, match="no recipe is called 'politely'"):
        configured(place, "A recipe")
    added(monkeypatch, module, recipes, "RECIPE_FOLDERS")
    shares = configured(place, "A recipe").synthesis.mixtures["default"].shares
    assert shares["politely"] == 0.1
    wanted = mixture(shares={"politely": 1.0}, conversations=4, directions={"zh-en": 1.0})
    _, table = made(place / "made", write_corpora(place / "corpora"), wanted)
    assert table["recipe"].to_pylist() == ["politely"] * 4


def test_a_refused_share_table_names_its_keys(place: Path) -> None:
    mine = {"mixtures": {"default": {"shares": {"translation": 0.9}}}}
    reason = r"shares add up to .*, not 1: \{.*translation: 0\.9"
    with pytest.raises(StudyError, match=reason) as error:
        configured(place, "A model", synthesis=mine)
    assert str(error.value.where).endswith("synthesis.mixtures.default.shares")
    fix = re.match(r"(\{.*\}); `NAME: null`", error.value.fix or "")
    assert fix and sum(yaml.safe_load(fix[1]).values()) == pytest.approx(1, abs=1e-3)
    assert set(yaml.safe_load(fix[1])) == {"translation", "interactive", "constrained", "general"}


def test_a_method(place: Path, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, values = blocks("Your own method", "python")[0], blocks("Your own method", "yaml")[0]
    lines = [len(re.findall(r"^.*\S", text, flags=re.MULTILINE)) for text in (code, values)]
    said = PAGE.read_text(encoding="utf-8")
    assert f"{lines[0]} lines of Python and these {lines[1]}." in said
    (module / "restate.py").write_text(code, encoding="utf-8")
    added(monkeypatch, module, recipes, "RECIPE_FOLDERS")
    config = configured(place, "Your own method")
    assert {"plain.seed3", "restate.seed3"} <= set(config.systems)
    wanted = mixture(shares={"restate": 1.0}, conversations=4, directions={"zh-en": 1.0})
    _, table = made(place / "made", write_corpora(place / "corpora"), wanted)
    assert table["recipe"].to_pylist() == ["restate"] * 4
    user, answer = (message["content"] for message in table["messages"].to_pylist()[0])
    assert answer.split("\n")[0] in user


def test_a_demand(place: Path, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (module / "final_mark.py").write_text(blocks("A demand", "python")[0], encoding="utf-8")
    with pytest.raises(StudyError, match="no demand is called 'exclaim'"):
        configured(place, "A demand")
    added(monkeypatch, module, own_demands, "DEMAND_FOLDERS")
    assert configured(place, "A demand").synthesis.mixtures["default"].demands["exclaim"] == 1
    import_all(own_demands)
    director = Director(Library(rows(), ["zh-en"], 5), {"exclaim": 1.0}, {2: 1.0}, {"en": 1.0})
    step = director.dialogue("zh-en", generator(1, "x")).steps[-1]
    assert (step.kind, step.user) == ("exclaim", "End it with an exclamation mark.")
    assert step.answer.endswith("!")


def answered(*texts: str) -> Answers:
    languages = {"source": "de", "target": "en"}
    prompts = [
        Prompt(f"de-en/{n}", "s", "de-en", languages, ["?"], ["one two three four"], {})
        for n in range(len(texts))
    ]
    given = [Hypothesis(f"de-en/{n}", [text], [1], ["stop"]) for n, text in enumerate(texts)]
    return Answers("s", "de-en", "mine", Path("x"), prompts, given)


def test_a_metric(place: Path, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (module / "ter.py").write_text(blocks("A metric", "python")[0], encoding="utf-8")
    with pytest.raises(StudyError, match="no metric is called 'ter'"):
        configured(place, "A metric")
    with pytest.raises(StudyError, match="not stated whether a higher 'ter'"):
        meaning("ter")
    added(monkeypatch, module, own_metrics, "METRIC_FOLDERS")
    config = configured(place, "A metric")
    answers = answered("one two three four", "one two three")
    found = {m.metric: m for m in measure(answers, "file", options_of(config, None))}
    assert found["ter"].value == pytest.approx(100 / 8)
    assert found["ter"].segments.tolist() == [0, 25]
    assert is_better("ter", 10, 20) is True and meaning("ter").averaged


def test_a_metric_without_a_direction_or_with_rows_too_few_is_refused(
    place: Path, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = blocks("A metric", "python")[0]
    added(monkeypatch, module, own_metrics, "METRIC_FOLDERS")
    (module / "ter.py").write_text(text.replace('better="lower"', 'better="less"'))
    with pytest.raises(StudyError, match=r"@metric\('ter'\): it states no direction"):
        configured(place, "A metric")
    (module / "ter.py").write_text(text.replace("edits, words)\n", "edits[1:], words[1:])\n"))
    names._decorators.cache_clear()
    config = configured(place, "A metric")
    with pytest.raises(StudyError, match="1 rows of statistics for 2 answers"):
        measure(answered("one", "two"), "translation", options_of(config, None))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def ter(:\n", r"plugins/ter\.py: not a module of Python"),
        ("@metric(NAME)\ndef ter(a, b): ...\n", r"ter\.py:1: @metric names nothing"),
        ("@metric()\ndef ter(a, b): ...\n", r"ter\.py:1: @metric names nothing"),
        ("@own.metric('tre')\ndef ter(a, b): ...\n", "write 'tre' instead|one of: tre"),
        ("@metric('ter', better=BEST, scale='x')\ndef ter(a, b): ...\n", "states no direction"),
    ],
)
def test_a_module_that_cannot_be_read_is_told_before_any_job(
    place: Path, module: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    added(monkeypatch, module, own_metrics, "METRIC_FOLDERS")
    (module / "ter.py").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=reason):
        configured(place, "A metric")


def test_a_metric_of_a_name_that_is_taken_is_refused(
    place: Path, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(monkeypatch, module, own_metrics, "METRIC_FOLDERS")
    text = blocks("A metric", "python")[0]
    (module / "ter.py").write_text(text.replace('"ter"', '"bleu-own"'), encoding="utf-8")
    with pytest.raises(StudyError, match="'bleu-own' is a metric of every study"):
        configured(place, "A metric", scoring={"metrics": ["bleu-own"]})
    (module / "ter.py").write_text(text + "\n", encoding="utf-8")
    names._decorators.cache_clear()
    with pytest.raises(StudyError, match=r"scoring\.metrics: 'ter' occurs twice"):
        configured(place, "A metric", scoring={"metrics": ["ter", "ter"]})


def test_several_comets(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dag = Dag(configured(place, "Several COMETs"))
    options = dag.comet_more()
    further = ("xcomet-xl", "wmt22-cometkiwi-da")
    assert set(options) == {f"--{kind} {name}" for kind in ("more", "encoders") for name in further}
    used = dag.layout.used_sources()
    assert {"wmt22-comet-da", "xcomet-xl", "xlm-roberta-xl", "infoxlm-large"} <= set(used)
    assert options["--encoders xcomet-xl"] == str(dag.layout.manifest("xlm-roberta-xl"))


@pytest.mark.parametrize(
    ("comet", "reason"),
    [
        ({"source": None, "embedded": None}, "more adds to a first model"),
        ({"source": "xcomet-xl"}, "comet.more: 'xcomet-xl' occurs twice"),
        ({"more": {"xcomet-x": ""}}, "no source is called 'xcomet-x'"),
    ],
)
def test_a_list_of_comets_that_cannot_be_is_refused(
    place: Path, comet: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StudyError, match=reason):
        configured(place, "Several COMETs", comet=comet)
