"""``_foreach_add`` and its like: another op on each item of lists.

An op is one line of the table below: the op that runs, and how its arguments come. Lengths are
compared, and in place all is looked at before anything is written, in `kernels/native/each.cpp`.
"""

import importlib
from dataclasses import replace

from flambeau.ops.record import BOOL, COMPLEX, INTEGRAL, each, find
from flambeau.ops.samples import Values, call, values

# Where the ops are that run.
for _family in (
    "composite.further factories.fill matmul.products pointwise.arithmetic pointwise.comparison"
    " pointwise.power pointwise.transcendental pointwise.trigonometry rearrange.copies"
    " reduce.extremes reduce.sums"
).split():
    importlib.import_module(f"flambeau.ops.{_family}")

# Within the domain of all of them.
_RANGE = dict(low=0.5, high=0.9)
_ITEMS = [values(2, 3, **_RANGE), values(3, **_RANGE)]


def _lists(text: str, base: str, *further, whole=False) -> None:
    """``text`` is a schema whose Tensor[] and Scalar[] stand for the arguments of ``base``.

    ``further`` are what a sample calls it with, without the first argument or as a ``whole``.
    """
    own = find(base)
    inplace = "(a!)" in text
    given = further if whole else (_ITEMS, *further)
    if inplace:
        given = tuple(map(_changed, given))

    def op():
        """A list."""

    op.__name__ = text.partition("(")[0].replace(".", "_")
    op.__doc__ = f"``{own.name}`` of each item{', in place' if inplace else ''}."
    handle = each(text, own.form(inplace).full_name)(op)
    dtypes = own.dtypes
    if inplace and own.promote == "floating":
        dtypes -= INTEGRAL | BOOL  # which cannot hold the result
    elif inplace and own.result == "real":
        dtypes -= COMPLEX
    elif inplace and "Scalar" in text:
        dtypes -= BOOL
    handle.samples(call(*given), dtypes=dtypes)
    handle.without("decomposition", "sharding", "benchmark")
    if own.reference and not inplace:  # which gives nothing
        handle.reference(_of_items(own.reference, "Tensor scalars" in text), own.tolerance)


def _changed(argument):
    """The same without gradients for the second item: tests make a copy of the first alone."""
    if isinstance(argument, list) and isinstance(argument[1], Values):
        return [argument[0], replace(argument[1], constant=True)]
    return replace(argument, constant=True) if isinstance(argument, Values) else argument


def _of_items(reference, packed: bool):
    def of_items(*args, **kwargs):
        count = next(len(a) for a in args if isinstance(a, list))
        split = [isinstance(a, list) for a in args]
        split[-1] |= packed
        return [
            reference(*(a[i] if s else a for a, s in zip(args, split)), **kwargs)
            for i in range(count)
        ]

    return of_items


def _both(name: str, base: str, parameters: str, *further, overload: str = "") -> None:
    """The functional form and the one in place."""
    dot = f".{overload}" if overload else ""
    _lists(f"_foreach_{name}{dot}(Tensor[] self{parameters}) -> Tensor[]", base, *further)
    _lists(f"_foreach_{name}_{dot}(Tensor(a!)[] self{parameters}) -> ()", base, *further)


for _name in (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg"
    " reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split():
    _both(_name, _name, "")

# The base for numbers, the base for tensors, what else the latter take, and whether one tensor
# without dimensions may stand for a list.
for _name, _number, _tensor, _more, _one in (
    ("add", "add.Scalar", "add.Tensor", ", *, Scalar alpha=1", True),
    ("sub", "sub.Scalar", "sub.Tensor", ", *, Scalar alpha=1", False),
    ("mul", "mul.Scalar", "mul.Tensor", "", True),
    ("div", "div.Scalar", "div.Tensor", "", True),
    ("clamp_max", "clamp_max", "clamp_max.Tensor", "", False),
    ("clamp_min", "clamp_min", "clamp_min.Tensor", "", False),
    ("maximum", "clamp_min", "clamp_min.Tensor", "", False),
    ("minimum", "clamp_max", "clamp_max.Tensor", "", False),
):
    _both(_name, _number, ", Scalar scalar", 2, overload="Scalar")
    _both(_name, _tensor, f", Tensor[] other{_more}", _ITEMS, overload="List")
    _both(_name, _number, ", Scalar[] scalars", [2, 3], overload="ScalarList")
    if _one:
        _both(_name, _tensor, f", Tensor other{_more}", values(**_RANGE), overload="Tensor")

_both("pow", "pow.Tensor_Tensor", ", Tensor[] exponent", _ITEMS, overload="List")
_both("pow", "pow.Tensor_Scalar", ", Scalar exponent", 3, overload="Scalar")
_both("pow", "pow.Tensor_Scalar", ", Scalar[] exponent", [2, 3], overload="ScalarList")
_lists(
    "_foreach_pow.ScalarAndTensor(Scalar self, Tensor[] exponent) -> Tensor[]",
    "pow.Scalar",
    2,
    _ITEMS,
    whole=True,
)

_both(
    "lerp", "lerp.Tensor", ", Tensor[] tensors1, Tensor[] weights", _ITEMS, _ITEMS, overload="List"
)
_both("lerp", "lerp.Scalar", ", Tensor[] tensors1, Scalar weight", _ITEMS, 2, overload="Scalar")
_both(
    "lerp",
    "lerp.Scalar",
    ", Tensor[] tensors1, Scalar[] weight",
    _ITEMS,
    [2, 3],
    overload="ScalarList",
)

_PAIR = ", Tensor[] tensor1, Tensor[] tensor2"
for _name in ("addcdiv", "addcmul"):
    _both(_name, _name, f"{_PAIR}, Scalar value=1", _ITEMS, _ITEMS, 2, overload="Scalar")
    _both(_name, _name, f"{_PAIR}, Scalar[] scalars", _ITEMS, _ITEMS, [2, 3], overload="ScalarList")
    _both(
        _name,
        _name,
        f"{_PAIR}, Tensor scalars",
        _ITEMS,
        _ITEMS,
        values(2, **_RANGE, constant=True),
        overload="Tensor",
    )

_lists(
    "_foreach_mm(Tensor[] self, Tensor[] mat2) -> Tensor[]",
    "mm",
    [values(2, 3), values(1, 2)],
    [values(3, 2), values(2, 2)],
    whole=True,
)
_lists("_foreach_max(Tensor[] self) -> Tensor[]", "max")
_lists("_foreach_clone(Tensor[] self, *, MemoryFormat? memory_format=None) -> Tensor[]", "clone")
_lists(
    "_foreach_norm.Scalar(Tensor[] self, Scalar ord=2, ScalarType? dtype=None) -> Tensor[]",
    "linalg_vector_norm",
)
_lists(
    "_foreach_powsum.Scalar(Tensor[] self, Scalar ord=2, ScalarType? dtype=None) -> Tensor[]",
    "linalg__powsum",
    3,
)
_lists(
    "_foreach_copy_(Tensor(a!)[] self, Tensor[] src, bool non_blocking=False) -> ()",
    "copy_",
    _ITEMS,
)
_lists("_foreach_zero_(Tensor(a!)[] self) -> ()", "zero_")
