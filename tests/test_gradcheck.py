"""gradcheck and gradgradcheck pass right gradients and fail each kind of wrong one."""

import pytest

import flambeau
from flambeau.autograd import Function
from flambeau.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck

both_modes = pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])


@pytest.fixture(autouse=True)
def seed():
    flambeau.manual_seed(0)


def real(*shape):
    return flambeau.randn(shape, dtype=flambeau.float64).requires_grad_()


def cplx(*shape):
    return flambeau.randn(shape, dtype=flambeau.complex128).requires_grad_()


def custom(forward_of, backward_of, materialize=True):
    """A function whose backward is what the test says, right or wrong."""

    class Custom(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            ctx.save_for_backward(x)
            return forward_of(x)

        @staticmethod
        def backward(ctx, *grads):
            return backward_of(*grads, *ctx.saved_tensors)

    return Custom.apply


RIGHT = {
    "pointwise": (lambda x: x.tanh(), [real(3, 2)]),
    "no dimension": (lambda x: x * x, [real()]),
    "two inputs": (lambda a, b: a @ b, [real(3, 2), real(2, 4)]),
    "several outputs": (lambda x, y: (x * y, x.sum(), y.sin()), [real(3), real(3)]),
    "list of outputs": (lambda x: [x * 2, x.exp()], [real(2)]),
    "unused input": (lambda x, y: x * 2, [real(3), real(3)]),
    "other arguments": (lambda x, y, n: x * y * n, [real(3), flambeau.ones(3).double(), 4]),
    "integer output": (lambda x: (x.argmax(), x * 2), [real(3)]),
    "not contiguous": (lambda x: x.exp(), [real(4, 3).detach().t().requires_grad_()]),
    "no elements": (lambda x: x * 2, [real(0, 3)]),
    "no output elements": (lambda x: x[:0], [real(3)]),
    "complex to real": (lambda z: (z * z.conj()).real, [cplx(3)]),
    "complex to complex": (lambda z: z * z, [cplx(2, 2)]),
    "real to complex": (lambda x: (x * 1j).exp(), [real(3)]),
    "complex and real": (lambda z, w: (z * w, (z + w).abs()), [cplx(3), cplx(3)]),
    "constant": (lambda x: flambeau.ones(3, dtype=flambeau.float64), [real(3)]),
}


@both_modes
@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients(name, fast_mode):
    func, inputs = RIGHT[name]
    before = [x.clone() for x in inputs if isinstance(x, flambeau.Tensor)]
    assert gradcheck(func, inputs, fast_mode=fast_mode) is True
    after = [x for x in inputs if isinstance(x, flambeau.Tensor)]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


WRONG = {
    "factor": (lambda x: x * 2, lambda g, x: g * 3, real(3)),
    "small factor": (lambda x: x * 2, lambda g, x: g * 2.01, real(3)),
    "one element": (
        lambda x: x * 2,
        lambda g, x: g * flambeau.tensor([2, 2, 2.1], dtype=flambeau.float64),
        real(3),
    ),
    "complex": (lambda z: z * 2j, lambda g, z: g * 2j, cplx(2)),
    "complex input": (lambda z: z.abs(), lambda g, z: g * z, cplx(2)),
    "no gradient": (lambda x: x * 2, lambda g, x: None, real(3)),
}


@both_modes
@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients(name, fast_mode):
    forward_of, backward_of, x = WRONG[name]
    func = custom(forward_of, backward_of)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to"):
        gradcheck(func, x, fast_mode=fast_mode)
    assert gradcheck(func, x, fast_mode=fast_mode, raise_exception=False) is False


def test_the_message_shows_both_jacobians():
    func = custom(lambda x: x * 2, lambda g, x: g * 3)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x, y: (y, func(x)), (real(1), real(1)))
    assert str(caught.value) == (
        "Jacobian mismatch for output 1 with respect to input 0,\n"
        "numerical:tensor([[2.0000]], dtype=torch.float64)\n"
        "analytical:tensor([[3.]], dtype=torch.float64)\n"
    )


def test_the_message_of_the_fast_mode_shows_the_elements():
    func = custom(lambda x: x * 2, lambda g, x: g * 3)
    with pytest.raises(GradcheckError, match="largest difference of two elements is (1.0|0.99)"):
        gradcheck(func, real(2), fast_mode=True)


def test_the_message_names_the_part():
    func = custom(lambda z: z * 2j, lambda g, z: g * 2j)
    with pytest.raises(GradcheckError, match="the imaginary part of complex outputs only, Jac"):
        gradcheck(func, cplx(2))


def test_tolerances():
    func = custom(lambda x: x * 2, lambda g, x: g * 2.01)
    assert gradcheck(func, real(3), rtol=0.1)
    assert gradcheck(func, real(3), atol=0.1)
    # Differences over a large step see the curvature.
    x = flambeau.ones(2, dtype=flambeau.float64).requires_grad_()
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x**3, x, eps=0.5)


@both_modes
def test_a_detached_output_must_not_change(fast_mode):
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, real(3), fast_mode=fast_mode)


