import pytest
import toy

from junkdna.errors import UserError
from junkdna.study.load import from_document, resolve, study_document


@pytest.mark.parametrize(
    ("given", "texts"), [({}, False), ({"report": None}, False), ({"report": {"texts": True}}, True)]
)
def test_texts_are_hidden_unless_the_study_says_otherwise(world, given, texts):
    assert resolve(toy.STUDY | given, "s").study.report.texts is texts


def test_the_report_changes_no_stored_study(world):
    plain, shown = (resolve(toy.STUDY | more, "s") for more in ({}, {"report": {"texts": True}}))
    assert study_document(plain) == study_document(shown)
    assert from_document(study_document(shown), "s").study.report.texts is False


def test_an_unknown_key_is_refused(world):
    with pytest.raises(UserError, match=r"report.*text"):
        resolve(toy.STUDY | {"report": {"text": True}}, "s")
