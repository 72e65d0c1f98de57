"""Evaluation measures on query images or out of fold, says which, and changes nothing."""

import csv
import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.bank import AddedClass, Answering, Bank
from components.classifier import Bundle, Candidate
from components.evaluate import Query, confused_pairs, confusion, evaluate, metrics, summary, table, write_plots
from components.features.carriers import Features
from components.files import json_text
from components.heads import Support
from components.ldc import LdcSettings, fit_ldc
from tests.support.drawn_levels import drawn
from tests.support.drawn_rows import drawn_support, drawn_task
from tests.support.live_place import fitter_for
from tests.support.saved_bundle import drawn_bundle


@functools.cache
def hard_support() -> Support:
    return drawn_support(shots=6, noise=3.0, word_noise=3.0)


@functools.cache
def hard_bundle() -> tuple[Bundle, list[Candidate]]:
    """What heads of each kind make of it; those that fine-tune take seconds."""
    return drawn_bundle(hard_support(), ["zero_shot", "nearest_mean", "linear_probe", "gda", "map_lr"])


def drawn_query(n: int = 30) -> Query:
    embedding, labels, _ = drawn_task(5, n, 32, noise=3.0, word_noise=3.0, seed=0, draw=1)
    return Query(Features(embedding), labels)


def test_on_query_images() -> None:
    support = hard_support()
    bundle, candidates = hard_bundle()
    query = drawn_query()
    found = evaluate(candidates, Answering.of(bundle), support, query)
    probabilities = torch.softmax(bundle.head.scores(query.features) / bundle.temperature, 1)
    assert (found.evidence, found.n_query) == ("query", 150)
    assert torch.equal(found.probabilities, probabilities)
    assert torch.equal(found.abstained, probabilities.double().max(1).values < bundle.threshold)
    assert set(found.heads) == {candidate.name for candidate in candidates}
    top1 = (probabilities.argmax(1) == query.labels).double().mean()
    assert found.heads[found.shipped].top1 == pytest.approx(float(top1))
    assert 0.3 < found.heads[found.shipped].top1 < 1.0


def test_out_of_fold_without_a_query_split() -> None:
    support = hard_support()
    bundle, candidates = hard_bundle()
    for query in (None, Query(support.features[:0], support.labels[:0])):
        found = evaluate(candidates, Answering.of(bundle), support, query)
        assert (found.evidence, found.n_query, len(found.labels)) == ("out_of_fold", None, 30)
        assert 0.3 < found.heads[found.shipped].top1 < 1.0
        assert found.abstained.double().mean() == pytest.approx(0.05, abs=0.02)


def test_scrambled_query_labels_change_figures_and_nothing_else(tmp_path: Path) -> None:
    support = hard_support()
    query = drawn_query()
    scrambled = Query(query.features, query.labels.roll(37))
    written = []
    for number, photos in enumerate((query, scrambled)):
        bundle, candidates = hard_bundle()
        found = evaluate(candidates, Answering.of(bundle), support, photos)
        bundle.save(tmp_path / str(number))
        written.append((found.heads, {path.name: path.read_bytes() for path in (tmp_path / str(number)).iterdir()}))
    assert written[0][0] != written[1][0]
    assert written[0][1] == written[1][1]


def test_metrics_have_the_promised_form() -> None:
    support = hard_support()
    bundle, candidates = hard_bundle()
    content = json.loads(
        json_text(metrics(evaluate(candidates, Answering.of(bundle), support, drawn_query()), bundle, shots=6, seed=3))
    )
    assert set(content) == {"version", "shots", "seed", "backbone", "data", "evidence", "heads", "shipped", "confused"}
    assert content["data"] == {"classes": 5, "support": 30, "query": 150}
    assert (content["version"], content["shots"], content["seed"], content["backbone"]) == (1, 6, 3, "drawn")
    assert content["evidence"] == "query"
    for name, figures in content["heads"].items():
        assert set(figures) == {"top1", "top5", "balanced", "ece", "nll"}
        assert all(0 <= figures[key] <= 1 for key in ("top1", "top5", "balanced", "ece")), name
    assert set(content["shipped"]) == {"head", "top1", "ece", "why"}
    assert content["shipped"]["top1"] == content["heads"][content["shipped"]["head"]]["top1"]
    assert content["confused"]
    assert set(content["confused"][0]) == {"class", "taken_for", "before", "after"}
    assert content["confused"][0]["class"].startswith("cls_")


