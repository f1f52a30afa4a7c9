"""Lines for the log of a compression: the method with its options, each matrix, and the model."""

from junkdna.compress.report import LayerReport
from junkdna.study.cell import Compression
from junkdna.study.methods import METHODS
from junkdna.study.options import compression_options


def method_line(compression: Compression) -> str:
    """The method, its level and every option that applies, such as "RTN, 4bit: group 128, symmetric no"."""
    values = {name: _text(value) for name, value in compression_options(compression).items()}
    options = ", ".join(f"{name} {text}" for name, text in values.items() if text)
    return f"{METHODS[compression.method].label}, {compression.level}{': ' if options else ''}{options}"


def matrix_line(report: LayerReport) -> str:
    """One matrix, such as "lin.weight: 32 x 64, 1,024 of 2,048 pruned (50 %), 9 bits per weight"."""
    facts = [f"{report.rows} x {report.inputs}"]
    if report.pruned is not None:
        facts.append(f"{report.pruned:,} of {report.weights:,} pruned ({100 * report.sparsity:.4g} %)")
    if report.rank is not None:
        facts.append(f"rank {report.rank} of {min(report.rows, report.inputs)}")
    return f"{report.name}: {', '.join(facts)}, {report.effective_bits:.4g} bits per weight"


def model_line(report: dict) -> str:
    """The whole scope, from `report.model_report`."""
    count, dense = len(report["layers"]), len(report["left_dense"])
    left = f", {dense} left dense" if dense else ""
    return (
        f"{count} matrices compressed{left}: {100 * report['achieved_sparsity']:.4g} % of the weights in scope pruned, "
        f"{report['effective_bits_per_weight']:.4g} bits per weight"
    )


def _text(value: object) -> str:
    """A value of an option; "" for none (all layers, no calibration)."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " and ".join(map(_text, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
