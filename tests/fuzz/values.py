"""Values for the arguments of a schema: valid ones, odd ones, hostile ones."""

from __future__ import annotations

import contextlib
import math

from tests.fuzz.hostile import ACTS, MODES, Hostile, Scene, evil, subclasses

BIG = [2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**61, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1]
BEYOND = [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**400]
ODD_FLOATS = [float("nan"), float("inf"), -float("inf"), 1e308, 1e-320, 1e30, 1e-40, -0.0]
USUAL = ["float32"] * 8 + ["float64"] * 4 + ["int64"] * 4 + ["bool"] * 2 + ["complex64"] * 2
UNUSUAL = (
    "float16 bfloat16 int32 int16 int8 uint8 uint16 uint32 uint64 complex128 complex32 quint8 "
    "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz bits8 bits16 qint32 quint4x2"
).split()
SHAPES = [(), (0,), (1,), (3,), (5,), (2, 3), (3, 3), (4, 4), (1, 3), (3, 1), (0, 3), (3, 0)]
SHAPES += [(2, 3, 4), (2, 2, 2), (1, 1, 1), (2, 0, 3), (2, 3, 4, 4), (1, 2, 5, 5), (2, 1, 2, 1, 2)]
SHAPES += [(1,) * 8, (17,), (33, 2), (129,), (64, 3), (1,) * 63]
INDEX_NAMES = {"index", "indices", "target", "repeats"}
STRINGS = ["mean", "sum", "none", "tanh", "add", "multiply", "amax", "floor", "trunc", "valid"]
STRINGS += ["same", "ij,jk->ik", "ii->i", "...a,a...->", "i->", "", "x" * 1000, "\0", "\ud800"]


