"""Memory that is shared with others: what is copied, what is shared, what is refused."""

import numpy
import pytest

import flambeau as torch


def test_an_array_of_a_parameter_is_a_copy_where_numpy_asks_for_one():
    p = torch.nn.Parameter(torch.ones(3))
    with torch.no_grad():
        for made in (numpy.array(p), numpy.array(p, dtype="float64"), p.__array__(copy=True)):
            made[0] = 7
            assert p[0] == 1
        shared = p.__array__(copy=False)
        shared[1] = 5
        assert p[1] == 5
        with pytest.raises(ValueError, match="copy=False"):
            p.__array__("float64", copy=False)
        assert p.__array__("float64").dtype == "float64"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool", "complex64"])
def test_numpy_array_copies_and_asarray_shares(dtype):
    t = torch.zeros(3, dtype=getattr(torch, dtype))
    copied, shared = numpy.array(t), numpy.asarray(t)
    t.fill_(1)
    assert not copied.any() and shared.all()


def test_many_handles_on_one_array():
    a = numpy.zeros(3, dtype="float32")
    t = torch.from_numpy(a)
    back = t.numpy()
    t[0] = 5
    assert a[0] == 5 and back[0] == 5 and torch.from_dlpack(t)[0] == 5
    with pytest.raises(RuntimeError, match="resiz"):
        t.resize_(100)
    assert t.shape == (3,) and a[0] == 5


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2", "quint8", "bits8", "complex32"])
def test_dtypes_that_numpy_does_not_have(dtype):
    t = torch.empty(3, dtype=getattr(torch, dtype))
    with pytest.raises(TypeError, match="unsupported ScalarType|can't convert"):
        t.numpy()
    with pytest.raises((TypeError, BufferError)):
        memoryview(t)


def test_frombuffer_of_impossible_parts():
    data = bytearray(16)
    for options in (
        {"count": 5},
        {"count": 2**62},
        {"count": 2**63 - 1, "offset": 8},
        {"offset": -1},
        {"offset": 17},
        {"offset": 2**62},
        {"offset": 3},
        {"count": 0},
    ):
        with pytest.raises((ValueError, RuntimeError)):
            torch.frombuffer(data, dtype=torch.float32, **options)
    t = torch.frombuffer(data, dtype=torch.float32, count=2, offset=4)
    assert t.shape == (2,) and t.untyped_storage().nbytes() == 8


def test_capsules_are_used_once():
    t = torch.ones(3)
    capsule = t.__dlpack__()
    assert torch.from_dlpack(capsule).tolist() == [1.0] * 3
    with pytest.raises(RuntimeError, match="only once"):
        torch.from_dlpack(capsule)
    for thing in (5, None, "x", object()):
        with pytest.raises((AttributeError, RuntimeError, TypeError)):
            torch.from_dlpack(thing)
