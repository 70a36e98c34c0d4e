"""`Module`: attributes, tree, state, conversion, and that nothing patched is bypassed."""

import copy
import inspect
import pickle

import pytest

import flambeau
from flambeau import nn
from flambeau.nn.modules import module as module_file


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.tied = self.fc
        self.scale = nn.Parameter(flambeau.ones(1))
        self.register_buffer("steps", flambeau.zeros(1))
        self.register_buffer("scratch", flambeau.zeros(1), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x):
        return self.body(self.fc(x)) * self.scale


# ---- attributes


def test_attributes_go_where_they_belong():
    m = nn.Module()
    m.w = nn.Parameter(flambeau.ones(1))
    m.child = nn.ReLU()
    m.buffer = nn.Buffer(flambeau.ones(1), persistent=False)
    m.plain = flambeau.ones(1)
    assert list(m._parameters) == ["w"] and list(m._modules) == ["child"]
    assert list(m._buffers) == ["buffer"] and m._non_persistent_buffers_set == {"buffer"}
    assert "plain" in m.__dict__ and "w" not in m.__dict__
    # a name has one role at a time
    m.plain = nn.Parameter(flambeau.ones(1))
    m.child = nn.Parameter(flambeau.ones(1))
    assert "plain" not in m.__dict__ and "child" not in m._modules
    assert list(m._parameters) == ["w", "plain", "child"]
    m.w = None
    assert m._parameters["w"] is None and m.w is None
    del m.w, m.child, m.buffer
    assert list(m._parameters) == ["plain"] and not m._non_persistent_buffers_set
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'w'"):
        _ = m.w


def test_a_buffer_takes_tensors_and_stays_a_buffer():
    m = Net()
    m.steps = flambeau.full((1,), 5.0)
    assert m._buffers["steps"] is m.steps and float(m.steps) == 5
    m.scratch = None
    assert m._buffers["scratch"] is None and "scratch" in m._non_persistent_buffers_set


@pytest.mark.parametrize(
    "assign, match",
    [
        (lambda m: setattr(m, "scale", flambeau.ones(1)), "cannot assign .* as parameter 'scale'"),
        (lambda m: setattr(m, "fc", 3), "cannot assign 'int' as child module 'fc'"),
        (lambda m: setattr(m, "steps", 3), "cannot assign 'int' as buffer 'steps'"),
        (lambda m: setattr(m, "scale", nn.ReLU()), "as parameter 'scale'"),
        (lambda m: setattr(m, "fc", flambeau.ones(1)), "as child module 'fc'"),
    ],
)
def test_a_role_refuses_what_does_not_fit(assign, match):
    with pytest.raises(TypeError, match=match):
        assign(Net())


@pytest.mark.parametrize(
    "value, match",
    [
        (lambda: nn.Parameter(flambeau.ones(1)), "parameters before"),
        (nn.ReLU, "module before"),
        (lambda: nn.Buffer(flambeau.ones(1)), "buffer before"),
    ],
)
def test_assignment_before_init(value, match):
    class Early(nn.Module):
        def __init__(self):
            self.x = value()

    with pytest.raises(AttributeError, match=match):
        Early()


def test_dir_lists_members_and_no_numbers():
    names = dir(nn.Sequential(Net()))
    assert "0" not in names and "forward" in names
    assert {"fc", "scale", "steps"} <= set(dir(Net()))


def test_names_are_checked():
    m = Net()
    for register in (m.register_parameter, m.register_buffer, m.add_module):
        with pytest.raises(KeyError, match="contain"):
            register("a.b", None)
        with pytest.raises(KeyError, match="empty"):
            register("", None)
        with pytest.raises(TypeError, match="string"):
            register(1, None)
        with pytest.raises(KeyError, match="already exists"):
            register("forward", None)
    with pytest.raises(ValueError, match="non-leaf"):
        product = nn.Parameter(flambeau.ones(1)) * 2
        product._is_param = True
        m.register_parameter("w", product)


# ---- the tree


def test_names_and_order():
    m = Net()
    own = ["scale", "fc.weight", "fc.bias", "body.0.weight", "body.0.bias"]
    assert [n for n, _ in m.named_parameters()] == own
    assert len(list(m.named_parameters(remove_duplicate=False))) == len(own) + 2
    assert [n for n, _ in m.named_parameters("p", recurse=False)] == ["p.scale"]
    assert [n for n, _ in m.named_buffers()] == ["steps", "scratch"]
    assert [n for n, _ in m.named_modules()] == ["", "fc", "body", "body.0", "body.1"]
    assert [n for n, _ in m.named_children()] == ["fc", "body"]
    assert len(list(m.modules())) == 5 and len(list(m.modules(remove_duplicate=False))) == 6


