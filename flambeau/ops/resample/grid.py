"""Values of images at places that a grid names."""

from flambeau.ops.language import Error, Spec, dtype_name, same, show
from flambeau.ops.pool.windows import check_floating, documented
from flambeau.ops.record import FLOATING, composite, native, structured
from flambeau.ops.samples import call, values

_HOW = "int interpolation_mode, int padding_mode, bool align_corners"


def check_grid(input, grid):
    if input.device != grid.device:
        raise Error(
            f"grid_sampler: expected input and grid to be on same device, but input is on "
            f"{input.device} and grid is on {grid.device}"
        )
    if input.dim() < 2 or input.dim() != grid.dim() or input.shape[0] != grid.shape[0]:
        raise Error(
            f"grid_sampler: expected grid and input to have same batch size, but got input with "
            f"sizes {show(input.shape)} and grid with sizes {show(grid.shape)}"
        )
    if grid.shape[grid.dim() - 1] != input.dim() - 2:
        raise Error(
            f"grid_sampler: expected grid to have size {input.dim() - 2} in last dimension, but "
            f"got grid with sizes {show(grid.shape)}"
        )
    for d in range(2, input.dim()):
        if input.shape[d] <= 0:
            raise Error(
                f"grid_sampler: expected input to have non-empty spatial dimensions, but input has "
                f"sizes {show(input.shape)} with dimension {d} being empty"
            )


def check_sampler(op, input, grid, interpolation_mode, padding_mode, rank):
    check_floating(op, input.dtype)
    check_grid(input, grid)
    if input.dim() != rank + 2:
        raise Error(
            f"{op}: expected {rank + 2}D input and grid, but got input with sizes "
            f"{show(input.shape)} and grid with sizes {show(grid.shape)}"
        )
    if grid.dtype != input.dtype:
        raise Error(
            f"{op}: expected input and grid to have the same dtype, but input has "
            f"{dtype_name(input.dtype)} and grid has {dtype_name(grid.dtype)}"
        )
    if interpolation_mode < 0 or interpolation_mode > 2:
        raise Error(f"{op}: 0 is bilinear, 1 nearest, 2 bicubic, got {interpolation_mode}")
    if rank == 3 and interpolation_mode == 2:
        raise Error(f"{op}: bicubic interpolation only supports 4D input")
    if padding_mode < 0 or padding_mode > 2:
        raise Error(f"{op}: 0 is zeros, 1 border, 2 reflection, got {padding_mode}")


# Note [Slopes of grid samplers]
# Of F = <g, S(x, p)>, with S the values that are read, ``_grid_sampler_double_backward`` gives what
# the second derivatives of F make of a change (u, v) of (x, p). They are symmetric, and F is linear
# in g: so its first part is the slope of S, and the others are that of the gradient, for a fixed g.


def _second(*args):
    import flambeau

    return flambeau._grid_sampler_double_backward(*args)


def _sampler(name, rank):
    backward = f"{name}_backward"

    def body():
        pass

    def rule(input, grid, interpolation_mode, padding_mode):
        check_sampler(name, input, grid, interpolation_mode, padding_mode, rank)
        sizes = list(input.shape[:2]) + list(grid.shape[1 : rank + 1])
        return Spec(sizes, input.dtype)

    def gradient(g, input, grid, interpolation_mode, padding_mode, align_corners, ops, needs):
        return getattr(ops, backward)(
            g,
            input,
            grid,
            interpolation_mode,
            padding_mode,
            align_corners,
            [needs[0], needs[1]],
        )

    made = structured(
        f"{name}(Tensor input, Tensor grid, {_HOW}) -> Tensor",
        cpu="cpu::grid_sampler(result, input, grid, interpolation_mode, padding_mode, "
        "align_corners)",
        method=False,
    )(
        documented(
            body,
            "Values of images at places that ``grid`` names, from -1 to 1.\n\n"
            "Numbers stand for how: 0 is bilinear, 1 nearest, 2 bicubic; beyond the image 0 are "
            "zeros,\n1 its border, 2 its reflection.",
            f">>> x = flambeau.arange({2**rank}.).view(1, 1{', 2' * rank})",
            f">>> grid = flambeau.zeros(1{', 1' * rank}, {rank})",
            f">>> flambeau.{name}(x, grid, 0, 0, False).item()",
            f"{(2**rank - 1) / 2}",
        )
    )
    image = values(2, 3, *[4, 3, 2][:rank])
    places = values(2, *[2, 3, 2][:rank], rank, low=-1.3, high=1.3)
    calls = [
        call(image, places, mode, padding, align)
        for mode in ((0, 1, 2) if rank == 2 else (0, 1))
        for padding, align in ((0, False), (1, True), (2, False))
    ]
    made.samples(*calls, dtypes=FLOATING)
    made.benchmark(
        call(
            values(4, 16, *[(64, 64), (16, 16, 16)][rank - 2]),
            values(4, *[(64, 64), (16, 16, 16)][rank - 2], rank, low=-1.0, high=1.0),
            0,
            0,
            False,
        )
    )

    def batching(b, input, grid, interpolation_mode, padding_mode, align_corners):
        how = (interpolation_mode, padding_mode, align_corners)
        return b.folded(lambda x, at: b.op(x, at, *how), rank + 2, input, grid)

    def jvp(t, input, grid, interpolation_mode, padding_mode, align_corners, result):
        how = (interpolation_mode, padding_mode, align_corners)
        return _second(t.get("input"), t.get("grid"), result, input, grid, *how)[0]

    made.rule(rule)
    made.gradient(gradient)
    made.batching(batching)
    made.jvp(jvp)
    made.without("decomposition", "sharding")
    made.autocast("promote")


