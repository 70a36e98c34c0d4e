"""Optimisers: groups, state, hooks, and steps against their formulas."""

import copy
import math
import pickle

import numpy as np
import pytest

import flambeau
from flambeau.optim import SGD, Adam, AdamW, Optimizer
from flambeau.optim import optimizer as optimizer_file

rng = np.random.default_rng(0)


def leaf(*shape):
    return flambeau.from_numpy(rng.standard_normal(shape)).requires_grad_()


def steps(make, grads, **options):
    """The parameter after each of ``grads``, from 0."""
    param = flambeau.zeros(len(grads[0]), dtype=flambeau.float64, requires_grad=True)
    optimizer = make([param], **options)
    seen = []
    for grad in grads:
        param.grad = flambeau.tensor(grad, dtype=flambeau.float64)
        optimizer.step()
        seen.append(param.detach().numpy().copy())
    return np.array(seen)


GRADS = rng.standard_normal((6, 3))


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("momentum, dampening, nesterov", [(0, 0, 0), (0.9, 0.3, 0), (0.9, 0, 1)])
def test_sgd_formula(momentum, dampening, nesterov, maximize, one_by_one):
    lr, decay, w, buffer, expected = 0.1, 0.2, np.zeros(3), None, []
    for grad in GRADS:
        g = (-grad if maximize else grad) + decay * w
        if momentum:
            buffer = g.copy() if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        w = w - lr * g
        expected.append(w)
    result = steps(
        SGD,
        GRADS,
        lr=lr,
        momentum=momentum,
        dampening=dampening,
        nesterov=bool(nesterov),
        weight_decay=decay,
        maximize=maximize,
        foreach=False if one_by_one else None,
    )
    np.testing.assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("make", [Adam, AdamW])
def test_adam_formula(make, amsgrad, one_by_one):
    lr, (beta1, beta2), eps, decay = 0.1, (0.8, 0.9), 1e-3, 0.2
    w, mean, square, largest, expected = np.zeros(3), 0.0, 0.0, 0.0, []
    for t, g in enumerate(GRADS, 1):
        if make is AdamW:
            w = w * (1 - lr * decay)
        else:
            g = g + decay * w
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g * g
        largest = np.maximum(largest, square)
        root = np.sqrt((largest if amsgrad else square) / (1 - beta2**t))
        w = w - lr * mean / (1 - beta1**t) / (root + eps)
        expected.append(w)
    result = steps(
        make,
        GRADS,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=decay,
        amsgrad=amsgrad,
        foreach=False if one_by_one else None,
    )
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_complex_parameters_step_like_pairs_of_real_ones():
    pair = flambeau.ones(2, requires_grad=True)
    number = flambeau.tensor([1 + 1j], requires_grad=True)
    optimizer = Adam([pair, number], lr=0.1, amsgrad=True)
    for _ in range(3):
        pair.grad = flambeau.tensor([0.5, -2.0])
        number.grad = flambeau.tensor([0.5 - 2j])
        optimizer.step()
    assert number.tolist()[0] == pytest.approx(complex(*pair.tolist()), rel=1e-5)


def test_state_has_pytorchs_layout():
    params = [leaf(2), leaf(3)]
    adam = Adam(params, amsgrad=True)
    params[0].grad = flambeau.ones(2, dtype=flambeau.float64)
    adam.step()
    state = adam.state_dict()
    assert list(state["state"]) == [0] and state["param_groups"][0]["params"] == [0, 1]
    entry = state["state"][0]
    assert list(entry) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert entry["step"].shape == () and entry["step"].dtype == flambeau.float32
    assert float(entry["step"]) == 1 and entry["exp_avg"].dtype == flambeau.float64
    sgd = SGD(params, momentum=0.9)
    sgd.step()
    assert list(sgd.state_dict()["state"][0]) == ["momentum_buffer"]
    plain = SGD(params)
    plain.step()
    assert not plain.state


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_resuming_goes_on_as_if_never_stopped(make):
    options = {"lr": 0.1, "momentum": 0.9} if make is SGD else {"lr": 0.1}
    a = leaf(3)
    b = a.detach().clone().requires_grad_()
    first, second = make([a], **options), make([b], lr=5)
    for i in range(6):
        a.grad, b.grad = (flambeau.from_numpy(GRADS[i].copy()) for _ in range(2))
        if i < 3:
            first.step()
            if i == 2:
                b.data.copy_(a.detach())
                second.load_state_dict(copy.deepcopy(first.state_dict()))
        else:
            first.step()
            second.step()
    assert flambeau.equal(a, b) and second.param_groups[0]["lr"] == 0.1


