"""The model card of a finished study's system, in the hub's form (``card.md``). Its header is
huggingface_hub's ``ModelCardData`` with the scores as ``model-index``; below it are the study's
verdict, ten lines that use the model, the scores, and what the training's card tells."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from bayling_study.config.comparison import made_of
from bayling_study.config.systems import FoundationSystem
from bayling_study.core.records import Score, read_scores
from bayling_study.dag.layout import Layout
from bayling_study.shared.cards import licence_keys
from bayling_study.shared.verdict import read_verdict

HUB_METRICS = {"bleu": "bleu", "spbleu": "bleu", "chrf2": "chrf", "comet": "comet", "ter": "ter"}
"""Metrics that the hub knows, and what it calls them; others keep their names."""
MOST = 40  # items of a suite above which only its averages are in the card


def model_card(layout: Layout, system: str, repo: str, base: str | None) -> ModelCard:
    """Returns the card of a tuned system as it will stand in the repository ``repo``, with the name
    ``base`` where the foundation's source tells none (``StudyError``: a file cannot be read)."""
    scores = shown_scores(layout, system)
    foundation = made_of(layout.config.systems, system)[0]
    source = layout.row(layout.system(foundation, FoundationSystem).source)
    used = [layout.row(name) for name in layout.config.corpora.sources]
    hub_base = source.places[0].removeprefix("models/") if source.kind == "hub" else None
    named = licence_keys(source.licence)
    data = ModelCardData(
        model_name=repo.rpartition("/")[2],
        base_model=base or hub_base,
        datasets=[r.places[0].removeprefix("datasets/") for r in used if r.kind == "hub"] or None,
        metrics=sorted({HUB_METRICS.get(s.metric, s.metric) for s in scores}) or None,
        language=sorted({code for score in scores for code in _languages(score.item)}) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["translation", "bayling-study"],
        eval_results=[_result(score) for score in scores] or None,
        license=named["license"],
        license_name=named.get("license_name"),
    )
    own = (layout.study / "tuning" / system / "README.md").read_text(encoding="utf-8")
    card: ModelCard = ModelCard.from_template(
        data,
        template_path=str(Path(__file__).with_suffix(".md")),
        data=data,
        verdict=read_verdict(layout.study),
        repo=repo,
        scores=scores,
        sources=(source, *used),
        training="## Data" + own.partition("## Data")[2],
    )
    return card


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


def _result(score: Score) -> EvalResult:
    """Returns a score as an entry of ``model-index``."""
    return EvalResult(
        task_type="translation" if _languages(score.item) else "text-generation",
        dataset_type=score.suite,
        dataset_name=f"{score.suite} {score.item}",
        dataset_config=score.item,
        metric_type=HUB_METRICS.get(score.metric, score.metric),
        metric_name=score.metric,
        metric_value=round(score.value, 4),
        metric_args={"signature": score.signature, "n": score.n},
    )
