"""tensor, as_tensor and asarray: what is shared, where it goes, and numbers that do not fit."""

import numpy as np
import pytest

import flambeau
from flambeau.overrides import TorchFunctionMode


@pytest.mark.parametrize(
    "data, options",
    [
        ([1.0, 2.0], {}),
        (1.0, {}),
        (np.float64(2), {}),
        (bytearray(8), {}),
        (flambeau.ones(2), {"dtype": flambeau.float64}),
        (flambeau.ones(2), {"device": "meta"}),
        (np.ones(2), {"dtype": flambeau.float32}),
        (np.ones(2), {"device": "meta"}),
    ],
    ids=str,
)
def test_what_cannot_be_shared_is_not_copied(data, options):
    with pytest.raises(ValueError, match="asarray: can't alias"):
        flambeau.asarray(data, copy=False, **options)
    flambeau.asarray(data, copy=True, **options)
    flambeau.asarray(data, copy=None, **options)


def test_what_can_be_shared():
    t, array = flambeau.ones(2), np.ones(2)
    assert flambeau.asarray(t, copy=False) is t
    flambeau.asarray(array, copy=False).zero_()
    assert array.tolist() == [0, 0]
    flambeau.asarray(array, copy=True).fill_(5)
    assert array.tolist() == [0, 0]


@pytest.mark.parametrize("make", [flambeau.tensor, flambeau.as_tensor, flambeau.asarray])
def test_the_device_that_a_context_names(make):
    with flambeau.device("meta"):
        for data in ([1.0], 2, np.ones(2), flambeau.ones(2, device="cpu").numpy()):
            assert make(data).is_meta
            assert not make(data, device="cpu").is_meta
    assert not make([1.0]).is_meta


def test_normal_stays_where_it_is():
    with flambeau.device("meta"):
        assert flambeau.normal(0.0, 1.0, (2,)).device.type == "cpu"


def test_modes_see_them():
    seen = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    with Mode():
        assert flambeau.tensor([1]).tolist() == [1]
        flambeau.as_tensor([1], dtype=flambeau.float64)
        flambeau.asarray([1])
    made = [f for f in seen if f in (flambeau.tensor, flambeau.as_tensor, flambeau.asarray)]
    assert made == [flambeau.tensor, flambeau.as_tensor, flambeau.asarray]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 2**64, 10**30, -(2**63) - 1, -(10**30)])
def test_ints_past_64_bits(value):
    for data in (value, [value], [[0, value]]):
        for dtype in (None, flambeau.int64, flambeau.int8):
            with pytest.raises(ValueError, match=f"tensor: value {value} cannot be converted to"):
                flambeau.tensor(data, dtype=dtype)
    assert flambeau.tensor(value, dtype=flambeau.float64).item() == float(value)
    assert flambeau.tensor(value, dtype=flambeau.complex128).item() == float(value)
    assert flambeau.tensor(value, dtype=flambeau.bool).item() is True


def test_unsigned_ints():
    assert flambeau.tensor(2**64 - 1, dtype=flambeau.uint64).item() == 2**64 - 1
    with pytest.raises(ValueError, match=f"tensor: value {2**64} cannot"):
        flambeau.tensor(2**64, dtype=flambeau.uint64)
    with pytest.raises(RuntimeError, match="tensor: value 300 cannot be converted to type uint8"):
        flambeau.tensor(300, dtype=flambeau.uint8)
    big = flambeau.tensor(2**63, dtype=flambeau.uint64)
    with pytest.raises(RuntimeError, match=f"tensor: value {2**63} cannot be converted"):
        flambeau.tensor([big], dtype=flambeau.int64)


@pytest.mark.parametrize("make", [flambeau.from_numpy, flambeau.tensor, flambeau.as_tensor])
def test_another_byte_order_is_a_wrong_value(make):
    array = np.arange(3, dtype=">f4")
    with pytest.raises(ValueError, match="byte order different from the native byte order"):
        make(array)
    assert make(array.astype(array.dtype.newbyteorder("="))).tolist() == [0.0, 1.0, 2.0]
