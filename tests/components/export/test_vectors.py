"""What is exported answers as the classifier does, carries its facts, and is the same bytes each time."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn.functional import normalize

from components.bank import Bank
from components.errors import UserInputError
from components.export.vectors import export_classes, write_export
from components.features import Features
from tests.support.drawn_bank import PHOTOS, features_of, with_rust
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle


def queries() -> Features:
    drawn = torch.randn(40, 32, generator=torch.Generator().manual_seed(3))
    return Features(torch.cat([normalize(drawn, dim=1), features_of([*PHOTOS, "rust-9"]).embedding]))


@pytest.mark.parametrize("head", ["zero_shot", "nearest_mean", "gda", "linear_probe", "map_lr"])
@pytest.mark.parametrize("added", [False, True])
def test_logits_are_the_classifiers_own_where_that_is_said(head: str, added: bool) -> None:
    bundle = dataclasses.replace(drawn_bundle(drawn_support(shots=4), [head])[0], temperature=1.7)
    bank = with_rust(bundle) if added else Bank.empty(bundle)
    features = queries()

    tensors, facts = export_classes(bundle, bank)

    logits = tensors["scales"] * (features.embedding @ tensors["class_vectors"].T) + tensors["offsets"]
    expected = bank.logits(bundle, features)
    assert facts["trained_are_exact"] == (head != "map_lr")
    exact = slice(None) if facts["trained_are_exact"] else slice(5, None)
    torch.testing.assert_close(logits[:, exact], expected[:, exact], atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(tensors["class_vectors"].norm(dim=1), torch.ones(5 + added))
    assert [each["kind"] for each in facts["classes"]] == ["trained"] * 5 + ["added"] * added
    assert facts["classes"][0]["words"] == "kind 0 キズ"
    assert facts["agreement"] == 1.0 if facts["trained_are_exact"] else 0.8 < facts["agreement"] <= 1
    assert tensors["text_embeddings"].shape == tensors["class_vectors"].shape


@pytest.mark.parametrize("name", ["a.safetensors", "a.NPZ"])
def test_the_file_is_read_without_pickle_and_has_the_same_bytes_each_time(name: str, tmp_path: Path) -> None:
    bundle, _ = drawn_bundle(drawn_support(shots=4), ["gda"])
    bank = with_rust(bundle)
    tensors, facts = export_classes(bundle, bank)

    path = tmp_path / name
    assert write_export(path, bundle, bank) == facts
    first = path.read_bytes()
    write_export(path, bundle, bank)
    assert path.read_bytes() == first

    if name.endswith("safetensors"):
        with safe_open(path, "pt") as file:
            assert list(file.metadata()) == ["shotline"]
            read, told = {key: file.get_tensor(key) for key in tensors}, file.metadata()["shotline"]
    else:
        with zipfile.ZipFile(path) as archive:  # no time of day
            assert {member.date_time[0] for member in archive.infolist()} == {1980}
        with np.load(path, allow_pickle=False) as arrays:
            read, told = {key: torch.from_numpy(arrays[key]) for key in tensors}, str(arrays["facts"])
    assert json.loads(told) == facts
    for key, tensor in tensors.items():
        assert torch.equal(read[key], tensor)


def test_a_backbone_without_words_has_no_text_embeddings() -> None:
    bundle, _ = drawn_bundle(drawn_support(shots=4, words=False), ["gda"])
    tensors, facts = export_classes(bundle, with_rust(bundle))

    assert "text_embeddings" not in tensors
    assert len(facts["classes"]) == len(tensors["class_vectors"]) == 6


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    bundle, _ = drawn_bundle(drawn_support(shots=4), ["gda"])
    with pytest.raises(UserInputError, match=r'kind "\.pkl"') as caught:
        write_export(tmp_path / "a.pkl", bundle, Bank.empty(bundle))
    assert ".npz" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
