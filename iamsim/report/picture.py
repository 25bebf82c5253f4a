"""Boxes and arrows as self-contained SVG: from left to right, by the number of steps from where it starts."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from iamsim.findings import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE = 184, 42, 112, 20, 12
_LETTERS, _BELOW, _LABEL, _ROUND = 22, 28, 17, 56
_FILL = {
    "user": ("#ddf4ff", "#0969da"),
    "role": ("#fbefff", "#8250df"),
    "service": ("#fff1e5", "#bc4c00"),
    "request": ("#dafbe1", "#1a7f37"),
    "refused": ("#ffebe9", "#cf222e"),
}
_OTHER = ("#f6f8fa", "#59636e")
_ROUNDS = 4
_PASS = 0.4
_LABELLED = 40
"""Arrows of a picture that still has labels; beyond, pointing at an arrow shows its own."""


@dataclass(frozen=True, slots=True)
class Box:
    """A node: what it is called, a line below that, the sort that gives its colour, and what pointing at it shows."""

    name: str
    below: str = ""
    kind: str = ""
    tip: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge with its label; `unsure` ones are dashed."""

    source: str
    target: str
    label: str = ""
    unsure: bool = False


def picture(boxes: Mapping[str, Box], arrows: Sequence[Arrow], sources: Iterable[str] = ()) -> str:
    """The graph as an SVG element that needs nothing from elsewhere; every text in it is escaped."""
    if not boxes:
        return ""
    merged = _merged(arrows)
    depth = _depths(boxes, merged, sources)
    routes = [_route(a, depth) for a in merged]
    places = _places(list(boxes), depth, routes)
    rows = 1 + max(row for _, row in places.values())
    columns = 1 + max(depth.values())
    back = any(depth[a.target] <= depth[a.source] for a in merged)
    width = columns * _WIDTH + (columns - 1) * _GAP_X + 2 * _EDGE + (_ROUND if back else 0)
    height = int(rows * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _EDGE)
    labelled = len(merged) <= _LABELLED
    drawn = [_arrow(a, [places[n] for n in route], labelled=labelled) for a, route in zip(merged, routes, strict=True)]
    drawn += [_box(boxes[n], *_corner(places[n])) for n in boxes]
    return (
        f'<div class="wide"><svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" role="img">{"".join(drawn)}</svg></div>'
    )


def _route(arrow: Arrow, depth: Mapping[str, int]) -> list[str]:
    """The ends of an arrow, and between them a place in each column that it passes."""
    first, last = depth[arrow.source], depth[arrow.target]
    between = [f"{arrow.source}\0{arrow.target}\0{column}" for column in range(first + 1, last)]
    return [arrow.source, *between, arrow.target]


def _merged(arrows: Iterable[Arrow]) -> list[Arrow]:
    """One arrow for all between the same boxes, with the first label and the number of others."""
    found: dict[tuple[str, str], list[Arrow]] = {}
    for arrow in arrows:
        found.setdefault((arrow.source, arrow.target), []).append(arrow)
    return [
        Arrow(s, t, alike[0].label + (f" +{len(alike) - 1}" if len(alike) > 1 else ""), all(a.unsure for a in alike))
        for (s, t), alike in found.items()
    ]


def _places(
    names: Sequence[str], depth: Mapping[str, int], routes: Sequence[Sequence[str]]
) -> dict[str, tuple[int, float]]:
    """Column and row of each box, and of each place that an arrow passes: in rows so that few arrows cross."""
    at = dict.fromkeys(names, 0) | {n: depth[route[0]] + i for route in routes for i, n in enumerate(route[:-1])}
    at.update((n, depth[n]) for n in names)
    columns: dict[int, list[str]] = {}
    for name in at:
        columns.setdefault(at[name], []).append(name)
    beside: dict[str, set[str]] = {name: set() for name in at}
    for route in routes:
        for left, right in pairwise(route):
            if left != right:
                beside[left].add(right)
                beside[right].add(left)
    row = {name: float(i) for found in columns.values() for i, name in enumerate(found)}
    for number in range(_ROUNDS):
        for column in sorted(columns, reverse=bool(number % 2)):
            means = {n: _mean([row[b] for b in sorted(beside[n])], row[n]) for n in columns[column]}
            columns[column].sort(key=lambda n: (means[n], n))
            row.update((n, float(i)) for i, n in enumerate(columns[column]))
    boxes = set(names)
    taken = {
        column: [0.0, *accumulate(1.0 if n in boxes else _PASS for n in found)] for column, found in columns.items()
    }
    tallest = max(t[-1] for t in taken.values())
    places: dict[str, tuple[int, float]] = {}
    for column, found in columns.items():
        for name, top in zip(found, taken[column], strict=False):
            middle = 0.0 if name in boxes else (_PASS - 1) / 2
            places[name] = (column, top + middle + (tallest - taken[column][-1]) / 2)
    return places


