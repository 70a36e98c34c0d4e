"""Resampling of sequences, images and volumes: what ``functional.interpolate`` runs."""

from flambeau.ops.language import Error, dtype_name, dtypes, same, show
from flambeau.ops.pool.windows import documented, image_spec, lies_last
from flambeau.ops.record import FLOATING, composite, structured
from flambeau.ops.samples import call, values

BYTES = frozenset({"uint8"})


# ---- what they have in common


def check_sizes(op, sizes, output_size, rank):
    """The sizes of a batch with channels, and those asked for."""
    if len(output_size) != rank:
        raise Error(
            f"{op}: It is expected output_size equals to {rank}, but got size {len(output_size)}"
        )
    if len(sizes) != rank + 2:
        raise Error(
            f"{op}: It is expected input_size equals to {rank + 2}, but got size {len(sizes)}"
        )
    for d in range(rank):
        if sizes[2 + d] <= 0 or output_size[d] <= 0:
            raise Error(
                f"{op}: Input and output sizes should be greater than 0, but got input "
                f"{show(sizes[2:])} output {show(output_size)}"
            )
    if sizes[1] == 0:
        raise Error(
            f"{op}: Non-empty {rank + 2}D data tensor expected but got a tensor with sizes "
            f"{show(sizes)}"
        )
    return list(sizes[:2]) + list(output_size)


def check_resampled(op, dtype, bytes):
    if not dtype.is_floating_point and not (bytes and dtype == dtypes.uint8):
        raise NotImplementedError(
            f"{op}: not implemented for {dtype_name(dtype)}: convert with .to(torch.float32)"
        )


def scaled_sizes(op, input, output_size, scale_factors, rank):
    """The sizes asked for: as such, or by factors."""
    if (output_size is None) == (scale_factors is None):
        raise Error(f"{op}: Must specify exactly one of output_size and scale_factors")
    if input.dim() != rank + 2:
        raise Error(
            f"{op}: It is expected input_size equals to {rank + 2}, but got size {input.dim()}"
        )
    sizes = []
    if output_size is not None:
        if len(output_size) != rank:
            raise Error(f"{op}: expected {rank} sizes, got {show(output_size)}")
        for n in output_size:
            sizes.append(n)
    if scale_factors is not None:
        if len(scale_factors) != rank:
            raise Error(f"{op}: expected {rank} scale factors, got {len(scale_factors)}")
        for d in range(rank):
            sizes.append(int(input.shape[2 + d] * scale_factors[d]))
    return sizes


def scale_of(scale_factors, d):
    if scale_factors is None:
        return None
    return scale_factors[d]


# ---- gradients and bodies, by what the op takes beside sizes


def _nearest1(name, backward):
    def gradient(g, self, output_size, scales, ops):
        return getattr(ops, backward)(g, output_size, self.shape, scales)

    def second(g, output_size, scales, ops):
        return getattr(ops, name)(g, output_size, scales)

    def body(input, output_size, scale_factors, ops):
        size = scaled_sizes(name, input, output_size, scale_factors, 1)
        return getattr(ops, name)(input, size, scale_of(scale_factors, 0))

    return gradient, second, body


def _nearest2(name, backward):
    def gradient(g, self, output_size, scales_h, scales_w, ops):
        return getattr(ops, backward)(g, output_size, self.shape, scales_h, scales_w)

    def second(g, output_size, scales_h, scales_w, ops):
        return getattr(ops, name)(g, output_size, scales_h, scales_w)

    def body(input, output_size, scale_factors, ops):
        size = scaled_sizes(name, input, output_size, scale_factors, 2)
        h, w = scale_of(scale_factors, 0), scale_of(scale_factors, 1)
        return getattr(ops, name)(input, size, h, w)

    return gradient, second, body


def _nearest3(name, backward):
    def gradient(g, self, output_size, scales_d, scales_h, scales_w, ops):
        return getattr(ops, backward)(g, output_size, self.shape, scales_d, scales_h, scales_w)

    def second(g, output_size, scales_d, scales_h, scales_w, ops):
        return getattr(ops, name)(g, output_size, scales_d, scales_h, scales_w)

    def body(input, output_size, scale_factors, ops):
        size = scaled_sizes(name, input, output_size, scale_factors, 3)
        d, h = scale_of(scale_factors, 0), scale_of(scale_factors, 1)
        return getattr(ops, name)(input, size, d, h, scale_of(scale_factors, 2))

    return gradient, second, body


def _smooth1(name, backward):
    def gradient(g, self, output_size, align_corners, scales, ops):
        return getattr(ops, backward)(g, output_size, self.shape, align_corners, scales)

    def second(g, output_size, align_corners, scales, ops):
        return getattr(ops, name)(g, output_size, align_corners, scales)

    def body(input, output_size, align_corners, scale_factors, ops):
        size = scaled_sizes(name, input, output_size, scale_factors, 1)
        return getattr(ops, name)(input, size, align_corners, scale_of(scale_factors, 0))

    return gradient, second, body