def test_loading_casts_state_but_not_step():
    a = leaf(2)
    adam = Adam([a])
    a.grad = flambeau.ones(2, dtype=flambeau.float64)
    adam.step()
    b = flambeau.zeros(2, requires_grad=True)
    other = Adam([b])
    other.load_state_dict(adam.state_dict())
    assert other.state[b]["exp_avg"].dtype == flambeau.float32
    with pytest.raises(ValueError, match="number of parameter groups"):
        Adam([{"params": [b]}, {"params": [leaf(1)]}]).load_state_dict(adam.state_dict())
    with pytest.raises(ValueError, match="size of optimizer's group"):
        Adam([b, leaf(1)]).load_state_dict(adam.state_dict())


def test_state_may_be_exchanged_between_steps():
    """Programs replace a parameter and its state; the next step must use what is there."""
    a = leaf(2)
    adam = Adam([a], lr=0.1)
    a.grad = flambeau.ones(2, dtype=flambeau.float64)
    adam.step()
    grown = flambeau.cat([a.detach(), flambeau.zeros(1, dtype=flambeau.float64)]).requires_grad_()
    state = adam.state.pop(a)
    for key in ("exp_avg", "exp_avg_sq"):
        state[key] = flambeau.cat([state[key], flambeau.zeros(1, dtype=flambeau.float64)])
    adam.param_groups[0]["params"][0] = grown
    adam.state[grown] = state
    grown.grad = flambeau.ones(3, dtype=flambeau.float64)
    before = grown.detach().clone()
    adam.step()
    assert bool((grown != before).all()) and float(state["step"]) == 2


def test_groups_and_defaults():
    a, b, c = leaf(1), leaf(2), leaf(3)
    sgd = SGD([{"params": a}, {"params": iter([b]), "lr": 0.5}], lr=0.1)
    sgd.add_param_group({"params": [c]})
    assert [g["lr"] for g in sgd.param_groups] == [0.1, 0.5, 0.1]
    assert [len(g["params"]) for g in sgd.param_groups] == [1, 1, 1]
    named = SGD([("w", a), ("b", b)], lr=0.1)
    assert named.param_groups[0]["param_names"] == ["w", "b"]
    with pytest.raises(ValueError, match="more than one parameter group"):
        sgd.add_param_group({"params": [a]})
    with pytest.raises(ValueError, match="with/without names"):
        named.add_param_group({"params": [c]})
    with pytest.warns(UserWarning, match="duplicate"):
        SGD([a, a])
    with pytest.raises(ValueError, match="required optimization parameter size"):
        Optimizer([a], {"size": optimizer_file.required})


def capturable_step():
    w = leaf(1)
    w.grad = flambeau.ones(1, dtype=flambeau.float64)
    AdamW([w], capturable=True).step()


def fused_complex():
    SGD([flambeau.ones(1, dtype=flambeau.complex64, requires_grad=True)], fused=True)


@pytest.mark.parametrize(
    "error, match, make",
    [
        (ValueError, "empty parameter list", lambda: SGD([])),
        (TypeError, "iterable of Tensors", lambda: SGD(leaf(1))),
        (TypeError, "can only optimize Tensors", lambda: SGD([1])),
        (TypeError, "sets will change", lambda: SGD([{"params": {leaf(1)}}])),
        (ValueError, "non-leaf", lambda: SGD([leaf(1) * 2])),
        (ValueError, "Invalid learning rate: -1", lambda: SGD([leaf(1)], lr=-1)),
        (ValueError, "Nesterov", lambda: SGD([leaf(1)], nesterov=True)),
        (ValueError, "beta parameter at index 1", lambda: Adam([leaf(1)], betas=(0.9, 1.0))),
        (ValueError, "epsilon", lambda: Adam([leaf(1)], eps=-1.0)),
        (RuntimeError, "cannot be `True` together", lambda: Adam([leaf(1)], fused=True, foreach=1)),
        (RuntimeError, "differentiable", lambda: SGD([leaf(1)], fused=True, differentiable=True)),
        (RuntimeError, "floating point Tensors", lambda: fused_complex()),
        (AssertionError, "capturable=True", lambda: capturable_step()),
        (NotImplementedError, "Optimizer.step", lambda: Optimizer([leaf(1)], {}).step()),
    ],
)
def test_errors(error, match, make):
    with pytest.raises(error, match=match):
        make()


