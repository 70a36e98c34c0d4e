"""Optimisers and schedules against PyTorch in the same process."""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import flambeau  # noqa: E402

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"maximize": True}),
    ("Adamax", {"lr": 0.1}),
    ("Adamax", {"betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("ASGD", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "t0": 2, "lambd": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("NAdam", {"weight_decay": 0.1, "momentum_decay": 0.1}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RMSprop", {"lr": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "alpha": 0.5, "maximize": True}),
    ("RMSprop", {"momentum": 0.9}),
    ("Rprop", {"lr": 0.1}),
    ("Rprop", {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.2), "maximize": True}),
    ("Adafactor", {"lr": 0.1}),
    ("Adafactor", {"eps": (1e-6, 1e-2), "d": 2.0, "weight_decay": 0.1, "maximize": True}),
]
SHAPES = [(3, 4), (4,), (), (2, 3, 2)]


def values(seed, lib, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [lib.from_numpy(np.asarray(rng.standard_normal(s), dtype=dtype)) for s in SHAPES]


def run(lib, name, options, steps=6, dtype="float32", resume_at=None):
    params = [p.requires_grad_() for p in values(0, lib, dtype)]
    make = getattr(lib.optim, name)
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.05}]
    optimizer = make(groups, **options)
    for step in range(steps):
        for i, (param, grad) in enumerate(zip(params, values(step + 1, lib, dtype))):
            # one parameter joins later, one has no gradient now and then
            skipped = (i == 1 and step < 2) or (i == 2 and step == 3)
            param.grad = None if skipped else grad
        optimizer.step()
        if step == resume_at:
            state = copy.deepcopy(optimizer.state_dict())
            optimizer = make([{"params": params[:2]}, {"params": params[2:]}], **options)
            optimizer.load_state_dict(state)
    return params, optimizer


