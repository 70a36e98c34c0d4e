"""Views, in-place operations and version counters."""

import pytest

import flambeau as torch


def leaf(*shape):
    return torch.ones(*shape, requires_grad=True)


def test_views_know_their_base():
    x = torch.zeros(2, 3)
    y = x.t()
    z = y[0]
    assert x._base is None and y._base is x and z._base is x
    assert (x.detach()._base, x.clone()._base) == (None, None)


def test_versions_are_shared_by_views():
    x = torch.zeros(4)
    y = x[:2]
    y.add_(1)
    assert (x._version, y._version, x.detach()._version, x.data._version) == (1, 1, 1, 0)
    assert x.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_a_write_to_a_view_is_history_of_the_base():
    x = leaf(4)
    base = x * 1
    view = base[1:3]
    view.mul_(10)
    assert base.grad_fn.name() == "torch::autograd::CopySlices"
    assert view.grad_fn.name() == "AsStridedBackward0"
    base.sum().backward()
    assert x.grad.tolist() == [1.0, 10.0, 10.0, 1.0]


def test_a_write_to_the_base_is_seen_through_views():
    x = leaf(4)
    base = x * 1
    view = base[1:3]
    base.mul_(3)
    view.sum().backward()
    assert x.grad.tolist() == [0.0, 3.0, 3.0, 0.0]


def test_a_write_of_what_requires_grad_makes_base_and_views_require_it():
    base, w = torch.zeros(4), leaf(2)
    view, other = base.view(2, 2), base[2:]
    assert not view.requires_grad
    base[:2].copy_(w)
    assert base.requires_grad and view.requires_grad and other.requires_grad
    (view * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert w.grad.tolist() == [1.0, 2.0]


def test_requires_grad_of_a_base_reaches_its_views():
    base = torch.zeros(4)
    view = base[:2]
    base.requires_grad_()
    assert view.requires_grad
    base.requires_grad_(False)
    assert not view.requires_grad


def test_chains_of_views_and_writes():
    x = leaf(2, 3)
    base = x * 2
    row = base.t()[1]
    row.add_(base[:, 0] * 5)
    base[0, 1] = 7.0
    base.sum().backward()
    assert x.grad.tolist() == [[2.0, 0.0, 2.0], [12.0, 2.0, 2.0]]


def test_second_derivative_of_a_write_to_a_view():
    x = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    base = x * 1
    base[1:].exp_()
    (g,) = torch.autograd.grad((base**2).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    expected = [2.0, *(4 * v.exp() ** 2 for v in (x[1], x[2]))]
    assert h.tolist() == pytest.approx([float(e) for e in expected])


def test_writes_through_complex_views():
    z = torch.tensor([1.0 + 1.0j, 2.0 - 1.0j], requires_grad=True)
    w = z * 1
    w.real.mul_(3)
    assert w.tolist() == [3 + 1j, 6 - 1j]
    torch.view_as_real(w).sum().backward()
    assert z.grad.tolist() == [3 + 1j, 3 + 1j]


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x[:2], lambda x: x.view(2, 2)[0]])
def test_leaves_and_their_views_may_not_be_written(make):
    x = leaf(4)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad.*in-place operation"):
        make(x).mul_(2)
    with torch.no_grad():
        make(x).mul_(2)
    assert x._version == 1


def test_views_made_under_no_grad():
    x = leaf(4) * 1
    with torch.no_grad():
        view = x[:2]
    with pytest.raises(RuntimeError, match="created in no_grad mode.*modified inplace with grad"):
        view.mul_(2)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="its base or another view of its base"):
        view.grad_fn  # noqa: B018


def test_outputs_of_functions_with_several_views():
    x = leaf(4) * 1
    with pytest.raises(RuntimeError, match="Output 0 of Unbind.*returns multiple views"):
        x.unbind()[0].mul_(2)
    with pytest.raises(RuntimeError, match="Output 1 of Split.*returns multiple views"):
        x.split(2)[1].mul_(2)


def test_what_was_saved_may_not_be_modified():
    x = leaf(2, 3)
    y = x + 1
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(
        RuntimeError,
        match=r"modified by an inplace operation: \[torch.FloatTensor \[2, 3\]\], which is output "
        r"0 of Add, is at version 1; expected version 0 instead",
    ):
        z.backward()


def test_a_saved_output_may_not_be_modified():
    x = leaf(2)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="which is output 0 of Exp, is at version 1"):
        y.sum().backward()
    y = (x * 1).exp_()
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([2.718281828] * 2)


def test_detach_in_place():
    x = leaf(2)
    y = x * 2
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        (x * 2)[:1].detach_()


def test_data_shares_memory_and_not_versions():
    x = leaf(2)
    y = (x * x).sum()
    x.data.mul_(3)
    assert x._version == 0
    y.backward()
    assert x.grad.tolist() == [6.0, 6.0]
    x.data = torch.zeros(3, dtype=torch.float64)
    assert x.shape == (3,) and x.dtype == torch.float64 and x.requires_grad
    (x * 2).sum().backward(inputs=[x]) if x.grad is None else None
    with pytest.raises(RuntimeError, match="floating point or complex"):
        x.data = torch.zeros(3, dtype=torch.int64)


def test_views_of_other_types_have_no_gradient():
    x = leaf(2)
    assert not x.view(torch.int32).requires_grad


def test_unsafe_preserve_version_counter():
    x = torch.zeros(2)
    with torch.autograd._unsafe_preserve_version_counter(x):
        x.add_(1)
    assert x._version == 0
    torch.autograd.graph.increment_version(x)
    assert x._version == 1


def test_turning_a_conjugated_view_again_and_again_keeps_its_history_short():
    x = torch.randn(2, 3, dtype=torch.complex64, requires_grad=True)
    base = x * 1
    view = base.conj()
    for _ in range(51):
        view.t_()
    base.mul_(2)  # the view's history is made anew, from that of the base
    steps, node = 0, view.grad_fn
    while node is not None and node.name() != "MulBackward0":
        steps, node = steps + 1, node.next_functions[0][0]
    assert steps == 2  # the conjugate, and one geometry
    assert torch.equal(view, base.conj().t())
    view.real.sum().backward()
    assert torch.equal(x.grad, torch.full_like(x, 2))