class Values:
    """All randomness is that of ``r``, so a call is a function of its number."""

    def __init__(self, torch, r, scene: Scene, leave_out: frozenset) -> None:
        self.torch, self.r, self.scene, self.leave_out = torch, r, scene, leave_out
        self.acts = [name for name in ACTS if name not in leave_out]
        self.function, self.dispatch, self.plain = subclasses(torch)

    def evil(self):
        return evil(self.r, self.scene, self.acts)

    # ---- tensors

    def dtype_name(self) -> str:
        r = self.r
        return r.choice(USUAL) if r.random() < 0.6 else r.choice(UNUSUAL)

    def elements(self, dtype: str, n: int, index: bool) -> list:
        r = self.r
        if index:
            odd = [0, 1, 2, -1, 3, 4, 100, -100, 2**40, -(2**63)]
            return [r.choice(odd) if r.random() < 0.2 else r.randrange(2) for _ in range(n)]
        if dtype == "int64":
            return [r.choice([0, 1, 2, 3, -1, -2, 7, 2**31, -(2**63), 2**63 - 1]) for _ in range(n)]
        odd = [0.0, 1.0, -1.0, 0.5, *ODD_FLOATS]
        made = [r.choice(odd) if r.random() < 0.3 else r.uniform(-2, 2) for _ in range(n)]
        return [complex(v, 0.5) for v in made] if dtype == "complex128" else made

    def tensor(self, shape=None, dtype: str | None = None, index: bool = False):
        torch, r = self.torch, self.r
        if shape is None or r.random() < 0.12:
            shape = r.choice(SHAPES)
        if dtype is None:
            dtype = "int64" if index and r.random() < 0.85 else self.dtype_name()
        target = getattr(torch, dtype)
        if r.random() < 0.05 and "meta" not in self.leave_out:
            return self.keep(torch.empty(shape, dtype=target, device="meta"))
        made_as = "complex128" if "complex" in dtype else "float64"
        made_as = "int64" if dtype.lstrip("u").startswith("int") or index else made_as
        try:
            values = self.elements(made_as, math.prod(shape), index)
            t = torch.tensor(values, dtype=getattr(torch, made_as)).reshape(shape).to(target)
        except Hostile:
            raise
        except Exception:  # a dtype without conversions
            t = torch.empty(shape, dtype=target)
        with contextlib.suppress(RuntimeError, TypeError, IndexError, ValueError, BufferError):
            t = self.laid_out(t)
        return self.keep(t)

    def keep(self, t):
        self.scene.tensors.append(t)
        return t

    def laid_out(self, t):
        """``t`` in another layout, class or state."""
        torch, r, n = self.torch, self.r, t.numel()
        others = self.scene.tensors

        def subclass():
            self.function.mode, self.dispatch.mode = r.choice(MODES), r.choice(MODES)
            kind = r.choice([self.function, self.dispatch, self.plain])
            return t.detach().as_subclass(kind)

        def wrapper():
            self.dispatch.mode = r.choice(MODES)
            return torch.Tensor._make_wrapper_subclass(self.dispatch, t.shape, dtype=t.dtype)

        def in_inference():
            with torch.inference_mode():
                return t.clone()

        def released():
            if "release" not in self.leave_out:
                t.untyped_storage().resize_(r.choice([0, 1, 8]))
            return t

        def lent():
            others.append(memoryview(t))
            others.pop()
            return t

        def sparse():
            kinds = ["to_sparse", "to_sparse_csr", "to_sparse_csc", "twice", "unchecked"]
            kind = r.choice(kinds)
            if kind.startswith("to_"):
                dims = [r.randint(1, max(t.dim(), 1))] if kind == "to_sparse" else []
                return getattr(t, kind)(*dims)
            whole = t.to_sparse()
            where, values = whole._indices(), whole._values()
            if kind == "twice":
                where, values = torch.cat([where, where], 1), torch.cat([values, values])
            else:
                where = where + r.choice([-1, 1, 1 << 40])
            return torch.sparse_coo_tensor(
                where, values, t.shape, is_coalesced=r.choice([None, True]), check_invariants=False
            )

        ways = [
            (45, lambda: t),
            (4, sparse),
            (1, lambda: sparse().requires_grad_(True)),
            (8, lambda: t.transpose(0, -1) if t.dim() > 1 else t),
            (5, lambda: t[::2]),
            (5, lambda: t.expand(r.choice([1, 2, 3]), *t.shape)),
            (5, lambda: t.as_strided((2, 3), (1, 1)) if n >= 4 else t),
            (3, lambda: t.as_strided((3,), (2,), 1) if n >= 6 else t),
            (3, lambda: t.as_strided((2, 2), (0, 0)) if n else t),
            (2, t.conj),
            (2, lambda: torch._neg_view(t)),
            (2, lambda: t.conj().imag),
            (4, subclass),
            (1, wrapper),
            (2, in_inference),
            (2, released),
            (1, lent),
            (6, lambda: t.requires_grad_(True)),
            (3, lambda: t.requires_grad_(True) * 1),
            (2, lambda: r.choice(others) if others else t),
            (2, lambda: others[0][0:1] if others else t),
        ]
        return r.choices([way for _, way in ways], [weight for weight, _ in ways])[0]()

    # ---- numbers and lists

    def integer(self):
        r, k = self.r, self.r.random()
        if k < 0.75:
            return r.choice([0, 1, 2, -1, 0, 1, -2, 3, 4, 5])
        if k < 0.88:
            return r.choice(BIG + BEYOND)
        if k < 0.91:
            return True
        if k < 0.95:
            return self.evil()
        if k < 0.97:
            return self.torch.tensor(r.choice([0, 1, -1, 2**40]))
        return r.choice([None, 1.5, "1", float("nan"), [], (), 1j])

    def integers(self, size: int, dims: bool):
        r = self.r
        if r.random() < 0.08:
            return self.integer()
        n = size if size and r.random() < 0.8 else r.choice([0, 1, 1, 2, 2, 3, 4, 5, 70])
        usual = [0, 1, -1, 2] if dims else [0, 1, 2, 3]
        hostile = r.random() < 0.3
        items = [self.integer() if hostile else r.choice(usual) for _ in range(n)]
        return self.sequence(items)

    def sequence(self, items: list):
        k = self.r.random()
        if k < 0.4:
            return tuple(items)
        if k < 0.43:
            return (i for i in items)
        if k < 0.45:
            return range(len(items))
        self.scene.lists.append(items)
        return items

    def scalar(self):
        r, k = self.r, self.r.random()
        if k < 0.6:
            return r.choice([0, 1, 2, -1, 0.5, 2.0, -1.5, 3, True])
        if k < 0.8:
            return r.choice([*ODD_FLOATS, *BIG, *BEYOND, 1j, complex("nan+infj")])
        if k < 0.9:
            return self.evil()
        return self.tensor(()) if k < 0.95 else r.choice([None, "x", [], self.torch.float32])

    def junk(self):
        torch, r = self.torch, self.r
        things = [None, 1, -1, 2**63, 1.5, "x", b"x", [], (), {}, [[]], [None], object(), 1j, ...]
        things += [float("nan"), slice(0, 2, 0), torch, int, range(3), {1, 2}, bytearray(3)]
        things += [memoryview(b"abc"), [[1, [2]]]]
        k = r.random()
        if k < 0.2:
            return self.evil()
        return [self.tensor()] if k < 0.25 else r.choice(things)

    # ---- an argument of a schema

    def argument(self, a, shape, dtype):
        r = self.r
        k = r.random()
        if k < 0.03:
            return self.junk()
        if a.optional and k < 0.25:
            return None
        make = getattr(self, f"_{a.type}")
        return make(a, shape, dtype)

    def _Tensor(self, a, shape, dtype):
        r = self.r

        def one(index):
            own = shape if r.random() < 0.8 else None
            return self.tensor(own, dtype if r.random() < 0.8 else None, index)

        if not a.list:
            return one(a.name in INDEX_NAMES)
        items = []
        for _ in range(r.choice([0, 1, 1, 2, 2, 3, 20])):
            items.append(None if a.optional_items and r.random() < 0.3 else one(a.optional_items))
        if r.random() < 0.1:
            items.append(self.junk())
        return self.sequence(items)

    def _int(self, a, *_):
        return self.integers(a.list_size, "dim" in a.name) if a.list else self.integer()

    def _float(self, a, *_):
        return [self.scalar(), self.scalar()] if a.list else self.scalar()

    def _Scalar(self, a, *_):
        return [self.scalar()] if a.list else self.scalar()

    def _bool(self, a, *_):
        if a.list:
            return [self.r.random() < 0.5 for _ in range(a.list_size or 2)]
        return self.r.choice([True, False] * 3 + [1, None, self.evil()])

    def _str(self, *_):
        return self.r.choice([*STRINGS, self.evil()])

    def _ScalarType(self, *_):
        torch = self.torch
        names = "float32 float64 int64 bool complex64 float16 uint16 float8_e5m2 bits8 quint8"
        return self.r.choice([None, float, int, *(getattr(torch, n) for n in names.split())])

    def _Device(self, *_):
        return self.r.choice(
            [None, "cpu", "meta", "cuda", "cpu:0", "cpu:1", 0, -1, 2**40, "xx", ""]
        )

    def _Layout(self, *_):
        return self.r.choice([None, self.torch.strided, self.torch.sparse_coo])

    def _MemoryFormat(self, *_):
        torch = self.torch
        formats = [torch.contiguous_format, torch.preserve_format, torch.channels_last]
        return self.r.choice([None, *formats, torch.channels_last_3d])

    def _Generator(self, *_):
        torch = self.torch
        return self.r.choice([None, torch.default_generator, torch.Generator()])
