"""The sheet as one HTML file: no outside reference, every text escaped, A4 or Letter when printed."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2

from app.report.sheet import Graph, Picture, Sheet
from planner.whole_files import write_whole

_TEMPLATES = Path(__file__).resolve().parent
_GRAPH_WIDTH, _GRAPH_HEIGHT = 640.0, 200.0
_GRAPH_HEAD = 22.0  # its title stands over the line of 100 %


def write_html(sheet: Sheet, path: Path) -> None:
    """Write the sheet as UTF-8, whole or not at all. Raises OSError when the file cannot be written."""
    write_whole(path, sheet_html(sheet).encode("utf-8", "replace"))


def sheet_html(sheet: Sheet) -> str:
    """The sheet as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["source"] = _source
    environment.globals["curve"] = curve
    return environment.get_template("sheet.html.j2").render(sheet=sheet)


def _source(picture: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode('ascii')}"


def curve(graph: Graph) -> dict[str, object]:
    """Where the lines of a graph run, in the units of its SVG box: band as a polygon, median as a line, ticks, the dose."""
    most_ml = max(point[0] for point in graph.points)

    def x(ml: float) -> float:
        return round(40.0 + (_GRAPH_WIDTH - 60.0) * ml / most_ml, 1)

    def y(share: float) -> float:
        return round(_GRAPH_HEAD + (_GRAPH_HEIGHT - _GRAPH_HEAD - 32.0) * (1.0 - share), 1)

    low = [f"{x(ml)},{y(low)}" for ml, low, _, _ in graph.points]
    high = [f"{x(ml)},{y(high)}" for ml, _, _, high in graph.points]
    return {
        "width": _GRAPH_WIDTH,
        "height": _GRAPH_HEIGHT,
        "band": " ".join(high + low[::-1]),
        "median": " ".join(f"{x(ml)},{y(median)}" for ml, _, median, _ in graph.points),
        "dose": x(min(graph.dose_ml, most_ml)),
        "top": y(1.0),
        "bottom": y(0.0),
        "left": x(0.0),
        "right": x(most_ml),
        "across": [(x(ml), f"{ml:g}") for ml in range(0, int(most_ml) + 1, 5)],
        "up": [(y(share), f"{100 * share:.0f} %") for share in (0.0, 0.5, 1.0)],
        "dose_words": f"{graph.dose_ml:.1f}".removesuffix(".0") + " mL",
    }
