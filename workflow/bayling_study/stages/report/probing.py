"""The chapter about hidden states: what is near, and what a linear probe reads, in each layer."""

from pathlib import Path

from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import Cell, Figure, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import by_system

NOTE = " ".join(Path(__file__).with_suffix(".md").read_text(encoding="utf-8").split())
KINDS = {"retrieval": (100, 1), "probe": (100, 1), "cosine": (1, 2)}
"""Kind of curve to its factor and decimals."""


def probing_section(study: Study) -> PageSection:
    """Returns the curves of all systems, their largest values, and chrF2 beside them."""
    section = PageSection("probing", "Hidden states, layer by layer")
    systems = study.ordered(study.probings)
    curves: dict[tuple[str, str, str, str], dict[str, list[float]]] = {}
    for system in systems:
        for row in study.probings[system]["curves"]:
            factor, _ = KINDS[row["kind"]]
            chance = "–" if row["kind"] == "cosine" else f"{100 * row['chance']:.1f}"
            key = (row["kind"], row["name"], f"{row['n']:,}", chance)
            curves.setdefault(key, {})[system] = [factor * value for value in row["values"]]
    if not curves:
        return section
    rows: list[list[Cell | str]] = [
        [*key, *(_largest(key[0], own.get(system)) for system in systems)]
        for key, own in curves.items()
    ]
    found = by_system(study.scores, lambda score: (score.metric, score.suite, score.item))
    pairs = {frozenset(name.split("-")) for _, name, *_ in curves}
    for (metric, suite, item), own_scores in found.items():
        if metric == "chrf2" and frozenset(item.split("-")) in pairs:
            scores = [own_scores.get(system) for system in systems]
            cells = [number(score.value if score else None, 1) for score in scores]
            size = max(score.n for score in own_scores.values())
            rows.append([f"chrF2, {suite}", item, f"{size:,}", "–", *cells])
    columns = ["what", "languages", "n", "chance", *systems]
    section.tables = [Table("probing", "Retrieval, probes, and answers", columns, rows, NOTE)]
    pivot = next(iter(curves))[1].partition("-")[0]
    panels = {
        f"{kind} {name} (n = {count}, chance {chance})": own
        for (kind, name, count, chance), own in curves.items()
        if kind == "retrieval" or (kind == "probe" and name.startswith(f"{pivot} > "))
    }
    title = "Before and after tuning, by layer (0: the embeddings)"
    section.figures = [Figure("probing", title, figures.layers(panels, "per cent"))]
    return section


def _largest(kind: str, values: list[float] | None) -> Cell:
    if values is None:
        return number(None)
    best = max(values)
    return number(best, KINDS[kind][1])._replace(detail=f"layer {values.index(best)}")
