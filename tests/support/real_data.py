"""The folder `../shared` beside the project, with real data and the published curves, which only some tests need."""

from project import ROOT

SHARED = ROOT.parent / "shared"
NEEDED = (
    *(f"data/glue/{name}" for name in ("cola", "mrpc", "rte", "sst2", "stsb")),
    *(f"data/math/{name}" for name in ("gsm8k", "mawps_asdiv_svamp", "mawps_fold0", "svamp")),
    "paper/curves.csv",
)


def missing() -> str:
    """Why tests that read the folder are skipped: the part that is not there; "" if all are. A user may have a part of
    it, for the laboratory study."""
    lacking = [name for name in NEEDED if not (SHARED / name).exists()]
    return f"needs ../shared/{lacking[0]} beside the project, which is not there" if lacking else ""
