"""Windows of max_pool2d that have no elements, and geometries that leave none."""

import itertools

import pytest

import flambeau as torch
import flambeau.nn.functional as F


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int32])
@pytest.mark.parametrize("stride", [(2, 3), (2, 1), (1, 2)])
def test_a_window_between_whose_elements_the_image_passes(layout, dtype, stride):
    x = torch.arange(24).view(1, 2, 2, 6).to(dtype).contiguous(memory_format=layout)
    y, places = F.max_pool2d(x, 2, stride, (1, 0), 3, return_indices=True)
    low = -float("inf") if dtype.is_floating_point else torch.iinfo(dtype).min
    empty = places == -1
    assert empty.any() and bool((y[empty] == low).all()) and bool((y[~empty] >= 0).all())
    if dtype.is_floating_point:
        leaf = x.clone().requires_grad_()
        out = F.max_pool2d(leaf, 2, stride, (1, 0), 3)
        (grad,) = torch.autograd.grad(out.sum(), leaf, create_graph=True)
        assert grad.sum() == float((~empty).sum())


def test_derivatives_of_a_window_without_elements():
    x = torch.arange(12.0).double().view(1, 1, 2, 6).requires_grad_()
    args = (2, (1, 3), (1, 0), 3)

    def pool(x):
        return torch.where(F.max_pool2d(x, *args) < 0, 0.0, F.max_pool2d(x, *args))

    assert torch.autograd.gradcheck(pool, (x,)) and torch.autograd.gradgradcheck(pool, (x,))
    y, tangent = torch.func.jvp(lambda x: F.max_pool2d(x, *args), (x,), (torch.ones_like(x),))
    assert tangent.tolist() == (y >= 0).double().tolist()


def test_every_geometry_can_be_differentiated():
    for h, k, step, pad, dilate, ceil in itertools.product(
        range(1, 6), range(1, 6), range(1, 4), range(3), range(1, 4), (False, True)
    ):
        if pad > k // 2:
            continue
        span = dilate * (k - 1) + 1
        size = (h + 2 * pad - span + (step - 1 if ceil else 0)) // step + 1
        size -= ceil and (size - 1) * step >= h + pad
        x = torch.ones(1, 1, h, 3, requires_grad=True)
        args = (k, 1), (step, 1), (pad, 0), (dilate, 1), ceil
        if size < 1:
            with pytest.raises(RuntimeError, match="Output size is too small"):
                F.max_pool2d(x, *args)
            continue
        y = F.max_pool2d(x, *args)
        assert y.shape == (1, 1, size, 3)
        y.sum().backward()
        assert x.grad.sum() == float((y > 0).sum())
