"""Errors have PyTorch's type, and their texts begin with the op."""

import re
import warnings

import pytest

import flambeau as torch

F = torch.nn.functional


def x():
    return torch.ones(2, 3)


class Item:
    pass


REFUSED = [
    # What a tensor is made of.
    (lambda: torch.tensor([None]), RuntimeError, "tensor: Could not infer dtype of NoneType"),
    (lambda: torch.tensor([1, None]), RuntimeError, "tensor: Could not infer dtype of NoneType"),
    (lambda: torch.tensor([Item()]), RuntimeError, "tensor: Could not infer dtype of Item"),
    (lambda: torch.tensor([{}]), RuntimeError, "tensor: Could not infer dtype of dict"),
    (
        lambda: torch.tensor([None], dtype=torch.float32),
        TypeError,
        "tensor: must be real number, not NoneType",
    ),
    (lambda: torch.tensor(["a"]), ValueError, "tensor: too many dimensions 'str'"),
    (lambda: torch.tensor([1, "a"]), TypeError, r"tensor: new\(\): invalid data type 'str'"),
    (lambda: torch.tensor([[1], 2]), TypeError, "tensor: not a sequence: a number stands at dim 1"),
    (lambda: torch.tensor([1j], dtype=torch.float32), TypeError, "tensor: value .*real number"),
    (lambda: torch.tensor([1], dtype=3), TypeError, "tensor: argument 'dtype' must be torch.dtype"),
    (lambda: torch.frombuffer(3, dtype=torch.int8), ValueError, "frombuffer: .*buffer protocol"),
    (lambda: torch.frombuffer(b"a", dtype=3), TypeError, "frombuffer: argument 'dtype'"),
    (lambda: torch.arange(2, dtype=torch.bool), NotImplementedError, "arange: .*'Bool'"),
    (lambda: torch.arange(1j), RuntimeError, "arange: value cannot be converted"),
    (lambda: torch.zeros(-1), RuntimeError, "zeros: .*negative dimension -1"),
    (lambda: torch.zeros(2, device="nowhere"), RuntimeError, "zeros: Expected one of cpu"),
    (lambda: torch.ones(10**30), TypeError, "ones: argument 'size' .*Overflow"),
    (lambda: torch.empty(2**50), RuntimeError, "empty: DefaultCPUAllocator: .*PiB"),
    # Operators and attributes.
    (lambda: ~x(), TypeError, r"~ \(operator.invert\) .*not on float32"),
    (lambda: setattr(x(), "grad_fn", 3), AttributeError, "attribute 'grad_fn'"),
    (lambda: x().item(), RuntimeError, "item: a Tensor with 6 elements"),
    (lambda: x().type(3), TypeError, "type: dtype must be a type, str, or dtype object, not 3"),
    (lambda: x().resize_(), TypeError, r"resize_\(\) missing"),
    (lambda: x().is_inference(1), TypeError, r"Tensor.is_inference\(\) takes no arguments"),
    (lambda: x().item(out=1), TypeError, r"Tensor.item\(\) takes no keyword arguments"),
    # Numbers beyond 64 bits.
    (lambda: x() + 10**30, OverflowError, "add: int too big to convert"),
    (lambda: x().select(0, 10**30), ValueError, "select: Overflow"),
    # out=None where there is no out=.
    (lambda: torch.clone(x(), out=None), TypeError, r"clone\(\) got an unexpected keyword .*'out'"),
    # Functions that are Python.
    (lambda: torch.nonzero(None), TypeError, r"nonzero\(\): argument 'input' \(position 1\)"),
    (lambda: torch.argwhere("a"), TypeError, r"argwhere\(\): argument 'input' \(position 1\)"),
    (lambda: torch.unique_consecutive(3), TypeError, r"unique_consecutive\(\): argument 'input'"),
    (lambda: torch.split(x(), x()), TypeError, r"split_with_sizes\(\): argument 'split_sizes'"),
    (lambda: torch.split(x(), True, "a"), TypeError, r"split\(\): argument"),
    (lambda: torch.numel(None), TypeError, r"numel\(\): argument 'input' \(position 1\)"),
    (lambda: torch.is_complex([1]), TypeError, r"is_complex\(\): argument 'input'"),
    (lambda: torch.is_floating_point("a"), TypeError, r"is_floating_point\(\): argument 'input'"),
    (lambda: torch.is_nonzero(1), TypeError, r"is_nonzero\(\): argument 'input'"),
    (lambda: torch.broadcast_tensors(x(), 3), TypeError, r"broadcast_tensors\(\): .* element 1"),
    (lambda: torch.broadcast_shapes(2.5), RuntimeError, "broadcast_shapes: .*tuple of ints"),
    (lambda: torch.broadcast_shapes((2,), (3,)), RuntimeError, "broadcast_shapes: .*length 3"),
    (lambda: torch.norm(None), TypeError, r"norm\(\): argument 'input'"),
    (lambda: torch.linalg.norm([1.0]), TypeError, r"linalg_norm\(\) received an .* - got \(list\)"),
    (
        lambda: torch.linalg.matrix_norm(x(), [1]),
        TypeError,
        r"linalg_matrix_norm\(\) .* - got \(Tensor, list\)",
    ),
    (
        lambda: torch.linalg.matrix_norm(x(), 1, 3),
        TypeError,
        r"linalg_matrix_norm\(\) .* - got \(Tensor, int, int\)",
    ),
    (lambda: torch.linalg.matrix_norm(x(), dim=(0,)), RuntimeError, "linalg.matrix_norm: .*2-tup"),
    (lambda: torch.linalg.vecdot(x(), 1), TypeError, r"linalg_vecdot\(\): argument 'y'"),
    (lambda: torch.linalg.vecdot(x(), x().double()), RuntimeError, "linalg.vecdot: .*same dtype"),
    (lambda: torch.linalg.multi_dot(x()), TypeError, r"linalg_multi_dot\(\): argument 'tensors'"),
    (lambda: torch.linalg.multi_dot([x(), 1]), TypeError, r"linalg_multi_dot\(\): .*element 1"),
    (lambda: F.pad(x(), x()), TypeError, r"pad\(\): argument 'pad' \(position 2\)"),
    (lambda: F.pad(x(), (1, 2.5)), TypeError, r"pad\(\): .*element of type float at pos 1"),
    (lambda: F.bilinear(x(), 1, x()), TypeError, r"bilinear\(\): argument 'input2' \(position 2\)"),
    # Ops that share their rule.
    *(
        (lambda f=f: f(x(), 5), IndexError, rf"{f.__name__}: Dimension out of range")
        for f in (torch.max, torch.min, torch.amax, torch.amin, torch.argmax, torch.argmin)
    ),
    *(
        (lambda f=f: f(x(), 5), IndexError, rf"{f.__name__}: Dimension out of range")
        for f in (torch.any, torch.all, torch.cumsum, torch.cumprod)
    ),
    *(
        (lambda f=f: f(torch.ones(0, 3), 0), IndexError, rf"{f.__name__}\(\): Expected reduction")
        for f in (torch.max, torch.min, torch.amax, torch.amin, torch.argmax, torch.argmin)
    ),
]


