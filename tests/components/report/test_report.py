"""The report says what the tables say, stands alone, and shows every photo that is wrong."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.report import write_report
from components.report.classes import class_rows
from components.report.confusion import confusion_of
from components.report.sources import read_sources
from components.report.thumbnails import Thumbnails
from components.report.trust import trust_of
from components.report.verdict import head_rows, verdict
from components.report.wrong import label_suspects, wrong_photos
from components.workspace import Workspace


def rows_of(workspace: Workspace) -> list[dict[str, str]]:
    return list(csv.DictReader((workspace.reports / "answers.csv").read_text(encoding="utf-8").splitlines()))


def test_the_page_stands_alone_and_names_every_wrong_photo(measured: Workspace) -> None:
    page = write_report(measured).read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "@import" not in page
    assert "url(" not in page.replace("url(#", "")
    wrong = [row for row in rows_of(measured) if row["class"] != row["actual"]]
    assert 10 < len(wrong) < 90
    assert all(row["path"] in page for row in wrong)
    assert "rust &amp; &lt;b&gt;" in page
    assert "<b>rust" not in page
    assert len(page) < 10_000_000
    assert page.count("<h1") == 1
    for anchor in re.findall(r'href="#([a-z]+)"', page):
        assert f'id="{anchor}"' in page


def test_out_of_fold_it_says_so(out_of_fold: Workspace) -> None:
    page = write_report(out_of_fold).read_text(encoding="utf-8")
    assert "out of fold" in page
    assert "each by heads that had not seen it" in page


def test_the_same_tables_give_the_same_page(out_of_fold: Workspace) -> None:
    assert write_report(out_of_fold).read_bytes() == write_report(out_of_fold).read_bytes()


def test_the_figures_are_those_of_the_tables(measured: Workspace) -> None:
    sources = read_sources(measured)
    rows = rows_of(measured)
    classes = class_rows(sources)
    right = sum(row["class"] == row["actual"] for row in rows)
    assert sum(each.found.count for each in classes) == right
    for each in classes:
        own = [row for row in rows if row["actual"] == each.name]
        meant = [row for row in rows if row["class"] == each.name]
        assert (each.found.n, each.meant.n) == (len(own), len(meant))
        assert each.unknown.count == sum(row["abstained"] == "True" for row in own)
    shares = [each.found.share for each in classes if each.found.n]
    assert shares == sorted(shares)
    assert classes[-1].added  # nobody measured it
    assert f"{100 * right / len(rows):.1f} % of {len(rows)} test photos" in verdict(sources, classes).good
    shipped = next(head for head in head_rows(sources) if head.shipped)
    assert shipped.right.count == right
    assert shipped.against is None


def test_wrong_photos_come_with_training_photos_the_surest_first(measured: Workspace) -> None:
    sources = read_sources(measured)
    wrong, n = wrong_photos(sources, most=7)
    assert len(wrong) == 7
    assert n == sum(row["class"] != row["actual"] for row in rows_of(measured))
    assert [each.photo.probability for each in wrong] == sorted((e.photo.probability for e in wrong), reverse=True)
    for each in wrong:
        assert len(each.nearest) == 3
        assert all(near.path in sources.training.paths for near in each.nearest)
        similarities = [near.similarity for near in each.nearest]
        assert similarities == sorted(similarities, reverse=True)


def test_out_of_fold_a_photo_is_not_its_own_neighbour(out_of_fold: Workspace) -> None:
    wrong, _ = wrong_photos(read_sources(out_of_fold))
    assert wrong
    assert all(each.photo.path not in [near.path for near in each.nearest] for each in wrong)


def test_a_photo_filed_under_another_class_is_suspected(tmp_path: Path) -> None:
    from dataclasses import replace

    import numpy as np

    from components.report.sources import Embedded
    from tests.support.measured_workspace import measured_workspace

    sources = read_sources(measured_workspace(tmp_path, added=False))
    random = np.random.default_rng(0)
    centres = np.eye(5, 8)
    labels = np.repeat(np.arange(5), 6)
    rows = centres[labels] + 0.05 * random.normal(size=(30, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [sources.classes[label] for label in labels]
    names[0] = sources.classes[3]  # looks like class 0
    training = Embedded([f"{row}.jpg" for row in range(30)], names, rows.astype(np.float32))
    suspects = label_suspects(
        replace(sources, training=training, answers=[], measured=training.rows(np.array([], int)))
    )
    assert [(each.path, each.looks_like) for each in suspects] == [("0.jpg", sources.words[sources.classes[0]])]


def test_pairs_are_counted_as_in_the_tables(measured: Workspace) -> None:
    sources = read_sources(measured)
    found = confusion_of(sources)
    assert found is not None
    assert set(found.heads) >= {"zero-shot"}
    assert len(found.classes) == 6
    worst = found.remaining[0]
    rows = rows_of(measured)
    words = sources.words
    of_pair = [r for r in rows if (words[r["actual"]], words[r["class"]]) == (worst.actual, worst.taken_for)]
    assert worst.after == len(of_pair)
    assert worst.photo in [row["path"] for row in of_pair]
    assert all(pair.after < pair.before for pair in found.parted)


def test_trust_is_read_off_the_answers(measured: Workspace) -> None:
    trust = trust_of(read_sources(measured))
    assert trust is not None
    rows = rows_of(measured)
    covered = sum(row["actual"] in row["likely"].split("|") for row in rows)
    assert (trust.covered.count, trust.covered.n) == (covered, len(rows))
    assert sum(count for _, count in trust.sizes) == len(rows)
    assert trust.coverage[-1][0] == 1.0
    for cost in trust.costs:
        if cost.coverage is not None:
            assert cost.right.share >= cost.wanted


def test_thumbnails_keep_to_their_budget(measured: Workspace) -> None:
    paths = [row["path"] for row in rows_of(measured)]
    thumbnail = Thumbnails(measured.root, budget_bytes=10_000)
    uris = [thumbnail(path) for path in paths]
    assert uris[0].startswith("data:image/jpeg;base64,")
    assert 0 < sum(map(len, uris)) <= 10_000
    assert uris[-1] == ""
    assert thumbnail.left_out > 0
    assert thumbnail("no/such.jpg") == ""


def test_before_a_training_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").touch()
    with pytest.raises(UserInputError):
        write_report(Workspace(tmp_path))