def test_dotted_paths():
    m = Net()
    assert m.get_submodule("") is m and m.get_submodule("body.1") is m.body[1]
    assert m.get_parameter("body.0.bias") is m.body[0].bias
    assert m.get_buffer("steps") is m.steps
    m.set_submodule("body.1", nn.Tanh())
    assert isinstance(m.body[1], nn.Tanh)
    m.set_submodule("body.extra", nn.Tanh())
    assert len(m.body) == 3
    for wrong in ("body.7", "scale", "body.0.weight"):
        with pytest.raises(AttributeError):
            m.get_submodule(wrong)
    with pytest.raises(AttributeError):
        m.set_submodule("body.new", nn.Tanh(), strict=True)


def test_train_eval_and_requires_grad():
    m = Net()
    assert m.eval() is m and not any(child.training for child in m.modules())
    assert m.train() is m and all(child.training for child in m.modules())
    m.requires_grad_(False)
    assert not any(p.requires_grad for p in m.parameters())


def test_apply_visits_children_first():
    seen = []
    Net().apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "Linear", "ReLU", "Sequential", "Net"]


def test_zero_grad():
    m = Net()
    m(flambeau.ones(2, 3)).sum().backward()
    m.zero_grad(set_to_none=False)
    assert all(float(p.grad.abs().sum()) == 0 for p in m.parameters())
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())


# ---- state


def test_state_dict_holds_detached_views():
    m = Net()
    state = m.state_dict()
    assert list(state)[:2] == ["scale", "steps"] and "scratch" not in state
    assert "tied.weight" in state and "nothing" not in state
    assert not state["scale"].requires_grad
    state["scale"].fill_(4)
    assert float(m.scale) == 4
    assert m.state_dict(keep_vars=True)["scale"] is m.scale
    assert list(m.state_dict(prefix="net."))[0] == "net.scale"
    assert m.state_dict()._metadata["body.0"] == {"version": 1}


def test_load_state_dict_copies_and_says_what_is_off():
    source, target = Net(), Net()
    weight = target.fc.weight
    assert str(target.load_state_dict(source.state_dict())) == "<All keys matched successfully>"
    assert target.fc.weight is weight and flambeau.equal(weight, source.fc.weight)
    state = source.state_dict()
    del state["scale"]
    state["other"] = flambeau.ones(1)
    with pytest.raises(RuntimeError, match='(?s)Missing.*"scale".*Unexpected.*"other"'):
        target.load_state_dict(state)
    keys = target.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["scale"] and keys.unexpected_keys == ["other"]
    with pytest.raises(RuntimeError, match="size mismatch for fc.bias"):
        target.load_state_dict({**source.state_dict(), "fc.bias": flambeau.ones(9)})


def test_load_with_assign_takes_the_tensors():
    m = Net()
    state = {k: v.double() for k, v in Net().state_dict().items()}
    m.load_state_dict(state, assign=True)
    assert m.fc.weight.dtype == flambeau.float64 and isinstance(m.fc.weight, nn.Parameter)
    assert m.fc.weight.requires_grad and m.steps is state["steps"]


def test_state_hooks_and_extra_state():
    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.note = "new"

        def get_extra_state(self):
            return self.note

        def set_extra_state(self, state):
            self.note = state

    m = nn.Sequential(Extra())
    log = []
    m.register_state_dict_pre_hook(lambda module, prefix, keep: log.append(prefix))
    m.register_state_dict_post_hook(lambda module, state, prefix, meta: state.update(added=1))
    state = m.state_dict()
    assert log == [""] and state == {"0._extra_state": "new", "added": 1}
    m.register_load_state_dict_pre_hook(lambda module, state, *rest: state.pop("added"))
    m.register_load_state_dict_post_hook(lambda module, keys: log.append(keys))
    m.load_state_dict({"0._extra_state": "old", "added": 1})
    assert m[0].note == "old" and log[1] == ([], [])


# ---- conversion


def test_casts_keep_parameter_objects():
    m = Net()
    weight = m.fc.weight
    m(flambeau.ones(1, 3)).sum().backward()
    m.double()
    assert m.fc.weight is weight and m.tied.weight is weight
    assert weight.dtype == weight.grad.dtype == m.steps.dtype == flambeau.float64
    assert m.to(flambeau.float32) is m and weight.dtype == flambeau.float32
    m.to("cpu", flambeau.bfloat16)
    assert weight.dtype == flambeau.bfloat16
    m.to(flambeau.ones(1))
    assert weight.dtype == flambeau.float32
    m.register_buffer("count", flambeau.ones(1, dtype=flambeau.int64))
    m.half()
    assert m.count.dtype == flambeau.int64 and weight.dtype == flambeau.float16