def test_metrics_of_one_shot_without_query_are_empty_not_wrong() -> None:
    support = drawn_support(shots=1)
    bundle, candidates = drawn_bundle(support)
    found = evaluate(candidates, Answering.of(bundle), support)
    content = metrics(found, bundle, shots=1, seed=0)
    json_text(content)
    assert content["heads"] == {}
    assert content["data"]["query"] is None
    assert content["shipped"]["top1"] is None
    assert "nothing could be measured" in table(found, bundle)


def test_where_ldc_is_shipped_the_pairs_are_those_that_it_parts_and_leaves() -> None:
    support = drawn(4, 6, noise=2.0)
    fit = fit_ldc(support, LdcSettings(epochs=20, learning_rate=1e-2, l1_weight=0.0, fusion=2))
    bundle, others = drawn_bundle(support, ["zero_shot", "nearest_mean"])
    held_out = replace(bundle.support, out_of_fold=fit.out_of_fold[0])
    bundle, candidates = (
        replace(bundle, head=fit.head, support=held_out),
        [*others, Candidate("ldc", fit.head, fit.out_of_fold)],
    )
    asked = drawn(4, 20, noise=2.0)  # other photos of the same classes
    query = Query(asked.features, asked.labels)

    on_query = evaluate(candidates, Answering.of(bundle), support, query, ldc_pairs=fit.deconfused)
    out_of_fold = evaluate(candidates, Answering.of(bundle), support, ldc_pairs=fit.deconfused)

    start, answers = (
        confusion(torch.softmax(logits, 1), asked.labels)
        for logits in (fit.head.start_.scores(asked.features), fit.head.scores(asked.features))
    )
    assert on_query.confused == confused_pairs(start, answers)
    assert not torch.equal(start, answers)
    left = sorted((p for p in fit.deconfused if p.after > 0), key=lambda pair: -pair.after)
    assert sorted((p.label, p.taken_for, p.before, p.after) for p in left) == sorted(
        (c.label, c.taken_for, c.before, c.after) for c in out_of_fold.confused
    )
    assert [c.after for c in out_of_fold.confused] == [p.after for p in left]
    assert "by what LDC started from -> by ldc" in table(on_query, bundle)
    assert on_query.before == "ldc_start"
    assert evaluate(others, Answering.of(drawn_bundle(support, ["zero_shot"])[0]), support, query).before == "zero_shot"


def test_plots(tmp_path: Path) -> None:
    support = hard_support()
    bundle, candidates = hard_bundle()
    write_plots(evaluate(candidates, Answering.of(bundle), support, drawn_query()), tmp_path)
    rows = {path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in tmp_path.iterdir()}
    assert set(rows) == {"reliability", "reliability_raw", "coverage", "heads", "residual"}
    assert sum(int(row["photos"]) for row in rows["reliability"]) == 150
    assert float(rows["coverage"][-1]["coverage"]) == 1.0
    one_shot, few = drawn_bundle(drawn_support(shots=1))
    write_plots(evaluate(few, Answering.of(one_shot), drawn_support(shots=1)), tmp_path)
    assert (tmp_path / "coverage.csv").read_text() == "coverage,accuracy\n"


def test_table_names_the_shipped_head_the_reason_and_the_evidence() -> None:
    support = hard_support()
    bundle, candidates = hard_bundle()
    text = table(evaluate(candidates, Answering.of(bundle), support, drawn_query()), bundle)
    assert "150 query photos" in text
    assert f"{bundle.head.state().name} *" in text
    assert bundle.why in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert "held-out folds" in table(evaluate(candidates, Answering.of(bundle), support), bundle)


def with_added(support: Support) -> tuple[list[Candidate], Answering]:
    bundle, candidates = drawn_bundle(support, ["nearest_mean", "gda"])
    classes = [AddedClass(name, tuple(f"{name}-{n}" for n in range(3)), "t", 1) for name in ("rust", "dent")]
    return candidates, Answering(bundle, fitter_for(bundle)(Bank.empty(bundle), classes, "").bank)


def test_what_answers_is_measured_with_the_added_classes() -> None:
    support, query = hard_support(), drawn_query()
    candidates, answering = with_added(support)
    found = evaluate(candidates, answering, support, query)
    answers = answering.answer(query.features)
    assert torch.equal(found.probabilities, answers.probabilities)
    assert torch.equal(found.abstained, answers.abstained)
    assert found.probabilities.shape == (150, 7)
    top1 = (answers.probabilities.argmax(1) == query.labels).double().mean()
    assert found.heads[found.shipped].top1 == pytest.approx(float(top1))
    content = metrics(found, answering.bundle, shots=6, seed=3)
    assert content["data"] == {"classes": 7, "support": 36, "query": 150}
    assert content["shipped"]["top1"] == content["heads"][found.shipped]["top1"]
    assert "Beside the added classes rust, dent" in table(found, answering.bundle)


