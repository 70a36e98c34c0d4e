"""Places in triangles of matrices, and powers evenly spaced."""

from flambeau.ops.factories.filled import OPTIONS, check_options
from flambeau.ops.language import (
    Error,
    Spec,
    default_dtype,
    dtype_name,
    dtypes,
    is_integral,
    placed,
    to_complex,
)
from flambeau.ops.record import composite, structured
from flambeau.ops.samples import call, np

_LONG = OPTIONS.replace("dtype=None", "dtype=long")
_SIZES = f"(int row, int col, int offset=0, {_LONG}) -> Tensor"


def lower_count(row, col, offset):
    """The elements of a matrix on and below a diagonal."""
    if row == 0 or col == 0:
        return 0
    first = (1 if row + offset > 0 else 0) if offset <= 0 else min(col, 1 + offset)
    last = max(0, min(col, row + offset))
    rows = max(0, min(row, row + offset))
    sloped = last - first + 1
    total = (first + last) * sloped // 2
    return total + max(0, rows - sloped) * col


def places_spec(op, row, col, total, dtype, layout, device, pin_memory):
    kind = dtypes.int64 if dtype is None else dtype
    check_options(op, layout, pin_memory)
    if not is_integral(kind, False):
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(kind)}': indices are integers"
        )
    return Spec([2, total], kind, device=placed(device))


def check_matrix(op, row, col):
    if row < 0 or col < 0:
        raise Error(f"{op}: row and col must be non-negative, got {row} and {col}")


@structured(
    f"tril_indices{_SIZES}",
    cpu="cpu::tril_indices(result, col, offset)",
    method=False,
    source=r"""
namespace cpu {
static void tril_indices(const Tensor& result, int64_t col, int64_t offset) {
  const Tensor places = empty(result.sizes(), {DType::int64, result.device()});
  int64_t at = 0;
  const int64_t total = places.sizes()[1];
  for (int64_t i = total > 0 ? std::max<int64_t>(0, -offset) : 0; at < total; ++i) {
    for (int64_t j = 0; j < std::min(col, i + offset + 1); ++j, ++at) {
      places.data<int64_t>()[at] = i;
      places.data<int64_t>()[at + total] = j;
    }
  }
  copy(result, places);
}
}  // namespace cpu
""",
)
def tril_indices():
    """Rows and columns of the elements on and below a diagonal of a matrix.

    >>> flambeau.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """


@tril_indices.rule
def _(row, col, offset, dtype, layout, device, pin_memory):
    check_matrix("tril_indices", row, col)
    total = lower_count(row, col, offset)
    return places_spec("tril_indices", row, col, total, dtype, layout, device, pin_memory)


@structured(
    f"triu_indices{_SIZES}",
    cpu="cpu::triu_indices(result, col, offset)",
    method=False,
    source=r"""
namespace cpu {
static void triu_indices(const Tensor& result, int64_t col, int64_t offset) {
  const Tensor places = empty(result.sizes(), {DType::int64, result.device()});
  int64_t at = 0;
  const int64_t total = places.sizes()[1];
  for (int64_t i = 0; at < total; ++i) {
    for (int64_t j = std::max<int64_t>(0, i + offset); j < col; ++j, ++at) {
      places.data<int64_t>()[at] = i;
      places.data<int64_t>()[at + total] = j;
    }
  }
  copy(result, places);
}
}  // namespace cpu
""",
)
def triu_indices():
    """Rows and columns of the elements on and above a diagonal of a matrix.

    >>> flambeau.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """


@triu_indices.rule
def _(row, col, offset, dtype, layout, device, pin_memory):
    check_matrix("triu_indices", row, col)
    whole = row * col
    total = whole - lower_count(row, col, offset - 1)
    return places_spec("triu_indices", row, col, total, dtype, layout, device, pin_memory)


for _record, _function in (
    (tril_indices, lambda n, m, k=0: np.stack(np.tril_indices(n, k, m))),
    (triu_indices, lambda n, m, k=0: np.stack(np.triu_indices(n, k, m))),
):
    _record.samples(call(3, 4), call(4, 3, -1), call(3, 3, 2), call(0, 3), call(2, 3, -5))
    _record.reference(_function)


@composite(
    f"logspace(Scalar start, Scalar end, int steps, float base=10.0, {OPTIONS}) -> Tensor",
    method=False,
    out=True,
)
def logspace(start, end, steps, base, dtype, layout, device, pin_memory, ops):
    """Powers of ``base`` with ``steps`` evenly spaced exponents, both ends included.

    >>> flambeau.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    if steps < 0:
        raise Error(f"logspace: number of steps must be non-negative, got {steps}")
    of_complex = isinstance(start, complex) or isinstance(end, complex)
    usual = to_complex(default_dtype()) if of_complex else default_dtype()
    kind = usual if dtype is None else dtype
    if of_complex and not kind.is_complex:
        raise Error(f"logspace: complex ends need a complex dtype, not {dtype_name(kind)}")
    wide = dtypes.complex128 if kind.is_complex else dtypes.float64
    exponents = ops.linspace(start, end, steps, wide, layout, device, pin_memory)
    if is_integral(kind, True):  # of which the ends are
        exponents = ops.linspace(int(start), int(end), steps, wide, layout, device, pin_memory)
    return ops.to_dtype(ops.pow_Scalar(base, exponents), kind)


logspace.samples(call(0, 2, 5), call(1.5, -1, 3, 2.0), call(0, 1, 0))
logspace.reference(lambda start, end, n, base=10.0: np.logspace(start, end, n, base=base))
for _record in (tril_indices, triu_indices, logspace):
    _record.without("jvp", "batching", "decomposition", "sharding", "autocast", "benchmark")