def _sampler_backward(name, rank):
    def body():
        pass

    def rule(grad_output, input, grid, interpolation_mode, padding_mode, output_mask):
        check_sampler(name, input, grid, interpolation_mode, padding_mode, rank)
        sizes = list(input.shape[:2]) + list(grid.shape[1 : rank + 1])
        for d in range(rank + 2):
            if grad_output.dim() != rank + 2 or grad_output.shape[d] != sizes[d]:
                raise Error(
                    f"{name}: expected grad_output of shape {show(sizes)}, but got "
                    f"{show(grad_output.shape)}"
                )
        if grad_output.dtype != input.dtype or len(output_mask) != 2:
            raise Error(f"{name}: expected grad_output of the dtype of the input, and two masks")
        return Spec(input.shape, input.dtype), Spec(grid.shape, grid.dtype)

    made = structured(
        f"{name}(Tensor grad_output, Tensor input, Tensor grid, {_HOW}, bool[2] output_mask) -> "
        "(Tensor, Tensor)",
        cpu="cpu::grid_sampler_backward(result0, result1, grad_output, input, grid, "
        "interpolation_mode, padding_mode, align_corners, output_mask)",
        method=False,
    )(
        documented(
            body,
            "The gradients of images and of places; one that is not asked for is 0.",
            f">>> x, g = flambeau.ones(1, 1{', 2' * rank}), flambeau.ones(1, 1{', 1' * rank})",
            f">>> grid = flambeau.zeros(1{', 1' * rank}, {rank})",
            f">>> flambeau.{name}(g, x, grid, 0, 0, False, (True, False))[0].sum()",
            "tensor(1.)",
        )
    )
    made.samples(
        call(
            values(2, 3, *[2, 3, 2][:rank]),
            values(2, 3, *[4, 3, 2][:rank]),
            values(2, *[2, 3, 2][:rank], rank, low=-1.3, high=1.3),
            0,
            0,
            False,
            [True, True],
        ),
        dtypes=FLOATING,
    )

    def gradient(
        grads, grad_output, input, grid, interpolation_mode, padding_mode, align_corners, ops
    ):
        to_input = ops.zeros_like(input) if grads[0] is None else grads[0]
        to_grid = ops.zeros_like(grid) if grads[1] is None else grads[1]
        return ops._grid_sampler_double_backward(
            to_input,
            to_grid,
            grad_output,
            input,
            grid,
            interpolation_mode,
            padding_mode,
            align_corners,
        )

    def batching(
        b,
        grad_output,
        input,
        grid,
        interpolation_mode,
        padding_mode,
        align_corners,
        output_mask,
    ):
        how = (interpolation_mode, padding_mode, align_corners, output_mask)
        operands = (grad_output, input, grid)
        return b.folded(lambda g, x, at: b.op(g, x, at, *how), rank + 2, *operands)

    def jvp(
        t,
        grad_output,
        input,
        grid,
        interpolation_mode,
        padding_mode,
        align_corners,
        output_mask,
    ):
        how = (interpolation_mode, padding_mode, align_corners)
        of_input, of_grid = t.op(t.get("grad_output"), input, grid, *how, output_mask)
        moved = _second(t.get("input"), t.get("grid"), grad_output, input, grid, *how)
        return (
            of_input + moved[1] if output_mask[0] else of_input,
            of_grid + moved[2] if output_mask[1] else of_grid,
        )

    made.rule(rule)
    made.gradient(gradient)
    made.batching(batching)
    made.jvp(jvp)
    made.without("decomposition", "sharding", "autocast", "benchmark")


