from pathlib import Path

import torch
from torch.nn import functional as F

from components.pretrain import PretrainParameters, TextPlacement
from components.pretrain.architecture import build, encode_texts, token_ids, tokenise
from components.pretrain.placement import TextMap
from components.pretrain.text import TextTargets, embed_texts, refit_projection, text_basis, warm_start
from components.pretrain.vocabulary import phrases, read_lexicon, whole_words


def test_short_tokens_give_what_open_clip_gives_for_full_length(parameters: PretrainParameters) -> None:
    model = build(parameters.architecture).eval()
    tokens = tokenise(["a red thing", "dog"], 77)
    assert tokens.shape[1] < 10
    padded = F.pad(tokens, (0, 77 - tokens.shape[1]))
    with torch.no_grad():
        torch.testing.assert_close(encode_texts(model, tokens), model.encode_text(padded), atol=1e-5, rtol=1e-5)


def test_a_template_and_a_name_tokenised_apart_join() -> None:
    whole = token_ids(["a photo of a golden retriever."])[0]
    before, name, after = token_ids(["a photo of a ", "golden retriever", "."])
    assert whole == [*before, *name, *after]


def test_the_lexicon_knows_each_name_once(lexicon_path: Path) -> None:
    lexicon = read_lexicon(lexicon_path)
    assert len(lexicon.names) == 9
    assert len(lexicon.entries) == 10


def test_placement_returns_known_names_where_they_are(lexicon_path: Path) -> None:
    lexicon = read_lexicon(lexicon_path)
    sentences = F.normalize(torch.randn(9, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    names = list(lexicon.names)
    placement = TextMap(TextPlacement(ridge=1e-4)).fit(names, sentences, lexicon.cores)
    placed = placement.place(names, sentences)
    assert F.cosine_similarity(placed, lexicon.cores).min() > 0.99
    torch.testing.assert_close(placed.norm(dim=1), lexicon.cores.norm(dim=1).mean().expand(9))


def test_warm_start_puts_whole_words_where_they_lie(parameters: PretrainParameters, lexicon_path: Path) -> None:
    lexicon = read_lexicon(lexicon_path)
    targets = TextTargets(lexicon, lexicon.names, lexicon.cores)
    basis = text_basis(lexicon.vectors, parameters.architecture.text_width)
    torch.testing.assert_close(basis @ basis.T, torch.eye(8), atol=1e-5, rtol=0)
    model = build(parameters.architecture)
    warm_start(model, targets, basis, seed=0)
    dog = token_ids(["dog"])[0][0]
    torch.testing.assert_close(
        model.token_embedding.weight[dog].detach(), 0.5 * basis @ lexicon.cores[lexicon.names.index("dog")]
    )


def test_refitting_the_last_layer_meets_the_lexicons_own_vectors(
    parameters: PretrainParameters, lexicon_path: Path
) -> None:
    lexicon = read_lexicon(lexicon_path)
    model = build(parameters.architecture)
    basis = text_basis(lexicon.vectors, parameters.architecture.text_width)
    warm_start(model, TextTargets(lexicon, lexicon.names, lexicon.cores), basis, seed=0)
    texts = [f"{template} {name}" for name, template, _ in lexicon.entries]

    def cosine() -> float:
        found = embed_texts(model, texts, 77)
        return float(F.cosine_similarity(found - lexicon.mean, lexicon.vectors - lexicon.mean).mean())

    before = cosine()
    refit_projection(model, lexicon)
    assert model.text_projection.shape == (8, 16)
    assert model.text_projection.requires_grad
    assert cosine() > before + 0.5


def test_phrases_are_distinct_and_repeat_with_the_seed() -> None:
    made = phrases(["dog", "chair"], ["apple", "stone"], 50, seed=3)
    assert len(set(made)) == 50
    assert made == phrases(["dog", "chair"], ["apple", "stone"], 50, seed=3)
    assert made != phrases(["dog", "chair"], ["apple", "stone"], 50, seed=4)


def test_whole_words_have_letters_only() -> None:
    assert whole_words({"dog</w>": 0, "do": 1, "an</w>": 2, "x-y</w>": 3, "été</w>": 4}) == ["dog"]
