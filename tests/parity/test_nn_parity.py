"""Modules, losses and initialisation against PyTorch in the same process."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402
from flambeau import nn  # noqa: E402

F, TF = nn.functional, torch.nn.functional


def to_flambeau(tensor):
    return flambeau.from_numpy(tensor.detach().numpy().copy())


def array(tensor):
    return tensor.detach().numpy()


def assert_close(ours, theirs, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(array(ours), array(theirs), rtol=rtol, atol=atol)


def copied(module):
    """The state of PyTorch's ``module`` as flambeau's tensors."""
    return {name: to_flambeau(value) for name, value in module.state_dict().items()}


LAYERS = [
    ("Linear", (3, 4), {}, [(2, 3)]),
    ("Linear", (3, 4), {"bias": False}, [(5, 2, 3)]),
    ("Bilinear", (3, 4, 5), {}, [(2, 3), (2, 4)]),
    ("Bilinear", (3, 4, 5), {"bias": False}, [(2, 6, 3), (2, 6, 4)]),
    ("Identity", (), {}, [(2, 3)]),
    ("Conv2d", (3, 4, 3), {}, [(2, 3, 7, 6)]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 0), "groups": 2}, [(2, 4, 7, 6)]),
    ("Conv2d", (3, 4, 3), {"dilation": 2, "bias": False}, [(3, 7, 6)]),
    ("Conv2d", (3, 4, 3), {"padding": "same"}, [(2, 3, 7, 6)]),
    ("Conv2d", (3, 4, (4, 3)), {"padding": "same", "dilation": (1, 2)}, [(2, 3, 7, 6)]),
    ("Conv2d", (3, 4, 3), {"padding": "valid"}, [(2, 3, 7, 6)]),
    ("Conv2d", (3, 4, 3), {"padding": 2, "padding_mode": "reflect"}, [(2, 3, 7, 6)]),
    ("Conv2d", (3, 4, 3), {"padding": (1, 2), "padding_mode": "replicate"}, [(2, 3, 7, 6)]),
    ("Conv2d", (3, 4, 4), {"padding": "same", "padding_mode": "circular"}, [(2, 3, 7, 6)]),
    ("LayerNorm", (5,), {}, [(2, 3, 5)]),
    ("LayerNorm", ([3, 5],), {"bias": False}, [(2, 3, 5)]),
    ("LayerNorm", (5,), {"elementwise_affine": False, "eps": 0.1}, [(2, 3, 5)]),
    ("ReLU", (), {}, [(2, 3)]),
    ("GELU", (), {}, [(2, 3)]),
    ("GELU", ("tanh",), {}, [(2, 3)]),
    ("SiLU", (), {}, [(2, 3)]),
    ("Sigmoid", (), {}, [(2, 3)]),
    ("Tanh", (), {}, [(2, 3)]),
    ("Softmax", (1,), {}, [(2, 3)]),
    ("LogSoftmax", (), {"dim": 0}, [(2, 3)]),
    ("Flatten", (), {}, [(2, 3, 4)]),
    ("Flatten", (0, 1), {}, [(2, 3, 4)]),
    ("Unflatten", (1, (2, -1)), {}, [(2, 6)]),
    ("MaxPool2d", (2,), {}, [(2, 3, 5, 6)]),
    ("MaxPool2d", ((2, 3),), {"stride": 1, "padding": 1, "ceil_mode": True}, [(3, 5, 6)]),
    ("MaxPool2d", (2,), {"dilation": 2, "stride": (2, 1)}, [(2, 3, 5, 6)]),
]


@pytest.mark.parametrize("name, args, kwargs, shapes", LAYERS)
@pytest.mark.filterwarnings("ignore")
def test_layer(name, args, kwargs, shapes):
    torch.manual_seed(3)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    flambeau.manual_seed(3)
    ours = getattr(nn, name)(*args, **kwargs)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for mine, reference in zip(ours.parameters(), theirs.parameters()):
        assert_close(mine, reference, atol=1e-7)  # the same initial values under the seed

    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    expected = theirs(*inputs)
    cotangent = torch.randn_like(expected)
    expected.backward(cotangent)
    mine = [to_flambeau(x).requires_grad_() for x in inputs]
    result = ours(*mine)
    result.backward(to_flambeau(cotangent))
    assert_close(result, expected)
    for x, reference in zip([*mine, *ours.parameters()], [*inputs, *theirs.parameters()]):
        assert_close(x.grad, reference.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
def test_embedding(options):
    torch.manual_seed(0)
    theirs = torch.nn.Embedding(7, 3, **options)
    flambeau.manual_seed(0)
    ours = nn.Embedding(7, 3, **options)
    assert repr(ours) == repr(theirs)
    assert_close(ours.weight, theirs.weight, atol=1e-6)
    index = torch.tensor([[1, 6, 1], [0, 2, 6]])
    theirs(index).pow(2).sum().backward()
    ours(to_flambeau(index)).pow(2).sum().backward()
    assert_close(ours.weight.grad, theirs.weight.grad)


def test_embedding_max_norm_shortens_the_rows_it_uses():
    weight = torch.randn(5, 4) * 3
    ours = to_flambeau(weight)
    index = torch.tensor([1, 3, 1])
    for norm_type in (1.0, 2.0, 3.0):
        expected = TF.embedding(index, weight, max_norm=1.5, norm_type=norm_type)
        result = F.embedding(to_flambeau(index), ours, max_norm=1.5, norm_type=norm_type)
        assert_close(result, expected)
        assert_close(ours, weight)


LOSSES = [
    ("CrossEntropyLoss", {}, (4, 5), "classes"),
    ("CrossEntropyLoss", {"reduction": "sum", "label_smoothing": 0.1}, (4, 5), "classes"),
    ("CrossEntropyLoss", {"reduction": "none", "ignore_index": 2}, (4, 5, 3), "classes"),
    ("CrossEntropyLoss", {"weight": True}, (4, 5), "classes"),
    ("CrossEntropyLoss", {}, (4, 5), "probabilities"),
    ("NLLLoss", {"weight": True, "reduction": "mean"}, (4, 5), "classes"),
    ("NLLLoss", {"ignore_index": 1}, (4, 5, 2, 3), "classes"),
    ("MSELoss", {}, (4, 5), "values"),
    ("MSELoss", {"reduction": "sum"}, (4, 5), "values"),
    ("MSELoss", {"reduction": "none"}, (4, 5), "values"),
]


@pytest.mark.parametrize("name, options, shape, kind", LOSSES)
def test_loss(name, options, shape, kind):
    torch.manual_seed(1)
    x = torch.randn(shape)
    if kind == "classes":
        target = torch.randint(0, shape[1], (shape[0], *shape[2:]))
    elif kind == "probabilities":
        target = torch.randn(shape).softmax(1)
    else:
        target = torch.randn(shape)
    mine_options = dict(options)
    if options.get("weight"):
        options = {**options, "weight": torch.rand(shape[1])}
        mine_options["weight"] = to_flambeau(options["weight"])
    theirs, ours = getattr(torch.nn, name)(**options), getattr(nn, name)(**mine_options)
    assert repr(ours) == repr(theirs)
    mine = to_flambeau(x).requires_grad_()
    x.requires_grad_()
    expected, result = theirs(x, target), ours(mine, to_flambeau(target))
    assert_close(result, expected)
    expected.sum().backward()
    result.sum().backward()
    assert_close(mine.grad, x.grad)


@pytest.mark.parametrize("size_average, reduce", [(True, None), (False, True), (None, False)])
def test_old_reduction_arguments(size_average, reduce):
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    with pytest.warns(UserWarning, match="size_average and reduce"):
        result = F.mse_loss(
            to_flambeau(x), to_flambeau(y), size_average=size_average, reduce=reduce
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_close(result, TF.mse_loss(x, y, size_average=size_average, reduce=reduce))


def test_weighted_mse():
    x, y, w = torch.randn(3, 4), torch.randn(3, 4), torch.rand(3, 4)
    mine = [to_flambeau(t) for t in (x, y, w)]
    for reduction in ("none", "mean", "sum"):
        assert_close(
            F.mse_loss(mine[0], mine[1], weight=mine[2], reduction=reduction),
            TF.mse_loss(x, y, weight=w, reduction=reduction),
        )


PADS = [
    ((2, 3, 5, 6), (1, 2), "constant", 2.5),
    ((2, 3, 5, 6), (1, -2, 0, 3, -1, 1), "constant", None),
    ((5,), (-2, -1), "constant", None),
    ((3, 5), (2, 4), "reflect", None),
    ((2, 3, 5, 6), (1, 2, 4, 0), "reflect", None),
    ((2, 3, 5, 6), (-1, 2, 1, -2), "reflect", None),
    ((3, 5, 6), (7, 2, 4, 9), "replicate", None),
    ((2, 3, 4, 5, 6), (1, 2, 3, 1, 2, 2), "replicate", None),
    ((2, 3, 5, 6), (6, 2, 1, 5), "circular", None),
    ((2, 3, 5, 6), (-1, 2, 1, -1), "circular", None),
    ((3, 5), (5, 5), "circular", None),
]


@pytest.mark.parametrize("shape, pad, mode, value", PADS)
def test_pad(shape, pad, mode, value):
    x = torch.randn(shape, requires_grad=True)
    expected = TF.pad(x, pad, mode, value)
    cotangent = torch.randn_like(expected)
    expected.backward(cotangent)
    mine = to_flambeau(x).requires_grad_()
    result = F.pad(mine, pad, mode, value)
    result.backward(to_flambeau(cotangent))
    np.testing.assert_array_equal(array(result), array(expected))
    assert_close(mine.grad, x.grad)


INITS = [
    ("uniform_", (3, 5), (-1.0, 2.0)),
    ("normal_", (3, 5), (1.0, 2.0)),
    ("trunc_normal_", (40, 5), (0.0, 1.0, -1.0, 2.0)),
    ("trunc_normal_", (40, 5), (0.0, 1.0, 1.0, 2.0)),
    ("constant_", (3, 5), (0.3,)),
    ("ones_", (3, 5), ()),
    ("zeros_", (3, 5), ()),
    ("eye_", (3, 5), ()),
    ("dirac_", (4, 3, 3, 5), ()),
    ("dirac_", (6, 2, 4), (3,)),
    ("xavier_uniform_", (3, 5, 2), (1.5,)),
    ("xavier_normal_", (3, 5), ()),
    ("kaiming_uniform_", (3, 5, 2, 2), (0.2, "fan_out")),
    ("kaiming_normal_", (3, 5), (0, "fan_in", "relu")),
    ("orthogonal_", (4, 3, 2), (1.3,)),
    ("orthogonal_", (7, 3), ()),
    ("orthogonal_", (1, 5), ()),
    ("sparse_", (10, 4), (0.35, 0.5)),
]


@pytest.mark.parametrize("name, shape, args", INITS)
def test_init(name, shape, args):
    torch.manual_seed(7)
    expected = getattr(torch.nn.init, name)(torch.empty(shape), *args)
    next_drawn = torch.rand(3)
    flambeau.manual_seed(7)
    result = getattr(nn.init, name)(flambeau.empty(shape), *args)
    assert_close(result, expected, rtol=2e-5, atol=2e-6)
    assert_close(flambeau.rand(3), next_drawn)  # both generators were drawn from equally often


@pytest.mark.parametrize(
    "name, param", [("linear", None), ("tanh", None), ("leaky_relu", 0.3), ("selu", None)]
)
def test_gain(name, param):
    assert nn.init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def make_net(lib):
    class Block(lib.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.fc = lib.nn.Linear(width, width)
            self.norm = lib.nn.LayerNorm(width)
            self.register_buffer("steps", lib.zeros(1))
            self.register_buffer("scratch", lib.zeros(1), persistent=False)

        def forward(self, x, scale=1.0):
            return self.norm(self.fc(x)).relu() * scale

    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = Block(4)
            self.blocks = lib.nn.ModuleList([Block(4), Block(4)])
            self.tied = self.first
            self.head = lib.nn.Sequential(lib.nn.Linear(4, 2), lib.nn.Tanh())
            self.table = lib.nn.ParameterDict({"b": lib.ones(2), "a": lib.zeros(1)})
            self.extra = lib.nn.ModuleDict({"x": lib.nn.Identity(), "y": lib.nn.Linear(1, 1)})
            self.none = None
            self.register_parameter("nothing", None)

        def forward(self, x):
            for block in (self.first, *self.blocks):
                x = block(x, scale=0.5)
            return self.head(x) + self.table["b"]

    return Net()


def describe(net):
    return {
        "parameters": [n for n, _ in net.named_parameters()],
        "duplicates": [n for n, _ in net.named_parameters(remove_duplicate=False)],
        "own": [n for n, _ in net.named_parameters(prefix="p", recurse=False)],
        "buffers": [n for n, _ in net.named_buffers()],
        "modules": [(n, type(m).__name__) for n, m in net.named_modules()],
        "all modules": [n for n, _ in net.named_modules(remove_duplicate=False)],
        "children": [n for n, _ in net.named_children()],
        "state": list(net.state_dict()),
        "metadata": dict(net.state_dict()._metadata),
        "repr": repr(net).replace("torch", "flambeau"),
    }


def test_tree_of_a_network():
    ours, theirs = describe(make_net(flambeau)), describe(make_net(torch))
    ours["repr"] = ours["repr"].replace("torch", "flambeau")
    assert ours == theirs


def record_hooks(lib, run):
    """What hooks of every kind see and change, in order."""
    log = []
    lib.manual_seed(0)
    net = make_net(lib)
    run(lib, net, log)
    x = lib.linspace(-1, 1, 8).view(2, 4).requires_grad_()
    net(x).pow(2).sum().backward()
    log += [("grad", float(x.grad.sum()))]
    log += [(n, None if p.grad is None else float(p.grad.sum())) for n, p in net.named_parameters()]
    return log


def sizes(values):
    return [None if v is None else (tuple(v.shape), float(v.detach().sum())) for v in values]


def forward_hooks(lib, net, log):
    block = net.blocks[0]
    block.register_forward_pre_hook(lambda m, a: log.append(("pre", sizes(a))))
    block.register_forward_pre_hook(
        lambda m, a, k: (a, {"scale": k["scale"] * 2}), with_kwargs=True
    )
    block.register_forward_pre_hook(lambda m, a: a[0] * 2, prepend=True)
    block.register_forward_hook(lambda m, a, y: log.append(("post", sizes([y]))))
    block.register_forward_hook(lambda m, a, k, y: y + k["scale"], with_kwargs=True, prepend=True)


def backward_hooks(lib, net, log):
    block = net.blocks[1]
    block.register_full_backward_pre_hook(lambda m, g: log.append(("pre", sizes(g))))
    block.register_full_backward_pre_hook(lambda m, g: (g[0] * 2,), prepend=True)
    block.register_full_backward_hook(lambda m, gi, go: log.append((sizes(gi), sizes(go))))
    block.register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,), prepend=True)
    net.head.register_full_backward_hook(lambda m, gi, go: log.append((sizes(gi), sizes(go))))


def non_full_hooks(lib, net, log):
    net.head[0].register_backward_hook(lambda m, gi, go: log.append((sizes(gi), sizes(go))))


def global_hooks(lib, net, log):
    module = lib.nn.modules.module
    note = lambda what: lambda m, *rest: log.append((what, type(m).__name__))  # noqa: E731
    handles = [
        module.register_module_forward_pre_hook(note("pre")),
        module.register_module_forward_hook(note("post")),
        module.register_module_forward_hook(note("kwargs"), with_kwargs=True),
        module.register_module_full_backward_pre_hook(note("backward pre")),
        module.register_module_full_backward_hook(note("backward")),
    ]
    x = lib.linspace(0, 1, 4).view(1, 4).requires_grad_()
    net(x).sum().backward()
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("run", [forward_hooks, backward_hooks, non_full_hooks, global_hooks])
@pytest.mark.filterwarnings("ignore")
def test_hooks_see_and_change_the_same(run):
    ours, theirs = record_hooks(flambeau, run), record_hooks(torch, run)
    assert len(ours) == len(theirs)
    for mine, reference in zip(ours, theirs):
        assert_same(mine, reference)


def assert_same(a, b):
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)
    else:
        assert a == b


ERRORS = [
    lambda lib: lib.nn.Module(3),
    lambda lib: lib.nn.Module()(1),
    lambda lib: lib.nn.Module().get_extra_state(),
    lambda lib: lib.nn.Module().train(1),
    lambda lib: lib.nn.Module().missing,
    lambda lib: lib.nn.Module().register_parameter("a.b", None),
    lambda lib: lib.nn.Module().register_parameter("", None),
    lambda lib: lib.nn.Module().register_parameter(1, None),
    lambda lib: lib.nn.Module().register_parameter("training", None),
    lambda lib: lib.nn.Module().register_parameter("w", lib.zeros(1)),
    lambda lib: lib.nn.Module().register_buffer("w", 1),
    lambda lib: lib.nn.Module().add_module("w", 1),
    lambda lib: setattr(lib.nn.Linear(1, 1), "weight", lib.zeros(1)),
    lambda lib: setattr(lib.nn.Linear(1, 1), "bias", 3),
    lambda lib: setattr(lib.nn.Sequential(lib.nn.ReLU()), "0", 3),
    lambda lib: delattr(lib.nn.Linear(1, 1), "nothing"),
    lambda lib: lib.nn.Linear(1, 1).to(lib.int32),
    lambda lib: lib.nn.Linear(1, 1).to(1, 2, 3, 4),
    lambda lib: lib.nn.Linear(1, 1).to(copy=True),
    lambda lib: lib.nn.Linear(1, 1).load_state_dict(3),
    lambda lib: lib.nn.Linear(1, 1).load_state_dict({}),
    lambda lib: lib.nn.Linear(1, 1).load_state_dict({"weight": 1, "bias": 2}),
    lambda lib: lib.nn.Linear(1, 1).get_submodule("weight"),
    lambda lib: lib.nn.Linear(1, 1).get_parameter("training"),
    lambda lib: lib.nn.Linear(1, 1).get_buffer("weight"),
    lambda lib: lib.nn.Linear(1, 1).set_submodule("", lib.nn.ReLU()),
    lambda lib: lib.nn.Linear(1, 1).set_submodule("a.b", lib.nn.ReLU()),
    lambda lib: lib.nn.Linear(1, 1).set_submodule("weight", lib.nn.ReLU()),
    lambda lib: lib.nn.Linear(1, 1).set_submodule("a", 3),
    lambda lib: lib.nn.Linear(1, 1).set_submodule("a", lib.nn.ReLU(), strict=True),
    lambda lib: lib.nn.Sequential()[0],
    lambda lib: lib.nn.Sequential([lib.nn.ReLU()]),
    lambda lib: lib.nn.Sequential() * 0,
    lambda lib: lib.nn.Sequential() * "a",
    lambda lib: lib.nn.Sequential() + 3,
    lambda lib: lib.nn.Sequential().insert(3, lib.nn.ReLU()),
    lambda lib: lib.nn.Sequential().insert(0, 1),
    lambda lib: lib.nn.ModuleList(3),
    lambda lib: lib.nn.ModuleList([lib.nn.ReLU()])(1),
    lambda lib: lib.nn.ModuleList([3]),
    lambda lib: lib.nn.ModuleDict({"keys": lib.nn.ReLU()}),
    lambda lib: lib.nn.ModuleDict([3]),
    lambda lib: lib.nn.ModuleDict([(1, 2, 3)]),
    lambda lib: lib.nn.ModuleDict(3),
    lambda lib: lib.nn.ModuleDict()["a"],
    lambda lib: lib.nn.ParameterList(3),
    lambda lib: lib.nn.ParameterList()(1),
    lambda lib: lib.nn.ParameterDict({1: 2}),
    lambda lib: lib.nn.ParameterDict()["a"],
    lambda lib: lib.nn.Parameter(lib.zeros(2, dtype=lib.int64)),
    lambda lib: lib.nn.Dropout(1.5),
    lambda lib: lib.nn.functional.dropout(lib.zeros(2), -0.1),
    lambda lib: lib.nn.Conv2d(3, 4, 3, padding="same", stride=2),
    lambda lib: lib.nn.Conv2d(3, 4, 3, padding="other"),
    lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2),
    lambda lib: lib.nn.Conv2d(3, 4, 3, groups=0),
    lambda lib: lib.nn.Conv2d(3, 4, 3, padding_mode="other"),
    lambda lib: lib.nn.Bilinear(0, 1, 1),
    lambda lib: lib.nn.Embedding(3, 2, padding_idx=3),
    lambda lib: lib.nn.Embedding(3, 2, _weight=lib.zeros(2, 2)),
    lambda lib: lib.nn.Embedding.from_pretrained(lib.zeros(3)),
    lambda lib: lib.nn.Unflatten(1, 3),
    lambda lib: lib.nn.Unflatten(1, ("a",)),
    lambda lib: lib.nn.functional.cross_entropy(
        lib.zeros(1, 2), lib.tensor([0]), reduction="other"
    ),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (1,)),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (1, 1, 1, 1, 1, 1)),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (-2, -2)),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (3, 1), "reflect"),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (4, 1), "circular"),
    lambda lib: lib.nn.functional.pad(lib.zeros(3), (1, 1), "reflect"),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (1, 1), "other"),
    lambda lib: lib.nn.functional.pad(lib.zeros(2, 3), (1, 1), "reflect", 2.0),
    lambda lib: lib.nn.functional.bilinear(lib.zeros(2), lib.zeros(3), lib.zeros(2, 3, 4)),
    lambda lib: lib.nn.init.eye_(lib.zeros(3)),
    lambda lib: lib.nn.init.dirac_(lib.zeros(3)),
    lambda lib: lib.nn.init.dirac_(lib.zeros(3, 3, 3), groups=2),
    lambda lib: lib.nn.init.xavier_uniform_(lib.zeros(3)),
    lambda lib: lib.nn.init.kaiming_uniform_(lib.zeros(3, 3), mode="other"),
    lambda lib: lib.nn.init.calculate_gain("other"),
    lambda lib: lib.nn.init.orthogonal_(lib.zeros(3)),
    lambda lib: lib.nn.init.sparse_(lib.zeros(3), 0.1),
]


@pytest.mark.parametrize("action", ERRORS, ids=range(len(ERRORS)))
@pytest.mark.filterwarnings("ignore")
def test_error_types(action):
    with pytest.raises(Exception) as theirs:
        action(torch)
    with pytest.raises(Exception) as ours:
        action(flambeau)
    assert type(ours.value) is type(theirs.value)


def test_state_dict_errors_read_alike():
    def message(lib):
        with pytest.raises(RuntimeError) as info:
            net = lib.nn.Sequential(lib.nn.Linear(2, 3))
            net.load_state_dict({"0.weight": lib.zeros(2, 2), "left.over": lib.zeros(1)})
        return str(info.value).replace("torch.", "").replace("flambeau.", "")

    assert message(flambeau) == message(torch)


def test_copies_of_a_network_compute_the_same():
    torch.manual_seed(0)
    theirs = make_net(torch)
    ours = make_net(flambeau)
    assert str(ours.load_state_dict(copied(theirs))) == "<All keys matched successfully>"
    x = torch.randn(3, 4)
    assert_close(copy.deepcopy(ours)(to_flambeau(x)), theirs(x))
    assert_close(ours.double()(to_flambeau(x).double()), theirs(x), rtol=1e-5)
