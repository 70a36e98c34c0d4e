"""flambeau.testing: assert_close and make_tensor."""

import math

import numpy as np
import pytest

import flambeau
from flambeau.testing import assert_close, make_tensor

ONES = flambeau.ones(2, 3)
INTEGRAL = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
FLOATING = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]


def message(*args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        assert_close(*args, **kwargs)
    return str(caught.value)


# --- assert_close ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [
        ("float16", 1e-3, 1e-5),
        ("bfloat16", 1.6e-2, 1e-5),
        ("float32", 1.3e-6, 1e-5),
        ("float64", 1e-7, 1e-7),
        ("complex64", 1.3e-6, 1e-5),
        ("complex128", 1e-7, 1e-7),
    ],
)
@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_tolerances_follow_the_dtype(dtype, rtol, atol, size):
    expected = flambeau.full((3,), size, dtype=getattr(flambeau, dtype))
    wide = flambeau.complex128 if expected.is_complex() else flambeau.float64
    bound = atol + rtol * size
    # In a wide dtype, so that rounding to `dtype` does not decide.
    near, far = (expected.to(wide) + share * bound for share in (0.99, 1.01))
    assert_close(near, expected, check_dtype=False)
    assert "not close" in message(far, expected, check_dtype=False)


@pytest.mark.parametrize("dtype", [*INTEGRAL, "bool"])
def test_exact_dtypes_have_no_tolerance(dtype):
    expected = flambeau.ones(3, dtype=getattr(flambeau, dtype))
    assert_close(expected.clone(), expected)
    assert "not equal" in message(flambeau.zeros(3, dtype=expected.dtype), expected)


def test_differences_of_unsigned_numbers_do_not_wrap():
    small, large = (flambeau.tensor([x], dtype=flambeau.uint8) for x in (1, 255))
    assert "Greatest absolute difference: 254" in message(small, large, rtol=0, atol=10)


def test_tensor_message():
    actual = ONES.clone()
    actual[0, 2], actual[1, 1] = 1.5, -1
    assert message(actual, ONES) == (
        "Tensor-likes are not close!\n\n"
        "Mismatched elements: 2 / 6 (33.3%)\n"
        "Greatest absolute difference: 2.0 at index (1, 1) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 2.0 at index (1, 1) (up to 1.3e-06 allowed)"
    )
    assert message(actual, ONES, rtol=0, atol=0) == (
        "Tensor-likes are not equal!\n\n"
        "Mismatched elements: 2 / 6 (33.3%)\n"
        "Greatest absolute difference: 2.0 at index (1, 1)\n"
        "Greatest relative difference: 2.0 at index (1, 1)"
    )


def test_scalar_message():
    expected = (
        "Scalars are not close!\n\n"
        "Expected 1.0 but got 3.0.\n"
        "Absolute difference: 2.0 (up to 1e-05 allowed)\n"
        "Relative difference: 2.0 (up to 1.3e-06 allowed)"
    )
    assert message(flambeau.tensor(3.0), flambeau.tensor(1.0)) == expected
    assert message(3.0, 1.0, rtol=1.3e-6, atol=1e-5) == expected
    assert "Relative difference: inf" in message(1.0, 0.0)


def test_infinities_and_nan():
    values = flambeau.tensor([math.inf, -math.inf, 0.0])
    assert_close(values.clone(), values)
    assert "2 / 3" in message(-values, values)
    # An infinite tolerance does not make infinity close to a number.
    assert "1 / 1" in message(flambeau.tensor([math.inf]), ONES[0, :1], rtol=0, atol=math.inf)
    nan = flambeau.tensor([math.nan, 1.0])
    assert "1 / 2" in message(nan, nan)
    assert_close(nan, nan, equal_nan=True)
    assert "not close" in message(math.nan, math.nan)
    assert_close(math.nan, math.nan, equal_nan=True)


@pytest.mark.parametrize(
    ("other", "option", "attribute"),
    [
        (flambeau.ones(2, 3, dtype=flambeau.float64), "check_dtype", "dtype"),
        (flambeau.ones(3, 2).t(), "check_stride", "stride()"),
        (flambeau.ones(2, 3, device="meta"), "check_device", "device"),
    ],
)
def test_attributes(other, option, attribute):
    assert f"attribute '{attribute}' do not match" in message(other, ONES, **{option: True})
    assert_close(other, ONES, **{option: False})


