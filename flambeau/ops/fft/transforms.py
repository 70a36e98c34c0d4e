"""The three transforms that all others are made of, and how their results lie in memory."""

from flambeau.ops.language import (
    Error,
    Spec,
    contiguous_strides,
    dtype_name,
    scalar_type_name,
    show,
    to_complex,
    to_real,
    wrap_dim,
)
from flambeau.ops.record import structured
from flambeau.ops.samples import Lazy, call, values

REALS = frozenset({"float32", "float64"})
COMPLEXES = frozenset({"complex64", "complex128"})


def by_strides(dims, strides):
    """Dimensions in the order of falling strides; equal ones stay as they are."""
    order = [0] * 0
    for d in dims:
        at = len(order)
        while_above = True
        for i in reversed(range(len(order))):
            if while_above and strides[order[i]] < strides[d]:
                at = i
            else:
                while_above = False
        order.insert(at, d)
    return order


def strides_of_result(strides, sizes, dims):
    """The dimensions that are transformed lie innermost, in this order; the others keep theirs."""
    rest = [0] * 0
    for d in range(len(sizes)):
        if d not in dims:
            rest.append(d)
    order = by_strides(rest, strides) + list(dims)
    packed = contiguous_strides([sizes[d] for d in order])
    made = [0] * len(sizes)
    for i, d in enumerate(order):
        made[d] = packed[i]
    return made


def transformed(op, dim, rank):
    """The dimensions, counted from the front and each there once."""
    if rank == 0 and len(dim) > 0:
        raise IndexError(f"{op}: Dimension specified as {dim[0]} but tensor has no dimensions")
    dims = [wrap_dim(d, rank, "fft") for d in dim]
    for i, d in enumerate(dims):
        if d in dims[:i]:
            raise Error(f"{op}: FFT dims must be unique, got {show(dim)}")
    return dims


def check_mode(op, normalization):
    if normalization < 0 or normalization > 2:
        raise Error(f"{op}: normalization must be 0, 1 or 2, got {normalization}")


def check_points(op, sizes, dims):
    for d in dims:
        if sizes[d] < 1:
            raise Error(f"{op}: Invalid number of data points ({sizes[d]}) specified")


def check_real(op, t):
    if not t.is_floating_point():
        raise Error(
            f"{op}: Only supports floating-point dtypes, but found: {scalar_type_name(t.dtype)}"
        )
    if t.dtype.itemsize < 4:
        raise Error(
            f"{op}: Unsupported dtype {scalar_type_name(t.dtype)}: convert with .to(torch.float32)"
        )


def check_complex(op, t):
    if not t.is_complex():
        raise Error(f"{op}: Only supports complex dtypes, but found: {scalar_type_name(t.dtype)}")
    if t.dtype.itemsize < 8:
        raise Error(f"{op}: Unsupported dtype {dtype_name(t.dtype)}: use complex64 or complex128")


# ---- complex to complex


@structured(
    "_fft_c2c(Tensor self, SymInt[] dim, int normalization, bool forward) -> Tensor",
    cpu="cpu::fft_c2c(result, self, dim, normalization, forward)",
    out=True,
    method=False,
)
def _fft_c2c():
    """Transforms of complex numbers along dimensions; 1 divides by the root of n, 2 by n."""


@_fft_c2c.rule
def _(self, dim, normalization):
    check_complex("_fft_c2c", self)
    check_mode("_fft_c2c", normalization)
    dims = transformed("_fft_c2c", dim, self.dim())
    check_points("_fft_c2c", self.shape, dims)
    if len(dims) == 0:
        return Spec(self.shape, self.dtype)
    order = by_strides(dims, self.stride())
    return Spec(self.shape, self.dtype, strides_of_result(self.stride(), self.shape, order))


@_fft_c2c.gradient
def _(g, dim, normalization, forward, ops):
    return ops._fft_c2c(g, dim, normalization, not forward)


_fft_c2c.samples(
    call(values(2, 3), [1], 0, True),
    call(values(2, 3, 4), [0, 2], 1, False),
    call(values(5), [0], 2, False),
    call(values(0, 3), [1], 0, True),
    dtypes=COMPLEXES,
)
_fft_c2c.reference(
    lambda x, dim, normalization, forward: (
        Lazy("scipy.fft").fftn(x, axes=dim, norm=("backward", "ortho", "forward")[normalization])
        if forward
        else Lazy("scipy.fft").ifftn(
            x, axes=dim, norm=("forward", "ortho", "backward")[normalization]
        )
    ),
    tolerance=16,
)

# ---- real to complex


