"""What uniform_ takes depends on the range of the dtype."""

import pytest

import flambeau

LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
    "complex64": 3.4028234663852886e38,
    "complex128": 1.7976931348623157e308,
}


@pytest.mark.parametrize("name", LARGEST)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_bounds(name, device):
    most, dtype = LARGEST[name], getattr(flambeau, name)
    t = flambeau.zeros(4, dtype=dtype, device=device)
    beyond = [float("inf"), float("nan")] + ([most * 1.01] if most < 1e300 else [])
    for bad in beyond:
        with pytest.raises(RuntimeError, match=f"uniform_: to=.* is out of bounds for {name}"):
            t.uniform_(0, bad)
        with pytest.raises(RuntimeError, match=f"uniform_: from=.* is out of bounds for {name}"):
            t.uniform_(-bad, 0)
    with pytest.raises(RuntimeError, match="uniform_: uniform_ expects to - from to be at most"):
        t.uniform_(-most * 0.75, most * 0.75)
    with pytest.raises(RuntimeError, match=r"\[from, to\) range, but found from=1 > to=0"):
        t.uniform_(1, 0)
    assert device == "meta" or not t.any()
    t.uniform_(0, most)
    t.uniform_(-most * 0.5, most * 0.5)
    assert device == "meta" or bool(t.isfinite().all())