def _mean(values: list[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _depths(boxes: Mapping[str, Box], arrows: Sequence[Arrow], sources: Iterable[str]) -> dict[str, int]:
    """The most steps that lead to each box from where the picture starts, arrows that close a circle left out."""
    after: dict[str, list[str]] = {name: [] for name in boxes}
    entered = set()
    for arrow in arrows:
        if arrow.source != arrow.target:
            after[arrow.source].append(arrow.target)
            entered.add(arrow.target)
    start = [n for n in sources if n in boxes] or [n for n in boxes if n not in entered]
    order: list[str] = []
    forward: dict[str, list[str]] = {name: [] for name in boxes}
    state: dict[str, int] = {}
    for first in (*start, *boxes):
        todo = [(first, iter(after[first]))] if first not in state else []
        state.setdefault(first, 1)
        while todo:
            name, targets = todo[-1]
            target = next(targets, None)
            if target is None:
                state[name] = 2
                order.append(name)
                todo.pop()
            elif state.get(target) != 1:
                forward[name].append(target)
                if target not in state:
                    state[target] = 1
                    todo.append((target, iter(after[target])))
    depth = dict.fromkeys(boxes, 0)
    for name in reversed(order):
        for target in forward[name]:
            depth[target] = max(depth[target], depth[name] + 1)
    return depth


def _corner(place: tuple[int, float]) -> tuple[int, int]:
    column, row = place
    return _EDGE + column * (_WIDTH + _GAP_X), int(_EDGE + row * (_HEIGHT + _GAP_Y))


def _box(box: Box, x: int, y: int) -> str:
    fill, line = _FILL.get(box.kind, _OTHER)
    middle = x + _WIDTH // 2
    below = (
        f'<text x="{middle}" y="{y + 32}" font-size="10" fill="#59636e" text-anchor="middle">{_cut(box.below, _BELOW)}</text>'
        if box.below
        else ""
    )
    return (
        f"<g><title>{escape(printable(box.tip or box.name, 400))}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{fill}" stroke="{line}" '
        f'stroke-width="{2.5 if box.strong else 1.2}"/>'
        f'<text x="{middle}" y="{y + (19 if box.below else 25)}" font-size="12" font-weight="600" fill="#1f2328" '
        f'text-anchor="middle">{_cut(box.name, _LETTERS)}</text>{below}</g>'
    )


def _cut(text: str, letters: int) -> str:
    shown = printable(text, 400)
    return escape(shown if len(shown) <= letters else shown[: letters - 1] + "…")


def _arrow(arrow: Arrow, places: Sequence[tuple[int, float]], *, labelled: bool) -> str:
    corners = [_corner(p) for p in places]
    (x1, y1), (x2, y2) = corners[0], corners[-1]
    y1, y2 = y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
    if x2 > x1:
        points = [(x1 + _WIDTH, y1)]
        for x, y in corners[1:-1]:
            points += [(x, y + _HEIGHT // 2), (x + _WIDTH, y + _HEIGHT // 2)]
        points.append((x2 - 9, y2))
        curve = f"M{points[0][0]},{points[0][1]}" + "".join(_bend(p, q) for p, q in pairwise(points))
        at, head = ((points[0][0] + points[1][0]) // 2, (y1 + points[1][1]) // 2 - 5), f"M{x2 - 2},{y2} l-8,-4 v8 z"
    else:  # back, or within a column: around the right side
        x1, x2 = x1 + _WIDTH, x2 + _WIDTH + 2
        out = max(x1, x2) + _ROUND - 10
        curve = f"M{x1},{y1} C{out},{y1} {out},{y2 + 6} {x2 + 6},{y2 + 6}"
        at, head = (out - 14, (y1 + y2) // 2 + 3), f"M{x2},{y2 + 6} l8,-4 v8 z"
    dash = ' stroke-dasharray="5 4"' if arrow.unsure else ""
    label = (
        f'<text x="{at[0]}" y="{at[1]}" font-size="10" fill="#59636e" text-anchor="middle" stroke="#fff" stroke-width="3" '
        f'paint-order="stroke">{_cut(arrow.label, _LABEL)}</text>'
        if arrow.label and labelled
        else ""
    )
    tip = f"<title>{escape(printable(arrow.label, 400))}</title>" if arrow.label else ""
    return (
        f'<g>{tip}<path d="{curve}" fill="none" stroke="#8c959f" stroke-width="1.5"{dash}/>'
        f'<path d="{head}" fill="#8c959f"/>{label}</g>'
    )


def _bend(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = start, end
    if y1 == y2:
        return f" L{x2},{y2}"
    middle = (x1 + x2) // 2
    return f" C{middle},{y1} {middle},{y2} {x2},{y2}"
