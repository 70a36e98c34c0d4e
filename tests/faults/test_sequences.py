"""Sequences that change, or say something else, while they are read."""

import numpy
import pytest

import flambeau as torch
from tests.faults.child import run

LIST = """
    import flambeau as torch
    class Item:
        def __init__(self, do): self.do = do
        def __index__(self): self.do(); return 1
"""


@pytest.mark.parametrize(
    "call",
    [
        "torch.zeros(l)",
        "torch.ones(2).expand(l)",
        "torch.ones(2).reshape(l)",
        "torch.ones(2, 2).sum(l)",
        "torch.ones(2).new_empty(l)",
        "torch.Size(l)",
        "torch.ones(2).resize_(l)",
        "torch.ones(2).set_(torch.ones(2).untyped_storage(), 0, l)",
        "torch.UntypedStorage(l)",
        "torch.ops.aten.zeros.default(l)",
        "torch.nn.functional.pad(torch.ones(2), l)",
    ],
)
@pytest.mark.parametrize("change", ["l.clear()", "l.extend([1] * 5000)", "l.__setitem__(0, 'x')"])
def test_a_list_that_an_item_changes(call, change):
    run(
        LIST
        + f"""
    for n in (1, 2, 3, 5000):
        l = []
        l[:] = [Item(lambda: {change}) for _ in range(n)]
        try: {call}
        except (RuntimeError, TypeError, ValueError, IndexError): pass
    """
    )


def test_a_list_of_tensors_keeps_them_while_it_is_read():
    run(
        """
        import flambeau as torch
        class Number(float):
            def __float__(self): return 1.0
        outs = [torch.empty(0), torch.empty(0, dtype=torch.int64)]
        class F:
            def __torch_function__(self, *a, **k): return NotImplemented
        l = [F() for _ in range(3)] + [torch.ones(2)]
        class G:
            @property
            def __torch_function__(self): l.clear(); raise AttributeError
        try: torch.cat(l + [G()])
        except (RuntimeError, TypeError, AttributeError): pass
        torch.max(torch.ones(3, 3), 0, out=outs)
        """
    )


def test_items_are_read_once_and_in_order():
    seen = []

    class Item:
        def __init__(self, n):
            self.n = n

        def __index__(self):
            seen.append(self.n)
            return self.n

    assert torch.zeros([Item(2), Item(3)]).shape == (2, 3)
    assert seen == [2, 3]


class Lies:
    """Longer each time it is looked at."""

    def __init__(self, first, then):
        self.sizes = [first, then, then, then, then]

    def __len__(self):
        return self.sizes[0]

    def __getitem__(self, i):
        if i >= self.sizes[0]:
            self.sizes.pop(0)
            raise IndexError(i)
        return 1.0


@pytest.mark.parametrize("first, then", [(1, 1 << 16), (1 << 16, 1), (3, 2)])
def test_a_sequence_of_another_length_the_second_time(first, then):
    with pytest.raises(ValueError, match="changed while it was read"):
        torch.tensor(Lies(first, then))


def test_a_sequence_that_says_the_truth():
    assert torch.tensor(Lies(4, 4)).tolist() == [1.0] * 4


def test_nested_data_that_an_element_changes():
    run(
        """
        import flambeau as torch, numpy
        inner = [1.0, 2.0]
        class Item:
            def __init__(self, f): self.f = f
            def __len__(self): self.f(); return 2
            def __getitem__(self, i):
                if i > 1: raise IndexError
                return 1.0
        for change in (lambda: outer.clear(), lambda: outer.extend([[1.0, 2.0]] * 1000),
                       lambda: inner.clear(), lambda: outer.__setitem__(0, [[1.0]] * 2)):
            outer = [inner, Item(change), inner]
            try: torch.tensor(outer)
            except (ValueError, TypeError): pass
            inner[:] = [1.0, 2.0]
        class Array(numpy.ndarray):
            def tolist(self): return self.answer
        for answer in (5, "ab", [[1.0]] * 9, (), None, {1: 2}):
            a = numpy.ones(2).view(Array); a.answer = answer
            try: torch.tensor([a, a])
            except (ValueError, TypeError, RuntimeError): pass
        class T(torch.Tensor):
            def tolist(self): return 5
        try: torch.tensor([torch.ones(2).as_subclass(T)])
        except (ValueError, TypeError): pass
        """
    )


