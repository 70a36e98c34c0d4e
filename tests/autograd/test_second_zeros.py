"""A gradient that does not change with its input has zeros as its gradient, and not none."""

import pytest

import flambeau as torch
from flambeau.nn import functional as F

ROWS = torch.tensor([1, 0])


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: F.max_pool2d(x, 2), (1, 1, 2, 2)),
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], (2, 4, 4)),
        (lambda x: F.nll_loss(x, ROWS), (2, 3)),
        (lambda x: F.nll_loss(x[:, :, None, None], ROWS[:, None, None]), (2, 3)),
        (lambda x: torch.remainder(torch.ones(3), x), (3,)),
        (lambda x: torch.remainder(x, x), (3,)),
        (F.relu, (3,)),
        (lambda x: x.prod(), (0, 3)),
        (lambda x: x.prod(0), (0, 3)),
        (lambda x: x.prod(1, keepdim=True), (3, 0)),
    ],
)
def test_second_gradient_is_zeros(function, shape):
    x = torch.randn(shape, requires_grad=True)
    (g,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.shape == x.shape and h.eq(0).all()


def test_tangents_of_relu_by_two_gradients():
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    (g,) = torch.autograd.grad(F.relu(x), x, v, create_graph=True)
    (tangent,) = torch.autograd.grad(g, v, torch.ones(2), create_graph=True)
    assert tangent.tolist() == [0, 1]
    (h,) = torch.autograd.grad(tangent.sum(), x)
    assert h.tolist() == [0, 0]


def test_gradient_of_a_threshold_is_summed_to_a_smaller_gradient():
    g = torch.ones(2, requires_grad=True)
    x = torch.tensor([[-1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    made = torch.ops.aten.threshold_backward(g, x, 0)
    made.sum().backward()
    assert g.grad.tolist() == [1, 2] and x.grad.eq(0).all()