def test_closures_and_zero_grad():
    w = flambeau.full((1,), 3.0, requires_grad=True)
    sgd = SGD([w], lr=0.1)

    def closure():
        sgd.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    with flambeau.no_grad():
        assert float(sgd.step(closure)) == 9
    assert float(w) == pytest.approx(2.4)
    sgd.zero_grad(set_to_none=False)
    assert float(w.grad) == 0
    sgd.zero_grad()
    assert w.grad is None
    sgd.step()
    assert float(w) == pytest.approx(2.4)


def test_step_hooks():
    w = leaf(1)
    sgd = SGD([w], lr=0.1)
    log = []
    handles = [
        sgd.register_step_pre_hook(lambda opt, args, kwargs: log.append("pre")),
        sgd.register_step_post_hook(lambda opt, args, kwargs: log.append("post")),
        optimizer_file.register_optimizer_step_pre_hook(lambda *a: log.append("global pre")),
        optimizer_file.register_optimizer_step_post_hook(lambda *a: log.append("global post")),
    ]
    sgd.step()
    assert log == ["global pre", "pre", "post", "global post"]
    for handle in handles:
        handle.remove()
    handle = sgd.register_step_pre_hook(lambda opt, args, kwargs: ((opt, lambda: 7), {}))
    assert sgd.step() == 7
    handle.remove()
    sgd.register_step_pre_hook(lambda *a: 3)
    with pytest.raises(RuntimeError, match="tuple of"):
        sgd.step()


def test_state_dict_hooks():
    sgd = SGD([leaf(1)], lr=0.1)
    log = []
    sgd.register_state_dict_pre_hook(lambda opt: log.append("pre"))
    sgd.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    sgd.register_load_state_dict_pre_hook(
        lambda opt, state: {k: v for k, v in state.items() if k != "extra"}
    )
    sgd.register_load_state_dict_post_hook(lambda opt: log.append("loaded"))
    state = sgd.state_dict()
    assert state["extra"] == 1
    sgd.load_state_dict(state)
    assert log == ["pre", "loaded"]


