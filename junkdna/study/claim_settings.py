"""The settings of a study's claims: margins, baseline, and pairs of tasks."""

from typing import Literal

from pydantic import Field, model_validator

from junkdna.study.strict_model import KnobValue, Name, StrictModel


class PairedCondition(StrictModel):
    """One side of a pair: a task, with the values of the knobs that are not at their default."""

    task: Name
    knobs: dict[Name, KnobValue] = {}


class Pair(StrictModel):
    """Two conditions of the same kind of task, of which one is thought to be harder ("sst2" alone is a task)."""

    easy: PairedCondition
    hard: PairedCondition

    @model_validator(mode="before")
    @classmethod
    def _names_to_conditions(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: {"task": side} if isinstance(side, str) else side for key, side in value.items()}

    @model_validator(mode="after")
    def _check_sides(self) -> "Pair":
        if self.easy == self.hard:
            raise ValueError(f"easy and hard are both {self.easy.task!r}")
        return self


class ClaimSettings(StrictModel):
    """How the claims of a study are tested. All margins are in units of retention.

    - `margin`: a difference that matters. Smaller ones neither support nor contradict a claim.
    - `rise`: a curve with a rise of at least this much between two levels does not fall steadily.
    - `quantization_share`: quantization must show less than this share of what pruning shows.
    - `baseline`: `auto` is the majority baseline for models trained on class labels and else chance.
    - `pairs`: an easy and a hard task each, for the claims about difficulty.
    """

    margin: float = Field(0.05, gt=0, lt=1)
    rise: float = Field(0.10, gt=0, lt=1)
    quantization_share: float = Field(0.5, gt=0, lt=1)
    baseline: Literal["auto", "chance", "majority"] = "auto"
    pairs: list[Pair] = []

    @model_validator(mode="after")
    def _check_pairs(self) -> "ClaimSettings":
        for at, pair in enumerate(self.pairs):
            for earlier, other in enumerate(self.pairs[:at]):
                if pair.easy in (other.easy, other.hard) and pair.hard in (other.easy, other.hard):
                    raise ValueError(f"pairs {earlier} and {at} are the same two conditions; every pair counts once")
        return self