def test_shapes_must_be_equal():
    assert message(ONES, ONES[0]) == (
        "The values for attribute 'shape' do not match: torch.Size([2, 3]) != torch.Size([3])."
    )


def test_meta_tensors_have_no_values_to_compare():
    meta = ONES.to("meta")
    assert_close(meta, meta + 1)
    assert "'shape'" in message(meta, meta[0])


def test_mixed_dtypes_are_compared_in_a_common_one():
    assert_close(flambeau.tensor([300]), flambeau.tensor([300.0]), check_dtype=False)
    unsigned = flambeau.tensor([2**31], dtype=flambeau.uint32)
    assert_close(unsigned, flambeau.tensor([2**31]), check_dtype=False)


def test_numbers():
    assert_close(1, 1)
    assert_close(1.0, 1.0 + 1e-8)
    assert_close(1j, 1j + 1e-8)
    assert "not equal" in message(1, 2)
    assert "(d)types do not match" in message(1, 1.0)
    assert_close(1, 1.0, check_dtype=False)
    assert_close(np.float64(1), 1.0)
    assert_close(10**30, 10**30)


def test_booleans_and_none():
    assert_close(True, np.bool_(True))
    assert_close(None, None)
    assert message(True, False) == "Booleans mismatch: True is not False"
    assert message(None, 1) == "None mismatch: None is not 1"


def test_arrays():
    array = np.array([1.0, 2.0])
    assert_close(array, array + 1e-9)
    assert "1 / 2" in message(array, np.array([1.0, 3.0]))
    with pytest.raises(TypeError, match=r"No comparison pair .*numpy\.ndarray.* and .*Tensor"):
        assert_close(array, flambeau.tensor([1.0, 2.0]))


@pytest.mark.parametrize(("actual", "expected"), [("a", "a"), (object(), object()), (1, ONES)])
def test_what_cannot_be_compared(actual, expected):
    with pytest.raises(TypeError, match="No comparison pair"):
        assert_close(actual, expected)


def test_subclasses():
    class Marked(flambeau.Tensor):
        pass

    marked = ONES.as_subclass(Marked)
    assert_close(marked, ONES)
    assert_close(flambeau.nn.Parameter(ONES.clone()), ONES)
    with pytest.raises(TypeError, match="Marked"):
        assert_close(marked, ONES, allow_subclasses=False)


def test_structures():
    value = {"a": [ONES, 1.0], "b": None}
    assert_close(value, {"b": None, "a": (ONES.clone(), 1.0)})
    other = {"a": [ONES, 2.0], "b": None}
    assert message(other, value).endswith("The failure occurred for item ['a'][1]")
    assert message([1, 2], [1]) == "The length of the sequences mismatch: 2 != 1"
    assert message({"a": 1, "x": 2}, {"a": 1, "y": 2}) == (
        "The keys of the mappings do not match:\n"
        "Missing keys in the actual mapping: ['y']\n"
        "Additional keys in the actual mapping: ['x']"
    )
    # A structure that does not match is reported before any value that does not.
    assert "length" in message([1, [2]], [5, []])


def test_own_messages():
    assert message(1, 2, msg="mine") == "mine"
    assert message([1], [2], msg=lambda text: f"<{text}>").startswith("<Scalars are not equal!")
    assert message([1], [2], msg=lambda text: f"<{text}>").endswith("item [0]>")


@pytest.mark.parametrize("given", ["rtol", "atol"])
def test_tolerances_come_together(given):
    with pytest.raises(ValueError, match="must be either specified or omitted"):
        assert_close(1.0, 1.0, **{given: 1e-3})


def test_gradients_do_not_matter():
    assert_close(ONES.clone().requires_grad_(), ONES)


# --- make_tensor ----------------------------------------------------------------------------------


def make(dtype, shape=(50, 40), **options):
    return make_tensor(shape, dtype=getattr(flambeau, dtype), device="cpu", **options)


def parts(tensor):
    """All real numbers that the tensor holds, in float64."""
    if tensor.is_complex():
        return flambeau.cat([tensor.real.flatten(), tensor.imag.flatten()]).double()
    return tensor.flatten().double()