def check(ours, theirs, rtol=2e-6, atol=1e-6):
    for mine, reference in zip(ours[0], theirs[0]):
        np.testing.assert_allclose(
            mine.detach().numpy(), reference.detach().numpy(), rtol=rtol, atol=atol
        )
    mine, reference = ours[1].state_dict(), theirs[1].state_dict()
    assert mine["param_groups"] == reference["param_groups"]
    assert list(mine["state"]) == list(reference["state"])
    for key in mine["state"]:
        assert list(mine["state"][key]) == list(reference["state"][key])
        for entry, value in mine["state"][key].items():
            expected = reference["state"][key][entry]
            assert str(value.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
            np.testing.assert_allclose(
                value.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6
            )
    assert repr(ours[1]) == repr(theirs[1])


@pytest.mark.parametrize("name, options", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps(name, options, dtype):
    check(run(flambeau, name, options, dtype=dtype), run(torch, name, options, dtype=dtype))


@pytest.mark.parametrize("name, options", OPTIMIZERS)
def test_one_by_one_and_resumed(name, options):
    options = {**options, "foreach": False}
    check(
        run(flambeau, name, options, resume_at=2),
        run(torch, name, options, resume_at=2),
    )


@pytest.mark.parametrize("name, options", [OPTIMIZERS[2], OPTIMIZERS[7]])
def test_state_moves_between_the_libraries(name, options):
    """The state of one, as NumPy arrays, is a state of the other."""
    ours, theirs = run(flambeau, name, options), run(torch, name, options)
    state = theirs[1].state_dict()
    moved = {
        "param_groups": state["param_groups"],
        "state": {
            number: {k: flambeau.from_numpy(v.numpy().copy()) for k, v in entry.items()}
            for number, entry in state["state"].items()
        },
    }
    ours[1].load_state_dict(moved)
    check(ours, theirs)


ELEMENTWISE = [
    "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop",
    "SGD",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["complex64", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_complex_and_half_parameters(name, dtype):
    def moved(lib):
        kind = getattr(lib, dtype)
        start, *grads = ([t.to(kind) for t in values(i, lib)] for i in range(5))
        if dtype == "complex64":
            start, *grads = ([t * (1 - 2j) for t in list] for list in (start, *grads))
        params = [p.detach().requires_grad_() for p in start]
        optimizer = getattr(lib.optim, name)(params, lr=0.05)
        for step in grads:
            for param, grad in zip(params, step):
                param.grad = grad
            optimizer.step()
        flat = [lib.view_as_real(p).flatten() if p.is_complex() else p.flatten() for p in params]
        return lib.cat(flat).float().detach().numpy()

    rtol = 1e-5 if dtype == "complex64" else 2e-2
    np.testing.assert_allclose(moved(flambeau), moved(torch), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradients_through_steps(name):
    # PyTorch's own second step overwrites what the gradient of the first needs in these.
    steps = 1 if name in ("Adam", "AdamW", "Adamax", "NAdam", "Rprop") else 2

    def run(lib):
        w = lib.from_numpy(np.array([0.5, -1.0, 2.0])).requires_grad_()
        gradient = lib.from_numpy(np.array([0.3, -0.2, 1.5])).requires_grad_()
        param = w.clone()
        optimizer = getattr(lib.optim, name)([param], lr=0.1, differentiable=True)
        for _ in range(steps):
            param.grad = gradient * gradient.detach().abs()
            optimizer.step()
        param.pow(2).sum().backward()
        return w.grad.numpy(), gradient.grad.numpy()

    for mine, theirs in zip(run(flambeau), run(torch)):
        np.testing.assert_allclose(mine, theirs, rtol=5e-6, atol=1e-9)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("history", [2, 100])
def test_lbfgs(search, history):
    def losses(lib):
        w = lib.from_numpy(np.array([-1.2, 1.0, 0.3, 2.0])).requires_grad_()
        optimizer = lib.optim.LBFGS(
            [w], lr=1.0 if search else 0.01, max_iter=6, line_search_fn=search, history_size=history
        )

        def closure():
            optimizer.zero_grad()
            loss = (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()
            loss.backward()
            return loss

        curve = [float(optimizer.step(closure)) for _ in range(6)]
        state = optimizer.state_dict()["state"][0]
        return curve, w.detach().numpy(), list(state), state["func_evals"], state["n_iter"]

    ours, theirs = losses(flambeau), losses(torch)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5)
    assert sorted(ours[2]) == sorted(theirs[2]) and ours[3:] == theirs[3:]


def test_functional_forms():
    import importlib
    import inspect

    for name in [n.lower() for n in ELEMENTWISE]:
        ours = getattr(importlib.import_module(f"flambeau.optim.{name}"), name)
        theirs = getattr(importlib.import_module(f"torch.optim.{name}"), name)
        assert list(inspect.signature(ours).parameters) == list(
            inspect.signature(theirs).parameters
        )


def test_tensor_learning_rate():
    for name in ("SGD", "Adam", "AdamW"):
        ours = run(flambeau, name, {"lr": flambeau.tensor(0.1)})
        theirs = run(torch, name, {"lr": torch.tensor(0.1)})
        for mine, reference in zip(ours[0], theirs[0]):
            np.testing.assert_allclose(
                mine.detach().numpy(), reference.detach().numpy(), rtol=2e-6, atol=1e-6
            )
    betas = {"betas": (flambeau.tensor(0.8), flambeau.tensor(0.95))}
    plain = run(flambeau, "Adam", {"betas": (0.8, 0.95)})
    for mine, reference in zip(run(flambeau, "Adam", betas)[0], plain[0]):
        assert flambeau.allclose(mine, reference)


def one(lib):
    return lib.zeros(2, requires_grad=True)


ERRORS = [
    lambda lib: lib.optim.SGD(one(lib)),
    lambda lib: lib.optim.SGD([]),
    lambda lib: lib.optim.SGD([1]),
    lambda lib: lib.optim.SGD([one(lib) * 2]),
    lambda lib: lib.optim.SGD({"a": one(lib)}.values(), lr=-1),
    lambda lib: lib.optim.SGD([{"params": {one(lib)}}]),
    lambda lib: lib.optim.SGD([{"params": [(1, one(lib)), one(lib)]}]),
    lambda lib: lib.optim.SGD([{"lr": 1}]),
    lambda lib: lib.optim.SGD([one(lib)], momentum=-1),
    lambda lib: lib.optim.SGD([one(lib)], weight_decay=-1),
    lambda lib: lib.optim.SGD([one(lib)], nesterov=True),
    lambda lib: lib.optim.SGD([one(lib)], fused=True, foreach=True),
    lambda lib: lib.optim.SGD([one(lib)], lr=lib.ones(2)),
    lambda lib: lib.optim.Adam([one(lib)], betas=(1.0, 0.9)),
    lambda lib: lib.optim.Adam([one(lib)], eps=-1),
    lambda lib: lib.optim.Adam([one(lib)], weight_decay=-1),
    lambda lib: lib.optim.Adam([one(lib)], lr=lib.tensor(0.1), foreach=True),
    lambda lib: lib.optim.Adam([one(lib)], betas=(0.9, lib.tensor(0.9))),
    lambda lib: lib.optim.Adam([one(lib)], betas=(lib.tensor(0.9),) * 2, foreach=True),
    lambda lib: lib.optim.Adam([one(lib)]).add_param_group([one(lib)]),
    lambda lib: lib.optim.Adam([one(lib)]).add_param_group({"params": [("a", one(lib))]}),
    lambda lib: lib.optim.Optimizer([one(lib)], {}).step(),
    lambda lib: lib.optim.SGD([one(lib)]).load_state_dict({"state": {}, "param_groups": []}),
    lambda lib: lib.optim.SGD([one(lib)]).load_state_dict(
        {"state": {}, "param_groups": [{"params": [0, 1]}]}
    ),
    lambda lib: lib.optim.lr_scheduler.StepLR(3, 1),
    lambda lib: lib.optim.lr_scheduler.StepLR(lib.optim.SGD([one(lib)]), 1, last_epoch=3),
    lambda lib: lib.optim.lr_scheduler.LambdaLR(lib.optim.SGD([one(lib)]), [len, len]),
    lambda lib: lib.optim.lr_scheduler.LinearLR(lib.optim.SGD([one(lib)]), start_factor=0),
    lambda lib: lib.optim.lr_scheduler.LinearLR(lib.optim.SGD([one(lib)]), end_factor=2),
    lambda lib: lib.optim.lr_scheduler.LRScheduler(lib.optim.SGD([one(lib)])),
    lambda lib: lib.optim.lr_scheduler.MultiplicativeLR(lib.optim.SGD([one(lib)]), 3),
    lambda lib: lib.optim.lr_scheduler.ConstantLR(lib.optim.SGD([one(lib)]), 2.0),
    lambda lib: lib.optim.lr_scheduler.SequentialLR(lib.optim.SGD([one(lib)]), [], []),
    lambda lib: lib.optim.lr_scheduler.ChainedScheduler([]),
    lambda lib: lib.optim.lr_scheduler.ReduceLROnPlateau(lib.optim.SGD([one(lib)]), factor=1.0),
    lambda lib: lib.optim.lr_scheduler.ReduceLROnPlateau(lib.optim.SGD([one(lib)]), mode="most"),
    lambda lib: lib.optim.lr_scheduler.ReduceLROnPlateau(lib.optim.SGD([one(lib)]), min_lr=[1, 2]),
    lambda lib: lib.optim.lr_scheduler.CyclicLR(lib.optim.SGD([one(lib)]), 0.1, [1, 2]),
    lambda lib: lib.optim.lr_scheduler.CyclicLR(lib.optim.Rprop([one(lib)]), 0.1, 1.0),
    lambda lib: lib.optim.lr_scheduler.CyclicLR(lib.optim.SGD([one(lib)]), 0.1, 1.0, mode="x"),
    lambda lib: lib.optim.lr_scheduler.OneCycleLR(lib.optim.SGD([one(lib)]), 0.1),
    lambda lib: lib.optim.lr_scheduler.OneCycleLR(lib.optim.SGD([one(lib)]), 0.1, total_steps=0),
    lambda lib: lib.optim.lr_scheduler.CosineAnnealingWarmRestarts(lib.optim.SGD([one(lib)]), 0),
    lambda lib: lib.optim.swa_utils.SWALR(lib.optim.SGD([one(lib)]), 0.1, anneal_strategy="x"),
    lambda lib: lib.optim.swa_utils.get_ema_avg_fn(2.0),
    lambda lib: lib.optim.SparseAdam([one(lib)], lr=0.0),
    lambda lib: lib.optim.Muon([one(lib)]),
    lambda lib: lib.optim.LBFGS([{"params": one(lib)}, {"params": one(lib)}]),
    lambda lib: lib.optim.Adafactor([one(lib)], d=0.5),
    lambda lib: lib.optim.Rprop([one(lib)], etas=(1.5, 2.0)),
    lambda lib: lib.optim.NAdam([one(lib)], momentum_decay=-1),
]


@pytest.mark.parametrize("action", ERRORS, ids=range(len(ERRORS)))
def test_error_types(action):
    with pytest.raises(Exception) as theirs:
        action(torch)
    with pytest.raises(Exception) as ours:
        action(flambeau)
    assert type(ours.value) is type(theirs.value)


SCHEDULES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 2, "gamma": 0.7}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 0.9**epoch, lambda epoch: 1 / (epoch + 1)]}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.3}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 4, "power": 2.0}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.5 + 0.1 * epoch}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.5, "end_factor": 0.1, "total_iters": 4}),
    ("CosineAnnealingLR", {"T_max": 4}),
    ("CosineAnnealingLR", {"T_max": 3, "eta_min": 0.01}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9 + 0.01 * epoch}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.5}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.25, "total_iters": 3}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("PolynomialLR", {"power": 2.0}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "cycle_momentum": False}),
    (
        "CyclicLR",
        {
            "base_lr": [0.01, 0.02],
            "max_lr": [0.2, 0.1],
            "step_size_up": 2,
            "step_size_down": 3,
            "mode": "exp_range",
            "gamma": 0.9,
        },
    ),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 30}),
    ("OneCycleLR", {"max_lr": [0.3, 0.2], "epochs": 5, "steps_per_epoch": 6, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 30, "anneal_strategy": "linear"}),
]


