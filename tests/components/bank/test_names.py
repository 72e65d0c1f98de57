"""What a class may be called, and which names people would take for one."""

from __future__ import annotations

import pytest

from components.bank import class_name, spelling
from components.errors import UserInputError


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("Rolled-in Scale", "rolled_in scale", True),
        ("PCBCrack", "pcb crack", True),
        ("hair line", "hairline", True),
        ("AB-12", "ab12", True),
        ("v2.0", "v20", False),
        ("3 bolts", "5 bolts", False),
        ("rust", "dust", False),
        ("缺陷", "裂纹", False),
    ],
)
def test_names_are_alike_whatever_their_case_and_what_parts_their_words(first: str, second: str, alike: bool) -> None:
    assert (spelling(first) == spelling(second)) is alike


@pytest.mark.parametrize("name", ["unknown", "Unknown", "_unknown-"])
def test_no_class_is_called_as_an_answer_that_is_none(name: str) -> None:
    with pytest.raises(UserInputError, match="none of the classes"):
        class_name(name)
    assert class_name("unknown bird") == "unknown bird"