@pytest.mark.parametrize("dtype", ["bool", *INTEGRAL, *FLOATING, *COMPLEX])
def test_default_range(dtype):
    if dtype == "bool":
        low, last = 0, 1
    elif dtype in INTEGRAL:
        low, last = (0 if dtype.startswith("u") else -9), 9
    else:
        low, last = -9, 9
    tensor = make(dtype)
    values = parts(tensor)
    assert tensor.dtype == getattr(flambeau, dtype) and tensor.shape == (50, 40)
    assert low <= values.min() and values.max() <= last
    if dtype in FLOATING + COMPLEX:
        assert values.min() < -8.5 and values.max() > 8.5 and abs(values.mean()) < 1
    else:
        assert set(values.tolist()) == set(range(low, last + 1))


@pytest.mark.parametrize("dtype", ["int16", "float32", "complex64"])
def test_given_range(dtype):
    values = parts(make(dtype, low=2, high=5))
    assert values.min() >= 2 and values.max() < 5


def test_range_is_cut_to_the_dtype():
    values = make("int8", low=-1000, high=1000)
    assert values.min() < -100 and values.max() > 100
    assert make("float16", low=-math.inf, high=math.inf).isnan().sum() == 0
    assert set(make("int32", low=1.5, high=3.5).unique().tolist()) == {2, 3}


def test_the_whole_range_of_a_float_is_drawn():
    values = make("float32", low=-math.inf, high=math.inf)
    assert (values.abs() < math.inf).all() and values.max() > 1e38 and values.min() < -1e38


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (5, 5, "must be less than"),
        (5, 1, "must be less than"),
        (math.nan, 1, "cannot be NaN"),
        (300, 400, "outside of what torch.int8"),
        (-400, -300, "outside of what torch.int8"),
    ],
)
def test_range_errors(low, high, text):
    with pytest.raises(ValueError, match=text):
        make("int8", low=low, high=high)


def test_one_value_only_is_deprecated():
    with pytest.warns(FutureWarning, match="flambeau.full"):
        assert (make("float32", low=2, high=2) == 2).all()


def test_shapes():
    for shape in [(2, 3), ([2, 3],), (flambeau.Size([2, 3]),)]:
        assert make_tensor(*shape, dtype=flambeau.int64, device="cpu").shape == (2, 3)
    assert make("float32", ()).shape == () and make("float32", (0, 2)).shape == (0, 2)


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64"])
def test_noncontiguous(dtype):
    tensor = make(dtype, (3, 4), noncontiguous=True)
    assert tensor.shape == (3, 4) and tensor.stride() == (8, 2) and tensor.storage_offset() == 1
    assert make(dtype, (1,), noncontiguous=True).is_contiguous()


def test_memory_format():
    tensor = make("float32", (2, 3, 4, 5), memory_format=flambeau.channels_last)
    assert tensor.stride() == (60, 1, 15, 3)
    with pytest.raises(ValueError, match="mutually exclusive"):
        make("float32", noncontiguous=True, memory_format=flambeau.channels_last)


@pytest.mark.filterwarnings("ignore:make_tensor. low == high:FutureWarning")
def test_exclude_zero():
    assert (make("int8", low=0, high=3, exclude_zero=True) > 0).all()
    assert make("bool", exclude_zero=True).all()
    smallest = make("float32", (5,), low=0, high=0.0, exclude_zero=True)
    assert (smallest == flambeau.finfo(flambeau.float32).tiny).all()


def test_requires_grad():
    assert make("complex64", requires_grad=True).requires_grad
    tensor = make("float32", requires_grad=True, noncontiguous=True)
    assert tensor.requires_grad and tensor.is_leaf
    with pytest.raises(ValueError, match="needs a floating or complex dtype"):
        make("int64", requires_grad=True)


def test_seeds_repeat_and_unknown_dtypes_do_not_pass():
    flambeau.manual_seed(3)
    first = make("float64")
    flambeau.manual_seed(3)
    assert (make("float64") == first).all()
    with pytest.raises(TypeError, match="not supported"):
        make_tensor(2, dtype=float, device="cpu")


def test_meta():
    assert make_tensor(2, dtype=flambeau.complex64, device="meta").device.type == "meta"
