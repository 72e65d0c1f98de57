"""Where a text lies in the CLIP's text space, guessed from its sentence vector and its letters.

Kernel ridge regression fitted on the lexicon. The sentence vector knows meanings; the shared letters tell which names a
CLIP's text encoder, which reads byte pairs, holds for alike ("gasmask", "gas mask", "gas helmet").
"""

from typing import Any

import torch
from torch import Tensor

from components.pretrain.parameters import TextPlacement

__all__ = ["TextMap"]


class TextMap:
    """A map from texts to the CLIP's text space.

    Args:
        parameters: widths and weights of the kernels.
    """

    def __init__(self, parameters: TextPlacement) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.parameters = parameters
        self._letters: Any = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)

    def fit(self, names: list[str], sentences: Tensor, cores: Tensor) -> "TextMap":
        """Learn where `names` lie.

        Args:
            names: `m` distinct names.
            sentences: their sentence vectors, `(m, width)`, unit length.
            cores: where they lie, without their template's mean, `(m, embed_dim)`.
        """
        self._letters_of_names: Any = self._letters.fit_transform(names)
        self._sentences = sentences
        kernel = self._kernel(names, sentences) + self.parameters.ridge * torch.eye(len(names))
        self._weights = torch.linalg.solve(kernel, cores)
        self._length = cores.norm(dim=1).mean()
        return self

    def place(self, texts: list[str], sentences: Tensor, batch: int = 4096) -> Tensor:
        """Where `texts` lie, `(n, embed_dim)`, without a template's mean.

        Regression shortens what is far from every name; the vectors are brought to the mean length of the known ones,
        so that a class with a placed name competes on equal terms with a known one.
        """
        parts = [
            self._kernel(texts[start : start + batch], sentences[start : start + batch]) @ self._weights
            for start in range(0, len(texts), batch)
        ]
        placed: Tensor = torch.nn.functional.normalize(torch.cat(parts), dim=1) * self._length
        return placed

    def _kernel(self, texts: list[str], sentences: Tensor) -> Tensor:
        letters = (self._letters.transform(texts) @ self._letters_of_names.T).toarray()
        # Unit vectors: |a - b|^2 = 2 - 2 a.b
        meaning = torch.exp(-2 * self.parameters.gamma * (1 - sentences @ self._sentences.T))
        kernel: Tensor = meaning + self.parameters.letters * torch.from_numpy(letters).to(meaning.dtype)
        return kernel
