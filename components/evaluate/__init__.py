"""Evaluation: every head measured once, chosen nothing.

In come fitted candidates, the bundle, the support set and a `Query` (or none: then everything is out of fold, and
says so); out come `metrics.json`, a table of answers, plots for DVC and a table for people.
"""

from components.evaluate.answered import (
    ANSWERED_COLUMNS,
    AnsweredPhoto,
    answered,
    answered_photos,
    answers_text,
    read_answers,
    read_answers_by_head,
    write_answers,
    write_answers_by_head,
)
from components.evaluate.evaluation import Evaluation, evaluate
from components.evaluate.metrics import Confused, Figures, confused_pairs, confusion, coverage_curve, figures
from components.evaluate.query import Query
from components.evaluate.report import metrics, summary, table, write_plots

__all__ = [
    "ANSWERED_COLUMNS",
    "AnsweredPhoto",
    "Confused",
    "Evaluation",
    "Figures",
    "Query",
    "answered",
    "answered_photos",
    "answers_text",
    "confused_pairs",
    "confusion",
    "coverage_curve",
    "evaluate",
    "figures",
    "metrics",
    "read_answers",
    "read_answers_by_head",
    "summary",
    "table",
    "write_answers",
    "write_answers_by_head",
    "write_plots",
]