class Signed(Optimizer):
    """An optimiser as a user writes one."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                param.data.sub_(group["lr"] * param.grad.sign())
                self.state[param]["count"] = self.state[param].get("count", 0) + 1


def test_a_users_optimizer():
    w = flambeau.ones(1, requires_grad=True)
    signed = Signed([w])
    log = []
    signed.register_step_post_hook(lambda *a: log.append(1))
    w.grad = flambeau.full((1,), 5.0)
    signed.step()
    assert float(w) == pytest.approx(0.9) and log == [1]
    assert signed.state_dict()["state"] == {0: {"count": 1}}


def test_pickling_and_repr():
    sgd = SGD([flambeau.ones(1, requires_grad=True)], lr=0.25)
    twin = pickle.loads(pickle.dumps(sgd))
    assert twin.param_groups[0]["lr"] == 0.25
    twin.register_step_post_hook(lambda *a: None)
    assert repr(sgd).startswith("SGD (\nParameter Group 0\n    dampening: 0\n")


def test_tensor_options():
    w = flambeau.zeros(1, requires_grad=True)
    rate = flambeau.tensor(0.5)
    sgd = SGD([w], lr=rate)
    w.grad = flambeau.ones(1)
    sgd.step()
    rate.fill_(0.25)
    sgd.step()
    assert float(w) == -0.75
    with pytest.raises(ValueError, match="1-element"):
        SGD([w], lr=flambeau.ones(2))


def test_adam_trains_a_network():
    flambeau.manual_seed(0)
    nn = flambeau.nn
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    x = flambeau.from_numpy(rng.uniform(-1, 1, (64, 2)).astype(np.float32))
    y = (x[:, :1] * x[:, 1:]).detach()
    adam = Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(200):
        adam.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 20 and not math.isnan(losses[-1])


def test_sgd_takes_its_learning_rate_as_a_tensor():
    for foreach in (True, False, None):
        seen = steps(SGD, [[1.0, 2.0]] * 2, lr=flambeau.tensor(0.1), foreach=foreach)
        np.testing.assert_allclose(seen[-1], [-0.2, -0.4], rtol=1e-6)
    for make in (Adam, AdamW):
        with pytest.raises(ValueError, match="lr as a Tensor is not supported"):
            make([leaf(2)], lr=flambeau.tensor(0.1), foreach=True)


@pytest.mark.parametrize("make", [lambda p: SGD(p, lr=0.1, momentum=0.9), Adam, AdamW])
def test_two_optimisers_share_no_state(make):
    params = [leaf(3), leaf(3)]
    first, second = (make([p]) for p in params)
    for p in params:
        p.grad = flambeau.ones_like(p)
    first.step()
    second.load_state_dict(first.state_dict())
    before = copy.deepcopy(first.state[params[0]])
    second.step()
    for key, value in before.items():
        assert flambeau.equal(value, first.state[params[0]][key]), key


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD"])
def test_gradients_through_two_steps(name):
    def trained(gradient):
        param = flambeau.tensor([0.5, -1.0, 2.0], dtype=flambeau.float64).requires_grad_()
        moved = param.clone()
        make = getattr(flambeau.optim, name)
        optimizer = make([moved], lr=0.1, differentiable=True)
        for scale in (1.0, 0.5):
            moved.grad = gradient * scale
            optimizer.step()
        return moved

    start = flambeau.tensor([0.3, -0.2, 1.5], dtype=flambeau.float64).requires_grad_()
    assert flambeau.autograd.gradcheck(trained, (start,), eps=1e-6, atol=1e-5)


class Sparse:
    """As much of a sparse gradient as a step looks at."""

    is_sparse = True

    def __init__(self, rows, rows_of):
        self.rows, self.rows_of = rows, rows_of

    def __neg__(self):
        return Sparse(self.rows, -self.rows_of)

    def coalesce(self):
        return self

    def indices(self):
        return flambeau.tensor([self.rows])

    def values(self):
        return self.rows_of


@pytest.mark.parametrize("maximize", [False, True])
def test_sparse_steps_are_adams_in_the_rows_that_have_a_gradient(maximize):
    from flambeau.optim._functional import sparse_adam
    from flambeau.optim.adam import adam

    options = dict(beta1=0.9, beta2=0.99, lr=0.1, eps=0.0, maximize=maximize)
    table = flambeau.from_numpy(rng.standard_normal((5, 2)))
    part = table[[0, 3]].clone()
    means = [flambeau.zeros_like(table) for _ in range(2)]
    part_means = [flambeau.zeros_like(part) for _ in range(2)]
    untouched = table[[1, 2, 4]].clone()
    count = flambeau.tensor(0.0)
    for step in range(1, 4):
        gradient = flambeau.from_numpy(rng.standard_normal((2, 2)))
        sparse_adam([table], [Sparse([0, 3], gradient)], [means[0]], [means[1]], [step], **options)
        adam(
            [part], [gradient], [part_means[0]], [part_means[1]], [], [count], amsgrad=False,
            weight_decay=0, **options,
        )  # fmt: skip
    np.testing.assert_allclose(table[[0, 3]].numpy(), part.numpy(), rtol=1e-7)
    assert flambeau.equal(table[[1, 2, 4]], untouched)


def test_another_optimisers_place():
    w, other = (flambeau.ones(2, requires_grad=True) for _ in range(2))
    adam = Adam([w], lr=0.5)
    w.grad = flambeau.ones(2)
    other.grad = -flambeau.ones(2)
    adam.step()
    state = copy.deepcopy(adam.state_dict())
    swap = flambeau.optim.swap_in_optimizer_params_and_state
    with swap(adam, {"w": other}, state):
        assert adam.param_groups[0]["params"][0] is other
        adam.step()
    assert adam.param_groups[0]["params"][0] is w and float(adam.state[w]["step"]) == 1
    assert float(state["state"][0]["step"]) == 2 and w.tolist() == pytest.approx([0.5, 0.5])
    for bad in ({"state": {}}, {**state, "param_groups": []}, {**state, "state": {0: 1}}):
        with pytest.raises(RuntimeError, match="swap_in_optimizer"), swap(adam, {"w": other}, bad):
            pass
