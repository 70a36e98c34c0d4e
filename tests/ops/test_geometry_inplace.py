"""Changes of geometry in place: transpose_, t_, squeeze_, unsqueeze_, as_strided_."""

import pytest

import flambeau

CHANGES = {
    "transpose_": ((2, 3), lambda t: t.transpose_(0, 1), lambda t: t.transpose(0, 1)),
    "swapaxes_": ((2, 3), lambda t: t.swapaxes_(0, 1), lambda t: t.swapaxes(0, 1)),
    "t_": ((2, 3), lambda t: t.t_(), lambda t: t.t()),
    "squeeze_": ((1, 3, 1), lambda t: t.squeeze_(), lambda t: t.squeeze()),
    "squeeze_ dim": ((1, 3, 1), lambda t: t.squeeze_(0), lambda t: t.squeeze(0)),
    "squeeze_ dims": ((1, 3, 1), lambda t: t.squeeze_((0, 2)), lambda t: t.squeeze((0, 2))),
    "unsqueeze_": ((2, 3), lambda t: t.unsqueeze_(1), lambda t: t.unsqueeze(1)),
    "as_strided_": (
        (2, 3),
        lambda t: t.as_strided_((2, 2), (1, 2)),
        lambda t: t.as_strided((2, 2), (1, 2)),
    ),
}


@pytest.fixture(params=CHANGES)
def change(request):
    return CHANGES[request.param]


def numbers(shape):
    return flambeau.arange(1.0, 1 + flambeau.zeros(shape).numel()).reshape(shape)


def test_self_takes_the_geometry(change):
    shape, inplace, functional = change
    x = numbers(shape)
    want, memory, version = functional(x.clone()), x.data_ptr(), x._version
    assert inplace(x) is x
    assert x.shape == want.shape and x.stride() == want.stride()
    assert x.tolist() == want.tolist()
    assert x.data_ptr() == memory and x._version == version + 1


@pytest.mark.parametrize("of_view", [False, True])
def test_gradient_is_that_of_the_functional_form(change, of_view):
    shape, inplace, functional = change
    leaves = [numbers(shape).requires_grad_() for _ in range(2)]
    for leaf, f in zip(leaves, (inplace, functional), strict=True):
        x = leaf * 2
        y = f(x.view_as(x) if of_view else x)
        (y * numbers(y.shape)).sum().backward()
    assert leaves[0].grad.tolist() == leaves[1].grad.tolist()


def test_a_view_stays_tied_to_its_base():
    leaf = numbers((2, 3)).requires_grad_()
    base = leaf * 1
    view = base[0]
    view.unsqueeze_(1)
    view.mul_(3)
    base.sum().backward()
    assert base.shape == (2, 3)
    assert leaf.grad.tolist() == [[3, 3, 3], [1, 1, 1]]


def test_a_leaf_that_requires_grad_is_refused():
    x = flambeau.ones(1, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.squeeze_()
    assert x.shape == (1, 2)
