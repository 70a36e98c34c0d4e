"""amp.GradScaler: scales, steps that are left out, and states."""

import pickle

import pytest

import flambeau as torch
from flambeau.amp import GradScaler


def parameter(value=1.0, **options):
    w = torch.nn.Parameter(torch.tensor([value], **options))
    return w, torch.optim.SGD([w], lr=0.5)


def step(scaler, w, optimizer, factor=1.0):
    optimizer.zero_grad()
    scaler.scale((w * factor).sum()).backward()
    scaler.step(optimizer)
    scaler.update()


def test_gradients_are_divided_by_the_scale():
    w, optimizer = parameter()
    scaler = GradScaler("cpu", init_scale=1024.0)
    loss = scaler.scale(w.sum())
    assert loss.item() == 1024
    loss.backward()
    assert w.grad.item() == 1024
    scaler.unscale_(optimizer)
    assert w.grad.item() == 1
    scaler.step(optimizer)
    assert w.item() == 0.5 and scaler.get_scale() == 1024


def test_the_scale_grows_and_shrinks():
    w, optimizer = parameter()
    scaler = GradScaler("cpu", init_scale=8.0, growth_interval=2)
    seen = []
    for i in range(6):
        before = w.item()
        step(scaler, w, optimizer, float("inf") if i == 3 else 1.0)
        assert (w.item() == before) is (i == 3)
        seen.append((scaler.get_scale(), scaler._get_growth_tracker()))
    assert seen == [(8, 1), (16, 0), (16, 1), (8, 0), (8, 1), (16, 0)]
    step(scaler, w, optimizer, float("nan"))
    assert scaler.get_scale() == 8


def test_the_scale_stays_finite():
    w, optimizer = parameter()
    scaler = GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    step(scaler, w, optimizer, 2.0**-20)
    assert scaler.get_scale() == 2.0**127


def test_outputs_at_any_depth():
    scaler = GradScaler("cpu", init_scale=2.0)
    one = torch.ones(1)
    scaled = scaler.scale([one, (one, [one])])
    assert isinstance(scaled[1], tuple) and scaled[1][1][0].item() == 2
    assert [t.item() for t in scaler.scale(t for t in [one, one])] == [2, 2]
    with pytest.raises(ValueError, match="iterable of Tensors"):
        scaler.scale(3)


def test_several_optimizers():
    a, first = parameter()
    b, second = parameter()
    scaler = GradScaler("cpu", init_scale=4.0, growth_interval=1)
    scaler.scale(a.sum() + (b * float("inf")).sum()).backward()
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    assert a.item() == 0.5 and b.item() == 1 and scaler.get_scale() == 2


def test_the_order_of_calls():
    w, optimizer = parameter()
    scaler = GradScaler("cpu")
    with pytest.raises(AssertionError, match="scaler.scale"):
        scaler.step(optimizer)
    scaler.scale(w.sum()).backward()
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called"):
        scaler.unscale_(optimizer)
    with pytest.raises(AssertionError, match="beginning of an iteration"):
        pickle.dumps(scaler)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="since the last update"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(optimizer, closure=lambda: 0)
    half, its_optimizer = parameter(dtype=torch.float16)
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(its_optimizer)


def test_an_optimizer_that_scales_by_itself():
    class Own(torch.optim.SGD):
        _step_supports_amp_scaling = True

        def step(self):
            self.told = self.grad_scale.item(), self.found_inf.item()

    w = torch.nn.Parameter(torch.ones(1))
    optimizer = Own([w], lr=1.0)
    scaler = GradScaler("cpu", init_scale=4.0)
    step(scaler, w, optimizer)
    assert optimizer.told == (4, 0) and w.grad.item() == 4 and not hasattr(optimizer, "found_inf")
    step(scaler, w, optimizer, float("inf"))
    assert optimizer.told == (4, 1) and scaler.get_scale() == 2


def test_states_and_settings():
    w, optimizer = parameter()
    scaler = GradScaler("cpu", init_scale=8.0, growth_interval=3)
    step(scaler, w, optimizer)
    state = scaler.state_dict()
    assert state == {
        "scale": 8.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 3,
        "_growth_tracker": 1,
    }
    for other in (GradScaler("cpu"), pickle.loads(pickle.dumps(scaler))):
        other.load_state_dict(state)
        step(other, w, optimizer)
        step(other, w, optimizer)
        assert other.get_scale() == 16
    scaler.update(32.0)
    assert scaler.get_scale() == 32
    scaler.update(torch.tensor(5.0))
    assert scaler.get_scale() == 5
    with pytest.raises(AssertionError, match="new_scale"):
        scaler.update(torch.ones(2))
    with pytest.raises(RuntimeError, match="empty"):
        scaler.load_state_dict({})
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.25)
    scaler.set_growth_interval(7)
    settings = scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval()
    assert settings == (3.0, 0.25, 7)
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(AssertionError, match="factor"):
            GradScaler("cpu", **wrong)


def test_scaling_that_is_off():
    w, optimizer = parameter()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not GradScaler().is_enabled()
    scaler = GradScaler("cpu", enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss and scaler.get_scale() == 1 and scaler.state_dict() == {}
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    scaler.load_state_dict({})
    assert w.item() == 0.5 and scaler._get_growth_tracker() == 0
