"""Evaluation: every head measured once, chosen nothing.

In come fitted candidates, the bundle, the support set and a `Query` (or none: then everything is out of fold, and
says so); out come `metrics.json`, plots for DVC and a table for people.
"""

from components.evaluate.evaluation import Evaluation, evaluate
from components.evaluate.metrics import Confused, Figures, confused_pairs, confusion, coverage_curve, figures
from components.evaluate.query import Query
from components.evaluate.report import metrics, table, write_plots

__all__ = [
    "Confused",
    "Evaluation",
    "Figures",
    "Query",
    "confused_pairs",
    "confusion",
    "coverage_curve",
    "evaluate",
    "figures",
    "metrics",
    "table",
    "write_plots",
]
