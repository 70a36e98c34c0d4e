"""A call that fails leaves what it would have written as it was."""

import pytest

import flambeau as torch

N = (5, 1000, 70000, 300000)


def _bad_index(n):
    index = torch.arange(n)
    index[-1] = 10**9
    return index


WRITES = {
    "scatter_": lambda t, i: t.scatter_(0, i, torch.ones(len(t))),
    "scatter_value": lambda t, i: t.scatter_(0, i, 5.0),
    "scatter_multiply": lambda t, i: t.scatter_(0, i, 5.0, reduce="multiply"),
    "scatter_reduce": lambda t, i: t.scatter_(0, i, torch.ones(len(t)), reduce="add"),
    "scatter_add_": lambda t, i: t.scatter_add_(0, i, torch.ones(len(t))),
    "index_add_": lambda t, i: t.index_add_(0, i, torch.ones(len(t))),
    "index_put_": lambda t, i: t.index_put_((i,), torch.ones(len(t))),
    "index_put_accumulate": lambda t, i: t.index_put_((i,), torch.ones(len(t)), True),
    "setitem": lambda t, i: t.__setitem__(i, 1.0),
    "gather out": lambda t, i: torch.gather(torch.ones(len(t)), 0, i, out=t),
    "index_select out": lambda t, i: torch.index_select(torch.ones(len(t)), 0, i, out=t),
    "scatter out": lambda t, i: torch.scatter(torch.ones(len(t)), 0, i, 5.0, out=t),
    "index_add out": lambda t, i: torch.index_add(
        torch.ones(len(t)), 0, i, torch.ones(len(t)), out=t
    ),
}


@pytest.mark.parametrize("n", N)
@pytest.mark.parametrize("write", WRITES)
def test_a_bad_index_is_found_before_the_first_write(write, n):
    t = torch.full((n,), 3.0)
    version = t._version
    with pytest.raises((IndexError, RuntimeError), match="out of bounds|out of range"):
        WRITES[write](t, _bad_index(n))
    assert t.shape == (n,) and bool((t == 3.0).all())
    assert t._version == version


def test_rows_with_a_bad_index():
    t = torch.zeros(1000, 64)
    index = torch.arange(1000)
    index[-1] = -1001
    with pytest.raises(IndexError):
        t[index] = torch.ones(1000, 64)
    with pytest.raises(IndexError):
        t[:, torch.tensor([0, 64])] = 1.0
    with pytest.raises(RuntimeError):
        t.bernoulli_(
            torch.cat([torch.full((999,), 0.5), torch.tensor([7.0])])[:, None].expand(t.shape)
        )
    assert not t.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.add_(1),
        lambda t: t.zero_(),
        lambda t: t.fill_(3),
        lambda t: t.copy_(torch.ones(3)),
        lambda t: t.__setitem__(0, 5.0),
        lambda t: t.index_put_((torch.tensor([0]),), torch.ones(1)),
        lambda t: t.masked_fill_(torch.tensor([True, False, True]), 4.0),
        lambda t: t.uniform_(),
        lambda t: t.cumsum_(0),
        lambda t: t.unsqueeze_(0),
        lambda t: torch.add(torch.ones(3), 1, out=t),
        lambda t: torch.cumsum(torch.ones(5), 0, out=t),
        lambda t: torch.arange(0.0, 3.0, 1, out=t),
    ],
)
def test_a_tensor_of_inference_mode_outside_of_it(call):
    with torch.inference_mode():
        t = torch.arange(3.0)
    with pytest.raises(RuntimeError, match="inference tensor"):
        call(t)
    assert t.tolist() == [0.0, 1.0, 2.0]
    with torch.inference_mode():
        t.add_(1)
    assert t.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda out: torch.add(torch.ones(3), 1.5, out=out),
        lambda out: torch.cumsum(torch.ones(3), 0, out=out),
        lambda out: torch.mm(torch.ones(2, 2), torch.ones(2, 2), out=out),
        lambda out: torch.sqrt(torch.ones(4), out=out),
        lambda out: torch.max(torch.ones(3, 3), 0, out=(torch.empty(0), out.bool())),
    ],
)
def test_out_of_another_dtype_is_not_resized(call):
    out = torch.ones(7, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="can't be cast"):
        call(out)
    assert out.tolist() == [1] * 7


