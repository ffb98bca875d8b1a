"""Draws docs/images/layers.svg: which folder of hpcbatch imports which, counted in the sources.

    python docs/layers.py

The layers are those that lint-imports checks (pyproject.toml). Each import statement counts once,
also one within a function or for type checkers.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PICTURE = TOP / "docs/images/layers.svg"
_LAYERS = re.compile(r'^type = "layers"\nlayers = (\[.*?^\])', re.M | re.S)

CELL, BOX, GAP, LEFT, ABOVE, EDGE = 36, 116, 8, 12, 112, 14
TOLD = ("a row imports from columns:", "so many import statements")


def layers() -> list[list[str]]:
    """The folders, from the top down; those of one layer do not import each other."""
    found = _LAYERS.search((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert found is not None, "pyproject.toml has no layers"
    rows = ast.literal_eval(found[1])
    return [[each.strip().rpartition(".")[2] for each in row.split("|")] for row in rows]


def imports() -> Counter[tuple[str, str]]:
    """How many statements of one folder import from another."""
    folders = {name for layer in layers() for name in layer}
    counts: Counter[tuple[str, str]] = Counter()
    for folder in folders:
        for path in (TOP / "hpcbatch" / folder).rglob("*.py"):
            for name in _imported(path):
                words = name.split(".")
                if words[0] == "hpcbatch" and words[1:] and words[1] in folders - {folder}:
                    counts[folder, words[1]] += 1
    return counts


def _imported(path: Path) -> Iterator[str]:
    """The modules that a file's statements name, from the top."""
    package = path.relative_to(TOP).parent.parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module == "hpcbatch":  # from .. import registry
                yield from (f"{module}.{each.name}" for each in node.names)
            else:
                yield module


def drawn() -> str:
    """The picture: a row and a column for each folder, the layers apart."""
    counts, places, at = imports(), dict[str, int](), 0
    for layer in layers():
        for name in layer:
            places[name] = at
            at += CELL
        at += GAP
    side = at - GAP
    first = LEFT + BOX + GAP
    width, height = first + side + EDGE, ABOVE + side + EDGE
    told = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
        f"<title>{' '.join(TOLD)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    told += [
        f'<text x="{LEFT}" y="{26 + 18 * line}" fill="#555555">{words}</text>'
        for line, words in enumerate(TOLD)
    ]
    for layer in layers():
        y, tall = ABOVE + places[layer[0]], CELL * len(layer)
        told.append(
            f'<rect x="{LEFT - 4}" y="{y}" width="{BOX + GAP + side + 4}" height="{tall}" '
            'fill="#f1f5f5"/>'
        )
    for name, place in places.items():
        x, y = first + place, ABOVE + place
        told += [
            f'<rect x="{LEFT}" y="{y + 3}" width="{BOX}" height="{CELL - 6}" rx="4" '
            'fill="#00695c"/>',
            _text(LEFT + BOX // 2, y + CELL // 2 + 5, name, "#ffffff"),
            f'<text transform="translate({x + CELL // 2 + 4} {ABOVE - 8}) rotate(-55)" '
            f'fill="#222222">{name}</text>',
            f'<rect x="{x + 3}" y="{y + 3}" width="{CELL - 6}" height="{CELL - 6}" rx="4" '
            'fill="#c5d5d3"/>',
        ]
    for (row, column), count in sorted(counts.items()):
        x, y = first + places[column], ABOVE + places[row]
        shade = min(0.15 + count / 80, 1.0)
        colour = "#ffffff" if shade > 0.6 else "#111111"
        told += [
            f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" '
            f'fill="#00897b" fill-opacity="{shade:.2f}"/>',
            _text(x + CELL // 2, y + CELL // 2 + 5, str(count), colour),
        ]
    return "\n".join([*told, "</svg>"]) + "\n"


def _text(x: int, y: int, text: str, colour: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" fill="{colour}">{text}</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
