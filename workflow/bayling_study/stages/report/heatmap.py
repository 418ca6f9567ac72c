"""Heat maps of many translation directions: languages as rows, systems and ways as columns.
Directions are read around their pivots (English, and Chinese where it has many partners): ``→en``
holds translations into English, ``en→`` those out of it. Colours are Matplotlib's ``cividis``, made
for colour-blind readers."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from bayling_study.core.records import Score, grouped
from bayling_study.stages.report.figures import STYLE, svg_of

DIRECTION = re.compile(r"[a-z]{2,3}(?:_[a-z]{4})?-[a-z]{2,3}(?:_[a-z]{4})?", re.IGNORECASE)
FEWEST_DIRECTIONS = 12
PIVOT_SHARE = 0.3  # a language in more than this share of the directions is a pivot
MOST_PIVOTS = 2
BLOCK_ROWS = 36  # rows of one column of the picture; more go beside it
MOST_NUMBERS = 500  # cells up to which each shows its value
COLOURS = "cividis"

Cells = dict[tuple[str, str], float]
"""(row, column) to value."""


def directions_of(items: Iterable[str]) -> list[str]:
    """Returns the items that are directions such as ``de-en``, once each."""
    return [item for item in dict.fromkeys(items) if DIRECTION.fullmatch(item)]


def pivots_of(directions: Sequence[str]) -> list[str]:
    """Returns the languages that most directions have on one side, the most frequent first."""
    counts = Counter(code for item in directions for code in item.split("-"))
    fewest = PIVOT_SHARE * len(directions)
    return [code for code, count in counts.most_common(MOST_PIVOTS) if count > fewest]


def place_of(direction: str, pivots: Sequence[str]) -> tuple[str, str] | None:
    """Returns (row, way) of a direction: its other language and ``→en`` or ``en→``. A direction
    without a pivot has no place."""
    source, _, target = direction.partition("-")
    for pivot in pivots:
        if target == pivot:
            return source, f"→{pivot}"
        if source == pivot:
            return target, f"{pivot}→"
    return None


def heat_map(scores: Sequence[Score], systems: Sequence[str]) -> str:
    """Draws one metric on a suite's directions; the systems are columns of each way. Items that are
    no directions of a pivot are left out."""
    wanted = directions_of(score.item for score in scores)
    pivots = pivots_of(wanted)
    cells: Cells = {}
    for score in scores:
        place = place_of(score.item, pivots) if score.item in wanted else None
        if place is not None and score.system in systems:
            cells[place[0], f"{place[1]}  {score.system}"] = score.value
    ways = [way for pivot in pivots for way in (f"→{pivot}", f"{pivot}→")]
    columns = [f"{way}  {system}" for way in ways for system in systems]
    named = {column for _, column in cells}
    places = grouped(cells, lambda place: place[0])
    means = {row: sum(cells[place] for place in own) / len(own) for row, own in places.items()}
    rows = sorted(means, key=lambda row: (-means[row], row))  # the best on average first
    return _draw(cells, rows, [column for column in columns if column in named])


def _draw(cells: Cells, rows: list[str], columns: list[str]) -> str:
    blocks = math.ceil(len(rows) / BLOCK_ROWS)
    height = math.ceil(len(rows) / blocks)
    low, top = min([0.0, *cells.values()]), max([0.0, *cells.values()])
    scale = Normalize(low, top if top > low else 1.0)
    widest = max(0.42 * len(columns), 1.2)
    with pyplot.rc_context({**STYLE, "axes.grid": False, "font.size": 7}):
        size = (blocks * (widest + 0.9) + 0.6, 0.19 * height + 1.3)
        figure, axes = pyplot.subplots(1, blocks, squeeze=False, figsize=size)
        for place, part in enumerate(axes[0]):
            _block(part, cells, rows[place * height : (place + 1) * height], columns, scale)
        colours = pyplot.cm.ScalarMappable(scale, COLOURS)
        figure.colorbar(colours, ax=list(axes[0]), shrink=min(1.0, 2.5 / figure.get_figheight()))
        return svg_of(figure)


def _block(axes: Axes, cells: Cells, rows: list[str], columns: list[str], scale: Normalize) -> None:
    """Draws some of the rows; a cell without a value stays white."""
    grid = [[cells.get((row, column), math.nan) for column in columns] for row in rows]
    axes.imshow(grid, cmap=COLOURS, norm=scale, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    for x in range(1, len(columns)):
        if columns[x].split()[0] != columns[x - 1].split()[0]:
            axes.axvline(x - 0.5, color="white", linewidth=2)
    for side in axes.spines.values():
        side.set_visible(False)
    if len(cells) > MOST_NUMBERS:
        return
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            if (value := cells.get((row, column))) is not None:
                red, green, blue, _ = colormaps[COLOURS](scale(value))
                ink = "black" if red + green + blue > 1.4 else "white"
                axes.text(x, y, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=6)