def test_several_outs_are_refused_together():
    values, indices = torch.full((2,), 7.0), torch.ones(2, dtype=torch.bool)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.sort(torch.rand(3, 3), 0, out=(values, indices))
    assert values.tolist() == [7.0, 7.0]
    with pytest.raises(RuntimeError, match="share memory"):
        torch.max(torch.ones(3, 3), 0, out=(values, values))
    base = torch.zeros(6)
    with pytest.raises(RuntimeError, match="share memory"):
        torch.aminmax(torch.ones(3, 3), dim=0, out=(base[:3], base[2:5]))
    assert base.tolist() == [0.0] * 6


def test_targets_of_losses():
    nll = torch._C._nn.nll_loss
    assert nll(torch.empty(0), torch.empty(0, dtype=torch.int64)).isnan()
    for n in (2, 100, 100000):
        x = torch.ones(n, requires_grad=True)
        targets = torch.zeros(n, dtype=torch.int64)
        for reduction in (0, 1, 2):
            loss = nll(x, targets, None, reduction)
            assert loss.shape == () and loss.item() == -1.0
        nll(x, targets, None, 0).backward()
        assert x.grad[0] == -1.0 and not x.grad[1:].any()
    assert nll(torch.ones(3), torch.empty(3, dtype=torch.int64).fill_(1), None, 0).item() == -1.0
    with pytest.raises(RuntimeError, match="size mismatch"):
        nll(torch.ones(3), torch.zeros(2, dtype=torch.int64))
    out = torch.full((2, 3), 9.0)
    total = torch.tensor(1.0)
    with pytest.raises(IndexError, match="out of bounds"):
        torch.ops.aten.nll_loss_backward(
            torch.tensor(1.0), torch.ones(2, 3), torch.tensor([0, 5]), None, 1, -100, total
        )
    assert out.eq(9.0).all()


def test_input_dtype_is_that_of_the_gradient():
    g = torch.ones(1, 64, dtype=torch.float64)
    for function in (torch._softmax_backward_data, torch._log_softmax_backward_data):
        assert function(g, g, 1, torch.float64).dtype == torch.float64
        for dtype in (torch.float16, torch.float32, torch.int64, torch.complex64):
            with pytest.raises(RuntimeError, match="one dtype"):
                function(g, g, 1, dtype)
        with pytest.raises(RuntimeError, match="one dtype"):
            function(g, g.float(), 1, torch.float64)


def test_a_meta_value_is_no_value():
    for write in (
        lambda t, v: t.fill_(v),
        lambda t, v: t.masked_fill_(torch.tensor([True, False, True]), v),
        lambda t, v: t.__setitem__(0, v),
        lambda t, v: t.__setitem__(slice(None), v),
        lambda t, v: t.copy_(v),
        lambda t, v: t.add_(v),
        lambda t, v: torch.full((3,), v),
    ):
        t = torch.ones(3)
        with pytest.raises((RuntimeError, TypeError)):
            write(t, torch.tensor(2.0, device="meta"))
        assert t.tolist() == [1.0] * 3


def test_a_state_dict_that_does_not_fit_changes_nothing():
    def model():
        return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))

    class Own(torch.nn.Linear):
        def _load_from_state_dict(self, *args):
            super()._load_from_state_dict(*args)
            with torch.no_grad():
                self.bias.add_(1)

    def hooked():
        made = model()
        made[1].register_load_state_dict_pre_hook(lambda *args: None)
        return made

    for make in (model, hooked, lambda: torch.nn.Sequential(Own(2, 3), torch.nn.LayerNorm(3))):
        for assign in (False, True):
            for spoil in (
                lambda s: s.update({"1.weight": torch.ones(7)}),
                lambda s: s.update({"1.weight": "text"}),
                lambda s: s.pop("1.bias"),
                lambda s: s.update({"2.weight": torch.ones(3)}),
            ):
                m, state = make(), {k: v + 5 for k, v in model().state_dict().items()}
                before = {k: v.clone() for k, v in m.state_dict().items()}
                own = dict(m.named_parameters())
                spoil(state)
                with pytest.raises(RuntimeError, match="loading state_dict"):
                    m.load_state_dict(state, assign=assign)
                assert all(own[k] is p for k, p in m.named_parameters())
                for k, v in m.state_dict().items():
                    if not (isinstance(m[0], Own) and k == "0.bias"):
                        assert v.equal(before[k]), k
    m = model()
    state = {k: v + 5 for k, v in m.state_dict().items()}
    m.load_state_dict(state)
    assert all(v.equal(state[k]) for k, v in m.state_dict().items())


