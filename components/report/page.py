"""Pages of ours: Jinja2 templates that lie beside this module, in the one look, complete in one file."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from components.look import look_css
from components.wording import counted

__all__ = ["percent", "render"]


def render(template: str, **content: Any) -> str:
    """Render `templates/TEMPLATE` with `content`; text is escaped, and the page fetches nothing."""
    return _environment().get_template(template).render(look=Markup(look_css()), **content) + "\n"


def percent(share: float | None, places: int = 1) -> str:
    """`97.5 %`; 0 and 100 only if it is exactly none or all; a dash without a value."""
    if share is None or math.isnan(share):
        return "–"
    value, least = 100 * share, 10.0**-places
    if 0 < value < 100:
        value = min(max(value, least), 100 - least)
    return f"{value:.{places}f} %"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("components.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["counted"] = counted
    return environment
