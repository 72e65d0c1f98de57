"""The report: where a classifier is wrong, why it can be trusted, and how two differ, as pages that open offline.

In: what the stages left in a workspace (`reports/answers.csv`, `reports/metrics.json`, embeddings, photos, live versions).
Out: one HTML file with its photos and drawings inside (`write_report`), and the comparison of two tables of answers about
the same photos (`compare`, `write_comparison`); the pages of the results of `components.validate`
(`write_validation_pages`). Pages are Jinja2 templates in the look of `components.look`; drawings are matplotlib's, as
SVG. Nothing here is fitted or chosen.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.report.compare import ClassChange, Comparison, compare
    from components.report.comparison_page import write_comparison
    from components.report.page import render
    from components.report.report import write_report
    from components.report.shares import mcnemar, wilson
    from components.report.validation import write_validation_pages

__all__ = [
    "ClassChange",
    "Comparison",
    "compare",
    "mcnemar",
    "render",
    "wilson",
    "write_comparison",
    "write_report",
    "write_validation_pages",
]

on_demand(__name__)