def _state(t):
    storage = t.untyped_storage()
    bytes_ = b"" if t.is_meta else bytes(storage)
    return tuple(t.shape), t.stride(), t.storage_offset(), t.dtype, storage.nbytes(), bytes_


def _targets(shape, like=torch.float32):
    """Tensors that cannot take a result of this shape, by what is wrong with them."""
    import numpy

    yield "unusual dtype", torch.empty(3, dtype=torch.quint8)
    yield "bool", torch.zeros(3, dtype=torch.bool)
    yield "meta", torch.empty(3, device="meta", dtype=like)
    yield "memory of numpy", torch.from_numpy(numpy.zeros(3, "float32")).to(like)
    lent = torch.zeros(3, dtype=like)
    array = lent.numpy()
    yield "memory in use", lent
    del array
    for how, n in (("no memory", 0), ("little memory", 5)):
        released = torch.zeros(shape, dtype=like)
        released.untyped_storage().resize_(n)
        yield how, released
    yield "overlap", torch.zeros(1, dtype=like).expand(3)
    with torch.inference_mode():
        yield "inference", torch.zeros(3, dtype=like)


def _failing_calls():
    from flambeau.ops.record import load
    from tests.faults.test_dtypes import built

    for record in load():
        for schema in record.schemas():
            for case in record.cases():
                args, kwargs = built(list(case.args), "float32"), built(case.kwargs, "float32")
                packet = getattr(torch.ops.aten, schema.name)
                yield schema, getattr(packet, schema.overload or "default"), args, kwargs


def _shape(f, args, kwargs, names):
    """Of the last result."""
    outs = {name: torch.empty(0) for name in names}
    try:
        f(*args, **kwargs, **outs)
    except (RuntimeError, TypeError, ValueError, IndexError):
        return (2,)
    return outs[names[-1]].shape


def test_there_are_no_exceptions():
    found = set()
    for schema, f, args, kwargs in _failing_calls():
        if schema.outs:
            names = [a.name for a in schema.outs]
            for how, target in _targets(_shape(f, args, kwargs, names)):
                outs = {name: torch.full((2,), 7.0) for name in names}
                outs[names[-1]] = target
                before = {name: _state(t) for name, t in outs.items()}
                try:
                    f(*args, **kwargs, **outs)
                except (RuntimeError, TypeError, ValueError, IndexError):
                    if any(_state(t) != before[name] for name, t in outs.items()):
                        found.add(f"{schema.full_name}: {how}")
        elif schema.inplace and isinstance(args[0], torch.Tensor):
            for how, target in _targets(args[0].shape):
                before = _state(target)
                try:
                    f(target, *args[1:], **kwargs)
                except (RuntimeError, TypeError, ValueError, IndexError):
                    if _state(target) != before:
                        found.add(f"{schema.full_name}: {how}")
    assert not found