def test_to_empty_gives_memory_to_meta_modules():
    m = nn.Linear(2, 3, device="meta")
    assert m.weight.is_meta
    m.to_empty(device="cpu")
    assert not m.weight.is_meta and isinstance(m.weight, nn.Parameter)


@pytest.mark.parametrize("args", [(flambeau.int64,), (1.5,), ("cpu", 1, 2, 3)])
def test_to_refuses(args):
    with pytest.raises(TypeError):
        Net().to(*args)


def test_compile_is_not_there():
    with pytest.raises(NotImplementedError, match="compile"):
        Net().compile()


# ---- copies


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent(how):
    m = Net()
    m.fc.register_forward_hook(double_it)
    twin = how(m)
    x = flambeau.ones(2, 3)
    assert flambeau.equal(twin(x), m(x))
    assert twin.tied is twin.fc and twin.scale is not m.scale
    assert isinstance(twin.scale, nn.Parameter) and len(twin.fc._forward_hooks) == 1
    with flambeau.no_grad():
        twin.scale.fill_(0)
    assert float(m.scale) == 1


def double_it(module, args, output):
    return output * 2


def test_old_pickles_get_the_newer_fields():
    m = Net()
    state = m.__dict__.copy()
    for name in ("_backward_pre_hooks", "_forward_hooks_always_called"):
        del state[name]
    twin = Net.__new__(Net)
    twin.__setstate__(state)
    assert flambeau.equal(twin(flambeau.ones(1, 3)), m(flambeau.ones(1, 3)))


# ---- calling


def test_a_call_goes_through_whatever_is_patched(monkeypatch):
    seq = nn.Sequential(nn.ReLU(), nn.ReLU())
    x = flambeau.ones(1)
    calls = []
    original = nn.Module.__call__

    def spy(self, *args, **kwargs):
        calls.append(type(self).__name__)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", spy)
    seq(x)
    assert calls == ["Sequential", "ReLU", "ReLU"]
    monkeypatch.undo()
    seq(x)
    assert len(calls) == 3

    # an instance's own forward, and a subclass's own __call__
    seq[0].forward = lambda value: value * 3
    assert float(seq(x)) == 3

    class Loud(nn.ReLU):
        def __call__(self, value):
            return super().__call__(value) + 10

    seq[1] = Loud()
    assert float(seq(x)) == 13


def test_hooks_put_into_the_dictionary_by_hand():
    for replace in (False, True):
        seq = nn.Sequential(nn.ReLU())
        if replace:
            seq[0]._forward_hooks = {}
        seq[0]._forward_hooks[0] = double_it
        assert float(seq(flambeau.ones(1))) == 2


def test_missing_forward():
    with pytest.raises(NotImplementedError, match=r'\[Module\] is missing the required "forward"'):
        nn.Module()(1)


def test_arguments_of_init():
    class Mixin:
        def __init__(self, mixed):
            self.mixed = mixed

    class Both(nn.Module, Mixin):
        call_super_init = True

    assert Both(mixed=3).mixed == 3
    with pytest.raises(TypeError, match="unexpected keyword argument 'a'"):
        nn.Module(a=1)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        nn.Module(1)


def test_registration_hooks_can_replace():
    handles = [
        module_file.register_module_parameter_registration_hook(
            lambda m, name, p: nn.Parameter(p.detach() + 1) if name == "w" else None
        ),
        module_file.register_module_module_registration_hook(
            lambda m, name, child: nn.Tanh() if name == "act" else None
        ),
        module_file.register_module_buffer_registration_hook(
            lambda m, name, b: b * 2 if name == "b" else None
        ),
    ]
    m = nn.Module()
    m.w = nn.Parameter(flambeau.ones(1))
    m.act = nn.ReLU()
    m.register_buffer("b", flambeau.ones(1))
    for handle in handles:
        handle.remove()
    assert float(m.w) == 2 and isinstance(m.act, nn.Tanh) and float(m.b) == 2


def test_repr():
    assert repr(nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU()))) == (
        "Sequential(\n"
        "  (0): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_the_list_of_layers_is_that_of_the_families():
    own = {"module", "utils"}  # no families
    families = {n: m for n, m in vars(nn.modules).items() if inspect.ismodule(m) and n not in own}
    named = {name for family in families.values() for name in getattr(family, "__all__", ())}
    assert nn.modules.__all__ == sorted({"Module", *named})
