"""Names in one cell."""

from hypothesis import given
from hypothesis import strategies as st

from components.wording import joined_names, split_names


@given(st.lists(st.text(min_size=1)))
def test_joined_names_come_back(names: list[str]) -> None:
    assert split_names(joined_names(names)) == tuple(names)