@pytest.mark.parametrize("index", [-1, -2, 4, 1000, 10**12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_bad_indices_where_there_is_nothing_to_move(index, dtype):
    i, t = torch.tensor([index]), torch.zeros(4, 0, dtype=dtype)
    calls = [
        lambda: torch.nn.functional.embedding(i, t),
        lambda: torch.ops.aten.embedding_dense_backward(t[:1], i, 4, 2, True),
        lambda: torch.ops.aten.embedding_dense_backward(t[:1], i, 4, 2, False),
        lambda: t.index_select(0, i),
        lambda: t.index_add_(0, i, t[:1]),
        lambda: t.index_add(0, i, t[:1]),
    ]
    if index not in (-1, -2):
        calls += [lambda: t[i], lambda: t.index_put_((i,), t[:1]), lambda: t[None][:, i]]
    for call in calls:
        with pytest.raises((IndexError, RuntimeError), match="out of (range|bounds)"):
            call()
    fine = torch.tensor([3, 3])
    assert torch.nn.functional.embedding(fine, t).shape == (2, 0)
    assert t.index_select(0, fine).shape == t[fine].shape == (2, 0)
    made = torch.ops.aten.embedding_dense_backward(t[:2], fine, 4, 2, True)
    assert made.shape == (4, 0)


# ---- modules and optimisers


def _unfit(name):
    value = torch.ones(3)
    if name == "float8":
        return torch.empty(3, dtype=torch.float8_e5m2)
    if name == "meta":
        return value.to("meta")
    if name == "shrunk":
        value.untyped_storage().resize_(0)
    return value.long() if name == "int64" else value


@pytest.mark.parametrize("name", ["float8", "meta", "shrunk", "int64"])
def test_a_state_dict_of_which_the_last_entry_cannot_be_loaded(name):
    module = torch.nn.Linear(2, 3)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state = {"weight": torch.full((3, 2), 7.0), "bias": _unfit(name)}
    weight = module.weight
    with pytest.raises(RuntimeError, match='"bias".*an exception occurred'):
        module.load_state_dict(state, assign=name == "int64")
    assert module.weight is weight
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_a_state_dict_for_an_expanded_buffer():
    module = torch.nn.Linear(2, 3)
    module.register_buffer("wide", torch.zeros(1).expand(4))
    before = module.weight.clone()
    state = dict(module.state_dict(), weight=torch.full((3, 2), 7.0), wide=torch.ones(4))
    with pytest.raises(RuntimeError, match="share memory"):
        module.load_state_dict(state)
    assert torch.equal(module.weight, before)


def test_apply_with_a_function_that_returns_no_tensor():
    module = torch.nn.Linear(2, 3)
    weight, before = module.weight, module.weight.clone()
    with pytest.raises(TypeError, match="must return a Tensor"):
        module._apply(lambda t: None)
    assert module.weight is weight and torch.equal(weight, before)


CONVERSIONS = {
    "double": lambda t: t.double(),
    "meta": lambda t: t.to("meta"),
    "views": lambda t: t[...],
}


@pytest.mark.parametrize("fails_at", range(1, 12))
@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_that_fails_on_the_way_leaves_the_module_whole(name, fails_at):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3))
    module[1].register_buffer("count", torch.zeros(()))
    module.register_parameter("own", module[0].weight)
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    held = [*module.parameters(), *module.buffers()]
    before = [(t.clone(), t.data_ptr(), t.grad) for t in held]
    calls = 0

    def convert(t):
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise MemoryError("no room")
        return CONVERSIONS[name](t)

    with pytest.raises(MemoryError):
        module._apply(convert)
    assert all(a is b for a, b in zip(held, [*module.parameters(), *module.buffers()]))
    for t, (value, address, grad) in zip(held, before):
        assert torch.equal(t, value) and t.data_ptr() == address and t.grad is grad
        assert grad is None or (grad.dtype == value.dtype and not grad.is_meta)


def _refusing(name):
    if name == "view":
        return torch.ones(2, requires_grad=True).clone()[:]
    with torch.inference_mode():
        return torch.ones(2)


@pytest.mark.parametrize("name", ["view", "inference"])
@pytest.mark.parametrize("of", ["module", "optimiser"])
def test_gradients_of_which_one_cannot_be_zeroed(name, of):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    module[1].bias.grad = _refusing(name)
    owner = module if of == "module" else torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(RuntimeError):
        owner.zero_grad(set_to_none=False)
    assert all(bool((p.grad == 1).all()) for p in module.parameters())


