"""A few rounds of each kind; `make soak` runs hundreds."""

import pytest

from tests.soak.__main__ import kinds, run


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", kinds())
def test_rounds(kind, number):
    run(kind, 0, number)
