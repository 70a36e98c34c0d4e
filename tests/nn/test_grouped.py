"""Products in groups, products of 8-bit floats, and names beside the functions."""

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau import nn

ENDS = [2, 2, 7]


def offsets(ends=ENDS):
    return flambeau.tensor(ends, dtype=flambeau.int32)


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def grouped(a, b, ends):
    """The reference: a loop over groups."""
    starts = [0, *ends[:-1]]
    if a.ndim == 2 and b.ndim == 2:
        return np.stack([a[:, s:e] @ b[s:e] for s, e in zip(starts, ends, strict=True)])
    out = np.zeros((a.shape[-2], b.shape[-1]), np.float32)
    for i, (s, e) in enumerate(zip(starts, ends, strict=True)):
        if a.ndim == 2:
            out[s:e] = a[s:e] @ b[i]
        else:
            out[:, s:e] = a[i] @ b[:, s:e]
    return out


@pytest.mark.parametrize(
    "a, b",
    [((7, 4), (3, 4, 5)), ((3, 6, 4), (4, 7)), ((6, 7), (7, 5)), ((9, 4), (3, 4, 5))],
)
def test_groups_side_by_side(a, b):
    a, b = random(*a), random(*b)
    x, y = flambeau.tensor(a, requires_grad=True), flambeau.tensor(b, requires_grad=True)
    result = F.grouped_mm(x, y, offs=offsets())
    np.testing.assert_allclose(result.detach().numpy(), grouped(a, b, ENDS), rtol=1e-5, atol=1e-6)
    # The product is linear in each: the gradient is known from products with unit steps.
    weights = random(*result.shape)
    (result * flambeau.tensor(weights)).sum().backward()
    for tensor, given, place in ((x, a, 0), (y, b, 1)):
        step = random(*given.shape)
        both = [a, b]
        both[place] = step
        expected = (grouped(*both, ENDS) * weights).sum()
        assert (tensor.grad.numpy() * step).sum() == pytest.approx(expected, rel=1e-4)


def test_batches_need_no_offsets():
    a, b = random(3, 2, 4), random(3, 4, 5)
    np.testing.assert_allclose(
        F.grouped_mm(flambeau.tensor(a), flambeau.tensor(b)).numpy(), a @ b, rtol=1e-5
    )
    half = F.grouped_mm(flambeau.tensor(a).bfloat16(), flambeau.tensor(b).bfloat16())
    assert half.dtype == flambeau.bfloat16


def test_no_groups():
    x = flambeau.ones(2, 3)
    assert F.grouped_mm(x, flambeau.ones(0, 3, 4), offs=offsets([])).tolist() == [[0] * 4] * 2
    assert F.grouped_mm(x, flambeau.ones(3, 4), offs=offsets([])).shape == (0, 2, 4)


@pytest.mark.parametrize(
    "a, b, keywords, words",
    [
        ((7, 4), (3, 4, 5), {}, "provide offsets"),
        ((3, 7, 4), (3, 4, 5), {"offs": offsets()}, "no offset if both"),
        ((7, 4), (3, 3, 5), {"offs": offsets()}, "contraction dimension"),
        ((7,), (3, 4, 5), {"offs": offsets()}, "2 or 3d"),
        ((7, 4), (2, 4, 5), {"offs": offsets()}, "2 matrices, but offs has 3"),
        ((7, 4), (3, 4, 5), {"offs": offsets().long()}, "int32"),
        ((7, 4), (3, 4, 5), {"offs": offsets(), "bias": flambeau.ones(5)}, "Bias"),
        ((7, 4), (3, 4, 5), {"offs": offsets(), "out_dtype": flambeau.float64}, "output dtype"),
    ],
)
def test_what_is_no_product_in_groups(a, b, keywords, words):
    with pytest.raises(RuntimeError, match=f"grouped_mm: .*{words}"):
        F.grouped_mm(flambeau.ones(a), flambeau.ones(b), **keywords)
    with pytest.raises(RuntimeError, match="Expected mat_a"):
        F.grouped_mm(flambeau.ones(a or 1, dtype=flambeau.float64).reshape(1, -1), flambeau.ones(b))


def bytes_as_numbers(bits, name):
    """By the bits of wider floats: an e5m2 number is the upper half of a float16."""
    bits = np.asarray(bits, np.uint8)
    if name == "float8_e5m2":
        return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    wide = (bits & 128).astype(np.uint32) << 24 | (bits & 127).astype(np.uint32) << 20
    numbers = wide.view(np.float32) * np.float32(2.0**120)
    numbers[(bits & 127) == 127] = np.nan
    return numbers


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2"])
def test_scaled_products_of_8_bit_floats(name):
    bits = np.random.default_rng(0).integers(0, 2, (6, 8)) * 128 + 40
    bits = bits + np.random.default_rng(1).integers(0, 30, (6, 8))
    a, b = bits[:3].astype(np.uint8), bits[:4].T.astype(np.uint8).copy()
    x, y = (flambeau.tensor(v).view(getattr(flambeau, name)) for v in (a, b))
    product = bytes_as_numbers(a, name).astype(np.float64) @ bytes_as_numbers(b, name)
    one, row = F.ScalingType.TensorWise, F.ScalingType.RowWise
    bias = random(4)
    ours = F.scaled_mm(
        x, y, flambeau.tensor(2.0), one, flambeau.tensor(0.5), one,
        bias=flambeau.tensor(bias), output_dtype=flambeau.float32,
    )  # fmt: skip
    np.testing.assert_allclose(ours.numpy(), product + bias, rtol=1e-5, atol=1e-4)
    s, t = random(3, 1), random(1, 4)
    ours = F.scaled_mm(
        x, y, [flambeau.tensor(s)], [row], flambeau.tensor(t), row, output_dtype=flambeau.float64
    )
    np.testing.assert_allclose(ours.numpy(), product * s * t, rtol=1e-5, atol=1e-4)
    halves = F.scaled_mm(x, y, flambeau.tensor(1.0), one, flambeau.tensor(1.0), one)
    assert halves.dtype == flambeau.bfloat16
    turned = F.scaled_mm(
        x.t(), y, flambeau.tensor(1.0), one, flambeau.tensor(1.0), one, contraction_dim=(0, 0)
    )
    assert flambeau.equal(turned, halves)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2"])
