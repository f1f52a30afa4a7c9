"""The verdicts on claims in two studies, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.compare.side import Side

if TYPE_CHECKING:
    import polars as pl

SHARED = ("claim", "experiment", "unit", "setting")
OWN = ("model", "verdict", "estimate", "low", "high", "q", "margin", "n_seeds", "n_examples")


def verdict_rows(a: Side, b: Side, ignored: Collection[str]) -> list[dict]:
    """One row per test of a claim, in the order of the claims: what A and B found. A test that one study does not have
    is null there.

    Tests match by claim, experiment, unit, setting and model, without the model or the method if these are ignored. If
    that stands for several tests of one study, none of them is matched.
    """
    names = [name for name in (*SHARED, "model") if not (name == "model" and "model" in ignored)]
    names = [name for name in names if not (name == "setting" and "method" in ignored)]
    one, two = (_by_key(side.inputs.claims, names) for side in (a, b))
    rows = [_row(group, two.get(key, [])) for key, group in one.items()]
    rows += [_row([], group) for key, group in two.items() if key not in one]
    order = {name: at for at, name in enumerate(CLAIMS)}
    return sorted((row for some in rows for row in some), key=lambda row: order.get(row["claim"], len(order)))


def _by_key(claims: pl.DataFrame, names: Iterable[str]) -> dict[tuple, list[dict]]:
    groups: dict[tuple, list[dict]] = {}
    for row in claims.filter(claims["primary"]).iter_rows(named=True):
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def _row(one: list[dict], two: list[dict]) -> list[dict]:
    if len(one) == len(two) == 1:
        return [_joined(one[0], two[0])]
    return [_joined(row, None) for row in one] + [_joined(None, row) for row in two]


def _joined(one: dict | None, two: dict | None) -> dict:
    given = one or two
    shared = {name: given[name] for name in SHARED}
    own = {f"{name}_{letter}": row and row[name] for letter, row in (("a", one), ("b", two)) for name in OWN}
    return shared | own | {"same": one["verdict"] == two["verdict"] if one and two else None}


def headlines_of_both(a: Side, b: Side) -> list[tuple[str, str, str, str]]:
    """(Claim, model or "", verdict in A, verdict in B) of every claim; "" where a study lacks the model.

    If each study has one model, the two are compared whatever their names.
    """
    from junkdna.analysis.claims_table import headlines, models_of

    one, two = (headlines(side.inputs.claims) for side in (a, b))
    models_a, models_b = (models_of(side.inputs.claims) for side in (a, b))
    if len(models_a) <= 1 and len(models_b) <= 1:
        return [(claim, "", _only(one[claim]), _only(two[claim])) for claim in CLAIMS]
    models = [*models_a, *(model for model in models_b if model not in models_a)]
    return [
        (claim, model, *(each[claim][model].verdict if model in each[claim] else "" for each in (one, two)))
        for claim in CLAIMS
        for model in models
    ]


def _only(heads: dict) -> str:
    return next(iter(heads.values())).verdict
