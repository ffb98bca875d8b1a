"""What the demo asks of a source file, and how it draws the answers."""

from __future__ import annotations

import ast
import os
import sysconfig
import warnings
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

Measure = dict[str, Any]
Row = tuple[str, Measure]
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

FEWEST_LINES = 3  # of a file in the picture
MOST_LABELS = 24
USUAL_DENSITY = 1 / 9  # decisions a line
DOTS: dict[str, Any] = {
    "cmap": "viridis",
    "vmin": 0,
    "vmax": 100,
    "alpha": 0.7,
    "linewidths": 0.4,
    "edgecolors": "white",
}

_SKIPPED = {"site-packages", "dist-packages", "__pycache__"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTED = (ast.Module, ast.ClassDef, *_FUNCTIONS)
_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def library_folder() -> str:
    """Where this Python keeps the source of its standard library."""
    return os.path.realpath(sysconfig.get_path("stdlib"))


def source_files(folder: str) -> list[str]:
    """All Python files below ``folder``, without what was installed beside them."""
    found = []
    for inside, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        found += [f"{inside}/{name}" for name in sorted(files) if name.endswith(".py")]
    return found


def choose(paths: Sequence[str], limit: int | None) -> list[str]:
    """At most ``limit`` of the paths, spread evenly.

    The library's own examples of bad files (``bad…py``) come first, as long as they take less
    than half of them.
    """
    if limit is None or limit >= len(paths):
        return list(paths)
    bad = [path for path in paths if os.path.basename(path).startswith("bad")][: limit // 2]
    others = [path for path in paths if path not in set(bad)]
    left = limit - len(bad)
    return sorted(bad + [others[k * len(others) // left] for k in range(left)])


def measure(path: str) -> Measure:
    """Size, complexity, documentation and calls of one file. Raises SyntaxError."""
    with open(path, "rb") as file:
        source = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # test data is full of doubtful escapes
        tree = ast.parse(source, os.path.basename(path))
    nodes = list(ast.walk(tree))
    decisions = sorted(chain.from_iterable(map(_decisions, nodes)))
    definitions = [node for node in nodes if isinstance(node, _DOCUMENTED) and _is_public(node)]
    documented = sum(ast.get_docstring(node, clean=False) is not None for node in definitions)
    return {
        "lines": sum(1 for line in source.splitlines() if line.strip()),
        "functions": sum(isinstance(node, _FUNCTIONS) for node in nodes),
        "complexity": 1 + len(decisions),
        "hardest": _hardest(nodes, decisions),
        "documented": documented / len(definitions),
        "calls": dict(Counter(_called(node.func) for node in nodes if isinstance(node, ast.Call))),
    }


def _is_public(node: _Documented) -> bool:
    return isinstance(node, ast.Module) or not node.name.startswith("_")


def _decisions(node: ast.AST) -> list[int]:
    """A node's line, once for each way that it adds to those through its function (McCabe)."""
    if isinstance(node, _BRANCHES):
        return [node.lineno]
    if isinstance(node, ast.BoolOp):
        return [node.lineno] * (len(node.values) - 1)
    if isinstance(node, _COMPREHENSIONS):
        return [node.lineno] * sum(len(part.ifs) for part in node.generators)
    return [node.lineno] * len(node.cases) if isinstance(node, ast.Match) else []


def _hardest(nodes: Iterable[ast.AST], decisions: Sequence[int]) -> tuple[str, int]:
    """Name and complexity of the most complex function; an empty name where there is none."""
    most, name = 0, ""
    for node in nodes:
        if isinstance(node, _FUNCTIONS):
            end = node.end_lineno or node.lineno
            inside = bisect_right(decisions, end) - bisect_left(decisions, node.lineno)
            most, name = max((most, name), (1 + inside, node.name))
    return name, most


def _called(function: ast.expr) -> str:
    """The last name of what is called; empty where it has none."""
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def module_name(path: str, folder: str) -> str:
    """``…/json/__init__.py`` as ``json``."""
    name = os.path.relpath(path, folder)[: -len(".py")].replace(os.sep, ".")
    return name[: -len(".__init__")] if name.endswith(".__init__") else name


def draw(rows: Iterable[Row], title: str, output: str) -> None:
    """Size against complexity, coloured by documentation, into a PNG. Raises ImportError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(9, 6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = sorted(rows, key=lambda row: -row[1]["functions"])  # small dots above large ones
    shown = [row for row in shown if row[1]["lines"] >= FEWEST_LINES]
    dots = axes.scatter(
        [row["lines"] for _, row in shown],
        [row["complexity"] for _, row in shown],
        s=[12 + row["functions"] for _, row in shown],
        c=[100 * row["documented"] for _, row in shown],
        **DOTS,
    )
    bar = figure.colorbar(dots, ax=axes, pad=0.01, aspect=40)
    bar.set_label("public definitions with a docstring, %", fontsize=9)
    bar.ax.tick_params(labelsize=8, color="0.6")
    bar.outline.set_visible(False)
    bar.solids.set_alpha(1)
    _dress(axes, title)
    figure.draw_without_rendering()  # the labels need to know where things are
    _label(axes, shown)
    figure.savefig(output, format="png")


def _dress(axes: Any, title: str) -> None:
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("lines that are not blank", fontsize=9)
    axes.set_ylabel("cyclomatic complexity of the file", fontsize=9)
    axes.set_title(title, loc="left", fontsize=10, pad=12)
    axes.margins(0.06)
    axes.grid(which="major", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", labelsize=8, color="0.6")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _label(axes: Any, rows: Sequence[Row]) -> None:
    """Name the files that stand out, as far as the names do not touch each other."""
    taken: list[Any] = []
    for name, row in _outliers(rows):
        left = row["complexity"] / row["lines"] > USUAL_DENSITY  # away from the crowd
        text = _annotate(axes, name, row, left)
        if text.get_window_extent().x1 > axes.bbox.x1:
            text.remove()
            text = _annotate(axes, name, row, not left)
        box = text.get_window_extent()
        if box.count_overlaps(taken):
            text.remove()
        else:
            taken.append(box)
        if len(taken) == MOST_LABELS:
            return


def _annotate(axes: Any, name: str, row: Measure, left: bool) -> Any:
    from matplotlib.patheffects import withStroke

    short = ".".join(name.split(".")[-2:])
    clear = 2 + (12 + row["functions"]) ** 0.5 / 2  # of the dot, whose area is its functions
    return axes.annotate(
        short if len(short) <= 26 else f"{short[:25]}…",
        (row["lines"], row["complexity"]),
        xytext=(-clear if left else clear, 2),
        textcoords="offset points",
        ha="right" if left else "left",
        fontsize=7,
        color="0.15",
        path_effects=[withStroke(linewidth=2, foreground="white")],
        in_layout=False,
    )


def _outliers(rows: Sequence[Row]) -> Iterator[Row]:
    """In turn the most complex, the most and the least branched for their size, the longest."""
    large = [row for row in rows if row[1]["lines"] >= 100]
    by_complexity = sorted(large, key=lambda row: -row[1]["complexity"])
    by_density = sorted(large, key=lambda row: -row[1]["complexity"] / row[1]["lines"])
    least = [row for row in reversed(by_density) if row[1]["lines"] >= 500]
    by_length = sorted(large, key=lambda row: -row[1]["lines"])
    told = set()
    for row in chain.from_iterable(zip_longest(by_complexity, by_density, least, by_length)):
        if row is not None and row[0] not in told:
            told.add(row[0])
            yield row
