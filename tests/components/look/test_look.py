"""The style sheet stands alone, and its colours can be read."""

from __future__ import annotations

import re

import pytest

from components.look import look_css


def test_nothing_is_fetched() -> None:
    assert not re.search(r"url\(|@import|https?:", look_css())


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "behind"),
    [
        *[(text, behind) for text in ("ink", "muted", "accent") for behind in ("paper", "surface", "sunken")],
        *[(name, f"{name}-soft") for name in ("good", "warn", "bad", "accent")],
        *[("ink", f"{name}-soft") for name in ("good", "warn", "bad", "accent")],
        ("on-accent", "accent"),
    ],
)
def test_text_stands_out_from_what_is_behind_it(text: str, behind: str, theme: int) -> None:
    lighter, darker = sorted((_luminance(_colour(each, theme)) for each in (text, behind)), reverse=True)

    assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2, level AA


def _colour(name: str, theme: int) -> str:
    found = re.search(rf"--{name}: light-dark\((#\w{{6}}), (#\w{{6}})\)", look_css())
    assert found is not None
    return found[theme + 1]


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
