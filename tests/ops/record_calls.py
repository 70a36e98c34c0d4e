"""The calls that tests of every record make, from its samples, and how results compare."""

import zlib

import numpy as np
import pytest

import flambeau
from flambeau.ops.record import load
from flambeau.ops.samples import DType, Given, Sparse, Values
from flambeau.utils import _pytree as pytree


def full_name(record) -> str:
    return record.schema.full_name


RECORDS = load()
TESTED = ("float32", "float64", "bfloat16", "complex64", "complex128", "int32", "bool")

# Their elements are whatever memory held, so only geometry is compared.
UNINITIALISED = {"empty", "empty_strided", "empty_like", "new_empty", "new_empty_strided"}


# ---- tensors from descriptions


def resolved(name: str, dtype: str) -> str:
    """The dtype that a description names, for a dtype under test."""
    double = "complex128" if dtype.startswith("complex") else "float64"
    return {"same": dtype, "double": double}.get(name, name)


def array_of(description, dtype: str, seed: int) -> np.ndarray:
    """The elements that a description stands for, the same ones for the same seed."""
    if isinstance(description, Given):
        return np.array(description.data, description.dtype)
    dtype = resolved(description.dtype or "same", dtype)
    rng = np.random.default_rng(seed)
    shape, low, high = description.shape, description.low, description.high
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("int"):
        bottom, top = int(np.ceil(low)), int(np.floor(high))
        return rng.integers(bottom, max(top, bottom) + 1, shape).astype(dtype)

    def spread():
        n = max(int(np.prod(shape)), 1)
        places = (rng.permutation(n) + rng.uniform(0.2, 0.8, n)) / n
        return (low + (high - low) * places)[: int(np.prod(shape))].reshape(shape)

    if description.definite:
        root = spread() + 1j * spread() if dtype.startswith("complex") else spread()
        made = root @ root.conj().swapaxes(-1, -2) + np.eye(shape[-1])
        return made.astype("float32" if dtype == "bfloat16" else dtype)
    if dtype.startswith("complex"):
        return (spread() + 1j * spread()).astype(dtype)
    return spread().astype("float32" if dtype == "bfloat16" else dtype)


def of_layout(tensor, layout, dims: int):
    """A strided tensor as one of a layout, with so many sparse dimensions."""
    if layout is flambeau.strided:
        return tensor
    if layout is flambeau.sparse_coo:
        return tensor.to_sparse(dims)
    return tensor.to_sparse_csr() if layout is flambeau.sparse_csr else tensor.to_sparse_csc()


class Call:
    """A sample's arguments as tensors of a dtype, made anew for each use."""

    def __init__(self, record, index: int, dtype: str):
        self.record, self.sample, self.dtype = record, record.cases()[index], dtype
        self.seed = zlib.crc32(f"{full_name(record)} {index}".encode())

    def _map(self, make):
        """The arguments with each described tensor replaced."""
        count = iter(range(1000))

        def convert(value):
            if isinstance(value, (Values, Given)):
                return make(value, self.seed + next(count))
            if isinstance(value, Sparse):
                made = convert(value.of)
                if not isinstance(made, flambeau.Tensor):
                    return made
                layout = getattr(flambeau, value.layout)
                return of_layout(made, layout, value.dims or made.dim())
            if isinstance(value, DType):
                return getattr(flambeau, resolved(value.name, self.dtype))
            if isinstance(value, (list, tuple)):
                return type(value)(map(convert, value))
            return value

        args = [convert(a) for a in self.sample.args]
        return args, {k: convert(v) for k, v in self.sample.kwargs.items()}

    def tensors(self, change=lambda t: t):
        def make(description, seed):
            tensor = flambeau.tensor(array_of(description, self.dtype, seed))
            wanted = getattr(flambeau, self.dtype)
            fixed = isinstance(description, Given) or description.dtype
            return change(tensor if fixed else tensor.to(wanted))

        return self._map(make)

    def arrays(self, floating: bool):
        """As the reference takes them: in double precision, integers as the op computes them."""

        def make(description, seed):
            array = array_of(description, self.dtype, seed)
            if self.dtype == "bfloat16" and array.dtype.kind == "f":
                array = as_array(flambeau.tensor(array).to(flambeau.bfloat16))
            if array.dtype.kind in "fc":
                return array.astype("complex128" if array.dtype.kind == "c" else "float64")
            fixed = isinstance(description, Given) or description.dtype
            return array.astype("float64") if floating and not fixed else array

        args, kwargs = self._map(make)
        named = {k: as_numpy_dtype(v) for k, v in kwargs.items()}
        return [as_numpy_dtype(a) for a in args], named

    def has_sparse(self) -> bool:
        """Whether some argument is a sparse tensor."""
        return any(
            isinstance(v, Sparse)
            for v in pytree.tree_leaves((self.sample.args, self.sample.kwargs))
        )

    def constants(self) -> list[bool]:
        """Of each tensor, whether no gradient flows to it."""
        found = pytree.tree_leaves((self.sample.args, self.sample.kwargs))
        return [
            getattr(v, "constant", True) for v in found if isinstance(v, (Values, Given, Sparse))
        ]

    def hermitian(self):
        """Of each described tensor, whether it stays Hermitian when its elements change."""
        found = leaves((list(self.sample.args), self.sample.kwargs))
        return [
            getattr(v, "definite", False) for v in found if isinstance(v, (Values, Given, Sparse))
        ]

    def __call__(self, function=None, change=lambda t: t):
        args, kwargs = self.tensors(change)
        flambeau.manual_seed(0)
        return (function or overload(self.record.schema))(*args, **kwargs)


