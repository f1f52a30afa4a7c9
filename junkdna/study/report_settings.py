"""The settings of a study's report."""

from junkdna.study.strict_model import StrictModel


class ReportSettings(StrictModel):
    """What the report page of a study may contain. No number depends on it.

    - `texts`: whether the page shows texts of examples, which its license may forbid.
    """

    texts: bool = False
