"""What a program sets once for all, and the old types of tensors."""

import threading

import numpy as np
import pytest

import flambeau


@pytest.fixture(autouse=True)
def _as_before():
    yield
    flambeau.set_default_device(None)
    flambeau.set_default_dtype(flambeau.float32)
    flambeau.use_deterministic_algorithms(False)
    flambeau.set_float32_matmul_precision("highest")


def test_the_default_device_is_that_of_new_tensors():
    assert flambeau.get_default_device() == flambeau.device("cpu")
    flambeau.set_default_device("meta")
    assert flambeau.get_default_device().type == "meta"
    assert flambeau.ones(2).device.type == "meta"
    assert flambeau.ones(2, device="cpu").device.type == "cpu"
    with flambeau.device("cpu"):
        assert flambeau.get_default_device().type == "cpu"
        assert flambeau.ones(2).device.type == "cpu"
        flambeau.set_default_device("cpu")  # below the block, which goes on deciding
        flambeau.set_default_device("meta")
        assert flambeau.ones(2).device.type == "cpu"
    assert flambeau.ones(2).device.type == "meta"
    seen = []
    thread = threading.Thread(target=lambda: seen.append(flambeau.get_default_device().type))
    thread.start()
    thread.join()
    assert seen == ["cpu"]
    flambeau.set_default_device(None)
    assert flambeau.ones(2).device.type == "cpu"


def test_the_default_tensor_type_is_a_dtype():
    for kind in (flambeau.DoubleTensor, "torch.DoubleTensor"):
        flambeau.set_default_tensor_type(kind)
        assert flambeau.ones(1).dtype == flambeau.float64
        flambeau.set_default_dtype(flambeau.float32)
    with pytest.raises(TypeError, match="only floating-point"):
        flambeau.set_default_tensor_type("torch.LongTensor")
    with pytest.raises(ValueError, match="invalid type"):
        flambeau.set_default_tensor_type("Doubles")


def test_what_is_asked_of_algorithms_is_remembered():
    for number, word in enumerate(("default", "warn", "error")):
        for mode in (number, word):
            flambeau.set_deterministic_debug_mode(mode)
            assert flambeau.get_deterministic_debug_mode() == number
            assert flambeau.are_deterministic_algorithms_enabled() == (number > 0)
            assert flambeau.is_deterministic_algorithms_warn_only_enabled() == (number == 1)
    with pytest.raises(RuntimeError, match="invalid value"):
        flambeau.set_deterministic_debug_mode("loud")
    with pytest.raises(TypeError, match="must be a bool"):
        flambeau.use_deterministic_algorithms(1)
    flambeau.set_float32_matmul_precision("high")
    assert flambeau.get_float32_matmul_precision() == "high"
    with pytest.raises(RuntimeError, match="not one of"):
        flambeau.set_float32_matmul_precision("low")


TYPES = {
    "BFloat16Tensor": flambeau.bfloat16,
    "BoolTensor": flambeau.bool,
    "ByteTensor": flambeau.uint8,
    "CharTensor": flambeau.int8,
    "DoubleTensor": flambeau.float64,
    "FloatTensor": flambeau.float32,
    "HalfTensor": flambeau.float16,
    "IntTensor": flambeau.int32,
    "LongTensor": flambeau.int64,
    "ShortTensor": flambeau.int16,
}


@pytest.mark.parametrize("name", TYPES)
def test_old_types_make_tensors_and_tell_them_apart(name):
    kind, dtype = getattr(flambeau, name), TYPES[name]
    assert kind.dtype == dtype and kind.__name__ == name and not kind.is_cuda
    for made, shape in (
        (kind(), (0,)),
        (kind(2, 3), (2, 3)),
        (kind(flambeau.Size([4])), (4,)),
        (kind([1, 0]), (2,)),
        (kind(((1, 0), (0, 1))), (2, 2)),
        (kind(np.zeros((1, 2))), (1, 2)),
        (kind(data=[1]), (1,)),
        (kind(size=(2, 2)), (2, 2)),
    ):
        assert made.dtype == dtype and made.shape == shape and type(made) is flambeau.Tensor
        assert isinstance(made, kind)
    assert kind([1, 0]).tolist() == [1, 0]
    other = flambeau.ones(1, dtype=flambeau.int32 if dtype != flambeau.int32 else flambeau.int64)
    assert not isinstance(other, kind) and not isinstance(3, kind)
    assert not isinstance(flambeau.ones(1, dtype=dtype, device="meta"), kind)
    assert other.type(kind).dtype == dtype
    shared = flambeau.ones(2, dtype=dtype)
    assert kind(shared).data_ptr() == shared.data_ptr()


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ((flambeau.ones(1),), TypeError, "expected a tensor of dtype torch.int64"),
        ((2.5,), TypeError, "must be a sequence"),
        (("12",), TypeError, "must be a sequence"),
        ((True,), TypeError, "must be a sequence"),
        ((None,), TypeError, "must be a sequence"),
        (([1], [2]), TypeError, "all of them ints"),
        ((-1,), RuntimeError, "negative dimension -1"),
    ],
)
def test_old_types_say_what_they_do_not_take(arguments, error, words):
    with pytest.raises(error, match=f"LongTensor.*{words}"):
        flambeau.LongTensor(*arguments)


