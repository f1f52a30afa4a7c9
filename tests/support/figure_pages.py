"""Contents of a drawing, and of the figure drawn from it, and texts that extend beyond the page."""

from collections import Counter

import polars as pl
from matplotlib.figure import Figure

from junkdna.report.plotting.drawing import Drawing, Mark


def points(drawing: Drawing, panel: int, **equal: object) -> list[Mark]:
    """Points of a panel whose fields have these values, without those that have no value, in order."""
    found = [mark for mark in drawing.of_panel(panel) if mark.kind == "point" and None not in (mark.x, mark.y)]
    return [mark for mark in found if all(getattr(mark, name) == value for name, value in equal.items())]


def of_kind(drawing: Drawing, panel: int, kind: str) -> list[Mark]:
    """The marks of one kind in a panel."""
    return [mark for mark in drawing.of_panel(panel) if mark.kind == kind]


def legend(drawing: Drawing) -> list[str]:
    """Entries of all legends."""
    return [key.label for keys in drawing.keys for key in keys]


def titles(drawing: Drawing) -> list[str]:
    """First lines of the titles of all panels."""
    return [panel.title.split("\n")[0] for panel in drawing.panels]


def rounded(*values: float) -> tuple:
    """Numbers that compare as equal if they were drawn at the same place."""
    return tuple(round(float(value), 9) for value in values)


def drawn(fig: Figure) -> list[Counter]:
    """For each panel what matplotlib drew, by its artists alone: (kind, series, numbers)."""
    found = []
    for ax in fig.axes:
        own: Counter = Counter()
        for line in (line for line in ax.get_lines() if "|" in line.get_label()):
            kind, _, series = line.get_label().partition("|")
            if kind in ("point", "run", "interval"):
                own[kind, series, rounded(*line.get_xdata(), *line.get_ydata())] += 1
            if kind == "span":
                own[kind, series, rounded(*line.get_xdata(), line.get_ydata()[0])] += 1
            if kind in ("missing", "rule", "cut"):
                own[kind, series] += 1
        for area in (each for each in ax.collections if each.get_label().startswith("band|")):
            [path], count = area.get_paths(), Counter()
            count.update(rounded(*corner) for corner in path.vertices.tolist())
            own.update({("band corner", area.get_label().removeprefix("band|"), corner): 1 for corner in count})
        own.update(("label", text.get_text()) for text in ax.texts if text.get_label().startswith("label|"))
        found.append(own)
    return found


def expected(drawing: Drawing) -> list[Counter]:
    """The same from the table of marks and the limits of the axes."""
    rows = drawing.table()
    return [_expected(drawing, at, rows.filter(pl.col("panel") == at)) for at in range(len(drawing.panels))]


def _expected(drawing: Drawing, at: int, rows: pl.DataFrame) -> Counter:
    panel, own = drawing.panels[at], Counter()
    along_y = panel.values == "y"
    low, high = sorted((panel.y if along_y else panel.x).limits)
    for row in rows.iter_rows(named=True):
        kind, series = row["kind"], row["series"]
        value = row["y" if along_y else "x"]
        known = kind in ("point", "run") and None not in (row["x"], row["y"])
        if known and not low <= value <= high:
            own["cut", series] += 1
        elif known:
            own[kind, series, rounded(row["x"], row["y"])] += 1
            if kind == "point" and None not in (row["low"], row["high"]):
                ends = [min(max(end, low), high) for end in (row["low"], row["high"])]
                numbers = [row["x"]] * 2 + ends if along_y else ends + [row["y"]] * 2
                own["interval", series, rounded(*numbers)] += 1
                cut = sum(end != row[name] for end, name in zip(ends, ("low", "high"), strict=True))
                own.update([("cut", series)] * cut)
        if kind == "span":
            own[kind, series, rounded(row["low"], row["high"], row["y"])] += 1
        if kind == "band":
            for end in ("low", "high"):
                own["band corner", series, rounded(row["x"], row[end])] = 1
        if kind in ("missing", "rule"):
            own[kind, series] += 1
        if kind == "label":
            own["label", row["label"]] += 1
    return own


def outside(fig: Figure) -> list[str]:
    """Texts of the page, of its legends and of its panels that reach over the page's edge."""
    fig.draw_without_rendering()
    found = [*fig.texts, *(text for legend in fig.legends for text in legend.get_texts())]
    for ax in fig.axes:
        found += [*ax.texts, ax._left_title, ax.xaxis.label, ax.yaxis.label]
        low, high = sorted(ax.get_xlim())
        ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        found += [text for x, text in ticks if low <= x <= high]
        found += ax.get_yticklabels()
    width, height = fig.canvas.get_width_height()
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    return [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