@pytest.mark.parametrize("act", ["t.set_()", "t.resize_(1)", "t.resize_(1000)"])
def test_an_index_that_changes_the_tensor(act):
    run(
        f"""
        import flambeau as torch
        class I:
            def __index__(self): {act}; return 1
        class L:
            def __len__(self): return 2
            def __getitem__(self, i):
                if i > 1: raise IndexError
                {act}
                return 0
        for make in (lambda: I(), lambda: slice(I(), None), lambda: slice(None, I()), lambda: L(),
                     lambda: slice(None, None, I()), lambda: (0, I()), lambda: (I(), 0),
                     lambda: (I(), slice(I(), None)), lambda: (None, I()), lambda: (..., I()),
                     lambda: (L(), I())):
            for use in (lambda t, i: t[i].tolist(), lambda t, i: t.__setitem__(i, 1),
                        lambda t, i: t.__setitem__(0, i if isinstance(i, L) else 1)):
                t = torch.ones(4, 5, 6)
                try: use(t, make())
                except (IndexError, RuntimeError, TypeError, ValueError): pass
        """
    )


def test_array_interface_of_any_kind():
    good = numpy.ones((2, 3), dtype="float32")
    fields = good.__array_interface__

    def fake(**changes):
        value = dict(fields, **changes)
        made = type("A", (), {"__array_interface__": {k: v for k, v in value.items() if v != "-"}})
        return made()

    cases = [
        fake(typestr=3),
        fake(typestr=None),
        fake(typestr="-"),
        fake(typestr="\ud800"),
        fake(shape="-"),
        fake(shape=3),
        fake(shape=(-1,)),
        fake(shape=(-2, -3)),
        fake(shape=(2**62, 4)),
        fake(shape=(2**40,), strides=(2**40,)),
        fake(shape=(1,) * 70),
        fake(shape=(2, 2, 2), strides=(4,)),
        fake(shape=(2,), strides=(4, 4)),
        fake(strides=(-4, 4)),
        fake(strides=(3, 4)),
        fake(data="-"),
        fake(data=5),
        fake(data=()),
        fake(data=("x", False)),
        fake(data=(0, False)),
        type("B", (), {"__array_interface__": 5})(),
    ]
    for case in cases:
        for function in (torch.from_numpy, torch.as_tensor, torch.tensor, torch.asarray):
            with pytest.raises((TypeError, ValueError, RuntimeError)):
                function(case)
    assert torch.from_numpy(fake()).tolist() == good.tolist()


def test_errors_of_the_program_itself_come_through():
    class Raises:
        def __bool__(self):
            raise KeyError("x")

        __index__ = __len__ = __float__ = __bool__

    class Array:
        @property
        def __array_interface__(self):
            raise KeyError("x")

    calls = [
        lambda: torch.ones(2).numpy(force=Raises()),
        lambda: torch.tensor([1.0], requires_grad=Raises()),
        lambda: torch.tensor([1.0], pin_memory=Raises()),
        lambda: torch.asarray([1.0], requires_grad=Raises()),
        lambda: torch.asarray([1.0], copy=Raises()),
        lambda: torch.frombuffer(bytearray(4), dtype=torch.float32, requires_grad=Raises()),
        lambda: torch.ones(2).__dlpack__(max_version=(Raises(), 0)),
        lambda: torch.ones(2).__dlpack__(copy=Raises()),
        lambda: torch.ones(2).__array__(copy=Raises()),
        lambda: torch.zeros([Raises()]),
        lambda: torch.ones(2)[Raises() :],
        lambda: torch.from_numpy(Array()),
        lambda: torch.ones(1, requires_grad=True).backward(retain_graph=Raises()),
    ]
    for call in calls:
        with pytest.raises(KeyError):
            call()


