"""The declared claims. Imports neither polars nor scipy.

A claim is one file, `analysis/claims/NAME.py`. It starts with the declaration `CLAIM = Claim(...)` and defines one
function, which yields a finding for each unit on which an experiment tests the claim:

    findings(evidence: Evidence) -> Iterator[Finding]

It may also define `study_findings`, which gets the curves of all experiments at once.

The table of claims corrects the findings of a study for multiple testing and gives each its verdict.
"""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from junkdna.study.declarations import build_declarations

PACKAGE = "analysis.claims"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The declaration of one claim; `name` is the stem of its file.

    - `statement`: the claim in one sentence, as the paper makes it.
    - `effect`: the number that is estimated, with its formula.
    - `supported`, `contradicted`: the rule for each verdict. In words, D is the study's margin.
    - `label`: its name in tables; `caption`: the effect in a few words, turned so that more of it supports the claim;
      `order`: its position among the claims; `source`: where the claim is made; `needs`: what an experiment must have
      to test it.
    """

    name: str = ""
    label: str
    statement: str
    effect: str
    supported: str
    contradicted: str
    source: str
    order: int
    caption: str = ""
    needs: str = ""


def _read() -> dict[str, Claim]:
    claims = build_declarations(PACKAGE, "CLAIM", lambda name, declared: Claim(**declared | {"name": name}))
    return dict(sorted(claims.items(), key=lambda item: item[1].order))


CLAIMS: dict[str, Claim] = _read()
MODULES: dict[str, str] = {name: f"junkdna.{PACKAGE}.{name}" for name in CLAIMS}


def load(name: str) -> ModuleType:
    """The module of a claim."""
    return import_module(MODULES[name])
