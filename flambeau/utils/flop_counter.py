"""Counting floating-point operations of what runs, by module and by op.

What an op costs stands in its record, as ``flops`` (``flambeau/ops/flops.py``); programs add
formulas for ops of their own.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator

import flambeau
from flambeau import _C
from flambeau.utils._python_dispatch import TorchDispatchMode
from flambeau.utils._pytree import tree_leaves, tree_map
from flambeau.utils.module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

flop_registry: dict = {}  # packet -> formula(*args, out_val=None, **kwargs)


def get_shape(value):
    return value.shape if isinstance(value, flambeau.Tensor) else value


def shape_wrapper(formula: Callable) -> Callable:
    """The formula of shapes as one of tensors; it gets the results' as ``out_shape``."""

    @functools.wraps(formula)
    def of_tensors(*args, out_val=None, **kwargs):
        args, kwargs, out_shape = tree_map(get_shape, (args, kwargs, out_val))
        return formula(*args, out_shape=out_shape, **kwargs)

    return of_tensors


def register_flop_formula(targets, get_raw: bool = False) -> Callable[[Callable], Callable]:
    """Says how many operations a call of an op is, or of several.

    The formula gets the arguments of the call with shapes in place of tensors, and those of its
    results as ``out_shape``; with ``get_raw`` it gets the tensors themselves, and ``out_val``.

    >>> from flambeau.utils.flop_counter import FlopCounterMode, register_flop_formula
    >>> @register_flop_formula(flambeau.ops.aten.cumsum)
    ... def _(x_shape, dim, *, out_shape=None, **kwargs):
    ...     return out_shape.numel()
    >>> with FlopCounterMode(display=False) as counter:
    ...     _ = flambeau.ones(2, 3).cumsum(1)
    >>> counter.get_total_flops()
    6
    """

    def decorate(formula: Callable) -> Callable:
        given = formula if get_raw else shape_wrapper(formula)
        for target in tree_leaves(targets):
            if not isinstance(target, _C.OpOverloadPacket):
                raise ValueError(
                    "register_flop_formula(targets): expected each target to be OpOverloadPacket "
                    f"(i.e. torch.ops.mylib.foo), got {target} which is of type {type(target)}"
                )
            if target in flop_registry:
                raise RuntimeError(f"duplicate registrations for {target}")
            flop_registry[target] = given
        return given

    return decorate


def _register_records() -> None:
    from flambeau.ops.flops import counter
    from flambeau.ops.slots import with_flops

    def formula_of(record):
        count = counter(record)

        @functools.wraps(record.flops)
        def formula(*args, out_val=None, out_shape=None, **kwargs) -> int:
            return count(*args, **kwargs)

        return formula

    for record in with_flops():
        flop_registry[getattr(flambeau.ops.aten, record.name)] = formula_of(record)


_register_records()

# ---- tables

suffixes = ["", "K", "M", "B", "T"]


def get_suffix_str(number: int) -> str:
    """The unit of a number that keeps two to four digits before the point."""
    return suffixes[max(0, min(len(suffixes) - 1, (len(str(number)) - 2) // 3))]


def convert_num_with_suffix(number: int, suffix: str) -> str:
    return f"{number / 1000 ** suffixes.index(suffix):.3f}{suffix}"


def convert_to_percent_str(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "0%"


def _table(header: list[str], rows: list[list[str]]) -> str:
    """Columns below a line, the first to the left and the others to the right."""
    plain = all(_is_number(row[1]) for row in rows)
    rows = [[row[0], f"{float(row[1]):g}" if plain else row[1], row[2]] for row in rows]
    widths = [max(len(title) + 2, *(len(row[i]) for row in rows)) for i, title in enumerate(header)]
    lines = [header, ["-" * w for w in widths], *rows]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class FlopCounterMode:
    """Counts the operations of what runs in it, of each module, forward and backward.

    >>> from flambeau.utils.flop_counter import FlopCounterMode
    >>> net = flambeau.nn.Sequential(flambeau.nn.Linear(8, 4), flambeau.nn.ReLU())
    >>> with FlopCounterMode() as counter:
    ...     _ = net(flambeau.ones(2, 8)).sum().backward()
    Module            FLOP    % Total
    --------------  ------  ---------
    Sequential         256    100.00%
     - aten.addmm      128     50.00%
     - aten.mm         128     50.00%
     Sequential.0      256    100.00%
      - aten.addmm     128     50.00%
      - aten.mm        128     50.00%
    >>> counter.get_total_flops()
    256
    """

    def __init__(
        self,
        mods=None,
        depth: int | None = 2,
        display: bool = True,
        custom_mapping: dict | None = None,
    ) -> None:
        if mods is not None:
            import warnings

            warnings.warn(
                "mods argument is not needed anymore, you can stop passing it", stacklevel=2
            )
        self.flop_counts: dict = defaultdict(lambda: defaultdict(int))
        self.depth = depth
        self.display = display
        self.mod_tracker = ModuleTracker()
        self.mode: _Counting | None = None
        added = {
            op: formula if getattr(formula, "_get_raw", False) else shape_wrapper(formula)
            for op, formula in (custom_mapping or {}).items()
        }
        self.flop_registry = flop_registry | added

    def get_total_flops(self) -> int:
        """Of everything."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict:
        """Module -> op -> operations; ``"Global"`` stands for all."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The counts of modules down to a depth, which is that of the counter by default."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops()
        suffix = get_suffix_str(total)

        def rows_of(module: str, level: int) -> Iterator[list[str]]:
            counts = self.flop_counts[module]
            named = {module: sum(counts.values())} | {f" - {op}": n for op, n in counts.items()}
            for name, n in named.items():
                yield [
                    " " * level + name,
                    convert_num_with_suffix(n, suffix),
                    convert_to_percent_str(n, total),
                ]

        rows: list[list[str]] = []
        whole = False  # whether one module has all
        for module in sorted(m for m in self.flop_counts if m != "Global"):
            level = module.count(".")
            if depth is None or level < depth:
                rows += rows_of(module, level)
                whole |= sum(self.flop_counts[module].values()) >= total
        if not whole:
            rows = [*rows_of("Global", 0), *([" " + name, *more] for name, *more in rows)]
        if not total and len(rows) == 1:
            rows = [["Global", "0", "0%"]]
        return _table(["Module", "FLOP", "% Total"], rows)

    def __enter__(self):
        if self.mode is not None:
            raise RuntimeError("FlopCounterMode: it is entered already: make another one")
        self.flop_counts.clear()
        self.mod_tracker.__enter__()
        self.mode = _Counting(self)
        self.mode.__enter__()
        return self

    def __exit__(self, *exc_info):
        mode, self.mode = self.mode, None
        mode.__exit__(*exc_info)
        self.mod_tracker.__exit__()
        if self.display:
            print(self.get_table())

    def _count(self, op, out, args, kwargs) -> None:
        formula = self.flop_registry.get(op)
        if formula is not None:
            n = formula(*args, **kwargs, out_val=out)
            for module in self.mod_tracker.parents:
                self.flop_counts[module][op] += n


class _Counting(TorchDispatchMode):
    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self.counter._count(func._overloadpacket, out, args, kwargs)
        return out
