"""Drawn tables of answers."""

from __future__ import annotations

from dataclasses import replace

import torch

from components.artefacts import AnsweredPhoto


def answers(n: int, right: float, seed: int, classes: str = "abcd") -> list[AnsweredPhoto]:
    random = torch.Generator().manual_seed(seed)
    rows = []
    for row in range(n):
        actual = classes[row % len(classes)]
        other = classes[(row + 1) % len(classes)]
        answer = actual if float(torch.rand(1, generator=random)) < right else other
        rows.append(AnsweredPhoto(f"{row}.jpg", actual, answer, 0.9, other, 0.1, (answer,), False, "v"))
    return rows


def spoilt(rows: list[AnsweredPhoto], name: str) -> list[AnsweredPhoto]:
    return [replace(row, answer="d") if row.actual == name else row for row in rows]
