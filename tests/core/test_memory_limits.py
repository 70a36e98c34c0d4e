"""A request beyond memory, or beyond what can be counted, is an error that names op and size."""

import pytest

import flambeau as torch
import flambeau.nn.functional as F

HUGE = 2**42  # elements: more than any machine here has, and countable
ONE = torch.ones(1)
WIDE = ONE.expand(HUGE)  # no memory of its own


def refused(call, op, *, error=RuntimeError):
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert op in text, text
    assert any(c.isdigit() for c in text), text


@pytest.mark.parametrize(
    "call, op",
    [
        (lambda: torch.empty(HUGE), "empty"),
        (lambda: torch.zeros(2**21, 2**21), "zeros"),
        (lambda: torch.full((HUGE,), 1.5), "full"),
        (lambda: torch.arange(HUGE), "arange"),
        (lambda: torch.linspace(0, 1, HUGE), "linspace"),
        (lambda: torch.eye(2**21), "eye"),
        (lambda: torch.rand(HUGE), "rand"),
        (lambda: torch.randperm(HUGE), "randperm"),
        (lambda: torch.empty_strided((2,), (HUGE,)), "empty_strided"),
        (lambda: WIDE.contiguous(), "contiguous"),
        (lambda: WIDE.reshape(2, -1).clone(), "clone"),
        (lambda: ONE.char().expand(2**62).contiguous(), "contiguous"),
        (lambda: WIDE + 1, "add"),
        (lambda: WIDE.exp(), "exp"),
        (lambda: WIDE.double(), "double"),
        (lambda: ONE.repeat(HUGE), "repeat"),
        (lambda: torch.cat([WIDE, WIDE]), "cat"),
        (lambda: torch.outer(WIDE[: 2**21], WIDE[: 2**21]), "outer"),
        (lambda: ONE.expand(2**21, 1) @ ONE.expand(1, 2**21), "matmul"),
        (lambda: WIDE.cumsum(0), "cumsum"),
        (lambda: WIDE.softmax(0), "softmax"),
        (lambda: WIDE.sort(), "sort"),
        (lambda: torch.tril(ONE.expand(2**21, 2**21)), "tril"),
        (lambda: ONE.expand(2, 2).index_select(0, torch.tensor([0]).expand(HUGE)), "index_select"),
        (lambda: F.one_hot(torch.tensor([HUGE]).expand(4)), "one_hot"),
        (lambda: torch.ones(1).resize_(HUGE), "resize_"),
        (lambda: torch.add(WIDE, 1, out=torch.empty(0)), "add"),
    ],
)
def test_more_than_there_is(call, op):
    refused(call, op, error=torch.OutOfMemoryError)


@pytest.mark.parametrize(
    "call, op",
    [
        (lambda: torch.empty(2**62), "empty"),
        (lambda: torch.empty(2**40, 2**40), "empty"),
        (lambda: torch.zeros(2**62, 4), "zeros"),
        (lambda: torch.ones(2**31, 2**31, 2**31), "ones"),
        (lambda: torch.rand(2**62), "rand"),
        (lambda: ONE.expand(2**40, 2**40), "expand"),
        (lambda: ONE.repeat(2**62, 2**3), "repeat"),
        (lambda: ONE.reshape(2**40, 2**40), "reshape"),
        (lambda: ONE.view(2**62, 2**62), "view"),
        (lambda: torch.empty_strided((2**40,), (2**40,)), "empty_strided"),
        (lambda: ONE.as_strided((2**40, 2**40), (2**30, 1)), "as_strided"),
        (lambda: ONE.as_strided((2,), (2**62,), 2**62), "as_strided"),
        (lambda: torch.ones(1).resize_(2**62, 2), "resize_"),
        (lambda: torch.eye(2**40), "eye"),
        (lambda: ONE.expand(2**40, 1) @ ONE.expand(1, 2**40), "matmul"),
        (lambda: torch.cat([ONE.expand(2**60)] * 4), "cat"),
    ],
)
def test_more_than_can_be_counted(call, op):
    refused(call, op)


@pytest.mark.parametrize("sizes", [(HUGE,), (2**62, 2**62), (-1,)])
def test_a_refused_resize_changes_nothing(sizes):
    t = torch.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError):
        t.resize_(sizes)
    assert t.tolist() == [1, 2] and t.stride() == (1,)
    with pytest.raises(RuntimeError):
        torch.ones(3).set_(t.untyped_storage(), 0, (2**40, 2**40), (0, 0))
    with pytest.raises(RuntimeError):
        t.set_(t.untyped_storage(), 0, (2**40, 2**40), (0, 0))
    assert t.tolist() == [1, 2] and t.stride() == (1,)


def test_the_library_goes_on_after_a_refusal():
    for _ in range(100):
        with pytest.raises(RuntimeError):
            torch.empty(HUGE)
    assert torch.ones(1000).sum().item() == 1000


def test_a_list_beyond_memory():
    with pytest.raises(torch.OutOfMemoryError, match="chunk: out of memory"):
        torch.empty(0).chunk(2**43)


def test_an_offset_beyond_addresses_of_a_tensor_without_elements():
    assert torch.empty(0).as_strided((0,), (1,), 2**61).tolist() == []
