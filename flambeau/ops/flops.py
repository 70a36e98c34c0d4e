"""How many floating-point operations a call is: what records state, looked up and counted.

One multiplication and one addition are two operations; products of matrices, convolutions,
attention and recurrent layers state theirs, and nothing else counts, as in PyTorch's counter.
Only shapes and numbers are read, so a profiler that kept those can ask afterwards.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from flambeau.ops.bind import bound


class Shaped:
    """A tensor of which only the shape is known.

    >>> from flambeau.ops.flops import Shaped, count
    >>> count("aten::mm", Shaped([2, 3]), Shaped([3, 4]))
    48
    """

    def __init__(self, shape):
        self.shape = tuple(shape)

    def __repr__(self) -> str:
        return f"Shaped({list(self.shape)})"


def count(op, *args, **kwargs) -> int | None:
    """Operations of a call of ``op``, an overload or its name; None where its record states none.

    A tensor is anything that has a ``shape``.

    >>> from flambeau.ops.flops import count
    >>> x = flambeau.ones(2, 3, device="meta")
    >>> count(flambeau.ops.aten.addmm.default, flambeau.ones(3), x, flambeau.ones(3, 3))
    36
    >>> count("aten::relu", x)
    """
    if isinstance(op, str):
        from flambeau import _C

        name, op = op, _C._find_op(op)
        if op is None:
            raise RuntimeError(f"count: there is no operator {name!r}")
    rule = _rule(op)
    return None if rule is None else rule(*args, **kwargs)


@functools.lru_cache(None)
def _rule(op) -> Callable | None:
    from flambeau.ops.slots import record_of

    record = record_of(op)
    return None if record is None or record.flops is None else counter(record)


def counter(record) -> Callable[..., int]:
    """What counts the calls of a record's op, which gives tensors or lists of sizes for them."""
    names = tuple(inspect.signature(record.flops).parameters)
    tensors = {a.name for a in record.schema.args if a.type == "Tensor"}

    def counted(*args, **kwargs) -> int:
        given = bound(record.schema, args, kwargs)
        for name in tensors & given.keys():
            if given[name] is not None and not hasattr(given[name], "shape"):
                given[name] = Shaped(given[name])
        return int(record.flops(*(given.get(name) for name in names)))

    return counted
