import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components.errors import ShotlineError, UserInputError
from components.pretrain import PretrainParameters, PretrainSources, pretrain
from components.pretrain import recipe as recipe_module
from components.pretrain.architecture import encode_images, load
from components.pretrain.recipe import gather_texts

pytestmark = pytest.mark.usefixtures("letters_as_sentences")


def _sources(dataset: Path, lexicon_path: Path) -> PretrainSources:
    return PretrainSources(dataset, lexicon_path, sentence_encoder=dataset)


def test_recipe_leaves_a_model_that_open_clip_loads(
    parameters: PretrainParameters, dataset: Path, lexicon_path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model"
    facts = pretrain(parameters, _sources(dataset, lexicon_path), tmp_path / "run", output)

    model, preprocess = load(output)
    assert preprocess.transforms[0].size in (96, (96, 96))
    with torch.no_grad():
        pixels = torch.rand(2, 3, 96, 96)
        embedding = model.encode_image(pixels)
        torch.testing.assert_close(encode_images(model.visual, pixels), embedding)
    assert embedding.shape == (2, 16)
    s0 = load_file(output / "covariance.safetensors")["s0"].float()
    assert s0.trace().item() == pytest.approx(16, rel=0.01)
    assert facts["pictures"] == 24
    assert json.loads((output / "pretrain.json").read_text())["parameters"]["seed"] == 0


def test_a_stopped_run_goes_on_to_the_same_weights(
    parameters: PretrainParameters,
    dataset: Path,
    lexicon_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources = _sources(dataset, lexicon_path)
    pretrain(parameters, sources, tmp_path / "straight", tmp_path / "a")

    from components.pretrain.journal import Journal

    save = Journal.save

    def stop_in_the_image_tower(self: Journal, name: str, belongs_to: str, state: dict[str, object]) -> None:
        save(self, name, belongs_to, state)
        if name == "image" and state["step"] == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "save", stop_in_the_image_tower)
        with pytest.raises(KeyboardInterrupt):
            pretrain(parameters, sources, tmp_path / "stopped", tmp_path / "b")
    pretrain(parameters, sources, tmp_path / "stopped", tmp_path / "b")

    one, other = (load_file(tmp_path / name / "open_clip_model.safetensors") for name in ("a", "b"))
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_a_run_folder_of_other_parameters_is_refused(
    parameters: PretrainParameters, dataset: Path, lexicon_path: Path, tmp_path: Path
) -> None:
    sources = _sources(dataset, lexicon_path)
    pretrain(parameters, sources, tmp_path / "run", tmp_path / "out")
    with pytest.raises(ShotlineError, match="other parameters"):
        pretrain(replace(parameters, seed=1), sources, tmp_path / "run", tmp_path / "out")


def test_the_text_tower_is_kept_when_only_the_pictures_change(
    parameters: PretrainParameters, dataset: Path, lexicon_path: Path, tmp_path: Path
) -> None:
    sources, run = _sources(dataset, lexicon_path), tmp_path / "run"
    pretrain(parameters, sources, run, tmp_path / "out")
    (run / "image.pt").unlink()
    (run / "log.jsonl").unlink()
    pretrain(replace(parameters, left_out=("red_thing",)), sources, run, tmp_path / "other")
    events = [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert "image_step" in events
    assert "text_step" not in events


def test_a_finished_tower_is_settled_anew_without_training(
    parameters: PretrainParameters, dataset: Path, lexicon_path: Path, tmp_path: Path
) -> None:
    sources, run = _sources(dataset, lexicon_path), tmp_path / "run"
    pretrain(parameters, sources, run, tmp_path / "out")
    (run / "log.jsonl").unlink()
    softer = replace(parameters, settling=replace(parameters.settling, scale=5.0))
    pretrain(softer, sources, run, tmp_path / "other")
    events = [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert events == ["start", "done"]
    one, other = (load_file(tmp_path / name / "open_clip_model.safetensors") for name in ("out", "other"))
    different = {name for name in one if not torch.equal(one[name], other[name])}
    assert {"visual.attnpool.c_proj.weight"} <= different
    assert different <= {"visual.attnpool.c_proj.weight", "visual.attnpool.c_proj.bias", "logit_scale"}


def test_left_out_names_are_in_no_text(parameters: PretrainParameters) -> None:
    kept = gather_texts(parameters, ("apple", "dog"), ("Red Thing", "Tabby cat"))
    assert "red thing" in kept
    without = gather_texts(replace(parameters, names_left_out=("Red Thing",)), ("apple", "dog"), ("Red Thing",))
    assert "red thing" not in without


def test_missing_data_is_named(parameters: PretrainParameters, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="lexicon is missing"):
        pretrain(parameters, PretrainSources(dataset, tmp_path / "none.npz"), tmp_path / "run", tmp_path / "out")


def test_left_out_pictures_are_not_trained_on(
    parameters: PretrainParameters, dataset: Path, lexicon_path: Path, tmp_path: Path
) -> None:
    fewer = replace(parameters, left_out=("red_thing",))
    facts = pretrain(fewer, _sources(dataset, lexicon_path), tmp_path / "run", tmp_path / "out")
    assert facts["pictures"] == 16
    unknown = replace(parameters, left_out=("mauve_thing",))
    with pytest.raises(UserInputError, match="no class"):
        pretrain(unknown, _sources(dataset, lexicon_path), tmp_path / "run2", tmp_path / "out")


def test_public_names_exist() -> None:
    assert recipe_module.__all__ == sorted(recipe_module.__all__)


def test_a_finished_text_tower_is_taken_as_it_is(
    parameters: PretrainParameters, dataset: Path, lexicon_path: Path, tmp_path: Path
) -> None:
    sources = _sources(dataset, lexicon_path)
    pretrain(parameters, sources, tmp_path / "first", tmp_path / "finished")

    fewer = replace(parameters, left_out=("red_thing",))
    pretrain(fewer, replace(sources, text_tower=tmp_path / "finished"), tmp_path / "second", tmp_path / "again")

    before, after = (load_file(tmp_path / name / "open_clip_model.safetensors") for name in ("finished", "again"))
    assert [(tmp_path / name / "text.pt").exists() for name in ("first", "second")] == [True, False]
    assert torch.equal(after["token_embedding.weight"], before["token_embedding.weight"])
    assert not torch.equal(after["visual.attnpool.c_proj.weight"], before["visual.attnpool.c_proj.weight"])
    wider = replace(parameters, architecture=replace(parameters.architecture, text_width=12))
    with pytest.raises(UserInputError, match="its text tower has no"):
        pretrain(wider, replace(sources, text_tower=tmp_path / "finished"), tmp_path / "third", tmp_path / "none")