def _smooth2(name, backward):
    def gradient(g, self, output_size, align_corners, scales_h, scales_w, ops):
        return getattr(ops, backward)(g, output_size, self.shape, align_corners, scales_h, scales_w)

    def second(g, output_size, align_corners, scales_h, scales_w, ops):
        return getattr(ops, name)(g, output_size, align_corners, scales_h, scales_w)

    def body(input, output_size, align_corners, scale_factors, ops):
        size = scaled_sizes(name, input, output_size, scale_factors, 2)
        h, w = scale_of(scale_factors, 0), scale_of(scale_factors, 1)
        return getattr(ops, name)(input, size, align_corners, h, w)

    return gradient, second, body


def _smooth3(name, backward):
    def gradient(g, self, output_size, align_corners, scales_d, scales_h, scales_w, ops):
        return getattr(ops, backward)(
            g, output_size, self.shape, align_corners, scales_d, scales_h, scales_w
        )

    def second(g, output_size, align_corners, scales_d, scales_h, scales_w, ops):
        return getattr(ops, name)(g, output_size, align_corners, scales_d, scales_h, scales_w)

    def body(input, output_size, align_corners, scale_factors, ops):
        size = scaled_sizes(name, input, output_size, scale_factors, 3)
        d, h = scale_of(scale_factors, 0), scale_of(scale_factors, 1)
        return getattr(ops, name)(input, size, align_corners, d, h, scale_of(scale_factors, 2))

    return gradient, second, body


_FUNCTIONS = {
    (1, False): _nearest1,
    (2, False): _nearest2,
    (3, False): _nearest3,
    (1, True): _smooth1,
    (2, True): _smooth2,
    (3, True): _smooth3,
}
_SCALES = {1: ("scales",), 2: ("scales_h", "scales_w"), 3: ("scales_d", "scales_h", "scales_w")}
_MODES = {  # what it is for -> the kernel's word, and whether corners may be aligned
    "the nearest element, counted from the front": ("nearest", False),
    "the nearest element": ("nearest_exact", False),
    "linear interpolation": ("linear", True),
    "cubic interpolation": ("cubic", True),
    "linear filters that grow with the step": ("linear_aa", True),
    "cubic filters that grow with the step": ("cubic_aa", True),
    "Lanczos filters that grow with the step": ("lanczos_aa", True),
}
_INPUT, _LARGER, _SMALLER = (2, 3, 5, 4, 3), (7, 6, 4), (2, 3, 2)


def _resample(name, n, mode, bytes=False):
    """The op of ``n`` dimensions, and the overload that takes a list of scales."""
    how, aligned = _MODES[mode]
    gradient, _, vec = _FUNCTIONS[n, aligned](name, f"{name}_backward")
    given = "bool align_corners, " if aligned else ""
    scales = ", ".join(f"float? {s}=None" for s in _SCALES[n])
    align = "align_corners" if aligned else "false"
    numbers = ", ".join(_SCALES[n])

    def body():
        pass

    def rule(self, output_size):
        check_resampled(name, self.dtype, bytes)
        sizes = check_sizes(name, self.shape, output_size, n)
        return image_spec(sizes, self.dtype, lies_last(self, n))

    words = f"A batch with channels at another size, by {mode}."
    corners = ", False" if aligned else ""
    example = (
        f">>> x = flambeau.ones(1, 1{', 2' * n})",
        f">>> flambeau._C._nn.{name}(x, [3{', 3' * (n - 1)}]{corners}).shape",
        f"torch.Size([1, 1{', 3' * n}])",
    )
    made = structured(
        f"{name}(Tensor self, SymInt[{n}] output_size, {given}{scales}) -> Tensor",
        cpu=f"cpu::upsample(result, self, cpu::Resampling::{how}, {align}, {{{numbers}}})",
        module="_nn",
        method=False,
        out=True,
        separate_out=True,
    )(documented(body, words, *example))
    image, extra = values(*_INPUT[: n + 2]), [False] * aligned
    calls = [
        call(image, list(_LARGER[:n]), *extra),
        call(image, list(_SMALLER[:n]), *extra),
        call(image, list(_LARGER[:n]), *extra, *[1.3] * n),
    ]
    if aligned and not how.endswith("_aa"):
        calls.append(call(image, list(_LARGER[:n]), True))
    made.samples(*calls, dtypes=FLOATING | (BYTES if bytes else frozenset()))
    large = [(4096,), (64, 64), (16, 16, 16)][n - 1]
    made.benchmark(call(values(4, 16, *large), [2 * k for k in large], *extra))
    made.rule(rule)
    made.gradient(gradient)
    made.jvp("linear")
    made.batching("fold")
    made.without("decomposition", "sharding", "autocast")

    listed = composite(
        f"{name}.vec(Tensor input, SymInt[]? output_size, {given}float[]? scale_factors) -> Tensor",
        module="_nn",
    )(documented(vec, words, *example))
    listed.samples(
        call(image, list(_LARGER[:n]), *extra, None),
        call(image, None, *extra, [1.7] * n),
        dtypes=FLOATING | (BYTES if bytes else frozenset()),
    )
    listed.without("benchmark")