def as_numpy_dtype(value):
    """References get dtypes too; one that NumPy lacks is None."""
    if not isinstance(value, flambeau.dtype):
        return value
    return None if value is flambeau.bfloat16 else np.dtype(str(value).split(".")[1])


def as_array(tensor) -> np.ndarray:
    tensor = tensor.detach().to_dense().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.dtype is flambeau.bfloat16 else tensor).numpy()


def overload(schema):
    packet = getattr(flambeau.ops.aten, schema.name)
    return getattr(packet, schema.overload or "default")


def dtypes_of(record, every=frozenset.intersection) -> frozenset:
    if isinstance(record.dtypes, dict):
        return every(*map(frozenset, record.dtypes.values()))
    return record.dtypes


def takes_dtype(record) -> bool:
    """Whether some sample holds a tensor whose dtype is the one under test."""
    leaves = pytree.tree_leaves([(s.args, s.kwargs) for s in record.cases()])
    leaves = [v.of if isinstance(v, Sparse) else v for v in leaves]
    return any(isinstance(v, Values) and not v.dtype for v in leaves)


def calls(record, dtypes=TESTED, limit: int = 99):
    """All samples in the first dtypes that the op has."""
    chosen = [d for d in dtypes if d in dtypes_of(record)][:limit]
    chosen = chosen if takes_dtype(record) else ["float32"]
    return [Call(record, i, d) for d in chosen for i in range(len(record.cases()))]


# ---- comparing


def leaves(out) -> list:
    return [v for v in pytree.tree_leaves(out) if v is not None]


def geometry(out):
    return [
        (tuple(v.shape), v.dtype, v.stride()) if isinstance(v, flambeau.Tensor) else v
        for v in leaves(out)
    ]


def assert_same(record, got, expected, strides: bool = True):
    got, expected = leaves(got), leaves(expected)
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        if not isinstance(b, flambeau.Tensor):
            assert a == b or (a != a and b != b)
            continue
        assert a.dtype is b.dtype and a.shape == b.shape
        assert not strides or a.stride() == b.stride()
        if record.name not in UNINITIALISED:
            np.testing.assert_array_equal(as_array(a), as_array(b))


def fits_in_place(record, result, target) -> bool:
    return (
        isinstance(target, flambeau.Tensor)
        and (record.kind == "view" or result.shape == target.shape)
        and flambeau.can_cast(result.dtype, target.dtype)
    )


def is_sparse(record) -> bool:
    """Whether its calls take or give sparse tensors, which have no elements to compare one by one:
    tests/ops/sparse and tests/sparse try those."""
    named = ".ops.sparse." in record.function.__module__ or "_sparse_" in record.name
    return named or any(Call(record, i, "float32").has_sparse() for i in range(len(record.cases())))


class Form:
    """One form of a record with one sample: functional, in place, or with out=."""

    def __init__(self, call, schema, expected):
        self.call, self.schema, self.expected = call, schema, leaves(expected)

    def arguments(self, change=lambda t: t):
        """Made anew. What is written as out= is empty, with the dtype of the result."""
        args, kwargs = self.call.tensors(change)
        for a, t in zip(self.schema.outs, self.expected):
            kwargs[a.name] = change(flambeau.empty(0, dtype=t.dtype))
        return args, kwargs

    def __call__(self, change=lambda t: t):
        args, kwargs = self.arguments(change)
        flambeau.manual_seed(0)
        return overload(self.schema)(*args, **kwargs)


def forms(record, limit: int = 99):
    """Each form of each call, but for those in place whose result does not fit."""
    for call in calls(record, limit=limit):
        expected, target = call(), next(iter(call.tensors()[0]), None)
        for schema in record.schemas():
            derived = schema.inplace and not record.inplace_only
            if not derived or fits_in_place(record, expected, target):
                yield Form(call, schema, expected)


def parametrised(records):
    return pytest.mark.parametrize("record", records, ids=full_name)


DYNAMIC = [r for r in RECORDS if r.tags & {"dynamic_shape", "data_dependent"}]
