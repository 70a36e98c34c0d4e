"""Where PyTorch has a gradient of a gradient, be it zeros, there is one: of every record."""

import numpy as np
import pytest
from ops.record_calls import RECORDS, calls, dtypes_of, full_name, overload, parametrised

import flambeau
from flambeau.utils import _pytree as pytree

torch = pytest.importorskip("torch")

# Second derivatives that differ on purpose, each with its reason.
ELSEWHERE = {
    "digamma": "the gradient of its derivative is refused",
    "native_layer_norm_backward": "its mean and deviation have to be those of its input",
}


def theirs(value):
    if isinstance(value, flambeau.Tensor):
        return torch.tensor(value.detach().numpy())
    if isinstance(value, flambeau.dtype):
        return getattr(torch, str(value).split(".")[1])
    return value


def second(lib, function, args, kwargs):
    """The sum of each gradient's gradients by each input; None where there is none."""
    flat, spec = pytree.tree_flatten((args, kwargs))
    inputs = [v for v in flat if isinstance(v, lib.Tensor) and v.is_floating_point()]
    inputs = [t.requires_grad_() for t in inputs]
    args, kwargs = pytree.tree_unflatten(flat, spec)
    try:
        made = function(*args, **kwargs)
    except RuntimeError:
        return None
    made = list(made) if isinstance(made, (list, tuple)) else [made]
    made = [t for t in made if isinstance(t, lib.Tensor) and t.requires_grad]
    found = {}
    for i, x in enumerate(inputs):
        try:
            (g,) = lib.autograd.grad(sum(t.sum() for t in made), x, create_graph=True)
        except (RuntimeError, TypeError, AttributeError):
            continue
        for k, y in enumerate(inputs):
            try:
                (h,) = lib.autograd.grad(g.sum(), y, retain_graph=True)
            except RuntimeError:
                continue
            found[i, k] = h.sum().item()
    return found


CHOSEN = [
    r
    for r in RECORDS
    if "float64" in dtypes_of(r) and not r.inplace_only and full_name(r) not in ELSEWHERE
]


@parametrised(CHOSEN)
def test_second_gradients_are_there(record):
    for call in calls(record, ("float64",)):
        args, kwargs = call.tensors()
        packet = getattr(torch.ops.aten, record.name, None)
        other = getattr(packet, record.schema.overload or "default", None)
        expected = other and second(torch, other, *pytree.tree_map(theirs, (args, kwargs)))
        if not expected:
            continue
        got = second(flambeau, overload(record.schema), args, kwargs)
        assert expected.keys() <= got.keys(), full_name(record)
        for place, value in expected.items():
            np.testing.assert_allclose(got[place], value, rtol=1e-6, atol=1e-9)
