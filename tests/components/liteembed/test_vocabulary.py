from pathlib import Path

import pytest
import torch

from components.errors import UserInputError
from components.liteembed import Vocabulary, best_vocabulary, build_vocabulary, read_vocabulary
from components.liteembed.things import names_of_things
from tests.support.drawn_texts import TextBackbone

THINGS = names_of_things()


def test_it_is_built_once_and_read_after_that(tmp_path: Path) -> None:
    backbone, told = TextBackbone(), []

    built = build_vocabulary(backbone, tmp_path, progress=lambda done, of: told.append((done, of)))
    again = build_vocabulary(backbone, tmp_path)

    n = len(THINGS) + 1200
    assert backbone.encoded == n
    assert told[:2] == [(256, n), (512, n)]
    assert told[-1] == (n, n)
    assert again.words == built.words == (*THINGS, *backbone.words())
    assert torch.equal(again.embeddings, built.embeddings)
    assert again.digest == built.digest


def test_two_builders_write_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        build_vocabulary(TextBackbone(), tmp_path / folder)

    (one,), (two,) = ((tmp_path / folder).iterdir() for folder in ("one", "two"))
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_the_starter_serves_until_the_whole_is_there(tmp_path: Path) -> None:
    backbone = TextBackbone()

    starter = best_vocabulary(backbone, tmp_path)
    build_vocabulary(backbone, tmp_path)
    full = best_vocabulary(backbone, tmp_path)

    assert (starter.kind, starter.words) == ("starter", THINGS)
    assert (full.kind, len(full.words)) == ("full", len(THINGS) + 1200)
    assert starter.words == full.words[: len(THINGS)]
    assert starter.digest != full.digest


def test_other_weights_or_another_prompt_have_a_vocabulary_of_their_own(tmp_path: Path) -> None:
    backbone = TextBackbone()
    build_vocabulary(backbone, tmp_path)

    assert read_vocabulary(TextBackbone(weights="1" * 64).identity, tmp_path) is None
    assert read_vocabulary(backbone.identity, tmp_path, template="a {}") is None
    assert read_vocabulary(backbone.identity, tmp_path) is not None


@pytest.mark.parametrize("content", [b"", b"cut off", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_broken_file_is_built_anew(tmp_path: Path, content: bytes) -> None:
    backbone = TextBackbone(n_words=10)
    build_vocabulary(backbone, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)

    assert read_vocabulary(backbone.identity, tmp_path) is None
    assert len(build_vocabulary(backbone, tmp_path).words) == len(THINGS) + 10
    assert read_vocabulary(backbone.identity, tmp_path) is not None


def test_a_tokenizer_that_tells_no_words_says_what_to_leave_out(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="tells no words"):
        build_vocabulary(TextBackbone(n_words=0), tmp_path)
    assert build_vocabulary(TextBackbone(n_words=0), tmp_path, kind="starter").words == THINGS


def test_a_word_that_names_a_thing_and_is_a_token_comes_once(tmp_path: Path) -> None:
    backbone = TextBackbone(n_words=0)
    backbone._words = ["ation", "crab", "the"]

    assert build_vocabulary(backbone, tmp_path).words == (*THINGS, "ation", "the")


def test_people_are_shown_names_of_things_only(tmp_path: Path) -> None:
    full = build_vocabulary(TextBackbone(n_words=3000), tmp_path)

    shown = [word for row in full.nearest(full.embeddings[-20:], 8) for word in row]

    assert len(shown) == 160
    assert set(shown) <= set(THINGS)
    assert "ation" not in THINGS
    assert len(set(THINGS)) == len(THINGS)
    assert all(word.isalpha() and word.islower() and len(word) > 2 for word in THINGS)


def test_axes_are_orthonormal_widest_first_and_of_one_sign(tmp_path: Path) -> None:
    axes = build_vocabulary(TextBackbone(), tmp_path).axes

    assert torch.allclose(axes.directions @ axes.directions.T, torch.eye(16), atol=1e-5)
    assert (axes.shares.diff() <= 0).all()
    assert float(axes.shares.sum()) == pytest.approx(1.0)
    largest = axes.directions.abs().argmax(1, keepdim=True)
    assert (axes.directions.gather(1, largest) > 0).all()
    assert axes.directions[0].abs().argmax() == 0  # the widest of the drawn directions


def test_fewer_words_than_dimensions_still_give_a_whole_basis() -> None:
    rows = TextBackbone().encode_texts(["one", "two", "three", "four", "five"])
    axes = Vocabulary(("one", "two", "three", "four", "five"), rows, "{}", "starter").axes

    assert torch.allclose(axes.directions @ axes.directions.T, torch.eye(16), atol=1e-5)


def test_the_nearest_word_to_a_word_is_itself(vocabulary: Vocabulary) -> None:
    assert [row[0] for row in vocabulary.nearest(vocabulary.embeddings[[3, 7]], 2)] == ["word3", "word7"]