def test_backward_must_use_the_output_gradient():
    func = custom(lambda x: x * 2, lambda g, x: flambeau.full_like(g, 2))
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(func, real(1))
    nearly_zero = custom(lambda x: x * 2, lambda g, x: g * 2 + 1e-12)
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(nearly_zero, real(1))
    assert gradcheck(nearly_zero, real(1), masked=True, check_undefined_grad=False)


@both_modes
def test_nondeterminism(fast_mode):
    calls = []

    def backward_of(g, x):
        calls.append(g)
        return 2 * g * (1 + 1e-9 * (len(calls) % 2))

    func = custom(lambda x: x * 2, backward_of)
    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(func, real(3), fast_mode=fast_mode)
    assert gradcheck(func, real(3), fast_mode=fast_mode, nondet_tol=1e-6)


def fails_without_gradient(g, x):
    if g is None:
        raise RuntimeError("no gradient")
    return g * 2


@pytest.mark.parametrize(
    ("backward_of", "message"),
    [
        (fails_without_gradient, "handle undefined output grads"),
        (lambda g, x: x if g is None else g * 2, "undefined or zero when all output grads"),
    ],
)
def test_undefined_output_gradients(backward_of, message):
    func = custom(lambda x: x * 2, backward_of, materialize=False)
    with pytest.raises(GradcheckError, match=message):
        gradcheck(func, real(3))
    assert gradcheck(func, real(3), check_undefined_grad=False)


def test_each_output_gradient_can_be_undefined_alone():
    def backward_of(a, b, x):
        # Only the check for undefined gradients gives zeros to one output and nothing to the other.
        if a is None and b is not None and (b == 0).all():
            raise RuntimeError("the first alone")
        terms = [g * scale for g, scale in ((a, 2), (b, 3)) if g is not None]
        return sum(terms) if terms else None

    func = custom(lambda x: (x * 2, x * 3), backward_of, materialize=False)
    with pytest.raises(GradcheckError, match="handle undefined output grads"):
        gradcheck(func, real(3))


def test_gradient_dtypes():
    x = flambeau.randn(2).requires_grad_()
    assert gradcheck(lambda x: x.double() * 2, real(2), check_grad_dtypes=True)
    with pytest.warns(UserWarning, match="input 0 requires a gradient and has dtype torch.float32"):
        assert gradcheck(lambda x: x * 2, x, eps=1e-2, atol=1e-2, rtol=1e-2)


def test_outputs_keep_their_shape():
    x = flambeau.tensor([1.0, 1.0 - 1e-7], dtype=flambeau.float64).requires_grad_()
    with pytest.raises(AssertionError, match="when an input is perturbed by 1e-06"):
        gradcheck(lambda x: x[x > 1 - 1e-7 - 1e-9], x)
    assert (x == flambeau.tensor([1.0, 1.0 - 1e-7], dtype=flambeau.float64)).all()


def test_bad_inputs():
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(lambda x: x, flambeau.ones(2))
    expanded = flambeau.ones(1, dtype=flambeau.float64).expand(3).requires_grad_()
    with pytest.raises(RuntimeError, match="input 0 has a dimension with stride 0"):
        gradcheck(lambda x: x * 2, expanded)


def test_forward_over_reverse():
    assert gradgradcheck(lambda x: (x.sin(), x.prod()), real(3), check_fwd_over_rev=True)
    assert gradgradcheck(
        lambda x, y: x.exp() * y, (real(3), real(3)), check_fwd_over_rev=True, fast_mode=True
    )


def test_something_must_be_checked():
    with pytest.raises(AssertionError, match="check_forward_ad or check_backward_ad"):
        gradcheck(lambda x: x, real(2), check_backward_ad=False)
    with pytest.raises(AssertionError, match="check_fwd_over_rev or check_rev_over_rev"):
        gradgradcheck(lambda x: x, real(2), check_rev_over_rev=False)


@both_modes
@pytest.mark.parametrize("name", [name for name in RIGHT if name != "no output elements"])
def test_right_second_derivatives(name, fast_mode):
    func, inputs = RIGHT[name]
    assert gradgradcheck(func, inputs, fast_mode=fast_mode) is True


def test_output_gradients_of_the_second_derivative():
    func, x = lambda x: (x**3, x.exp()), real(3)
    given = (real(3), real(3))
    assert gradgradcheck(func, x, given)
    assert gradgradcheck(func, x, gen_non_contig_grad_outputs=True)
    with pytest.raises(RuntimeError):
        gradgradcheck(func, x, (real(4), real(3)))


@both_modes
def test_wrong_second_derivatives(fast_mode):
    # The first derivative is right; the graph behind it is not.
    func = custom(lambda x: x**2, lambda g, x: 2 * g * x.detach())
    assert gradcheck(func, real(3), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(func, real(3), fast_mode=fast_mode)
    assert gradgradcheck(func, real(3), fast_mode=fast_mode, raise_exception=False) is False


def test_the_random_stream_of_the_caller_is_left_alone():
    flambeau.manual_seed(1)
    expected = flambeau.rand(3)
    flambeau.manual_seed(1)
    gradcheck(lambda x: x * 2, flambeau.ones(2).double().requires_grad_(), fast_mode=True)
    assert (flambeau.rand(3) == expected).all()
