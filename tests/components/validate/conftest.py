import pytest

from tests.support.photo_tables import Photos, two_classes


@pytest.fixture
def photos() -> Photos:
    return two_classes()
