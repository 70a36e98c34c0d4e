"""Names of nodes, inference tensors and leaves that were reshaped, as PyTorch has them."""

import copy

import pytest

import flambeau as torch
from flambeau import nn


def test_names_of_nodes():
    x = torch.ones(2, 1, requires_grad=True) + 0
    assert x.max().grad_fn.name() == "MaxBackward1"
    assert x.max(0)[0].grad_fn.name() == "MaxBackward0"
    assert x.min().grad_fn.name() == "MinBackward1"
    assert x.min(0)[0].grad_fn.name() == "MinBackward0"
    names = [(x.squeeze, ()), (x.squeeze, (1,)), (x.squeeze, ((1,),))]
    assert [f(*a).grad_fn.name() for f, a in names] == [f"SqueezeBackward{i}" for i in range(3)]
    for i, args in enumerate([(), (1,), ((1,),)]):
        y = torch.ones(2, 1, requires_grad=True) + 0
        y.squeeze_(*args)
        assert y.grad_fn.name() == f"SqueezeBackward{i + 3}"
        y.sum().backward()


def test_what_is_detached_from_an_inference_tensor_may_be_changed():
    with torch.inference_mode():
        x = torch.ones(3)
        inside = x.detach()
    d = x.detach()
    assert d.is_inference() and d._version == 0
    d.add_(1)
    assert d._version == 1 and x.tolist() == [2.0] * 3
    x.data.mul_(2)
    torch.add(torch.ones(3), 1, out=x.detach())
    assert x.tolist() == [2.0] * 3
    for f in (lambda: x.add_(1), lambda: inside.add_(1), lambda: d.view(3).add_(1)):
        with pytest.raises(RuntimeError, match="outside InferenceMode"):
            f()
    with pytest.raises(RuntimeError, match="saved for backward"):
        torch.ones(3, requires_grad=True) * d


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.t_(),
        lambda w: w.unsqueeze_(0),
        lambda w: w.as_strided_((6,), (1,)),
        lambda w: setattr(w, "data", torch.ones(3, 2)),
    ],
)
def test_a_leaf_reshaped_after_its_use_refuses_the_gradient(change):
    w = torch.ones(2, 3, requires_grad=True)
    y = (w * 2).sum()
    with torch.no_grad():
        change(w)
    with pytest.raises(RuntimeError, match="in place since"):
        y.backward()
    assert w.grad is None
    before = torch.ones(2, 3, requires_grad=True)
    with torch.no_grad():
        change(before)
    (before * 2).sum().backward()
    assert before.grad.shape == before.shape


def test_types_of_errors():
    with pytest.raises(TypeError, match="must be bool, not str"):
        torch.ones(2).requires_grad_("x")
    for index in ("a", (0, "a"), b"a"):
        with pytest.raises(TypeError, match="invalid data type"):
            torch.ones(2, 2)[index]
    with pytest.raises(TypeError, match="invalid data type"):
        torch.ones(2)["a"] = 1
    with pytest.raises(ValueError, match="invalid literal"):
        torch.manual_seed("a")
    with pytest.raises(RuntimeError, match="permute: number of dimensions"):
        torch.ones(2, 2).permute(0)
    assert torch.manual_seed("3").initial_seed() == 3


def test_docstrings_name_only_what_is_there():
    for name in dir(torch.nn.functional):
        doc = getattr(getattr(torch.nn.functional, name), "__doc__", "") or ""
        for word in doc.split("`"):
            if word.startswith("Tensor.") and word.endswith("_"):
                assert hasattr(torch.Tensor, word.removeprefix("Tensor.")), name


def test_in_place_functions_are_those_of_pytorch():
    absent = "absolute_ bitwise_not_ digamma_ lgamma_ logical_not_ sgn_ sign_ squeeze_ t_".split()
    assert [n for n in absent if hasattr(torch, n)] == []
    x = torch.tensor([-2.0, 3.0])
    assert torch.clamp_(x, -1, 1).tolist() == [-1.0, 1.0]
    assert torch.clip_(x, min=0).tolist() == [0.0, 1.0]


def test_deepcopy_of_parameters_keeps_all():
    p = nn.Parameter(torch.ones(2))
    p.tag, p.grad = [1], torch.full((2,), 3.0)
    q = copy.deepcopy(p)
    assert type(q) is nn.Parameter and q.requires_grad and q.tag == [1] and q.tag is not p.tag
    assert q.grad is not p.grad and q.grad.tolist() == [3.0, 3.0]
    q.data.fill_(5.0)
    assert p.tolist() == [1.0, 1.0]
    layer = nn.Linear(2, 2)
    layer.register_buffer("row", layer.weight.detach()[0])
    layer.again = layer.weight
    made = copy.deepcopy(layer)
    assert made.again is made.weight and made.weight is not layer.weight
    made.weight.data.fill_(5.0)
    assert made.row.tolist() == [5.0, 5.0]
    frozen = copy.deepcopy(nn.Parameter(torch.ones(1), requires_grad=False))
    assert type(frozen) is nn.Parameter and not frozen.requires_grad
    meta = copy.deepcopy(nn.Parameter(torch.ones(2, device="meta")))
    assert meta.is_meta and meta.shape == (2,)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)
        self.b.weight = self.a.weight
        self.register_buffer("x", torch.zeros(1))
        self.a.register_buffer("y", self.x)


@pytest.mark.parametrize("assign", [False, True])
def test_loading_keeps_tied_tensors_tied(assign):
    model, source = Tied(), Tied()
    model.load_state_dict(source.state_dict(), assign=assign)
    assert model.a.weight is model.b.weight and model.x is model.a.y
    assert len(list(model.parameters())) == 3
    assert torch.equal(model.a.weight, source.a.weight)
    apart = {k: v.clone() for k, v in source.state_dict().items()}
    apart["b.weight"].fill_(7.0)
    model.load_state_dict(apart, assign=assign)
    assert model.a.weight is model.b.weight and (model.a.weight == 7).all()
    with torch.device("meta"):
        empty = Tied()
    empty.load_state_dict(source.state_dict(), assign=True)
    assert empty.a.weight is empty.b.weight and not empty.a.weight.is_meta


@pytest.mark.parametrize("sizes", [(1, 3), (5,)])
def test_resize_counts_as_a_change(sizes):
    x, w = torch.ones(3, requires_grad=True), torch.arange(3.0)
    y = x * w
    w.resize_(3)
    assert w._version == 0
    w.resize_(*sizes)
    assert w._version == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_complex_numbers_in_gradients_that_are_made_of_ops():
    """A gradient of a gradient, and any under a layer that looks on, is made of ops."""
    a, b, c = (torch.randn(3, dtype=torch.complex128, requires_grad=True) for _ in range(3))
    number = 0.3 + 0.9j
    calls = [
        lambda a, b, c: torch.addcmul(a, b, c, value=number),
        lambda a, b, c: torch.addcdiv(a, b, c, value=number),
        lambda a, b, c: torch.add(a, b, alpha=number) * c,
        lambda a, b, c: torch.sub(a, b, alpha=number) * c,
    ]
    for call in calls:
        out = call(a, b, c)
        g = torch.randn(3, dtype=torch.complex128)
        plain = torch.autograd.grad(out, (a, b, c), g, retain_graph=True)
        made = torch.autograd.grad(out, (a, b, c), g, create_graph=True)
        for one, other in zip(plain, made):
            torch.testing.assert_close(one, other.detach())
        assert torch.autograd.gradgradcheck(call, (a, b, c))
