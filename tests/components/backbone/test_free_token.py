from pathlib import Path

import pytest
import torch

from components.backbone import Backbone, load_backbone
from components.errors import UserInputError

MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.fixture(scope="module")
def embedded() -> Backbone:
    return load_backbone("embedded", models=MODELS, precision="fp32")


@pytest.mark.parametrize("template", ["a photo of a {}", "a photo of a {}.", "{}"])
def test_a_word_s_own_token_gives_the_word_s_own_embedding(embedded: Backbone, template: str) -> None:
    prompt = embedded.free_token_prompt(template)

    encoded = prompt.encode(prompt.tokens_of(["zebra", "apple"]))

    expected = embedded.encode_texts([template.format("zebra"), template.format("apple")])
    assert torch.allclose(encoded, expected, atol=1e-5)


def test_a_name_of_several_tokens_starts_at_their_mean(embedded: Backbone) -> None:
    prompt = embedded.free_token_prompt("a photo of a {}")
    both, zebra, apple = prompt.tokens_of(["zebra apple", "zebra", "apple"])

    assert torch.allclose(both, (zebra + apple) / 2)


def test_the_gradient_reaches_the_token_and_nothing_else(embedded: Backbone) -> None:
    prompt = embedded.free_token_prompt("a photo of a {}")
    tokens = prompt.tokens_of(["zebra"]).requires_grad_()

    prompt.encode(tokens)[0, 0].backward()

    assert tokens.grad is not None
    assert tokens.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in embedded._model.parameters())


def test_a_backbone_in_half_precision_still_gives_exact_gradients(embedded: Backbone) -> None:
    half = load_backbone("embedded", models=MODELS, precision="bf16").free_token_prompt("a photo of a {}")
    whole = embedded.free_token_prompt("a photo of a {}")

    token = whole.tokens_of(["zebra"])

    assert half.encode(token).dtype == torch.float32
    assert torch.allclose(half.encode(token), whole.encode(token), atol=2e-2)


@pytest.mark.parametrize("template", ["a photo", "a {} of a {}"])
def test_a_template_without_one_place_is_refused(embedded: Backbone, template: str) -> None:
    with pytest.raises(UserInputError, match="exactly one place"):
        embedded.free_token_prompt(template)


def test_a_name_without_letters_is_refused(embedded: Backbone) -> None:
    with pytest.raises(UserInputError, match="no letters"):
        embedded.free_token_prompt("{}").tokens_of([" "])


def test_a_foreign_text_tower_says_that_it_takes_no_token(embedded: Backbone) -> None:
    class Foreign:
        pool_type = "mean_pooler"

    model = torch.nn.Module()
    model.text = Foreign()  # type: ignore[assignment]
    model.logit_scale = torch.nn.Parameter(torch.zeros(()))
    model.visual = torch.nn.Identity()
    foreign = Backbone(model, embedded._tokenizer, embedded._transform, embedded.identity)

    with pytest.raises(UserInputError, match="takes no free token"):
        foreign.free_token_prompt("a photo of a {}")


def test_words_are_whole_words_of_the_tokenizer_common_ones_first(embedded: Backbone) -> None:
    words = embedded.words()

    assert {"zebra", "apple", "crane"} <= set(words)
    assert len(words) > 10_000
    assert len(set(words)) == len(words)
    assert words.index("the") < words.index("dog") < words.index("zebra")
    assert all(word.isalpha() and len(word) >= 3 for word in words)
    assert "scratc" not in words