OPTIMISERS = {
    "adam": lambda p: torch.optim.Adam(p),
    "adam one by one": lambda p: torch.optim.Adam(p, foreach=False),
    "adamw": lambda p: torch.optim.AdamW(p, amsgrad=True),
    "adam groups": lambda p: torch.optim.Adam([{"params": p[:2]}, {"params": p[2:]}]),
    "sgd": lambda p: torch.optim.SGD(p, momentum=0.9),
    "sgd one by one": lambda p: torch.optim.SGD(p, momentum=0.9, foreach=False),
    "sgd groups": lambda p: torch.optim.SGD([{"params": p[:2]}, {"params": p[2:]}], momentum=0.9),
}
ADAMS = [name for name in OPTIMISERS if name.startswith("adam")]


def _stepped(name, steps=1):
    params = [torch.full((4,), float(k + 1), requires_grad=True) for k in range(3)]
    optimiser = OPTIMISERS[name](params)
    for p in params:
        p.grad = torch.ones(4)
    for _ in range(steps):
        optimiser.step()
    return params, optimiser


def _values(optimiser):
    found = []
    for group in optimiser.param_groups:
        for p in group["params"]:
            found += [p.tolist()]
            for key, value in optimiser.state[p].items():
                found.append((key, value.tolist() if isinstance(value, torch.Tensor) else value))
    return found


@pytest.mark.parametrize("step", [1, None, "x", torch.ones(2), torch.tensor(True)])
@pytest.mark.parametrize("name", ADAMS)
def test_a_step_with_a_broken_counter(name, step):
    params, optimiser = _stepped(name)
    optimiser.state[params[2]]["step"] = step
    before = _values(optimiser)
    with pytest.raises((RuntimeError, TypeError)):
        optimiser.step()
    assert _values(optimiser) == before


@pytest.mark.parametrize("broken", ["shape", "shared"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_step_with_a_broken_state(name, broken):
    params, optimiser = _stepped(name)
    value = torch.zeros(5) if broken == "shape" else torch.zeros(1).expand(4)
    for key in list(optimiser.state[params[2]]):
        if key == "step":
            continue
        good = optimiser.state[params[2]][key]
        optimiser.state[params[2]][key] = value
        before = _values(optimiser)
        with pytest.raises(RuntimeError):
            optimiser.step()
        assert _values(optimiser) == before
        optimiser.state[params[2]][key] = good


def test_a_first_step_that_fails_leaves_no_momentum():
    params = [torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)]
    optimiser = torch.optim.SGD(params, lr=1.0, momentum=0.9)
    params[0].grad, params[1].grad = torch.ones(2), torch.ones(2)
    params[1].grad.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError):
        optimiser.step()
    assert not any(optimiser.state.values())
    params[1].grad = torch.ones(2)
    optimiser.step()
    assert [p.tolist() for p in params] == [[0.0, 0.0]] * 2


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_broken_state_is_not_loaded(name):
    params, optimiser = _stepped(name)
    before = _values(optimiser)
    state = optimiser.state_dict()
    key = "exp_avg" if name in ADAMS else "momentum_buffer"
    broken = [5, None, {**state["state"][2], key: torch.ones(7)}, {**state["state"][2], key: 3}]
    if name in ADAMS:
        broken += [{"exp_avg": torch.ones(4)}, {**state["state"][2], "step": "x"}]
    for value in broken:
        wrong = dict(state, state={**state["state"], 2: value})
        wrong["param_groups"] = [dict(g, lr=123.0) for g in state["param_groups"]]
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            optimiser.load_state_dict(wrong)
        assert _values(optimiser) == before and optimiser.param_groups[0]["lr"] != 123.0
    optimiser.load_state_dict(state)
    assert _values(optimiser) == before


@pytest.mark.parametrize("name", ADAMS)
def test_an_exception_right_after_a_step(name, monkeypatch):
    """As a signal's handler may raise one: the counters belong to what was stepped."""
    params, optimiser = _stepped(name)

    def raising(function):
        def call(*args, **kwargs):
            function(*args, **kwargs)
            raise KeyboardInterrupt

        return call

    for op in ("_fused_adam_", "_fused_adamw_"):
        monkeypatch.setattr(torch, op, raising(getattr(torch, op)))
    monkeypatch.setattr(torch.optim.adam, "_step_one", raising(torch.optim.adam._step_one))
    before = [p.tolist() for p in params]
    with pytest.raises(KeyboardInterrupt):
        optimiser.step()
    for p, values in zip(params, before):
        assert optimiser.state[p]["step"].item() == 1 + (p.tolist() != values)
    assert params[0].tolist() != before[0]