def _resample_backward(name, n, mode):
    forward = name.removesuffix("_backward")
    how, aligned = _MODES[mode]
    second = _FUNCTIONS[n, aligned](forward, name)[1]
    given = "bool align_corners, " if aligned else ""
    scales = ", ".join(f"float? {s}=None" for s in _SCALES[n])
    align = "align_corners" if aligned else "false"
    numbers = ", ".join(_SCALES[n])

    def body():
        pass

    def rule(grad_output, output_size, input_size):
        check_resampled(name, grad_output.dtype, False)
        sizes = check_sizes(name, input_size, output_size, n)
        if not same(grad_output.shape, sizes):
            raise Error(
                f"{name}: Expected grad_output to have the same shape as output; output is "
                f"{show(sizes)} but got grad_output {show(grad_output.shape)}"
            )
        return image_spec(input_size, grad_output.dtype, lies_last(grad_output, n))

    def batching(b):
        g, output_size, input_size, *rest = b.values
        whole = [b.size * input_size[0], *input_size[1:]]
        return b.folded(lambda t: b.op(t, output_size, whole, *rest), n + 2, g)

    corners = ", False" if aligned else ""
    made = structured(
        f"{name}(Tensor grad_output, SymInt[{n}] output_size, SymInt[{n + 2}] input_size, "
        f"{given}{scales}) -> Tensor",
        cpu=f"cpu::upsample_backward(result, grad_output, cpu::Resampling::{how}, {align}, "
        f"{{{numbers}}})",
        module="_nn",
        method=False,
    )(
        documented(
            body,
            f"The gradient of `{forward}`.",
            f">>> g = flambeau.ones(1, 1{', 4' * n})",
            f">>> flambeau._C._nn.{name}(",
            f"...     g, [4{', 4' * (n - 1)}], [1, 1{', 2' * n}]{corners}).sum()",
            f"tensor({4**n}.)",
        )
    )
    extra = [False] * aligned
    sizes = list(_INPUT[: n + 2])
    made.samples(
        call(values(2, 3, *_LARGER[:n]), list(_LARGER[:n]), sizes, *extra),
        call(values(2, 3, *_SMALLER[:n]), list(_SMALLER[:n]), sizes, *extra),
        dtypes=FLOATING,
    )
    made.rule(rule)
    made.gradient(second)
    made.jvp("linear")
    made.batching(batching)
    made.without("decomposition", "sharding", "autocast", "benchmark")


_COUNTED = "the nearest element, counted from the front"
_NEAREST = "the nearest element"
_LINEAR, _CUBIC = "linear interpolation", "cubic interpolation"
_GROWING = "filters that grow with the step"

_resample("upsample_nearest1d", 1, _COUNTED, True)
_resample("upsample_nearest2d", 2, _COUNTED, True)
_resample("upsample_nearest3d", 3, _COUNTED, True)
_resample("_upsample_nearest_exact1d", 1, _NEAREST, True)
_resample("_upsample_nearest_exact2d", 2, _NEAREST, True)
_resample("_upsample_nearest_exact3d", 3, _NEAREST, True)
_resample("upsample_linear1d", 1, _LINEAR)
_resample("upsample_bilinear2d", 2, _LINEAR, True)
_resample("upsample_trilinear3d", 3, _LINEAR)
_resample("upsample_bicubic2d", 2, _CUBIC, True)
_resample("_upsample_bilinear2d_aa", 2, f"linear {_GROWING}", True)
_resample("_upsample_bicubic2d_aa", 2, f"cubic {_GROWING}", True)
_resample("_upsample_lanczos2d_aa", 2, f"Lanczos {_GROWING}", True)
_resample_backward("upsample_nearest1d_backward", 1, _COUNTED)
_resample_backward("upsample_nearest2d_backward", 2, _COUNTED)
_resample_backward("upsample_nearest3d_backward", 3, _COUNTED)
_resample_backward("_upsample_nearest_exact1d_backward", 1, _NEAREST)
_resample_backward("_upsample_nearest_exact2d_backward", 2, _NEAREST)
_resample_backward("_upsample_nearest_exact3d_backward", 3, _NEAREST)
_resample_backward("upsample_linear1d_backward", 1, _LINEAR)
_resample_backward("upsample_bilinear2d_backward", 2, _LINEAR)
_resample_backward("upsample_trilinear3d_backward", 3, _LINEAR)
_resample_backward("upsample_bicubic2d_backward", 2, _CUBIC)
_resample_backward("_upsample_bilinear2d_aa_backward", 2, f"linear {_GROWING}")
_resample_backward("_upsample_bicubic2d_aa_backward", 2, f"cubic {_GROWING}")
_resample_backward("_upsample_lanczos2d_aa_backward", 2, f"Lanczos {_GROWING}")
