"""Objects that do something else than what they are asked for, while they are asked."""

from __future__ import annotations

import contextlib


class Hostile(Exception):
    """Raised on purpose; it has to come through as it is."""


class Scene:
    """What a call can reach: hostile objects change it while the call reads its arguments."""

    def __init__(self) -> None:
        self.tensors: list = []
        self.lists: list = []
        self.call = None  # the call itself, for one inside another
        self.depth = 0
        self.acted = False  # a hostile object did something

    def again(self) -> None:
        if self.depth < 3 and self.call is not None:
            self.depth += 1
            function, args, kwargs = self.call
            function(*args, **kwargs)


def _raise(scene):
    raise Hostile("on purpose")


def _clear_lists(scene):
    for items in scene.lists:
        items.clear()


def _grow_lists(scene):
    for items in scene.lists:
        items.extend([1] * 1000)


def _spoil_lists(scene):
    for items in scene.lists:
        items[:] = ["x"] * len(items)
    scene.tensors.clear()


def _each(act):
    def do(scene):
        for t in list(scene.tensors):
            with contextlib.suppress(Exception):
                act(t)

    return do


def _again(scene):
    with contextlib.suppress(Exception):
        scene.again()


ACTS = {
    "raise": _raise,
    "clear": _clear_lists,
    "grow": _grow_lists,
    "spoil": _spoil_lists,
    "release": _each(lambda t: t.untyped_storage().resize_(0)),
    "resize": _each(lambda t: t.resize_(1 if t.numel() > 1 else 1000)),
    "set": _each(lambda t: t.set_()),
    "again": _again,
    "nothing": lambda scene: None,
}


def evil(r, scene: Scene, acts: list[str]):
    """An object with special methods that act on the scene, then answer."""
    act = ACTS[r.choice(acts)]
    value = r.choice([0, 1, 2, -1, 3, 2**62, 2**70, -(2**63)])

    def do():
        scene.acted = True
        act(scene)
        return value

    class Everything:
        def __index__(self):
            return do()

        __int__ = __len__ = __index__

        def __float__(self):
            return float(do())

        def __complex__(self):
            return complex(do())

        def __bool__(self):
            do()
            return True

        def __getitem__(self, i):
            do()
            if isinstance(i, int) and i > 4:
                raise IndexError(i)
            return 1

        def __eq__(self, other):
            return bool(self)

        def __hash__(self):
            return 1

    class Index:
        def __index__(self):
            return do()

    class Int(int):
        def __index__(self):
            return do()

        __int__ = __index__

        def __float__(self):
            return float(do())

    class Float(float):
        def __float__(self):
            return float(do())

    class Text(str):
        def __eq__(self, other):
            do()
            return True

        def __hash__(self):
            return 1

    class Growing:
        n = 0

        def __len__(self):
            Growing.n += 1
            do()
            return Growing.n

        def __getitem__(self, i):
            do()
            if i >= Growing.n:
                raise IndexError(i)
            return 1

    class Iterates:
        def __iter__(self):
            do()
            yield 1
            do()
            yield 2

    class Attributes:
        def __getattr__(self, name):
            do()
            raise AttributeError(name)

    class MetaAttributes(type):
        def __getattr__(cls, name):
            do()
            raise AttributeError(name)

    class OfMeta(metaclass=MetaAttributes):
        pass

    class Array:
        @property
        def __array_interface__(self):
            do()
            return {"typestr": "<f4", "shape": (value,), "data": (0, False), "version": 3}

    makers = [Everything, Index, Index, Index, lambda: Int(2), lambda: Float(2), Growing]
    makers += [lambda: Text("sum"), Iterates, Attributes, OfMeta, Array]
    return r.choice(makers)()


def subclasses(torch):
    """Tensor subclasses whose handlers answer as ``mode`` says."""

    class Function(torch.Tensor):
        mode = "pass"

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return _answer(
                Function.mode,
                torch,
                lambda: super(Function, cls).__torch_function__(
                    function, types, args, kwargs or {}
                ),
            )

    class Dispatch(torch.Tensor):
        mode = "pass"

        @classmethod
        def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
            return _answer(
                Dispatch.mode,
                torch,
                lambda: super(Dispatch, cls).__torch_dispatch__(
                    function, types, args, kwargs or {}
                ),
            )

    class Plain(torch.Tensor):
        pass

    return Function, Dispatch, Plain


MODES = ["pass", "pass", "raise", "decline", "number", "none", "nested", "tensor", "tensors"]


def _answer(mode: str, torch, pass_on):
    if mode == "raise":
        raise Hostile("handler")
    answers = {
        "decline": lambda: NotImplemented,
        "number": lambda: 42,
        "none": lambda: None,
        "nested": lambda: (1, [2, None]),
        "tensor": lambda: torch.zeros(3),
        "tensors": lambda: [torch.zeros(3), torch.zeros(1)],
    }
    return answers.get(mode, pass_on)()
