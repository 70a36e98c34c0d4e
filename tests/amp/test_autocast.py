"""Autocast: which dtype ops compute in, scopes, and the copies of weights."""

import threading

import pytest

import flambeau as torch
from flambeau import amp
from flambeau.ops.record import load
from flambeau.utils._python_dispatch import TorchDispatchMode

nn, F = torch.nn, torch.nn.functional
HALVES = [torch.bfloat16, torch.float16]


def x(*sizes):
    torch.manual_seed(0)
    return torch.randn(*sizes)


@pytest.mark.parametrize("dtype", HALVES)
def test_products_are_lower_and_losses_float32(dtype):
    a = x(3, 3)
    with torch.autocast("cpu", dtype=dtype):
        low = a @ a
        assert low.dtype == torch.mm(a, a).dtype == F.linear(a, a).dtype == dtype
        assert torch.addmm(a, a, a).dtype == torch.einsum("ij,jk->ik", a, a).dtype == dtype
        assert F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3)).dtype == dtype
        assert F.mse_loss(low, low).dtype == low.prod().dtype == torch.float32
        assert F.cross_entropy(low, torch.tensor([0, 1, 2])).dtype == torch.float32
        assert F.nll_loss(low, torch.tensor([0, 1, 2])).dtype == torch.float32
        # What is not in the lists computes in what it is given.
        assert low.exp().dtype == low.sum().dtype == F.softmax(low, 1).dtype == dtype
        assert (low + a).dtype == a.cumsum(0).dtype == torch.float32
        # The widest counts.
        assert torch.cat([low, a]).dtype == torch.stack([a, low]).dtype == torch.float32
        assert torch.cat([low, low]).dtype == dtype
        assert (a.double() @ a.double()).dtype == torch.float64
        assert (a.long() @ a.long()).dtype == torch.int64
    assert (a @ a).dtype == torch.float32
    assert torch.equal(low, a.to(dtype) @ a.to(dtype))


def test_every_policy_that_a_record_states_is_followed():
    found = {}
    for record in load():
        if record.autocast not in ("", "none"):
            found.setdefault(record.autocast, []).append(record.schema.full_name)
    assert set(found) == {"lower", "float32", "promote"}
    assert {"mm", "linear", "matmul", "conv2d"} <= set(found["lower"])
    assert {"cat", "stack"} <= set(found["promote"])


@pytest.mark.parametrize("dtype", HALVES)
def test_gradients_have_the_dtype_of_their_tensors(dtype):
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with torch.autocast("cpu", dtype=dtype):
        loss = F.mse_loss(net(x(3, 4)), x(3, 2))
    loss.backward()
    for p in net.parameters():
        assert p.grad.dtype == torch.float32
    lower = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    F.mse_loss(net(x(3, 4)), x(3, 2)).backward()
    for low, p in zip(lower, net.parameters()):
        assert torch.allclose(low, p.grad, atol=0.03)


def test_a_weight_is_cast_once_in_a_scope():
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if "_to_copy" in str(func):
                seen.append(args[0].shape)
            return func(*args, **(kwargs or {}))

    weight = nn.Parameter(x(4, 4))
    for cache, times in ((True, 1), (False, 3)):
        seen.clear()
        with Watch(), torch.autocast("cpu", cache_enabled=cache):
            for _ in range(3):
                torch.mm(weight, weight.detach()[:, :1])
        assert sum(shape == (4, 4) for shape in seen) == times
    # A changed weight is cast anew in the next scope.
    with torch.autocast("cpu"):
        before = torch.mm(weight, torch.eye(4))
    with torch.no_grad():
        weight.zero_()
    with torch.autocast("cpu"):
        assert torch.mm(weight, torch.eye(4)).abs().sum() == 0 != before.abs().sum()


def test_scopes():
    a = x(2, 2)

    @torch.autocast("cpu", dtype=torch.float16)
    def product():
        return a @ a

    assert product().dtype == torch.float16
    with torch.autocast("cpu"):
        assert torch.is_autocast_enabled("cpu") and product().dtype == torch.float16
        with torch.autocast("cpu", enabled=False):
            assert (a @ a).dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        assert (a @ a).dtype == torch.bfloat16
        with pytest.raises(ZeroDivisionError), torch.autocast("cpu", dtype=torch.float16):
            _ = 1 // 0
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
        found = []
        thread = threading.Thread(target=lambda: found.append((a @ a).dtype))
        thread.start()
        thread.join()
        assert found == [torch.float32]
    assert not torch.is_autocast_enabled("cpu")


def test_in_place_forms_and_outputs_stay():
    a, out = x(2, 2), torch.empty(2, 2)
    with torch.autocast("cpu"):
        assert torch.mm(a, a, out=out) is out and out.dtype == torch.float32
        assert a.clone().addmm_(a, a).dtype == torch.float32


def test_what_autocast_is_not_for():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scope = torch.autocast("cuda")
    with scope:
        assert (x(2, 2) @ x(2, 2)).dtype == torch.float32
    with pytest.warns(UserWarning, match="only supports dtypes"):
        torch.autocast("cpu", dtype=torch.float64)
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'meta'"):
        torch.autocast("meta")
    for call in (torch.autocast, lambda d: amp.custom_fwd(device_type=d)):
        with pytest.raises(ValueError, match="device_type"):
            call(3)
    assert amp.is_autocast_available("cpu") and not amp.is_autocast_available("meta")


@pytest.mark.parametrize("cast", [None, torch.float32])
def test_functions_of_a_programs_own(cast):
    seen = []

    class Product(torch.autograd.Function):
        @staticmethod
        @amp.custom_fwd(device_type="cpu", cast_inputs=cast)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        @amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            seen.append(torch.is_autocast_enabled("cpu"))
            return g @ b.T.to(g.dtype), a.T.to(g.dtype) @ g

    a = x(2, 2).requires_grad_()
    with torch.autocast("cpu"):
        y = Product.apply(a, a.detach().bfloat16() if cast else a.detach())
        assert y.dtype == (torch.float32 if cast else torch.bfloat16)
    y.float().sum().backward()
    assert seen == [cast is None] and a.grad.dtype == torch.float32


def test_checkpoints_compute_again_under_autocast():
    from flambeau.utils.checkpoint import checkpoint

    for reentrant in (True, False):
        a = x(2, 2).requires_grad_()
        with torch.autocast("cpu"):
            y = checkpoint(lambda a: (a @ a).sin(), a, use_reentrant=reentrant)
            assert y.dtype == torch.bfloat16
        y.float().sum().backward()
        assert a.grad.dtype == torch.float32


def test_old_names():
    GradScaler, autocast = torch.cpu.amp.GradScaler, torch.cpu.amp.autocast

    with pytest.warns(FutureWarning, match="torch.amp.autocast"), autocast(dtype=torch.float16):
        assert (x(2, 2) @ x(2, 2)).dtype == torch.float16
    with pytest.warns(FutureWarning, match="torch.amp.GradScaler"):
        assert GradScaler(init_scale=2.0).get_scale() == 2
