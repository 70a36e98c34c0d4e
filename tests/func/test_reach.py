"""Whatever a function does with a wrapper ends in a result or in an error, never in a crash."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest

import flambeau
import flambeau.autograd.forward_ad as forward_ad
from flambeau.func import grad, jvp, vmap

Y = flambeau.arange(12.0).reshape(3, 4) / 7

ACTIONS = {
    "data": lambda x: x.data,
    "numpy": lambda x: x.numpy(),
    "numpyf": lambda x: x.numpy(force=True),
    "storage": lambda x: x.untyped_storage().nbytes(),
    "storlist": lambda x: list(x.untyped_storage()),
    "set_": lambda x: x.set_(Y),
    "set_2": lambda x: Y.clone().set_(x),
    "setdata": lambda x: setattr(x, "data", Y),
    "setdata2": lambda x: setattr(Y.clone(), "data", x),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": pickle.dumps,
    "array": lambda x: np.array(x),
    "asarray": lambda x: np.asarray(x),
    "memview": lambda x: memoryview(x),
    "dlpack": lambda x: x.__dlpack__(),
    "tensor": lambda x: flambeau.tensor(x),
    "as_tensor": lambda x: flambeau.as_tensor(x),
    "tensorlist": lambda x: flambeau.tensor([x[0] if x.dim() else x]),
    "tolist": lambda x: x.tolist(),
    "iter": lambda x: [t for t in x],
    "len": len,
    "meta": lambda x: x.to("meta"),
    "type": lambda x: x.type(),
    "resize_": lambda x: x.resize_(2),
    "data_ptr": lambda x: x.data_ptr(),
    "share": lambda x: x.share_memory_(),
    "is_shared": lambda x: x.is_shared(),
    "grad": lambda x: x.grad,
    "setgrad": lambda x: setattr(x, "grad", Y),
    "setgrad2": lambda x: setattr(Y.clone().requires_grad_(), "grad", x),
    "retain": lambda x: x.retain_grad(),
    "hook": lambda x: x.register_hook(lambda g: g),
    "base": lambda x: x._base,
    "version": lambda x: x._version,
    "contig": lambda x: x.contiguous(memory_format=flambeau.channels_last),
    "view_dtype": lambda x: x.view(flambeau.int32),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x.sum()),
    "index": lambda x: Y[x.sum().long()],
    "range": lambda x: range(x.sum().long()),
    "param": lambda x: flambeau.nn.Parameter(x),
    "subclass": lambda x: x.as_subclass(flambeau.nn.Parameter),
    "save": lambda x: flambeau.save(x, io.BytesIO()),
    "repr": repr,
    "format": lambda x: f"{x}",
    "eq": lambda x: x == Y,
    "in": lambda x: 1.0 in x,
    "bool": bool,
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: flambeau.where(x > 0),
    "fill": lambda x: Y.clone().fill_(x.sum()),
    "setitem": lambda x: Y.clone().__setitem__(0, x[0]),
    "copy_": lambda x: Y.clone().copy_(x),
    "out": lambda x: flambeau.add(x, x, out=Y.clone()),
    "out2": lambda x: flambeau.add(Y, Y, out=x),
    "inplace": lambda x: x.add_(1),
    "inpl_t": lambda x: x.t_(),
    "detach_": lambda x: x.detach_(),
    "opt": lambda x: flambeau.optim.SGD([x], lr=0.1).step(),
    "adam": lambda x: [setattr(x, "grad", Y), flambeau.optim.Adam([x], lr=0.1).step()],
    "einsum": lambda x: flambeau.einsum("ij,kj->ik", x, x),
    "norm": lambda x: x.norm(),
    "norm1": lambda x: x.norm(1),
    "isclose": lambda x: flambeau.isclose(x, Y),
    "allclose": lambda x: flambeau.allclose(x, Y),
    "unique": lambda x: x.unique(),
    "storage_offset": lambda x: x.storage_offset(),
    "stride": lambda x: x.stride(),
    "as_strided": lambda x: x.as_strided((100,), (1,)),
    "scalar": lambda x: Y * x.sum(),
    "scalararg": lambda x: flambeau.full((2,), x.sum()),
    "arange": lambda x: flambeau.arange(x.sum()),
    "clamp": lambda x: Y.clamp(x.sum()),
    "one_hot": lambda x: flambeau.nn.functional.one_hot(x.long().abs()),
    "init": lambda x: flambeau.nn.init.normal_(x),
    "multi": lambda x: x.abs().multinomial(2),
    "dotbackward": lambda x: flambeau.autograd.grad(x.sum(), x, allow_unused=True),
    "load": lambda x: flambeau.nn.Linear(4, 3).load_state_dict(
        {"weight": x, "bias": flambeau.zeros(3)}
    ),
    "module": lambda x: flambeau.nn.Linear(4, 3)(x),
    "frombuffer": lambda x: flambeau.frombuffer(x, dtype=flambeau.float32),
    "gen": lambda x: x.random_(),
    "numpyset": lambda x: np.zeros((3, 4)).__setitem__(slice(None), x),
    "new_tensor": lambda x: x.new_tensor([1.0]),
    "new": lambda x: x.new_empty(3).fill_(1),
    "pow": lambda x: 2**x,
    "matmul": lambda x: x @ x.t(),
    "cat": lambda x: flambeau.cat([x, Y]),
    "stack": lambda x: flambeau.stack([x, Y]),
    "equal": lambda x: flambeau.equal(x, Y),
    "_make_sub": lambda x: flambeau.Tensor._make_subclass(flambeau.nn.Parameter, x),
}


def escaped(transform, action):
    kept = []
    transform(kept)
    action(kept[0])


def dual(action):
    with forward_ad.dual_level():
        action(forward_ad.make_dual(Y.clone(), Y.clone()))


def first(action):
    def run(x):
        action(x)
        return x.sum()

    return run


def keep(kept):
    return lambda x: kept.append(x) or x.sum()


BATCH = flambeau.arange(24.0).reshape(2, 3, 4) / 7
KINDS = {
    "grad": lambda action: grad(first(action))(Y.clone()),
    "vmap": lambda action: vmap(first(action))(BATCH.clone()),
    "jvp": lambda action: jvp(first(action), (Y.clone(),), (Y.clone(),)),
    "vmap of grad": lambda action: vmap(grad(first(action)))(BATCH.clone()),
    "dual": dual,
    "ended grad": lambda action: escaped(lambda kept: grad(keep(kept))(Y.clone()), action),
    "ended vmap": lambda action: escaped(lambda kept: vmap(keep(kept))(BATCH.clone()), action),
    "ended jvp": lambda action: escaped(
        lambda kept: jvp(keep(kept), (Y.clone(),), (Y.clone(),)), action
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_crashes(kind, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            KINDS[kind](ACTIONS[name])
        except SystemError:
            raise
        except Exception as error:
            assert str(error)
    assert flambeau._C._transform_level() is None
    assert (Y + 1).numpy().shape == (3, 4)