def test_arguments_for_another_function_have_to_be_arguments():
    with pytest.raises(TypeError, match="kwargs must be a dict"):
        torch.Tensor.__torch_function__(torch.add, (), (1, 2), 5)
    with pytest.raises(TypeError, match="args must be a tuple"):
        torch.Tensor.__torch_function__(torch.add, (), 5)
    two = torch._C._disabled_torch_function_impl(torch.add, (), [torch.ones(2), 1])
    assert two.tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match="memo must be a dict"):
        torch.UntypedStorage(2).__deepcopy__(5)


class Endless:
    """Says that it has one item, and has another one each time it is asked."""

    def __init__(self, item=1):
        self.item = item

    def __len__(self):
        return 1

    def __getitem__(self, i):
        return self.item


class EndlessList(list):
    def __init__(self, item=1):
        super().__init__([item])

    def __iter__(self):
        while True:
            yield self[0]


@pytest.mark.parametrize("kind", [Endless, EndlessList])
@pytest.mark.parametrize(
    "call",
    [
        lambda s: torch.tensor(s),
        lambda s: torch.as_tensor(s),
        lambda s: torch.ones(3).new_tensor(s),
        lambda s: torch.Tensor(s),
        lambda s: torch.Size(s),
        lambda s: torch.UntypedStorage(s),
        lambda s: torch.ones(3)[s],
        lambda s: torch.ones(3).__setitem__(s, 1),
        lambda s: torch.ones(3).__setitem__(slice(0, 1), s),
    ],
)
def test_an_endless_sequence_of_numbers(kind, call):
    with pytest.raises(ValueError, match="changed while it was read"):
        call(kind())


@pytest.mark.parametrize(
    "call, refused",
    [
        (lambda s: torch.broadcast_shapes(s), RuntimeError),
        (lambda s: torch.nn.functional.pad(torch.ones(3), s), TypeError),
    ],
)
def test_an_endless_sequence_where_a_list_is_due(call, refused):
    with pytest.raises(ValueError, match="changed while it was read"):
        call(EndlessList())
    with pytest.raises(refused, match="tuple of ints"):
        call(Endless())


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.autograd.backward(Endless(x.sum())),
        lambda x: torch.autograd.grad(Endless(x.sum()), x),
        lambda x: torch.autograd.grad(x.sum(), Endless(x)),
        lambda x: torch.optim.SGD(Endless(x)),
    ],
)
def test_an_endless_sequence_of_tensors(call):
    with pytest.raises(ValueError, match="changed while it was read"):
        call(torch.ones(2, requires_grad=True))


def test_iterables_without_a_length_are_read_to_their_end():
    assert torch.Size(n for n in (2, 3)) == (2, 3)
    x = torch.ones(2, requires_grad=True)
    torch.autograd.backward(t for t in (x.sum(), x.sum()))
    assert x.grad.tolist() == [2.0, 2.0]
    assert torch.optim.SGD(p for p in [x]).param_groups[0]["params"] == [x]


def test_windows_over_nothing():
    run(
        """
        import flambeau as torch
        x = torch.zeros(0, 2**31, requires_grad=True)
        x.unfold(1, 2**31, 1).sum().backward()
        assert x.grad.shape == (0, 2**31)
        """
    )
    unfold_backward = torch.ops.aten.unfold_backward
    for grad, sizes, size, step in [
        (torch.rand(1, 0, 2, 2), [2, 3], 2**31, 3),
        (torch.rand(3, 2), [5], 2, 1),
        (torch.rand(4, 2), [5], 3, 1),
        (torch.rand(4, 2), [5], 2, 0),
        (torch.rand(3), [], 1, 1),
    ]:
        with pytest.raises(RuntimeError, match="unfold_backward"):
            unfold_backward(grad, sizes, len(sizes) - 1, size, step)
    assert unfold_backward(torch.ones(4, 2), [5], 0, 2, 1).tolist() == [1.0, 2.0, 2.0, 2.0, 1.0]