@structured(
    "_grid_sampler_double_backward(Tensor to_input, Tensor to_grid, Tensor grad_output, "
    f"Tensor input, Tensor grid, {_HOW}) -> (Tensor, Tensor, Tensor)",
    cpu="cpu::grid_sampler_double_backward(result0, result1, result2, to_input, to_grid, "
    "grad_output, input, grid, interpolation_mode, padding_mode, align_corners)",
    method=False,
)
def _grid_sampler_double_backward():
    """The gradients of what ``grid_sampler_2d_backward`` or its like for volumes is given."""


_grid_sampler_double_backward.samples(
    call(
        values(1, 2, 3, 4, constant=True),
        values(1, 2, 2, 2, constant=True),
        values(1, 2, 2, 2, constant=True),
        values(1, 2, 3, 4, constant=True),
        values(1, 2, 2, 2, low=-1.2, high=1.2, constant=True),
        2,
        0,
        False,
    ),
    dtypes=FLOATING,
)
_grid_sampler_double_backward.batching("fold")
_grid_sampler_double_backward.without("jvp", "decomposition", "sharding", "autocast", "benchmark")


@_grid_sampler_double_backward.rule
def _(to_input, to_grid, grad_output, input, grid, interpolation_mode, padding_mode):
    check_sampler(
        "_grid_sampler_double_backward",
        input,
        grid,
        interpolation_mode,
        padding_mode,
        input.dim() - 2,
    )
    last = grid.dim() - 1
    sizes = list(input.shape[:2]) + list(grid.shape[1:last])
    shapes = same(to_input.shape, input.shape) and same(to_grid.shape, grid.shape)
    dtypes = to_input.dtype == input.dtype and to_grid.dtype == input.dtype
    if not shapes or not dtypes or not same(grad_output.shape, sizes):
        raise Error(
            "_grid_sampler_double_backward: gradients of shapes "
            f"{show(to_input.shape)}, {show(to_grid.shape)} and {show(grad_output.shape)} do not "
            f"fit an input of shape {show(input.shape)} and a grid of shape {show(grid.shape)}"
        )
    if grad_output.dtype != input.dtype:
        raise Error("_grid_sampler_double_backward: all tensors must have the same dtype")
    return (
        Spec(grad_output.shape, input.dtype),
        Spec(input.shape, input.dtype),
        Spec(grid.shape, input.dtype),
    )


@_grid_sampler_double_backward.gradient
def _(ops):
    raise NotImplementedError(
        "_grid_sampler_double_backward: the third derivative of grid_sampler is not implemented"
    )


_sampler("grid_sampler_2d", 2)
_sampler("grid_sampler_3d", 3)
_sampler_backward("grid_sampler_2d_backward", 2)
_sampler_backward("grid_sampler_3d_backward", 3)


@composite(f"grid_sampler(Tensor input, Tensor grid, {_HOW}) -> Tensor", method=False)
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners, ops):
    """Values of images or volumes at places that ``grid`` names: `functional.grid_sample`.

    >>> x = flambeau.tensor([[[[1., 3.]]]])
    >>> flambeau.grid_sampler(x, flambeau.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[2.]]]])
    """
    check_grid(input, grid)
    if input.dim() == 4:
        return ops.grid_sampler_2d(input, grid, interpolation_mode, padding_mode, align_corners)
    if input.dim() == 5:
        return ops.grid_sampler_3d(input, grid, interpolation_mode, padding_mode, align_corners)
    raise Error(
        f"grid_sampler: expected 4D or 5D input and grid with same number of dimensions, but got "
        f"input with sizes {show(input.shape)} and grid with sizes {show(grid.shape)}"
    )


