"""The torture of `torture.py`, for as long as a test may take."""

import pytest
from torture import torture


def test_everything_at_once_and_twelve_kills(tmp_path):
    done = torture(tmp_path / "family", kills=12, followers=2, seed=5)

    assert done["calls written"] > 100
    assert done["times read"] > 3


@pytest.mark.slow
def test_everything_at_once_and_five_hundred_kills(tmp_path):
    assert torture(tmp_path / "family", kills=500, followers=3, seed=6)["calls written"] > 10_000
