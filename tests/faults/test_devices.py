"""Tensors of different devices in one call: an error that says so, in every op."""

import pytest
from ops import record_calls as records

import flambeau as torch
from flambeau.ops.samples import Given, Values

SAME_DEVICE = (
    "Expected all tensors to be on the same device, but found at least two devices, "
    "(meta and cpu|cpu and meta)!"
)


def tensors_of(record) -> list[int]:
    """Places of arguments that are tensors or lists of them, where devices have to agree."""
    return [
        i
        for i, a in enumerate(record.schema.args)
        if a.type == "Tensor" and not (a.list and a.optional)
    ]


def moves(record) -> bool:
    return any(a.name == "non_blocking" for a in record.schema.args)


def is_tensor(sample, place: int) -> bool:
    """Whether the sample has a tensor there, and not one that counts as a number."""
    if place >= len(sample.args):
        return False
    value = sample.args[place]
    if isinstance(value, Given):
        return isinstance(value.data, list)
    return isinstance(value, Values) and len(value.shape) > 0


def places(record, sample) -> list[int]:
    found = [p for p in tensors_of(record) if is_tensor(sample, p)]
    return found if len(found) > 1 else []


MIXING = [
    r
    for r in records.RECORDS
    if r.kind != "composite"
    and not moves(r)
    and not records.is_sparse(r)
    and any(places(r, s) for s in r.cases())
]


def mixed(call, place: int):
    """The call with one of its tensors on meta."""
    args, kwargs = call.tensors()
    args[place] = args[place].to("meta")
    return records.overload(call.record.schema)(*args, **kwargs)


@records.parametrised(MIXING)
def test_one_tensor_on_another_device(record):
    for call in records.calls(record, limit=1):
        for place in places(record, call.sample):
            with pytest.raises(RuntimeError, match=SAME_DEVICE):
                mixed(call, place)


LISTS = ["cat", "stack", "hstack", "einsum", "meshgrid", "block_diag"]


@pytest.mark.parametrize("name", [n for n in LISTS if hasattr(torch, n)])
def test_lists_of_tensors(name):
    tensors = [torch.ones(2, 2), torch.ones(2, 2, device="meta")]
    function = getattr(torch, name)
    with pytest.raises(RuntimeError, match=SAME_DEVICE):
        function("ij,jk->ik", *tensors) if name == "einsum" else function(tensors)


def test_outputs_and_gradients():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, device="meta")
    with pytest.raises(RuntimeError, match=SAME_DEVICE):
        a * b
    with pytest.raises(RuntimeError, match=SAME_DEVICE), torch.no_grad():
        torch.add(a, a, out=b)
    with pytest.raises(RuntimeError, match="same device|device"):
        a.backward(b)
    with pytest.raises(RuntimeError, match="same device|device type"):
        a.grad = b


def test_numbers_and_indices_go_with_any_device():
    x = torch.ones(3, 2, device="meta")
    for y in (x + torch.tensor(1.0), torch.tensor(2.0) * x, x.clamp(torch.tensor(0.0))):
        assert y.is_meta and y.shape == (3, 2)
    with pytest.raises(RuntimeError, match=SAME_DEVICE):
        torch.ones(3, 2) + torch.ones((), device="meta")
    assert x[torch.tensor([0, 1])].shape == (2, 2)


def test_mixed_tensors_leave_targets_as_they_were():
    x = torch.zeros(3)
    for change in (
        lambda: x.add_(torch.ones(3, device="meta")),
        lambda: x.masked_fill_(torch.ones(3, dtype=torch.bool, device="meta"), 1),
        lambda: x.index_add_(0, torch.tensor([0]), torch.ones(1, device="meta")),
    ):
        with pytest.raises(RuntimeError, match=SAME_DEVICE):
            change()
    assert x.tolist() == [0, 0, 0] and x._version == 0
