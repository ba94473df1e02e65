"""Values of fields: what fits, how it is kept, how it is ordered, and the sentence for what does not fit."""

import pytest

from workspaces.errors import InvalidValue
from workspaces.metadata_schema import FieldDefinition
from workspaces.models import Field

T = Field.Type


def known(type, **more):
    return FieldDefinition("x", "X", type, **more)


@pytest.mark.parametrize(
    ("type", "said", "kept"),
    [
        (T.TEXT, "  Legal \n affairs ", "Legal affairs"),
        (T.TEXT, "nul\x00and\u202ebidi", "nulandbidi"),
        (T.NUMBER, "12", 12),
        (T.NUMBER, 3.5, 3.5),
        (T.NUMBER, "-1e3", -1000),
        (T.DATE, "2024-01-31", "2024-01-31"),
        (T.DATE, "2024-01-31T23:59:59+09:00", "2024-01-31"),
        (T.YES_NO, "Yes", True),
        (T.YES_NO, False, False),
        (T.VERSION, " v1.10-beta ", "v1.10-beta"),
    ],
)
def test_what_fits_is_kept_in_one_form(type, said, kept):
    found = known(type).read(said)
    assert (found, found.__class__) == (kept, kept.__class__)


@pytest.mark.parametrize(
    ("type", "said", "sentence"),
    [
        (T.TEXT, 5, "x must be a text."),
        (T.TEXT, " \x00 ", "x must not be empty."),
        (T.TEXT, "a" * 201, "x has 201 characters; the maximum is 200."),
        (T.TEXT, ["a"], "x must be a text."),
        (T.NUMBER, "twelve", "x must be a number, such as 12 or 3.5."),
        (T.NUMBER, True, "x must be a number, such as 12 or 3.5."),
        (T.NUMBER, "nan", "x must be a number, such as 12 or 3.5."),
        (T.NUMBER, 10**400, "x must be a number, such as 12 or 3.5."),
        (T.DATE, "31.1.2024", "x must be a date, such as 2024-01-31."),
        (T.DATE, "2024-02-30", "x must be a date, such as 2024-01-31."),
        (T.YES_NO, "perhaps", "x must be yes or no."),
        (T.VERSION, "one", "x must be a version, such as 2.1 or v1.10-beta."),
        (T.VERSION, 1.5, "x must be a version, such as 2.1 or v1.10-beta."),
        (T.VERSION, "1" * 500, "x must be a version, such as 2.1 or v1.10-beta."),
    ],
)
def test_what_does_not_fit_is_told_what_would(type, said, sentence):
    with pytest.raises(InvalidValue) as problem:
        known(type).read(said)
    assert str(problem.value) == sentence


def test_a_choice_is_found_whatever_its_case_and_others_are_refused():
    field = known(T.TEXT, choices=(("Legal", "Legal"), ("HR", "HR")))
    assert field.read("legal") == "Legal"
    with pytest.raises(InvalidValue, match="x must be one of: Legal, HR"):
        field.read("Sales")


def test_versions_are_ordered_as_people_read_them():
    inorder = ["v0.9", "1.9-alpha", "v1.9-beta", "1.9", "1.9.1", "1.10-rc1", "v1.10", "v2", "10.0"]
    field = known(T.VERSION)
    assert sorted(inorder, key=lambda each: str(field.ordered(each))) == inorder
    assert field.ordered("1.9") == field.ordered("v1.9.0")


def test_texts_are_compared_without_case():
    assert known(T.TEXT).ordered("Straße") == known(T.TEXT).ordered("STRASSE")