# ---- what only a long search by chance had found


def test_a_border_of_a_number_that_no_element_holds():
    out = torch.empty(0, dtype=torch.qint32)
    with pytest.raises(NotImplementedError, match="constant_pad_nd: a number cannot be stored"):
        torch.ops.aten.constant_pad_nd.out(torch.empty(2, dtype=torch.qint32), [1, 1], 2, out=out)
    assert out.shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float8_e5m2, torch.qint32, torch.bits16])
def test_what_cannot_be_negated_has_no_negated_view(dtype):
    with pytest.raises(NotImplementedError, match="_neg_view"):
        torch._neg_view(torch.empty(2, dtype=dtype))


def test_a_bad_sorter_leaves_out_alone():
    out, line = torch.empty(5, dtype=torch.int64), torch.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="sorter index out of range"):
        torch.searchsorted(line, line, sorter=torch.tensor([0, 2]), out=out)
    assert out.shape == (5,)


@pytest.mark.parametrize("name", ["celu", "celu_"])
def test_an_imaginary_number_is_no_slope(name):
    x = torch.tensor([-1.0])
    with pytest.raises(RuntimeError, match=f"{name}: value cannot be converted to type double"):
        getattr(torch, name)(x, 1j)
    assert x.item() == -1


def test_triangles_of_endless_matrices_take_the_time_of_what_is_in_them():
    assert torch.triu_indices(2**62, 1).tolist() == [[0], [0]]
    assert torch.tril_indices(2**40, 1, -(2**40) + 1).tolist() == [[2**40 - 1], [0]]


@pytest.mark.parametrize("weights", [None, torch.ones(2), torch.ones(2).double()])
def test_counts_up_to_the_largest_integer(weights):
    with pytest.raises(RuntimeError, match="bincount"):
        torch.bincount(torch.tensor([2**63 - 1, 0]), weights)


def test_slopes_are_kept_only_where_they_can_be_applied():
    x, noise = torch.ones(2, requires_grad=True), torch.zeros(2)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        torch.ops.aten.rrelu_with_noise_(x, noise, training=True)
    assert noise.tolist() == [0, 0]


def test_attention_that_drops_all():
    q, mask = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
    out, _ = torch._scaled_dot_product_attention_math(q, q, q, dropout_p=1.0, dropout_mask=mask)
    assert out.tolist() == torch.zeros(1, 2, 2).tolist()
    for p in (-0.5, 1.5):
        with pytest.raises(RuntimeError, match="probability has to be between 0 and 1"):
            torch.nn.functional.scaled_dot_product_attention(q, q, q, dropout_p=p)


@pytest.mark.parametrize("cut", [[-2, 0, 1, 3], [-1, -1, 1, 2**40]])
def test_gradients_of_borders_of_which_all_is_cut_off(cut):
    x = torch.ones(2, 2, 2, requires_grad=True)
    out = torch._C._nn.replication_pad2d(x, cut)
    assert out.numel() == 0
    out.sum().backward()
    assert x.grad.tolist() == torch.zeros(2, 2, 2).tolist()


@pytest.mark.parametrize("call", ["qr", "median", "slogdet"])
def test_out_of_another_layout_is_refused_before_the_first_is_written(call):
    x, sparse = torch.eye(3), torch.zeros(2, 2).to_sparse()
    first = torch.full((2,), 7.0)
    functions = {
        "qr": lambda: torch.linalg.qr(x, out=(first, sparse)),
        "median": lambda: torch.median(x, 0, out=(first, sparse.long())),
        "slogdet": lambda: torch.linalg.slogdet(x, out=(first, sparse)),
    }
    with pytest.raises(RuntimeError, match="layout"):
        functions[call]()
    assert first.tolist() == [7, 7]
