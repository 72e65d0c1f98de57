from components.classifier import ClassifierSettings
from components.heads import HEADS


def test_zero_shot_is_always_a_candidate_so_that_nothing_worse_is_shipped() -> None:
    assert ClassifierSettings(heads=("map_lr",)).candidates == ("zero_shot", "map_lr")
    assert ClassifierSettings().candidates == tuple(HEADS)