def rates(lib, name, options, epoch=False, tensor=False):
    lr = lib.tensor(0.5, dtype=lib.float64) if tensor else 0.5
    groups = [{"params": [one(lib)]}, {"params": [one(lib)], "lr": 0.2}]
    optimizer = lib.optim.SGD(groups, lr=lr, momentum=0.9)
    make = getattr(lib.optim.lr_scheduler, name)
    schedule = make(optimizer, **options)
    seen = [[float(rate) for rate in schedule.get_last_lr()]]
    for i in range(12):
        optimizer.step()
        schedule.step(*([i * 2] if epoch else []))
        groups = optimizer.param_groups
        seen.append([float(group[key]) for key in ("lr", "momentum") for group in groups])
        if i == 5:
            # Go on in a new schedule, from the state of this one.
            state = schedule.state_dict()
            schedule = make(optimizer, **options)
            schedule.load_state_dict(state)
    return seen


@pytest.mark.parametrize("name, options", SCHEDULES)
@pytest.mark.parametrize("epoch", [False, True])
@pytest.mark.parametrize("tensor", [False, True])
def test_schedule(name, options, epoch, tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(
            np.concatenate(rates(flambeau, name, options, epoch, tensor)),
            np.concatenate(rates(torch, name, options, epoch, tensor)),
            rtol=1e-12,
        )


def combined(lib, how):
    schedules = lib.optim.lr_scheduler
    optimizer = lib.optim.SGD([one(lib)], lr=0.5)

    def make():
        parts = [
            schedules.LinearLR(optimizer, total_iters=3),
            schedules.ExponentialLR(optimizer, 0.8),
            schedules.StepLR(optimizer, 2),
        ]
        if how == "chained":
            return schedules.ChainedScheduler(parts)
        if how == "sequence":
            return schedules.SequentialLR(optimizer, parts, [3, 6])
        if how == "nested":
            first = schedules.SequentialLR(optimizer, parts[:2], [2])
            return schedules.SequentialLR(optimizer, [first, parts[2]], [4])
        return lib.optim.swa_utils.SWALR(optimizer, 0.05, anneal_epochs=4, anneal_strategy=how)

    schedule, seen = make(), []
    for _ in range(10):
        optimizer.step()
        schedule.step()
        seen += schedule.get_last_lr()
    return seen, sorted(schedule.state_dict())


@pytest.mark.parametrize("how", ["chained", "sequence", "nested", "cos", "linear"])
def test_schedules_of_schedules(how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = combined(flambeau, how), combined(torch, how)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    assert ours[1] == theirs[1]


PLATEAUS = [
    {"patience": 1, "factor": 0.5},
    {"patience": 0, "cooldown": 2, "threshold": 0.1, "threshold_mode": "abs"},
    {"mode": "max", "patience": 1, "min_lr": 0.04},
    {"mode": "max", "patience": 0, "threshold_mode": "abs", "min_lr": [0.01]},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus(options):
    def rates(lib):
        optimizer = lib.optim.SGD([one(lib)], lr=0.5)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        seen = []
        for loss in (3, 2, 2, 2.05, 1.99, 1.99, 3, 1, 1, 1, 1, 0.5, 0.5, 0.5):
            schedule.step(lib.tensor(float(loss)))
            seen += schedule.get_last_lr()
        return seen, schedule.state_dict()

    assert rates(flambeau) == rates(torch)


@pytest.mark.parametrize("buffers", [False, True])
@pytest.mark.parametrize("how", [None, "ema", "multi"])
def test_averaged_models(how, buffers):
    def averaged(lib):
        lib.manual_seed(0)
        net = lib.nn.Sequential(lib.nn.Linear(2, 3), lib.nn.BatchNorm1d(3))
        utils = lib.optim.swa_utils
        options = {
            None: {},
            "ema": {"avg_fn": utils.get_ema_avg_fn(0.9)},
            "multi": {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.9)},
        }[how]
        mean = utils.AveragedModel(net, use_buffers=buffers, **options)
        optimizer = lib.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            (net(lib.randn(8, 2)) + 0.5).tanh().sum().backward()
            optimizer.step()
            mean.update_parameters(net)
        before = [t.clone() for t in mean.state_dict().values()]
        utils.update_bn([(lib.randn(4, 2), 1), [lib.randn(4, 2)]], mean)
        return [t.numpy() for t in (*before, *mean.state_dict().values())], list(mean.state_dict())

    ours, theirs = averaged(flambeau), averaged(torch)
    for mine, reference in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-5, atol=1e-6)
    assert ours[1] == theirs[1]


def test_training_curves_lie_on_each_other():
    """The same seed, the same network, 20 steps: the same losses."""

    def losses(lib):
        lib.manual_seed(0)
        net = lib.nn.Sequential(lib.nn.Linear(6, 16), lib.nn.ReLU(), lib.nn.Linear(16, 3))
        optimizer = lib.optim.AdamW(net.parameters(), lr=0.02)
        x, y = lib.randn(12, 6), lib.randint(0, 3, (12,))
        curve = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        return curve

    ours, theirs = losses(flambeau), losses(torch)
    assert theirs[-1] < theirs[0] / 2
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