def test_old_types_are_on_the_cpu():
    with pytest.raises(RuntimeError, match="expects device type: cpu"):
        flambeau.FloatTensor(2, device="meta")
    with pytest.raises(TypeError, match="expected sizes"):
        flambeau.FloatTensor(2, size=(1,))


def test_numbers():
    assert (flambeau.pi, flambeau.e) == (np.pi, np.e)
    assert flambeau.inf == np.inf and flambeau.nan != flambeau.nan and flambeau.newaxis is None
    assert not np.signbit(flambeau.nan)
    assert flambeau.ones(2)[flambeau.newaxis].shape == (1, 2)


def test_conditions():
    flambeau._assert(flambeau.tensor(True), "")
    with pytest.raises(AssertionError, match="words"):
        flambeau._assert(flambeau.tensor(False), "words")
    for name, error in {
        "_check": RuntimeError,
        "_check_index": IndexError,
        "_check_value": ValueError,
        "_check_type": TypeError,
        "_check_not_implemented": NotImplementedError,
    }.items():
        check = getattr(flambeau, name)
        check(True)
        with pytest.raises(error, match="why"):
            check(False, lambda: "why")
        with pytest.raises(TypeError, match="must be a bool"):
            check(flambeau.tensor(True))
        with pytest.raises(TypeError, match="callable"):
            check(False, "text")
    flambeau._check_tensor_all(flambeau.tensor([True, True]))
    with pytest.raises(RuntimeError, match="Expected cond"):
        flambeau._check_tensor_all(flambeau.tensor([True, False]))
    with pytest.raises(TypeError, match="dtype torch.bool"):
        flambeau._check_tensor_all(flambeau.ones(1))
    assert flambeau._shape_as_tensor(flambeau.ones(2, 3)).tolist() == [2, 3]


def test_functions_of_numbers_that_may_be_symbols():
    assert (flambeau.sym_int(-2.5), flambeau.sym_float(2)) == (-2, 2.0)
    assert flambeau.sym_max(3, 2.0) == 3.0 and isinstance(flambeau.sym_max(3, 2.0), float)
    assert flambeau.sym_min(3, 2) == 2 and flambeau.sym_sum([1, 2, 3]) == 6
    assert flambeau.sym_not(False) is True and flambeau.sym_ite(True, 1, 2) == 1
    with pytest.raises(AssertionError, match="mismatch"):
        flambeau.sym_ite(True, 1, 2.0)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 4), (5,)])
def test_unravel_index(shape):
    count = int(np.prod(shape))
    indices = np.random.default_rng(0).integers(count, size=(4, 2))
    places = flambeau.unravel_index(flambeau.tensor(indices), shape)
    for ours, theirs in zip(places, np.unravel_index(indices, shape), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
    with pytest.raises(TypeError, match="integer dtype"):
        flambeau.unravel_index(flambeau.ones(1), shape)
    with pytest.raises(ValueError, match="negative"):
        flambeau.unravel_index(flambeau.tensor(0), (2, -1))


def test_autocast_by_its_old_names():
    with pytest.warns(DeprecationWarning, match="is_autocast_enabled"):
        assert flambeau.is_autocast_cpu_enabled() is False
    with pytest.warns(DeprecationWarning):
        assert flambeau.get_autocast_cpu_dtype() == flambeau.get_autocast_dtype("cpu")
    with pytest.warns(DeprecationWarning):
        assert flambeau.get_autocast_gpu_dtype() == flambeau.get_autocast_dtype("cuda")
    before = flambeau.get_autocast_dtype("cpu")
    with pytest.warns(DeprecationWarning):
        flambeau.set_autocast_cpu_dtype(flambeau.float16)
        flambeau.set_autocast_cpu_enabled(True)
    try:
        assert flambeau.get_autocast_dtype("cpu") == flambeau.float16
        assert flambeau.is_autocast_enabled("cpu")
    finally:
        flambeau.set_autocast_enabled("cpu", False)
        flambeau.set_autocast_dtype("cpu", before)


def test_names_that_types_are_told_apart_by():
    assert not isinstance(1.0, (flambeau.SymFloat, flambeau.SymBool, flambeau.ScriptModule))
    assert flambeau.legacy_contiguous_format is flambeau.contiguous_format
    from flambeau import types
    from flambeau.utils import dlpack, model_zoo

    assert isinstance(flambeau.ones(1).shape, flambeau.Size) and types.Storage is not None
    assert dlpack.from_dlpack is flambeau.from_dlpack and dlpack.DLDeviceType.kDLCPU == 1
    assert flambeau.ones(1).__dlpack_device__()[0] == dlpack.DLDeviceType.kDLCPU
    assert model_zoo.load_url is flambeau.hub.load_state_dict_from_url
