"""Which backbone to take: a table for people, a line a backbone for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.backbone import check_backbone
from components.backbone.known import ADVISED, KNOWN, listed_backbones, measured_ms
from components.backbone.open_clip_import import import_open_clip
from flows.cli import main
from tests.support.checkpoints import VIT, make_checkpoint


def test_every_known_one_is_a_model_and_a_tag_of_open_clip(tmp_path: Path) -> None:
    import_open_clip()
    for each in KNOWN:
        if each.name != "embedded":
            check_backbone(each.name, models=tmp_path)
            assert each.licence
            assert each.image_millions
            assert each.imagenet
    assert ADVISED in {each.name for each in KNOWN}


def test_own_checkpoints_stand_first_and_what_a_hub_has_given_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    make_checkpoint(tmp_path / "checkpoints/mine", {"timm_model_name": "test_efficientnet", "image_size": 64})
    found = "timm/vit_base_patch32_clip_224.openai"
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda repository, _: "there" if repository == found else None
    )

    rows = {each.name: each for each in listed_backbones(tmp_path)}

    assert next(iter(rows)) == "mine"
    assert "test_efficientnet" in rows["mine"].good_for
    where = {name: row.where for name, row in rows.items()}
    assert (where["mine"], where["embedded"], where["ViT-B-32/openai"], where[ADVISED]) == (
        "workspace",
        "workspace",
        "cached",
        "hub",
    )


def test_what_is_at_hand_is_timed(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    make_checkpoint(tmp_path / "checkpoints/mine", VIT)

    assert 0 < measured_ms("mine", tmp_path) < 1000


def test_the_command_prints_a_table_or_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # no workspace is needed
    for arguments in (["backbones"], ["backbones", "--json"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert not end.value.code

    printed = capfd.readouterr().out
    assert f"shotline train PHOTOS --backbone {ADVISED}" in printed
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [line["name"] for line in lines] == [each.name for each in KNOWN]
    assert set(lines[0]) == set(KNOWN[0].to_json())