def test_all_8_bit_floats(name):
    from flambeau.nn.functional._grouped import _values

    expected = bytes_as_numbers(np.arange(256), name)
    np.testing.assert_array_equal(_values(getattr(flambeau, name)).numpy(), expected)


def test_scales_that_do_not_fit():
    x = flambeau.zeros(4, 4, dtype=flambeau.uint8).view(flambeau.float8_e4m3fn)
    one, scale = F.ScalingType.TensorWise, flambeau.tensor(1.0)
    for matrix, way, scales in (
        (x, F.ScalingType.RowWise, scale),
        (x, F.ScalingType.BlockWise1x32, scale),
        (x, one, scale.double()),
        (flambeau.ones(4, 4), one, scale),
    ):
        with pytest.raises(ValueError, match="Invalid scaling configuration"):
            F.scaled_mm(matrix, x, scales, way, scales, way)
    with pytest.raises(ValueError, match=r"cannot be multiplied \(4x4 and 2x4\)"):
        F.scaled_mm(x, x[:2], scale, one, scale, one)
    with pytest.raises(NotImplementedError, match="scaled_grouped_mm"):
        F.scaled_grouped_mm(x, x)


# ---- names


def test_names_beside_the_functions():
    assert F.GRID_SAMPLE_INTERPOLATION_MODES["nearest"] == 1
    assert F.GRID_SAMPLE_PADDING_MODES["reflection"] == 2
    assert F.Tensor is flambeau.Tensor and F.BroadcastingList2[int] is None
    assert F.has_torch_function is flambeau.overrides.has_torch_function
    choose = F.boolean_dispatch("up", 1, False, lambda x, up=0: x, lambda x, up=0: -x, "m", "f")
    assert (choose(2), choose(2, True), choose(2, up=True)) == (-2, 2, 2)
    assert (choose.__module__, choose.__name__) == ("m", "f")
    with pytest.raises(AssertionError, match="size: two"):
        F.assert_int_or_pair([1, 2, 3], "size", "{}: two")
    F.assert_int_or_pair(1, "size", "")


def test_factory_kwargs():
    assert nn.factory_kwargs(None) == {}
    given = {"device": "cpu", "factory_kwargs": {"dtype": flambeau.float64}}
    assert nn.factory_kwargs(given) == {"device": "cpu", "dtype": flambeau.float64}
    with pytest.raises(TypeError, match="unexpected kwargs"):
        nn.factory_kwargs({"size": 1})
    with pytest.raises(TypeError, match="specified twice"):
        nn.factory_kwargs({"device": "cpu", "factory_kwargs": {"device": "cpu"}})


# ---- many devices, of which there are none


def test_data_parallel_calls_its_module():
    layer = nn.Linear(2, 3)
    model = nn.DataParallel(layer, device_ids=[0])
    assert model.module is layer and model.device_ids == []
    assert flambeau.equal(model(flambeau.ones(4, 2)), layer(flambeau.ones(4, 2)))
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    with pytest.raises(RuntimeError, match="no accelerator"):
        nn.parallel.data_parallel(layer, flambeau.ones(1, 2))
    with pytest.raises(ValueError, match="process group has not been initialized"):
        nn.parallel.DistributedDataParallel(layer)
    for function in ("replicate", "scatter", "gather", "parallel_apply"):
        with pytest.raises(RuntimeError, match=f"{function}: Cannot access accelerator"):
            getattr(nn.parallel, function)(None, None)


def test_container_is_deprecated():
    with pytest.warns(FutureWarning, match="deprecated"):
        box = nn.Container(first=nn.ReLU())
    assert isinstance(box.first, nn.ReLU)


def test_implementations_of_attention_from_outside():
    from flambeau.nn import attention

    seen = []

    class Handle:
        def remove(self):
            seen.append("removed")

    attention.register_flash_attention_impl("test's", register_fn=Handle)
    assert "test's" in attention.list_flash_attention_impls()
    attention.activate_flash_attention_impl("test's")
    assert attention.current_flash_attention_impl() == "test's"
    attention.activate_flash_attention_impl("test's")
    assert seen == ["removed"]
    attention.restore_flash_attention_impl()
    assert seen == ["removed"] * 2 and attention.current_flash_attention_impl() is None
    with pytest.raises(ValueError, match="Unknown flash attention"):
        attention.activate_flash_attention_impl("no one's")
    with pytest.warns(UserWarning, match="no implementation was active"):
        attention.restore_flash_attention_impl()