def test_out_of_fold_the_added_classes_photos_are_left_out_too() -> None:
    support = hard_support()
    candidates, answering = with_added(support)
    found = evaluate(candidates, answering, support)
    known = answering.bank.known
    assert found.labels.tolist() == known.labels.tolist()
    expected = answering.of_logits(known.logits)
    assert torch.equal(found.probabilities, expected.probabilities)
    assert torch.equal(found.abstained, expected.abstained)
    text = " ".join(table(found, answering.bundle).split())
    assert "Of the added classes' 6 photos, each left out," in text
    assert {name for pair in metrics(found, answering.bundle, shots=6, seed=3)["confused"] for name in pair} <= {
        "class",
        "taken_for",
        "before",
        "after",
    }


def test_pairs_are_those_that_what_is_shipped_mistakes_worst_first() -> None:
    support, query = hard_support(), drawn_query()
    bundle, candidates = drawn_bundle(support, ["nearest_mean", "gda", "zero_shot"])
    found = evaluate(candidates, Answering.of(bundle), support, query)
    after = [pair.after for pair in found.confused]
    assert after == sorted(after, reverse=True)
    assert min(after) > 0
    shares = confusion(found.probabilities, found.labels).fill_diagonal_(0)
    assert after[0] == pytest.approx(float(shares.max()))
    assert "-> 0 %" not in table(found, bundle)


def test_a_poor_result_says_what_helps_and_a_good_one_does_not() -> None:
    support = hard_support()
    bundle, candidates = drawn_bundle(support, ["nearest_mean", "gda"])
    poor = evaluate(candidates, Answering.of(bundle), support, drawn_query())
    text = table(poor, bundle)
    assert poor.heads[poor.shipped].balanced < 0.7
    assert "more photos of kind" in text
    assert "larger backbone" in text
    easy = drawn_support(shots=4, noise=0.1)
    bundle, candidates = drawn_bundle(easy, ["nearest_mean", "gda"])
    assert "What helps" not in table(evaluate(candidates, Answering.of(bundle), easy), bundle)


def test_a_share_of_nearly_all_is_not_told_as_all_and_none_never_as_minus_none() -> None:
    support = hard_support()
    bundle, candidates = drawn_bundle(support, ["nearest_mean"])
    found = evaluate(candidates, Answering.of(bundle), support, drawn_query())
    one_in_10000 = torch.zeros(10_000, dtype=torch.bool)
    one_in_10000[0] = True
    many = replace(
        found,
        probabilities=torch.eye(5)[torch.zeros(10_000, dtype=torch.int64)],
        likely=torch.eye(5, dtype=torch.bool)[torch.zeros(10_000, dtype=torch.int64)],
        labels=torch.zeros(10_000, dtype=torch.int64),
        abstained=one_in_10000,
        threshold=0.99999,
    )
    text = " ".join(table(many, bundle).split())
    assert "Under 99.9 % it abstains: 99.9 % of the photos are answered, 100.0 % of those rightly" in text
    assert "-0.0" not in text
    assert "0.0003333" not in json_text(metrics(many, bundle, shots=6, seed=0))
    assert "none of the photos is answered" in " ".join(
        table(replace(many, abstained=~(one_in_10000 & False)), bundle).split()
    )


def test_long_names_keep_the_table_within_80_columns() -> None:
    support = hard_support()
    bundle, candidates = hard_bundle()
    text = table(evaluate(candidates, Answering.of(bundle), support, drawn_query()), bundle)
    assert "linear_probe_levels" in text or "nearest_mean" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_summary_fits_a_terminal_of_100_columns() -> None:
    support = hard_support()
    candidates, answering = with_added(support)
    evaluation = evaluate(candidates, answering, support)
    found = summary(evaluation, answering.bundle)
    widths = [max(len(name), len("100.0")) for name in found]
    assert len("reports/summary.json") + sum(widths) + 2 * len(found) <= 100
    assert found["top1"] == pytest.approx(100 * evaluation.heads[evaluation.shipped].top1, abs=0.06)
    assert all(value is None or isinstance(value, float) for value in found.values())
