"""Schedules against their closed forms."""

import math
import warnings

import pytest

import flambeau
from flambeau.optim import SGD, lr_scheduler
from flambeau.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)


def sgd(*rates):
    groups = [{"params": [flambeau.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return SGD(groups, lr=1.0)


CASES = [
    (lambda opt: StepLR(opt, 3, 0.5), lambda base, t: base * 0.5 ** (t // 3)),
    (lambda opt: LambdaLR(opt, lambda t: 1 / (1 + t)), lambda base, t: base / (1 + t)),
    (
        lambda opt: LinearLR(opt, 0.2, 0.8, 5),
        lambda base, t: base * (0.2 + 0.6 * min(t, 5) / 5),
    ),
    (
        lambda opt: MultiStepLR(opt, [2, 5, 5], 0.5),
        lambda base, t: base * 0.5 ** ((t >= 2) + 2 * (t >= 5)),
    ),
    (lambda opt: ConstantLR(opt, 0.25, 4), lambda base, t: base * (1 if t >= 4 else 0.25)),
    (lambda opt: ExponentialLR(opt, 0.9), lambda base, t: base * 0.9**t),
    (
        lambda opt: PolynomialLR(opt, 6, 2.0),
        lambda base, t: base * (1 - min(t, 6) / 6) ** 2,
    ),
    (
        lambda opt: CosineAnnealingLR(opt, 4, 0.1),
        lambda base, t: 0.1 + (base - 0.1) * (1 + math.cos(math.pi * t / 4)) / 2,
    ),
]


@pytest.mark.parametrize(
    "make, expected",
    CASES,
    ids=["step", "lambda", "linear", "steps", "constant", "power", "polynomial", "cosine"],
)
@pytest.mark.parametrize("by_number", [False, True])
def test_closed_form(make, expected, by_number):
    optimizer = sgd(1.0, 0.3)
    schedule = make(optimizer)
    for t in range(14):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([expected(1.0, t), expected(0.3, t)])
        assert schedule.get_last_lr() == rates
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule.step(t + 1) if by_number else schedule.step()


def test_state_goes_on():
    optimizer = sgd(1.0)
    schedule = StepLR(optimizer, 2, 0.5)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    other = StepLR(sgd(1.0), 100)
    other.load_state_dict(schedule.state_dict())
    assert (
        other.last_epoch == 3 and other.step_size == 2 and "optimizer" not in schedule.state_dict()
    )

    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, epoch):
            return self.factor

    schedule = LambdaLR(sgd(1.0, 1.0), [Scaled(3), lambda epoch: 1])
    assert schedule.state_dict()["lr_lambdas"] == [{"factor": 3}, None]
    other = LambdaLR(sgd(1.0, 1.0), [Scaled(1), lambda epoch: 1])
    other.load_state_dict(schedule.state_dict())
    assert other.lr_lambdas[0].factor == 3


def test_a_tensor_rate_keeps_its_identity():
    rate = flambeau.tensor(1.0)
    optimizer = SGD([flambeau.zeros(1, requires_grad=True)], lr=rate)
    schedule = StepLR(optimizer, 1, 0.5)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] is rate and float(rate) == 0.5
    schedule.get_last_lr()[0].fill_(9)
    assert float(rate) == 0.5


def test_warnings_about_order_and_misuse():
    schedule = StepLR(sgd(1.0), 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()
    optimizer = sgd(1.0)
    schedule = StepLR(optimizer, 1)
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()
    with pytest.warns(UserWarning, match="not necessary"):
        schedule.step(5)


def test_errors():
    with pytest.raises(TypeError, match="is not an Optimizer"):
        StepLR(3, 1)
    with pytest.raises(KeyError, match="initial_lr"):
        StepLR(sgd(1.0), 1, last_epoch=2)
    with pytest.raises(ValueError, match="lr_lambdas"):
        LambdaLR(sgd(1.0), [len, len])
    with pytest.raises(ValueError, match="factor"):
        LinearLR(sgd(1.0), start_factor=0.0)
    with pytest.raises(NotImplementedError, match="get_lr"):
        LRScheduler(sgd(1.0))
    assert issubclass(lr_scheduler._LRScheduler, LRScheduler)


def test_a_function_of_the_epoch_multiplies():
    optimizer = sgd(1.0, 0.5)
    schedule = MultiplicativeLR(optimizer, [lambda t: 0.5, lambda t: 1 + t])
    due = [1.0, 0.5]
    for t in range(1, 5):
        optimizer.step()
        schedule.step()
        due = [due[0] * 0.5, due[1] * (1 + t)]
        assert schedule.get_last_lr() == due
    again = MultiplicativeLR(sgd(1.0, 0.5), [lambda t: 0.5, lambda t: 1 + t])
    again.load_state_dict(schedule.state_dict())
    assert again.last_epoch == 4 and again.get_last_lr() == due
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        MultiplicativeLR(optimizer, [lambda t: 1.0])


@pytest.mark.parametrize("factor", [-0.1, 1.1])
def test_a_constant_factor_lies_between_0_and_1(factor):
    with pytest.raises(ValueError, match="between 0 and 1"):
        ConstantLR(sgd(1.0), factor)
