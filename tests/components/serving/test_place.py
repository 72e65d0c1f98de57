"""What is served is said, never guessed from what lies about."""

from pathlib import Path

from components.serving.place import Place


def test_a_workspace_is_one_because_it_is_named(tmp_path: Path) -> None:
    assert Place.said({"SHOTLINE_WORKSPACE": str(tmp_path)}) == Place(tmp_path / "models", tmp_path)


def test_where_none_is_named_it_is_the_bento_that_the_code_lies_in() -> None:
    code = Path(__file__).resolve().parents[3]  # a checkout, with a dvc.yaml, and no workspace for all that
    assert Place.said({}) == Place.said({"SHOTLINE_WORKSPACE": ""}) == Place(code / "models", None)
