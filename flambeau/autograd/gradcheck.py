"""Gradients of a function compared with finite differences.

Every tensor here is seen as a flat vector, and a function of tensors as one Jacobian for each pair
of an input and an output, with a row for each element of the input and a column for each element
of the output. Central differences give it row by row; backward passes give it column by column.

A complex input counts as its real and imaginary parts: a row holds ``d/dx + i d/dy``. A complex
output is looked at twice, as the real function of its real and of its imaginary part.

The slow mode compares whole Jacobians ``J``. The fast mode compares ``v^T J u`` for random ``u``
and ``v``, which takes two evaluations of the function and one backward pass for each pair, however
large the tensors are.
"""

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import flambeau
from flambeau.autograd.function import Function
from flambeau.testing._comparison import close_elements
from flambeau.testing._creation import make_tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """Raised where gradients and finite differences disagree."""


class _Options(NamedTuple):
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool
    masked: bool


class _Variant(NamedTuple):
    """The function, or the real function of one part of its complex outputs."""

    func: Callable[..., tuple[Any, ...]]
    part: str  # "" if the outputs are taken whole
    complex_outputs: frozenset[int]  # among the differentiable ones


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of ``func`` at ``inputs`` with central differences.

    The inputs that require a gradient should be of dtype float64 or complex128, since differences
    of lower precision are mostly rounding. They are perturbed in place, one element after the
    other, and restored; so no two of their elements may share memory.

    Args:
        func: a function of tensors that returns a tensor or a tuple of tensors.
        inputs: its arguments, a tensor or a tuple; some must require a gradient.
        eps: the perturbation.
        atol: absolute tolerance between gradient and difference.
        rtol: relative tolerance.
        raise_exception: whether a disagreement raises :class:`GradcheckError`, which shows it, or
            makes the result False.
        nondet_tol: by how much two backward passes over the same graph may differ.
        check_undefined_grad: whether to check that outputs without a gradient count as outputs
            with a gradient of zero.
        check_grad_dtypes: whether a gradient must have the dtype of its input.
        check_batched_grad: whether to check that backward passes can be mapped by ``vmap``.
        check_batched_forward_grad: whether to check that forward mode can be.
        check_forward_ad: whether to check forward mode.
        check_backward_ad: whether to check backward mode.
        fast_mode: whether to compare one random combination of the Jacobian's elements instead of
            every element.
        masked: whether the gradient for an output gradient of zero may differ from zero by
            rounding, as it can where elements of a sparse input are masked out.

    Returns:
        True if all gradients agree.

    Example::

        >>> x = flambeau.randn(3, dtype=flambeau.float64, requires_grad=True)
        >>> flambeau.autograd.gradcheck(flambeau.tanh, x)
        True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("gradcheck: check_forward_ad or check_backward_ad must be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("gradcheck: check_batched_grad needs check_backward_ad")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("gradcheck: check_batched_forward_grad needs check_forward_ad")
    options = _Options(eps, atol, rtol, nondet_tol, check_grad_dtypes, bool(masked))
    compare = _compare_fast if fast_mode else _compare_slow
    arguments = _as_tuple(inputs)
    _check_inputs(arguments)
    try:
        if check_forward_ad:
            _check_forward(func, arguments, options, fast_mode, check_batched_forward_grad)
        if check_backward_ad:
            for variant in _variants(func, arguments):
                compare(variant, arguments, options)
            _check_zero_cotangents(func, arguments, options)
            if check_undefined_grad:
                _check_undefined_cotangents(func, arguments)
        if check_batched_grad:
            _check_batched(func, arguments, options)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare second derivatives of ``func`` with central differences of its gradients.

    This is :func:`gradcheck` of the function that maps inputs and output gradients to input
    gradients; arguments that are not explained here are those of :func:`gradcheck`.

    Args:
        func: a function of tensors that returns a tensor or a tuple of tensors.
        inputs: its arguments, a tensor or a tuple; some must require a gradient.
        grad_outputs: gradients of the outputs; random ones if left out.
        gen_non_contig_grad_outputs: whether these random ones are not contiguous.
        check_fwd_over_rev: whether to check forward mode of a backward pass.
        check_rev_over_rev: whether to check a backward pass of a backward pass.

    Returns:
        True if all second derivatives agree.

    Example::

        >>> x = flambeau.randn(3, dtype=flambeau.float64, requires_grad=True)
        >>> flambeau.autograd.gradgradcheck(flambeau.tanh, x)
        True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("gradgradcheck: check_fwd_over_rev or check_rev_over_rev must be True")
    arguments = _as_tuple(inputs)
    if grad_outputs is None:
        cotangents = _random_cotangents(func, arguments, gen_non_contig_grad_outputs)
    else:
        cotangents = _as_tuple(grad_outputs)

    def gradients(*args: Any) -> tuple[Any, ...]:
        primals, given = args[: len(arguments)], args[len(arguments) :]
        outputs = _differentiable(_as_tuple(func(*primals)))
        sources = _sources(primals)
        grads = flambeau.autograd.grad(
            outputs, sources, given, create_graph=True, allow_unused=True
        )
        return tuple(grad for grad in grads if grad is not None)

    return gradcheck(
        gradients,
        arguments + cotangents,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def _random_cotangents(
    func: Callable[..., Any], inputs: tuple[Any, ...], noncontiguous: bool
) -> tuple[Any, ...]:
    return tuple(
        make_tensor(
            output.shape,
            dtype=output.dtype,
            device=output.device,
            low=-1,
            high=1,
            requires_grad=True,
            noncontiguous=noncontiguous,
        )
        for output in _differentiable(_as_tuple(func(*inputs)))
    )


def _check_forward(
    func: Callable[..., Any], inputs: tuple[Any, ...], o: _Options, fast: bool, batched: bool
) -> None:
    from flambeau.autograd._gradcheck_forward import check_forward

    wrong = check_forward(
        func,
        inputs,
        _sources(inputs),
        eps=o.eps,
        atol=o.atol,
        rtol=o.rtol,
        fast=fast,
        batched=batched,
    )
    if wrong:
        raise GradcheckError(wrong)


def _check_batched(func: Callable[..., Any], inputs: tuple[Any, ...], o: _Options) -> None:
    from flambeau.autograd._gradcheck_forward import check_batched_backward

    outputs = _differentiable(_as_tuple(func(*inputs)))
    wrong = check_batched_backward(outputs, _sources(inputs), atol=o.atol, rtol=o.rtol)
    if wrong:
        raise GradcheckError(wrong)


# --- Inputs and outputs ---------------------------------------------------------------------------


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, flambeau.Tensor)


def _sources(inputs: Sequence[Any]) -> list[Any]:
    """The inputs that require a gradient."""
    return [value for value in inputs if _is_tensor(value) and value.requires_grad]


def _inexact(outputs: Sequence[Any]) -> list[Any]:
    """The outputs that can change by little."""
    return [o for o in outputs if _is_tensor(o) and (o.is_floating_point() or o.is_complex())]


def _differentiable(outputs: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(o for o in outputs if _is_tensor(o) and o.requires_grad)


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    if not _sources(inputs):
        raise ValueError(
            "gradcheck: no input requires a gradient; make at least one with requires_grad=True"
        )
    for index, value in enumerate(inputs):
        if not (_is_tensor(value) and value.requires_grad):
            continue
        if value.dtype not in (flambeau.float64, flambeau.complex128):
            warnings.warn(
                f"gradcheck: input {index} requires a gradient and has dtype {value.dtype}; "
                "differences of less than double precision will most likely not agree",
                stacklevel=3,
            )
        if value.numel() > 0 and any(
            stride == 0 and size > 1
            for stride, size in zip(value.stride(), value.shape, strict=True)
        ):
            raise RuntimeError(
                f"gradcheck: input {index} has a dimension with stride 0, so that perturbing one "
                "element perturbs others; call .contiguous() on it first"
            )


def _variants(func: Callable[..., Any], inputs: tuple[Any, ...]) -> Iterator[_Variant]:
    def whole(*args: Any) -> tuple[Any, ...]:
        return _as_tuple(func(*args))

    def part_of(part: Callable[[Any], Any], *args: Any) -> tuple[Any, ...]:
        outputs = whole(*args)
        return tuple(part(o) if _is_tensor(o) and o.is_complex() else o for o in outputs)

    outputs = whole(*inputs)
    if not any(o.is_complex() for o in _inexact(outputs)):
        yield _Variant(whole, "", frozenset())
        return
    indices = frozenset(i for i, o in enumerate(_differentiable(outputs)) if o.is_complex())
    yield _Variant(functools.partial(part_of, flambeau.imag), "imaginary", indices)
    yield _Variant(functools.partial(part_of, flambeau.real), "real", indices)


# --- Finite differences ---------------------------------------------------------------------------


def _central_differences(
    func: Callable[..., tuple[Any, ...]], inputs: tuple[Any, ...], entry: Any, step: Any, eps: float
) -> list[Any]:
    """``(f(x + step) - f(x - step)) / (2 eps)`` of every inexact output, flat.

    ``entry`` is a view of the memory of the input ``x``, or of a part of it.
    """

    def evaluate(value: Any) -> list[Any]:
        entry.copy_(value)
        return [output.detach().clone() for output in _inexact(func(*inputs))]

    original = entry.clone()
    try:
        below, above = evaluate(original - step), evaluate(original + step)
    finally:
        entry.copy_(original)
    for a, b in zip(below, above, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise AssertionError(
                f"gradcheck: outputs change from {tuple(a.shape)}, {a.dtype} to "
                f"{tuple(b.shape)}, {b.dtype} when an input is perturbed by {eps}"
            )
    return [((b - a) / (2 * eps)).reshape(-1) for a, b in zip(below, above, strict=True)]


def _numerical_derivatives(
    func: Callable[..., tuple[Any, ...]],
    inputs: tuple[Any, ...],
    entry: Any,
    direction: tuple[Any, ...],
    eps: float,
) -> list[Any]:
    """Derivatives of the inexact outputs as ``entry`` moves in ``direction``.

    A complex entry has two directions, for its real and imaginary parts.
    """
    derivatives = _central_differences(func, inputs, entry, direction[0] * eps, eps)
    if not entry.is_complex():
        return derivatives
    imaginary = _central_differences(func, inputs, entry, direction[1] * (eps * 1j), eps)
    return [x + 1j * y for x, y in zip(derivatives, imaginary, strict=True)]


def _numerical_jacobians(
    func: Callable[..., tuple[Any, ...]], inputs: tuple[Any, ...], source: Any, eps: float
) -> list[Any]:
    """The Jacobian of each inexact output with respect to ``source``."""
    # `.data`, because a version counter that moves would forbid backward passes made before.
    memory = source.data
    positions = itertools.product(*map(range, source.shape))
    rows = [
        _numerical_derivatives(func, inputs, memory[position], (1, 1), eps)
        for position in positions
    ]
    if not rows:
        return [output.new_zeros((0, output.numel())) for output in _inexact(func(*inputs))]
    return [flambeau.stack(rows_of_output) for rows_of_output in zip(*rows, strict=True)]


# --- Backward passes ------------------------------------------------------------------------------


def _analytical_jacobians(
    output: Any, sources: list[Any], cotangents: list[Any], options: _Options
) -> list[Any]:
    """For each source, the columns of the Jacobian that ``cotangents`` choose or combine."""
    first, second = (_columns(output, sources, cotangents, options) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        if a.numel() and (a - b).abs().max() > options.nondet_tol:
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and "
                "grad_output multiple times gives different values, although analytical gradient "
                "matches numerical gradient. The tolerance for nondeterminism was "
                f"{options.nondet_tol}; pass a larger nondet_tol if the function is not "
                "deterministic."
            )
    return first


def _columns(
    output: Any, sources: list[Any], cotangents: list[Any], options: _Options
) -> list[Any]:
    passes = [
        flambeau.autograd.grad(output, sources, cotangent, retain_graph=True, allow_unused=True)
        for cotangent in cotangents
    ]
    return [
        _column_matrix(source, [grads[i] for grads in passes], options)
        for i, source in enumerate(sources)
    ]


def _column_matrix(source: Any, grads: list[Any], options: _Options) -> Any:
    matrix = source.new_zeros((source.numel(), len(grads)))
    for column, grad in enumerate(grads):
        if grad is None:
            continue
        if options.check_grad_dtypes and grad.dtype != source.dtype:
            raise GradcheckError(
                f"Gradient has dtype mismatch: {grad.dtype} for an input of {source.dtype}"
            )
        if grad.shape != source.shape:
            raise GradcheckError(
                f"Analytical gradient has incorrect size: {tuple(grad.shape)} for an input of "
                f"{tuple(source.shape)}"
            )
        matrix[:, column] = grad.reshape(-1)
    return matrix


def _unit_cotangents(output: Any) -> list[Any]:
    """For each element of ``output``, the gradient that chooses it."""
    size = output.numel()
    return [
        row.reshape(output.shape)
        for row in flambeau.eye(size, dtype=output.dtype, device=output.device)
    ]


# --- The two modes --------------------------------------------------------------------------------


def _compare_slow(variant: _Variant, inputs: tuple[Any, ...], options: _Options) -> None:
    outputs = variant.func(*inputs)
    differentiable = [output.requires_grad for output in _inexact(outputs)]
    sources = _sources(inputs)
    numerical = [
        _numerical_jacobians(variant.func, inputs, source, options.eps) for source in sources
    ]
    if not any(differentiable):
        for jacobian in itertools.chain.from_iterable(numerical):
            _check_vanishes(jacobian, tolerance=0.0)
        return
    for j, output in enumerate(_differentiable(outputs)):
        analytical = _analytical_jacobians(output, sources, _unit_cotangents(output), options)
        for i, jacobians in enumerate(numerical):
            theirs = list(itertools.compress(jacobians, differentiable))[j]
            if not _all_close(analytical[i], theirs, options.rtol, options.atol):
                raise GradcheckError(_mismatch(variant, j, i, theirs, analytical[i]))


def _compare_fast(variant: _Variant, inputs: tuple[Any, ...], options: _Options) -> None:
    outputs = variant.func(*inputs)
    differentiable = [output.requires_grad for output in _inexact(outputs)]
    sources = _sources(inputs)
    # A generator of its own leaves the caller's random numbers alone.
    generator = flambeau.Generator()
    directions = [_random_direction(source, generator) for source in sources]
    weights = [_random_vector(output, generator) for output in _differentiable(outputs)]
    numerical = [
        _numerical_derivatives(
            variant.func,
            inputs,
            source.data,
            tuple(vector.reshape(source.shape) for vector in direction),
            options.eps,
        )
        for source, direction in zip(sources, directions, strict=True)
    ]
    if not any(differentiable):
        for derivative in itertools.chain.from_iterable(numerical):
            _check_vanishes(derivative, tolerance=options.nondet_tol)
        return
    for j, (output, weight) in enumerate(zip(_differentiable(outputs), weights, strict=True)):
        cotangents = [weight.reshape(output.shape)]
        analytical = _analytical_jacobians(output, sources, cotangents, options)
        for i, direction in enumerate(directions):
            derivative = list(itertools.compress(numerical[i], differentiable))[j]
            theirs = (weight * derivative).sum()
            ours = _along(analytical[i][:, 0], direction)
            # An error of atol in every element would add up to this much.
            atol = options.atol * float(sum(vector.sum() for vector in direction) * weight.sum())
            if not _all_close(ours, theirs, options.rtol, atol):
                text = _mismatch(variant, j, i, theirs, ours)
                raise GradcheckError(text + _whole_jacobians(variant, inputs, i, j, options))


def _random_vector(tensor: Any, generator: Any) -> Any:
    """A random vector of length 1, real, with an element for each of ``tensor``."""
    dtype = tensor.real.dtype if tensor.is_complex() else tensor.dtype
    vector = flambeau.rand(tensor.numel(), generator=generator).to(dtype)
    return (vector / vector.norm()).to(tensor.device)


def _random_direction(source: Any, generator: Any) -> tuple[Any, ...]:
    count = 2 if source.is_complex() else 1
    return tuple(_random_vector(source, generator) for _ in range(count))


def _along(gradient: Any, direction: tuple[Any, ...]) -> Any:
    """The derivative in ``direction``, of which a complex gradient has two."""
    if not gradient.is_complex():
        return (gradient * direction[0]).sum()
    real, imaginary = (gradient.real * direction[0]).sum(), (gradient.imag * direction[1]).sum()
    return real + 1j * imaginary


def _check_vanishes(derivative: Any, tolerance: float) -> None:
    if derivative.numel() and derivative.abs().max() > tolerance:
        raise GradcheckError(
            "Numerical gradient for function expected to be zero, because no output requires a "
            f"gradient, but got {derivative}"
        )


def _all_close(ours: Any, theirs: Any, rtol: float, atol: float) -> bool:
    dtype = flambeau.promote_types(ours.dtype, theirs.dtype)
    close = close_elements(ours.to(dtype), theirs.to(dtype), rtol, atol, equal_nan=False)
    return bool(close.all())


def _mismatch(variant: _Variant, output: int, source: int, theirs: Any, ours: Any) -> str:
    prefix = ""
    if output in variant.complex_outputs:
        prefix = f"While considering the {variant.part} part of complex outputs only, "
    return (
        f"{prefix}Jacobian mismatch for output {output} with respect to input {source},\n"
        f"numerical:{theirs}\nanalytical:{ours}\n"
    )


def _whole_jacobians(
    variant: _Variant, inputs: tuple[Any, ...], i: int, j: int, options: _Options
) -> str:
    """What the slow mode would have compared, to show where a fast comparison went wrong."""
    outputs = variant.func(*inputs)
    differentiable = [output.requires_grad for output in _inexact(outputs)]
    source, output = _sources(inputs)[i], _differentiable(outputs)[j]
    jacobians = _numerical_jacobians(variant.func, inputs, source, options.eps)
    theirs = list(itertools.compress(jacobians, differentiable))[j]
    (ours,) = _columns(output, [source], _unit_cotangents(output), options)
    text = (
        "\nThe numbers above are combinations of all elements (fast_mode=True). Element by "
        f"element:\n\nNumerical:\n{theirs}\nAnalytical:\n{ours}\n\n"
        f"The largest difference of two elements is {(theirs - ours).abs().max()}.\n"
    )
    if _all_close(ours, theirs, options.rtol, options.atol):
        text += "Each element is within the tolerances: fast_mode=False would have passed.\n"
    return text


# --- Output gradients of zero and none at all -----------------------------------------------------


def _zero_cotangents(outputs: Sequence[Any]) -> list[Any]:
    return [flambeau.zeros_like(o, memory_format=flambeau.contiguous_format) for o in outputs]


def _check_zero_cotangents(
    func: Callable[..., Any], inputs: tuple[Any, ...], options: _Options
) -> None:
    """A backward formula that forgets to multiply by the output's gradient shows here."""
    outputs, sources = _differentiable(_as_tuple(func(*inputs))), _sources(inputs)
    if not outputs:
        return
    grads = flambeau.autograd.grad(outputs, sources, _zero_cotangents(outputs), allow_unused=True)
    for source, grad in zip(sources, grads, strict=True):
        if grad is None:
            continue
        zero = flambeau.zeros_like(grad)
        atol = 1e-8 if options.masked else 0.0
        if not close_elements(grad, zero, 0.0, atol, equal_nan=False).all():
            raise GradcheckError("backward not multiplied by grad_output")
        for name in ("dtype", "device", "shape"):
            if getattr(grad, name) != getattr(source, name):
                raise GradcheckError(
                    f"grad is incorrect {name}: {getattr(grad, name)} for an input with "
                    f"{getattr(source, name)}"
                )


class _Severed(Function):
    """The identity, which passes no gradient on: not zeros, but none."""

    @staticmethod
    def forward(ctx: Any, tensor: Any) -> Any:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, grad: Any) -> None:
        return None


def _check_undefined_cotangents(func: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    """Sever all outputs at once, and then, of several, each alone."""
    sources = _sources(inputs)
    count = len(_differentiable(_as_tuple(func(*inputs))))
    severed_sets = [set(range(count))]
    if count > 1:
        severed_sets += [{i} for i in range(count)]
    for severed in severed_sets:
        outputs = [
            _Severed.apply(output) if i in severed else output
            for i, output in enumerate(_differentiable(_as_tuple(func(*inputs))))
        ]
        if outputs:
            _check_severed(outputs, sources)


def _check_severed(outputs: list[Any], sources: list[Any]) -> None:
    advice = "; pass check_undefined_grad=False if the function is not meant to support that"
    try:
        grads = flambeau.autograd.grad(
            outputs, sources, _zero_cotangents(outputs), allow_unused=True
        )
    except RuntimeError as error:
        raise GradcheckError(
            f"Expected backward function to handle undefined output grads{advice}"
        ) from error
    if any(grad is not None and not (grad == 0).all() for grad in grads):
        raise GradcheckError(
            "Expected all input grads to be undefined or zero when all output grads are undefined "
            f"or zero{advice}"
        )
