"""The model card of a finished study's system, in the hub's form.

Its header is huggingface_hub's ``ModelCardData`` with the scores as ``model-index``; below it are
the verdict, ten lines that use the model, the scores, and what the training's own card tells.
"""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from bayling_study.config.systems import FoundationSystem
from bayling_study.core.files import read_json
from bayling_study.core.records import Score, read_scores
from bayling_study.dag.layout import Layout
from bayling_study.shared.cards import licence_keys

HUB_METRICS = {"bleu": "bleu", "spbleu": "bleu", "chrf2": "chrf", "comet": "comet", "ter": "ter"}
"""Metrics that the hub knows, and what it calls them; others keep their names."""
MOST = 40
"""Items of a suite above which only its averages are in the card."""
EXAMPLE = """## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

name = "{repo}"
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name)
messages = [{{"role": "user", "content": "Translate into English: 你好，世界。"}}]
options = {{"add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}}
inputs = tokenizer.apply_chat_template(messages, **options)
answer = model.generate(**inputs, max_new_tokens=64)[0]
print(tokenizer.decode(answer[inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```"""


def model_card(layout: Layout, system: str, repo: str, base: str | None) -> ModelCard:
    """Returns the card of a tuned system as it will stand in the repository ``repo``.

    ``base`` is the foundation's name on the hub, where its source does not tell it.

    Raises:
        StudyError: a score file or the training's card cannot be read.
    """
    scores = shown_scores(layout, system)
    foundation = layout.system(layout.base(system), FoundationSystem)
    source = layout.row(foundation.source)
    hub_base = source.location.removeprefix("models/") if source.kind == "hub" else None
    named = licence_keys(source.licence)
    used = [layout.row(name) for name in layout.corpus_sources()]
    data = ModelCardData(
        model_name=repo.rpartition("/")[2],
        base_model=base or hub_base,
        datasets=[r.location.removeprefix("datasets/") for r in used if r.kind == "hub"] or None,
        metrics=sorted({_hub_metric(score) for score in scores}) or None,
        language=sorted({code for score in scores for code in _languages(score.item)}) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["translation", "bayling-study"],
        eval_results=[_result(score) for score in scores] or None,
        license=named["license"],
        license_name=named.get("license_name"),
    )
    results = [[s.suite, s.item, s.metric, f"{s.value:.2f}", _interval(s), s.n] for s in scores]
    sources = [[row.id, row.location, row.licence] for row in (source, *used)]
    own = (layout.study / "tuning" / system / "README.md").read_text(encoding="utf-8")
    parts = [
        f"---\n{data.to_yaml()}\n---\n\n# {data.model_name}",
        *_verdict(layout.study / "report" / "verdict.json"),
        EXAMPLE.format(repo=repo),
        _table("Scores", ["suite", "item", "metric", "score", "interval", "n"], results),
        _table("Sources and their licences", ["source", "location", "licence"], sources),
        f"## Data{own.partition('## Data')[2]}",
    ]
    return ModelCard("\n\n".join(parts))


def shown_scores(layout: Layout, system: str) -> list[Score]:
    """Returns a system's scores of whole answers, of large suites the averages alone."""
    found: list[Score] = []
    for suite in layout.config.suites:
        for folder in ("scoring", "comet/score"):
            path = layout.study / folder / system / f"{suite}.json"
            rows = read_scores(path) if path.exists() else []
            rows = [row for row in rows if "." not in row.metric and math.isfinite(row.value)]
            many = len({row.item for row in rows}) > MOST
            found += [row for row in rows if not (many and _languages(row.item))]
    return found


def _languages(item: str) -> Sequence[str]:
    """Returns the languages of an item that is a direction; of others, such as averages, none."""
    return item.split("-") if re.fullmatch("[a-z]{2,3}-[a-z]{2,3}", item) else ()


def _hub_metric(score: Score) -> str:
    return HUB_METRICS.get(score.metric, score.metric)


def _result(score: Score) -> EvalResult:
    """Returns a score as an entry of ``model-index``."""
    return EvalResult(
        task_type="translation" if _languages(score.item) else "text-generation",
        dataset_type=score.suite,
        dataset_name=f"{score.suite} {score.item}",
        dataset_config=score.item,
        metric_type=_hub_metric(score),
        metric_name=score.metric,
        metric_value=round(score.value, 4),
        metric_args={"signature": score.signature, "n": score.n},
    )


def _interval(score: Score) -> str:
    bounds = (score.low, score.high)
    return " to ".join(f"{bound:.2f}" for bound in bounds if bound is not None)


def _verdict(path: Path) -> list[str]:
    """Returns the sentences of the study's verdict, where the report has one."""
    return [" ".join(read_json(path)["sentences"])] if path.exists() else []


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [columns, ["---"] * len(columns), *rows]
    lines = ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in cells]
    return f"## {title}\n\n" + "\n".join(lines)
