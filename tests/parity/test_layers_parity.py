"""What a __torch_dispatch__ mode sees below autograd, op by op, against PyTorch."""

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import flambeau  # noqa: E402
import flambeau.utils._python_dispatch  # noqa: E402

PROGRAMS = """
x + x
x + 1
1 + x
x - 1
1 - x
x * 2.0
x / 2
1 / x
x // 2
x ** 2
2 ** x
x ** x
-x
abs(x)
x > 0
x == x
x.add(x, alpha=2)
torch.add(x, 1, alpha=3)
x.clone().add_(1)
x.exp()
x.sqrt()
x.sigmoid()
x.tanh()
x.relu()
x.clamp(0, 1)
x.clamp(min=0)
x.pow(0.5)
x.abs().log()
torch.where(x > 0, x, x)
torch.maximum(x, x)
torch.lerp(x, x, 0.5)
torch.addcmul(x, x, x, value=2)
x.sum()
x.sum(0)
x.sum(0, True)
x.sum((0, 1), dtype=torch.float64)
x.mean()
x.mean(1)
x.prod()
x.max()
x.max(0)
x.amax(0)
x.argmax()
x.any()
x.all(0)
x.cumsum(0)
x.logsumexp(0)
x.var()
x.norm()
x.view(9)
x.view(-1)
x.reshape(9)
x.transpose(0, 1)
x.t()
x.T
x.permute(1, 0)
x.unsqueeze(0)
x.squeeze(0)
x.expand(2, 3, 3)
x.flatten()
x.select(0, 1)
x.narrow(0, 0, 2)
x[0]
x[0, 1]
x[1:]
x[:, 1:]
x[None]
x[..., 0]
x.diagonal()
x.chunk(2)
x.split(2)
x.unbind()
x.contiguous()
x.t().contiguous()
x.clone()
x.detach()
x.to(torch.float64)
x.double()
x.to(torch.float32)
x @ x
x.mm(x)
torch.bmm(x[None], x[None])
x @ x[0]
x.matmul(x)
torch.addmm(x, x, x)
torch.nn.functional.linear(x, x)
torch.nn.functional.linear(x, x, x[0])
torch.cat([x, x])
torch.stack([x, x])
x.flip(0)
x.roll(1, 0)
x.tril()
x.index_select(0, i)
x.gather(0, i[None])
x.masked_fill(x > 0, 1)
x.sort()
x.argsort()
x.topk(2)
torch.nn.functional.one_hot(i)
torch.nn.functional.embedding(i, x)
torch.softmax(x, 0)
torch.log_softmax(x, 1)
torch.nn.functional.layer_norm(x, (3,))
torch.nn.functional.mse_loss(x, x)
torch.nn.functional.cross_entropy(x, i)
torch.nn.functional.gelu(x)
torch.nn.functional.silu(x)
torch.zeros(2)
torch.ones(2, dtype=torch.float64)
torch.full((2,), 3)
torch.zeros_like(x)
torch.ones_like(x)
torch.empty_like(x)
torch.arange(3)
torch.arange(1, 3)
torch.linspace(0, 1, 3)
torch.eye(3)
torch.rand(2)
torch.randn(2)
torch.randint(3, (2,))
torch.randperm(3)
x.new_zeros(2)
x.bernoulli()
torch.einsum("ij,jk->ik", x, x)
(w * 2).sum().backward()
(w @ w).sum().backward()
w.exp().mean().backward()
w.relu().sum().backward()
torch.nn.functional.linear(w, w).sum().backward()
w.tanh().sum().backward()
w.sigmoid().sum().backward()
torch.nn.functional.gelu(w).sum().backward()
torch.nn.functional.silu(w).sum().backward()
w.sum(0).sum().backward()
w.mean(1).sum().backward()
w.softmax(0).sum().backward()
w.log().sum().backward()
(w/w).sum().backward()
(w*w).sum().backward()
(w+1-w).sum().backward()
w.sqrt().sum().backward()
(w**2).sum().backward()
w.sin().sum().backward()
w.abs().sum().backward()
w.log1p().sum().backward()
(-w).sum().backward()
w.cumsum(0).sum().backward()
w.var().backward()
w[0].sum().backward()
w.t().sum().backward()
torch.cat([w,w]).sum().backward()
torch.stack([w,w]).sum().backward()
w.gather(0,i[None]).sum().backward()
w.index_select(0,i).sum().backward()
w.masked_fill(x>0.3,0).sum().backward()
torch.nn.functional.layer_norm(w,(3,)).sum().backward()
torch.nn.functional.cross_entropy(w,i).backward()
torch.nn.functional.mse_loss(w,x).backward()
torch.nn.functional.embedding(i,w).sum().backward()
torch.addmm(x,w,w).sum().backward()
torch.bmm(w[None],w[None]).sum().backward()
w.sort()[0].sum().backward()
w.topk(2)[0].sum().backward()
w.tril().sum().backward()
w.flip(0).sum().backward()
w.roll(1,0).sum().backward()
w.diagonal().sum().backward()
w.to(torch.float64).sum().backward()
torch.nn.functional.conv2d(w[None,None],w[None,None]).sum().backward()
torch.nn.functional.dropout(w).sum().backward()
w.lgamma().sum().backward()
""".strip().splitlines()


def seen(lib, mode_class, program):
    log = []

    class Log(mode_class):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            log.append((str(func), len(args), sorted(kwargs or {})))
            return func(*args, **(kwargs or {}))

    x = lib.arange(1.0, 10.0).view(3, 3) / 10
    w = x.clone().requires_grad_()
    names = {"torch": lib, "x": x, "w": w, "i": lib.tensor([0, 2, 1])}
    with Log():
        eval(program, names)
    return log


def kept(log):
    """Names alone. Saving an output for backward costs PyTorch a detach, and here nothing."""
    return [name for name, *_ in log if name != "aten.detach.default"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_modes_see_the_same_ops(program):
    theirs = seen(torch, TorchDispatchMode, program)
    ours = seen(flambeau, flambeau.utils._python_dispatch.TorchDispatchMode, program)
    assert kept(ours) == kept(theirs)