@structured(
    "_fft_r2c(Tensor self, int[] dim, int normalization, bool onesided) -> Tensor",
    cpu="cpu::fft_r2c(result, self, dim, normalization, onesided)",
    out=True,
    method=False,
)
def _fft_r2c():
    """Transforms of real numbers; with ``onesided`` the first half along the last of ``dim``."""


@_fft_r2c.rule
def _(self, dim, normalization, onesided):
    check_real("_fft_r2c", self)
    check_mode("_fft_r2c", normalization)
    dims = transformed("_fft_r2c", dim, self.dim())
    if len(dims) == 0:
        raise Error("_fft_r2c: expected at least one dimension to transform")
    check_points("_fft_r2c", self.shape, dims)
    sizes = list(self.shape)
    last = dims[-1]
    if onesided:
        sizes[last] = sizes[last] // 2 + 1
    order = by_strides(dims[:-1], self.stride()) + [last]
    strides = strides_of_result(self.stride(), sizes, order)
    return Spec(sizes, to_complex(self.dtype), strides)


@_fft_r2c.gradient
def _(g, self, dim, normalization, onesided, ops):
    whole = g
    last = dim[-1]
    if onesided:
        missing = self.shape[last] - g.shape[last]
        d = wrap_dim(last, g.dim(), "fft")
        whole = padded(g, d, missing, ops)
    return ops.real(ops._fft_c2c(whole, dim, normalization, False))


def padded(t, dim, missing, ops):
    """With zeros behind the elements along a dimension."""
    if missing == 0:
        return t
    pad = [0] * (2 * (t.dim() - dim))
    pad[len(pad) - 1] = missing
    return ops.constant_pad_nd(t, pad, 0)


_fft_r2c.samples(
    call(values(2, 6), [1], 0, True),
    call(values(2, 3, 5), [0, 2], 1, True),
    call(values(4, 3), [1, 0], 2, False),
    call(values(0, 3), [1], 0, True),
    dtypes=REALS,
)

# ---- complex to real


@structured(
    "_fft_c2r(Tensor self, int[] dim, int normalization, SymInt last_dim_size) -> Tensor",
    cpu="cpu::fft_c2r(result, self, dim, normalization)",
    out=True,
    method=False,
)
def _fft_c2r():
    """Real numbers, ``last_dim_size`` along the last of ``dim``, from half of their transform."""


@_fft_c2r.rule
def _(self, dim, normalization, last_dim_size):
    check_complex("_fft_c2r", self)
    check_mode("_fft_c2r", normalization)
    dims = transformed("_fft_c2r", dim, self.dim())
    if len(dims) == 0:
        raise Error("_fft_c2r: expected at least one dimension to transform")
    check_points("_fft_c2r", self.shape, dims)
    if last_dim_size < 1:
        raise Error(f"_fft_c2r: Invalid number of data points ({last_dim_size}) specified")
    last = dims[-1]
    if self.shape[last] != last_dim_size // 2 + 1:
        raise Error(
            f"_fft_c2r: {last_dim_size} real numbers have {last_dim_size // 2 + 1} complex ones in "
            f"half of their transform, got {self.shape[last]} along dimension {last}"
        )
    sizes = list(self.shape)
    strides = list(self.stride())
    if len(dims) > 1:
        strides = strides_of_result(strides, sizes, by_strides(dims[:-1], strides))
    sizes[last] = last_dim_size
    return Spec(sizes, to_real(self.dtype), strides_of_result(strides, sizes, [last]))


@_fft_c2r.gradient
def _(g, self, dim, normalization, ops):
    made = ops._fft_r2c(g, dim, normalization, True)
    last = dim[-1]
    half = made.shape[last]
    twice = g.shape[last] - half
    if twice <= 0:
        return made
    # What stands for two elements that are conjugates of each other counts twice.
    first = ops.slice_Tensor(made, last, 0, 1)
    middle = ops.mul_Scalar(ops.slice_Tensor(made, last, 1, 1 + twice), 2)
    return ops.cat([first, middle, ops.slice_Tensor(made, last, 1 + twice, half)], last)


_fft_c2r.samples(
    call(values(2, 4), [1], 0, 6),
    call(values(2, 3, 3), [0, 2], 1, 5),
    call(values(3, 2), [1, 0], 2, 4),
    call(values(0, 3), [1], 0, 4),
    dtypes=COMPLEXES,
)

for _op in (_fft_c2c, _fft_r2c, _fft_c2r):
    _op.jvp("linear")
    _op.batching("dims")
    _op.without("decomposition", "sharding", "autocast")
_fft_c2c.benchmark(call(values(64, 1024), [1], 0, True))
_fft_r2c.benchmark(call(values(64, 1024), [1], 0, True))
_fft_c2r.benchmark(call(values(64, 513), [1], 2, 1024))
