"""The key `connectivity` of an experiment: the straight lines between trained weights along which models are scored."""

from pydantic import Field

from junkdna.study.strict_model import StrictModel

WITHOUT_LOSS = ("generate",)  # kinds of task whose answers have no loss: the text depends on every token before it


class Connectivity(StrictModel):
    """Score models on the straight line from dense-transfer weights to sparse-transfer weights of the same seed.

    `points` is the number of models on each line, both ends included; they are evenly spaced.
    """

    points: int = Field(21, ge=3, le=1001)


def transfer_error(transfer: list[str], compresses: bool) -> str | None:
    """Why an experiment with these transfer modes has no line from dense to sparse transfer; None if it has."""
    if "sparse" not in transfer:
        return (
            f"connectivity joins dense-transfer and sparse-transfer weights, but transfer is {transfer}; add sparse "
            "(the dense-transfer cells are added automatically)"
        )
    if not compresses:
        return "connectivity needs a level that prunes, but all compressions are dense; add one, such as sparsity: 0.5"
    return None
