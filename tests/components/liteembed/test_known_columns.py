"""The stand-in answers as the live classes do, mostly, and at their level."""

import torch

from components.bank import Bank
from components.liteembed import columns_of_known
from tests.components.classifier.saved import drawn_bundle
from tests.components.heads.drawn import drawn_support, drawn_task


def test_it_answers_as_the_classifier_on_photos_that_neither_has_seen() -> None:
    for words in (True, False):
        support = drawn_support(n_classes=12, shots=6, noise=0.7, words=words)
        bundle, _ = drawn_bundle(support, ["map_lr"])
        known = Bank.empty(bundle).known
        columns = columns_of_known(known)
        query = drawn_task(12, 20, 32, noise=0.7, word_noise=0.5, seed=0, draw=1)[0]
        features = type(support.features)(query)

        theirs = bundle.head.scores(features) / bundle.temperature
        mine = columns.scores(query, known.logit_scale)

        assert (mine.argmax(1) == theirs.argmax(1)).float().mean() > 0.9
        held_out = columns.scores(known.embeddings, known.logit_scale).logsumexp(1)
        torch.testing.assert_close(held_out.mean(), known.logits.logsumexp(1).mean(), atol=1e-3, rtol=0)
