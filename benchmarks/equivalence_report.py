"""Tables and figures of `stack_equivalence.py`: stacks of cells against the plain loop, by paired seeds."""

import statistics
from collections import defaultdict
from pathlib import Path

LEVEL = 0.05  # of the equivalence test


def tost(differences: list[float], margin: float) -> float:
    """p-value of two one-sided paired t-tests of "the mean difference is at least `margin` away from 0"."""
    import numpy as np
    from scipy import stats

    mean, error = np.mean(differences), np.std(differences, ddof=1) / np.sqrt(len(differences))
    if error == 0:
        return float(abs(mean) >= margin)
    return float(stats.t.sf((margin - abs(mean)) / error, len(differences) - 1))


def compared(cells: list[dict]) -> list[dict]:
    """One row for each task, mode and stack."""
    by_seed: dict[tuple, dict[int, dict]] = defaultdict(dict)
    for cell in cells:
        by_seed[cell["task"], cell["mode"], cell["contender"]][cell["seed"]] = cell
    rows = []
    for (task, mode, contender), ours in by_seed.items():
        plain = by_seed[task, mode, "plain"] if contender != "plain" else {}
        seeds = sorted({*ours} & {*plain})
        if len(seeds) > 1:
            rows.append(
                row_of((task, mode, contender), [ours[seed] for seed in seeds], [plain[seed] for seed in seeds])
            )
    return rows


def row_of(key: tuple, ours: list[dict], plain: list[dict]) -> dict:
    (task, mode, contender), at_each = key, {"ours": ours, "plain": plain}
    values = {name: [cell["metric"] for cell in cells] for name, cells in at_each.items()}
    margin = statistics.stdev(values["plain"])
    differences = [a - b for a, b in zip(values["ours"], values["plain"], strict=True)]
    row = {"task": task, "mode": mode, "contender": contender, "metric": ours[0]["metric_name"], "seeds": len(ours)}
    row |= {f"mean_{name}": statistics.mean(each) for name, each in values.items()}
    row |= {"difference": statistics.mean(differences), "margin": margin, "p": tost(differences, margin)}
    row |= {"sd_ours": statistics.stdev(values["ours"]), "equivalent": row["p"] < LEVEL}
    for name, cells in at_each.items():
        row |= {f"collapsed_{name}": sum(cell["collapsed"] for cell in cells)}
        row |= {f"moved_{name}": sum(cell["moved"] for cell in cells if cell["mode"] == "sparse")}
        row |= {f"loss_{name}": mean_curve(cells), f"zeros_{name}": sorted({cell["zeros"] for cell in cells})}
    return row


def mean_curve(cells: list[dict]) -> list[float]:
    return [statistics.mean(step) for step in zip(*(cell["losses"] for cell in cells), strict=True)]


def table(rows: list[dict]) -> str:
    columns = (
        "task | mode | stack | plain (sd) | stack | difference | p | equivalent | collapsed | masked weights moved"
    )
    lines = [f"| {columns} |", f"|{'---|' * (columns.count('|') + 1)}"]
    for row in rows:
        plain = f"{row['mean_plain']:.4f} ({row['margin']:.4f})"
        cells = [row["task"], row["mode"], row["contender"].removeprefix("stack-"), plain, f"{row['mean_ours']:.4f}"]
        cells += [f"{row['difference']:+.4f}", f"{row['p']:.2g}", "yes" if row["equivalent"] else "no"]
        cells += [f"{row[f'{what}_ours']} / {row[f'{what}_plain']}" for what in ("collapsed", "moved")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: list[dict], path: Path) -> None:
    """Mean training loss by step, smoothed over ten steps, one panel for each task and mode."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    from junkdna.report.plotting.theme import RC

    panels = sorted({(row["task"], row["mode"]) for row in rows})
    with mpl.rc_context(RC):
        figure = Figure(figsize=(3 * len(panels), 2.6), layout="constrained")
        for axes, (task, mode) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
            own = [row for row in rows if (row["task"], row["mode"]) == (task, mode)]
            curves = {"plain loop, float32": own[0]["loss_plain"]}
            curves |= {row["contender"].replace("-", ", "): row["loss_ours"] for row in own}
            for (label, losses), dashes in zip(curves.items(), ("-", "--", ":"), strict=False):
                width = min(10, len(losses))
                axes.plot(np.convolve(losses, np.ones(width) / width, "valid"), dashes, label=label)
            axes.set(title=f"{task}, {mode}", xlabel="optimizer step", ylabel="loss")
        axes.legend()
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