grid_sampler.samples(
    call(values(1, 2, 3, 4), values(1, 2, 2, 2, low=-1.2, high=1.2), 0, 0, False),
    call(values(1, 1, 2, 3, 2), values(1, 1, 2, 2, 3, low=-1.2, high=1.2), 0, 1, True),
    dtypes=FLOATING,
)
grid_sampler.without("benchmark")


# ---- grids that matrices make


def centres(like, n, align_corners, ops):
    """The places of ``n`` elements between -1 and 1."""
    if n <= 1:
        return ops.new_zeros(like, [n])
    places = ops.linspace(-1.0, 1.0, n, like.dtype, like.layout, like.device, None)
    return places if align_corners else ops.mul_Scalar(places, (n - 1) / n)


def plain_grid(like, size, align_corners, ops):
    """Homogeneous coordinates (x, y, 1) or (x, y, z, 1) of all elements, one after the other."""
    rank = len(size) - 2
    sizes = list(size[2:])
    parts = []
    for k in range(rank):
        d = rank - 1 - k
        shape = [1] * rank
        shape[d] = sizes[d]
        steps = ops.view(centres(like, sizes[d], align_corners, ops), shape)
        parts.append(ops.expand(steps, sizes))
    parts.append(ops.new_ones(like, sizes))
    return ops.flatten_using_ints(ops.stack(parts, -1), 0, -2)


def check_affine(op, size):
    if len(size) != 4 and len(size) != 5:
        raise Error(f"{op}: needs 4d (spatial) or 5d (volumetric) inputs, got size {show(size)}")


@native(
    "affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor",
    method=False,
)
def affine_grid_generator(theta, size, align_corners, ops):
    """The places that ``grid_sampler`` reads to move images as matrices say.

    >>> flambeau.affine_grid_generator(flambeau.eye(2, 3)[None], [1, 1, 1, 2], False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    check_affine("affine_grid_generator", size)
    check_floating("affine_grid_generator", theta.dtype)
    rank = len(size) - 2
    if theta.dim() != 3 or theta.shape[1] != rank or theta.shape[2] != rank + 1:
        raise Error(
            f"affine_grid_generator: Expected a batch of {rank}D affine matrices of shape "
            f"Nx{rank}x{rank + 1} for size {show(size)}. Got {show(theta.shape)}."
        )
    if theta.shape[0] != size[0]:
        raise Error(
            f"affine_grid_generator: expected {size[0]} matrices for size {show(size)}, got "
            f"{theta.shape[0]}"
        )
    grid = ops.matmul(plain_grid(theta, size, align_corners, ops), ops.transpose_int(theta, 1, 2))
    return ops.view(grid, [size[0]] + list(size[2:]) + [rank])


affine_grid_generator.samples(
    call(values(2, 2, 3), [2, 1, 3, 4], False),
    call(values(1, 3, 4), [1, 2, 2, 3, 4], True),
    dtypes=FLOATING,
)
affine_grid_generator.jvp("linear")
affine_grid_generator.without("benchmark", "sharding", "autocast")


@affine_grid_generator.batching
def _(b, theta, size, align_corners):
    whole = [b.size * size[0], *size[1:]]
    return b.folded(lambda t: b.op(t, whole, align_corners), 3, theta)


@affine_grid_generator.gradient
def _(g, size, align_corners, ops):
    return ops.affine_grid_generator_backward(g, size, align_corners)


@composite(
    "affine_grid_generator_backward(Tensor grad, SymInt[] size, bool align_corners) -> Tensor",
    method=False,
)
def affine_grid_generator_backward(grad, size, align_corners, ops):
    """The gradient of the matrices of ``affine_grid_generator``.

    >>> g = flambeau.ones(1, 1, 2, 2)
    >>> flambeau.affine_grid_generator_backward(g, [1, 1, 1, 2], False)
    tensor([[[0., 0., 2.],
             [0., 0., 2.]]])
    """
    check_affine("affine_grid_generator_backward", size)
    check_floating("affine_grid_generator_backward", grad.dtype)
    rank = len(size) - 2
    rows = ops.reshape(grad, [size[0], -1, rank])
    grid = plain_grid(grad, size, align_corners, ops)
    return ops.matmul(ops.transpose_int(rows, 1, 2), grid)


affine_grid_generator_backward.samples(
    call(values(2, 3, 4, 2), [2, 1, 3, 4], False), dtypes=FLOATING
)
affine_grid_generator_backward.without("benchmark")
