"""The folder `../shared`, next to the project, holds real data and the published curves. Only some tests need it."""

from project import ROOT

SHARED = ROOT.parent / "shared"
NEEDED = (
    *(f"data/glue/{name}" for name in ("cola", "mrpc", "rte", "sst2", "stsb")),
    *(f"data/math/{name}" for name in ("gsm8k", "mawps_asdiv_svamp", "mawps_fold0", "svamp")),
    "paper/curves.csv",
)


def missing() -> str:
    """The reason to skip tests that read the folder, naming the first missing part; "" if the folder is complete. Users
    who run the laboratory study may have only some of it."""
    lacking = [name for name in NEEDED if not (SHARED / name).exists()]
    return f"needs ../shared/{lacking[0]} next to the project, which does not exist" if lacking else ""
