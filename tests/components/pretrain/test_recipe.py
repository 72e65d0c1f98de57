import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from components.backbone import load_backbone
from components.errors import ShotlineError, UserInputError
from components.pretrain import PretrainParameters, PretrainSources, pretrain
from components.pretrain import recipe as recipe_module
from components.pretrain.architecture import load
from components.pretrain.recipe import gather_texts, trunk_classes
from components.pretrain.vocabulary import read_lexicon

pytestmark = pytest.mark.usefixtures("letters_as_sentences")


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "open_clip_model.safetensors")


@dataclass(frozen=True)
class Ran:
    """A whole run of the recipe: its folder, the model that it left, and what it returned."""

    folder: Path
    model: Path
    facts: dict[str, Any]


@pytest.fixture(scope="module")
def ran(
    parameters: PretrainParameters,
    sources: PretrainSources,
    tmp_path_factory: pytest.TempPathFactory,
    letters_as_sentences: None,
) -> Ran:
    place = tmp_path_factory.mktemp("ran")
    return Ran(place / "run", place / "model", pretrain(parameters, sources, place / "run", place / "model"))


@pytest.fixture
def run(ran: Ran, tmp_path: Path) -> Path:
    """A copy of that run's folder, to go on in."""
    return Path(shutil.copytree(ran.folder, tmp_path / "run"))


def test_recipe_leaves_a_model_that_open_clip_loads(ran: Ran) -> None:
    model, preprocess = load(ran.model)
    assert preprocess.transforms[0].size in (64, (64, 64))
    with torch.no_grad():
        assert model.encode_image(torch.rand(2, 3, 64, 64)).shape == (2, 16)
    s0 = load_file(ran.model / "covariance.safetensors")["s0"].float()
    assert s0.trace().item() == pytest.approx(16, rel=0.01)
    assert ran.facts["pictures"] == 18  # six of each class's eight
    assert json.loads((ran.model / "pretrain.json").read_text())["parameters"]["seed"] == 0


def test_the_trunk_stays_as_it_was_trained_and_ldc_can_read_it(ran: Ran, trunk_weights: Path, tmp_path: Path) -> None:
    theirs = list(torch.load(trunk_weights, weights_only=True).values())[:-2]
    ours = [tensor for name, tensor in load(ran.model)[0].state_dict().items() if "visual.trunk" in name]
    assert all(torch.equal(a.float(), b.half().float()) for a, b in zip(ours, theirs, strict=True))
    backbone = load_backbone(str(ran.model), models=tmp_path)
    assert backbone.projector is not None
    assert len(backbone.encode_images(torch.rand(1, 3, 64, 64), levels=True).levels) == 4


@pytest.mark.soak
def test_a_run_that_goes_on_reads_no_picture_twice_and_ends_in_the_same_weights(
    parameters: PretrainParameters,
    sources: PretrainSources,
    ran: Ran,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("components.pretrain.features.trunk_features", None)  # calling it would fail

    pretrain(parameters, sources, run, tmp_path / "again")

    one, other = _weights(ran.model), _weights(tmp_path / "again")
    assert all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.mark.soak
def test_another_last_layer_leaves_the_text_tower(
    parameters: PretrainParameters, sources: PretrainSources, ran: Ran, run: Path, tmp_path: Path
) -> None:
    (run / "log.jsonl").unlink()
    pretrain(
        replace(parameters, last_layer=replace(parameters.last_layer, spare=0.5)), sources, run, tmp_path / "other"
    )
    events = [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert events == ["start", "done"]
    one, other = _weights(ran.model), _weights(tmp_path / "other")
    different = {name for name in one if not torch.equal(one[name], other[name])}
    assert (
        {"visual.head.proj.weight"} <= different <= {"visual.head.proj.weight", "visual.head.proj.bias", "logit_scale"}
    )


@pytest.mark.soak
def test_a_run_folder_of_other_parameters_is_refused(
    parameters: PretrainParameters, sources: PretrainSources, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(ShotlineError, match="other parameters"):
        pretrain(replace(parameters, seed=1), sources, run, tmp_path / "out")


def test_a_finished_text_tower_is_taken_as_it_is(
    parameters: PretrainParameters, sources: PretrainSources, ran: Ran, tmp_path: Path
) -> None:
    pretrain(parameters, replace(sources, text_tower=ran.model), tmp_path / "second", tmp_path / "again")

    assert [(folder / "text.pt").exists() for folder in (ran.folder, tmp_path / "second")] == [True, False]
    before, after = _weights(ran.model), _weights(tmp_path / "again")
    assert torch.equal(after["token_embedding.weight"], before["token_embedding.weight"])
    wider = replace(parameters, architecture=replace(parameters.architecture, text_width=12))
    with pytest.raises(UserInputError, match="its text tower has no"):
        pretrain(wider, replace(sources, text_tower=ran.model), tmp_path / "third", tmp_path / "none")


def test_the_trunk_s_classes_are_the_lexicon_s_rows_of_its_template_in_their_order(lexicon_path: Path) -> None:
    names = trunk_classes(read_lexicon(lexicon_path))
    assert names == ("apple", "dog", "red thing", "green thing", "blue thing")


def test_weights_that_do_not_belong_to_the_trunk_are_refused(
    parameters: PretrainParameters, sources: PretrainSources, tmp_path: Path
) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserInputError, match="do not fit the trunk"):
        pretrain(parameters, replace(sources, trunk=tmp_path / "other.pth"), tmp_path / "run", tmp_path / "out")


@pytest.mark.soak
def test_a_classifier_of_other_classes_is_refused(
    parameters: PretrainParameters, sources: PretrainSources, trunk_weights: Path, tmp_path: Path
) -> None:
    tensors = list(torch.load(trunk_weights, weights_only=True).values())
    tensors[-2], tensors[-1] = tensors[-2][:4], tensors[-1][:4]
    torch.save(dict(enumerate(tensors)), tmp_path / "four.pth")
    with pytest.raises(UserInputError, match="5 names for a classifier of 4 classes"):
        pretrain(parameters, replace(sources, trunk=tmp_path / "four.pth"), tmp_path / "run", tmp_path / "out")


def test_missing_data_is_named(parameters: PretrainParameters, sources: PretrainSources, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="lexicon is missing"):
        pretrain(parameters, replace(sources, lexicon=tmp_path / "none.npz"), tmp_path / "run", tmp_path / "out")


def test_texts_are_distinct_and_the_lexicon_s_come_first(parameters: PretrainParameters) -> None:
    texts = gather_texts(parameters, ("apple", "dog"), ("Red Thing", "Dog"))
    assert texts[:3] == ["apple", "dog", "red thing"]
    assert len(texts) == len(set(texts))


def test_public_names_exist() -> None:
    assert recipe_module.__all__ == sorted(recipe_module.__all__)
