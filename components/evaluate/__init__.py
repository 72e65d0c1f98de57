"""Evaluation: every head is measured once; nothing is chosen.

In come fitted candidates, the bundle, the support set and a `Query` (without one everything is out of fold, and says
so); out come `metrics.json`, a table of answers, plots for DVC and a table for people.
"""

from components.evaluate.answered import answered, answered_by_head, answered_photos
from components.evaluate.evaluation import Evaluation, evaluate
from components.evaluate.metrics import Confused, Figures, confused_pairs, confusion, coverage_curve, figures
from components.evaluate.query import Query
from components.evaluate.report import metrics, summary, table, write_plots

__all__ = [
    "Confused",
    "Evaluation",
    "Figures",
    "Query",
    "answered",
    "answered_by_head",
    "answered_photos",
    "confused_pairs",
    "confusion",
    "coverage_curve",
    "evaluate",
    "figures",
    "metrics",
    "summary",
    "table",
    "write_plots",
]
