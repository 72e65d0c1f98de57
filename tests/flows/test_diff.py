"""Which added classes are called otherwise in another version."""

from types import SimpleNamespace
from typing import Any

from components.live.listing import _renamed


def bank(*classes: tuple[str, str, tuple[str, ...]]) -> Any:
    return SimpleNamespace(
        classes=[SimpleNamespace(name=name, since=since, photos=photos) for name, since, photos in classes]
    )


def test_a_rename_is_told_and_nothing_else() -> None:
    before = bank(("tea", "1", ("p", "q")), ("cup", "2", ("r",)))
    assert _renamed(before, before) == {}
    assert _renamed(before, bank(("green tea", "1", ("p", "q")), ("cup", "2", ("r",)))) == {"tea": "green tea"}
    assert _renamed(before, bank(("cup", "2", ("r",)), ("saucer", "3", ("s",)))) == {}


def test_names_that_move_on_or_change_places() -> None:
    before = bank(("a", "1", ("p",)), ("b", "2", ("q",)))
    assert _renamed(before, bank(("b", "1", ("p",)), ("c", "2", ("q",)))) == {"a": "b", "b": "c"}
    assert _renamed(before, bank(("b", "1", ("p",)), ("a", "2", ("q",)))) == {"a": "b", "b": "a"}


def test_the_same_photos_twice_are_two_classes() -> None:
    before = bank(("a", "1", ("p",)), ("b", "2", ("p",)))
    assert _renamed(before, bank(("c", "1", ("p",)))) == {"a": "c"}
    assert _renamed(before, bank(("c", "2", ("p",)))) == {"b": "c"}
