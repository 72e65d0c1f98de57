from components.classifier import CLASSIFIER_HEADS, ClassifierSettings


def test_zero_shot_is_always_a_candidate_so_that_nothing_worse_is_shipped() -> None:
    assert ClassifierSettings(heads=("map_lr",)).candidates == ("zero_shot", "map_lr")
    assert ClassifierSettings().candidates == CLASSIFIER_HEADS


def test_ldc_is_a_candidate_that_a_stage_of_its_own_fits() -> None:
    assert ClassifierSettings().wants_ldc
    assert "ldc" not in ClassifierSettings().candidates
    assert ClassifierSettings(heads=("ldc",)).candidates == ("zero_shot",)
    assert not ClassifierSettings(heads=("map_lr",)).wants_ldc
