from pathlib import Path

import pytest
import torch

from components.bank import AddedClass, Bank, ColumnFitter
from components.classifier import Bundle
from components.errors import UserInputError
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle

RUST = AddedClass("rust", tuple(f"rust-{n}" for n in range(4)), "2026-01-02T00:00:00+00:00", 1)
DENT = AddedClass("dent", ("dent-1", "dent-2"), "2026-01-03T00:00:00+00:00", 2)


def test_an_empty_bank_answers_with_the_bundle_s_very_bits(empty: Bank, bundle: Bundle) -> None:
    photos = features_of(["rust-9", "dent-9"])
    assert torch.equal(
        torch.softmax(empty.logits(bundle, photos), 1),
        torch.softmax(bundle.head.scores(photos) / bundle.temperature, 1),
    )


def test_added_classes_are_found_beside_the_trained_ones(empty: Bank, bundle: Bundle, fitter: ColumnFitter) -> None:
    bank = fitter(empty, [RUST, DENT], "").bank
    support = bundle.support

    answers = bank.logits(bundle, features_of([f"{name}-{n}" for name in ("rust", "dent") for n in range(10, 15)]))
    assert answers.argmax(1).tolist() == [5] * 5 + [6] * 5
    kept = bank.columns.scores(support.embeddings, bundle.logit_scale).max(1).values
    assert float((kept < (support.fitted / bundle.temperature).max(1).values).float().mean()) > 0.9
    assert [(each.name, each.photos, each.since) for each in bank.classes] == [
        (each.name, each.photos, each.since) for each in (RUST, DENT)
    ]
    assert bank.classes[0].recall == 1.0


def test_what_is_removed_leaves_every_other_bit(empty: Bank, fitter: ColumnFitter) -> None:
    first = fitter(empty, [RUST], "").bank
    both = fitter(first, [DENT], "").bank

    assert both.without("dent").digest == first.digest
    assert first.without("rust").digest == empty.digest
    assert both.without("rust").names == ("dent",)
    assert both.without("rust").without("dent").digest == empty.digest


def test_a_new_name_changes_no_vector(empty: Bank, fitter: ColumnFitter) -> None:
    bank = fitter(empty, [RUST, DENT], "").bank
    renamed = bank.renamed("rust", "corrosion")
    assert renamed.names == ("corrosion", "dent")
    assert torch.equal(renamed.columns.vectors, bank.columns.vectors)
    assert renamed.digest != bank.digest


def test_saved_and_loaded_it_is_the_same(empty: Bank, bundle: Bundle, fitter: ColumnFitter, tmp_path: Path) -> None:
    bank = fitter(empty, [RUST, DENT], "").bank
    bank.save(tmp_path)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    loaded = Bank.load(tmp_path, bundle)

    assert loaded.digest == bank.digest
    photos = features_of(["rust-9", "dent-9"])
    assert torch.equal(loaded.logits(bundle, photos), bank.logits(bundle, photos))
    assert fitter(loaded, [DENT], "").bank.digest == fitter(bank, [DENT], "").bank.digest
    loaded.save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_a_bank_of_another_bundle_or_a_damaged_one_is_refused(
    empty: Bank, bundle: Bundle, fitter: ColumnFitter, tmp_path: Path
) -> None:
    with pytest.raises(UserInputError, match="cannot be read"):
        Bank.load(tmp_path, bundle)
    fitter(empty, [RUST], "").bank.save(tmp_path)
    other = drawn_bundle(drawn_support(shots=4, seed=1), ["gda"])[0]
    with pytest.raises(UserInputError, match="belongs to the bundle"):
        Bank.load(tmp_path, other)
    content = (tmp_path / "bank.safetensors").read_bytes()
    (tmp_path / "bank.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserInputError, match="damaged"):
        Bank.load(tmp_path, bundle)