@pytest.mark.parametrize("call, kind, text", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_types_and_texts(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert re.match(text, str(caught.value)), str(caught.value)
    if kind is RuntimeError:
        assert not isinstance(caught.value, NotImplementedError)


def test_none_leaves_out_a_list_that_is_empty_by_default():
    assert torch.amax(x(), None).item() == 1
    assert torch.roll(torch.arange(3), 1, None).tolist() == [2, 0, 1]
    assert F.max_pool2d(torch.ones(1, 1, 4, 4), 2, None).shape == (1, 1, 2, 2)


def test_a_number_is_copied_as_into_every_element():
    assert torch.zeros(2).copy_(3).tolist() == [3, 3]
    c = torch.tensor([1 + 2j])
    c.real = 3
    assert c.tolist() == [3 + 2j]


SPREADS = {
    "std": lambda: torch.ones(1).std(),
    "var": lambda: torch.ones(2, 1).var(1),
    "var ": lambda: torch.ones(3).var(correction=5),
    "std ": lambda: torch.ones(0).std(),
    "var_mean": lambda: torch.var_mean(torch.ones(1)),
}


@pytest.mark.parametrize("name", SPREADS)
def test_a_spread_without_freedom_warns(name):
    with pytest.warns(UserWarning, match=rf"^{name.strip()}\(\): degrees of freedom is <= 0"):
        str(SPREADS[name]())  # where ops are deferred, the warning comes with the value


def test_other_spreads_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.ones(1).std(unbiased=False)
        torch.ones(2, 2).var(1)


def test_a_buffer_of_constants_warns():
    with pytest.warns(UserWarning, match="frombuffer: The given buffer is not writable"):
        t = torch.frombuffer(b"ab", dtype=torch.uint8)
    assert t.tolist() == [97, 98]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.frombuffer(bytearray(b"ab"), dtype=torch.uint8)
