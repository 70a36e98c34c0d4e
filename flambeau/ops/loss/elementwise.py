"""Losses that compare element by element, with their gradients.

Each is a formula for one element, a reduction, and a backward op that has a gradient itself.
"""

from flambeau.ops.language import (
    Error,
    broadcast,
    count,
    dtype_name,
    sum_to,
)
from flambeau.ops.loss.losses import MEAN, NONE, check_reduction
from flambeau.ops.record import BOOL, FLOATING, NUMERIC, REAL, composite, native, pointwise
from flambeau.ops.samples import call, np, special, values
from flambeau.ops.trace import f

NN = dict(module="_nn", method=False)
_PART = dict(function_variant=False, method=False, inplace=False, out=False, dtypes=FLOATING)
_BACKWARD = dict(function_variant=False, method=False, out=True, out_overload="grad_input")
_PAIR = "Tensor self, Tensor target"
_OTHERS = "Tensor self, Tensor other"  # of a formula


def reduced(each, reduction, ops):
    if reduction == NONE:
        return each
    return ops.mean(each) if reduction == MEAN else ops.sum(each)


def share(g, reduction, a, b, ops):
    """What each element's loss gets of the gradient of a loss of tensors of these shapes."""
    if reduction != MEAN:
        return g
    return ops.div_Scalar(g, float(count(broadcast(a, b, "loss"))))


def check_loss(op, self, target, reduction):
    check_reduction(op, reduction)
    if not self.is_floating_point():
        raise NotImplementedError(
            f"{op}: \"{op}_cpu\" not implemented for '{dtype_name(self.dtype)}': convert with "
            ".to(torch.float32)"
        )
    if target.is_complex():
        raise NotImplementedError(
            f"{op}: \"{op}_cpu\" not implemented for '{dtype_name(target.dtype)}' targets"
        )
    broadcast(self.shape, target.shape, op)


def _reduce(each, reduction):
    return each if reduction == 0 else np.mean(each) if reduction == 1 else np.sum(each)


def _cases(*more):
    """The calls of a loss: each reduction, with further arguments."""
    pair = (values(2, 3), values(2, 3))
    return (
        call(*pair, 1, *more),
        call(values(2, 1), values(3), 0, *more),
        call(*pair, 2, *more),
    )


def _backward_cases(*more):
    pair = (values(2, 3), values(2, 3))
    return call(values(), *pair, 1, *more), call(values(2, 3), *pair, 0, *more)


# ---- absolute differences


@composite(f"l1_loss({_PAIR}, int reduction=Mean) -> Tensor", **NN)
def l1_loss(self, target, reduction, ops):
    """The absolute difference: each (0), its mean (1) or its sum (2).

    >>> flambeau.nn.functional.l1_loss(flambeau.tensor([1., 2.]), flambeau.tensor([1., 4.]))
    tensor(1.)
    """
    check_reduction("l1_loss", reduction)
    return reduced(ops.abs(self - target), reduction, ops)


l1_loss.samples(*_cases()[:0:-1], dtypes=NUMERIC)
l1_loss.reference(lambda x, y, reduction=1: _reduce(abs(x - y), reduction))


# ---- smooth_l1_loss, huber_loss: a parabola near 0, lines beyond


def _bent(x, y, width, height):
    """0.5 d^2 / width * height up to width, and the line that goes on from there."""
    d = f.abs(x - y)
    near = 0.5 * d * d / width if height is None else 0.5 * d * d
    far = d - 0.5 * width if height is None else width * (d - 0.5 * width)
    return f.where(d < width, near, far)


@pointwise(f"_smooth_l1({_OTHERS}, float beta) -> Tensor", **_PART)
def _smooth_l1(self, other, beta):
    """The smooth absolute difference of elements."""
    return _bent(self, other, beta, None)


_smooth_l1.samples(call(values(2, 3), values(2, 3), 1.0), call(values(2, 1), values(3), 0.5))


@_smooth_l1.gradient
def _(g, self, other, beta):
    slope = _slope_of_bent(g, self, other, beta, None)
    return slope, -slope


def _slope_of_bent(g, x, y, width, height):
    d = x - y
    edge = g if height is None else g * width
    inner = g * d / width if height is None else g * d
    return f.where(d <= -width, -edge, f.where(d >= width, edge, inner))


@native(f"smooth_l1_loss({_PAIR}, int reduction=Mean, float beta=1.0) -> Tensor", out=True, **NN)
def smooth_l1_loss(self, target, reduction, beta, ops):
    """The absolute difference less ``beta / 2``; below ``beta`` a parabola.

    >>> flambeau.nn.functional.smooth_l1_loss(flambeau.tensor([0.5, 3.]), flambeau.zeros(2))
    tensor(1.3125)
    """
    check_loss("smooth_l1_loss", self, target, reduction)
    if not beta >= 0:
        raise Error(
            "smooth_l1_loss: smooth_l1_loss does not support negative values for beta, got "
            f"{beta:g}."
        )
    if beta == 0:
        return reduced(ops.abs(self - target), reduction, ops)
    return reduced(ops._smooth_l1(self, target, beta), reduction, ops)


smooth_l1_loss.samples(*_cases(1.0), *_cases(0.5), dtypes=FLOATING)
smooth_l1_loss.reference(
    lambda x, y, reduction=1, beta=1.0: _reduce(
        np.where(abs(x - y) < beta, 0.5 * (x - y) ** 2 / beta, abs(x - y) - beta / 2), reduction
    )
)
smooth_l1_loss.autocast("float32")


@smooth_l1_loss.gradient
def _(g, self, target, reduction, beta, ops):
    return (
        sum_to(ops.smooth_l1_loss_backward(g, self, target, reduction, beta), self.shape, ops),
        sum_to(ops.smooth_l1_loss_backward(g, target, self, reduction, beta), target.shape, ops),
    )


@pointwise(f"_smooth_l1_slope(Tensor grad_output, {_OTHERS}, float beta) -> Tensor", **_PART)
def _smooth_l1_slope(grad_output, self, other, beta):
    """The gradient of ``_smooth_l1``."""
    return _slope_of_bent(grad_output, self, other, beta, None)


_smooth_l1_slope.samples(call(values(2, 3), values(2, 3), values(2, 3), 0.5))


@_smooth_l1_slope.gradient
def _(g, grad_output, self, other, beta):
    slope = _slope_of_bent(g, self, other, beta, None)
    bend = f.where(f.abs(self - other) < beta, g * grad_output / beta, 0)
    return slope, bend, -bend


@composite(
    f"smooth_l1_loss_backward(Tensor grad_output, {_PAIR}, int reduction, float beta) -> Tensor",
    **_BACKWARD,
)
def smooth_l1_loss_backward(grad_output, self, target, reduction, beta, ops):
    """The gradient of ``smooth_l1_loss``."""
    check_loss("smooth_l1_loss_backward", self, target, reduction)
    own = share(grad_output, reduction, self.shape, target.shape, ops)
    if beta == 0:
        return own * ops.sign(self - target)
    return ops._smooth_l1_slope(own, self, target, beta)


smooth_l1_loss_backward.samples(*_backward_cases(0.5), dtypes=FLOATING)


@pointwise(f"_huber({_OTHERS}, float delta) -> Tensor", **_PART)
def _huber(self, other, delta):
    """Huber's loss of elements."""
    return _bent(self, other, delta, delta)


_huber.samples(call(values(2, 3), values(2, 3), 1.0), call(values(2, 1), values(3), 0.5))


@_huber.gradient
def _(g, self, other, delta):
    slope = _slope_of_bent(g, self, other, delta, delta)
    return slope, -slope


@native(f"huber_loss({_PAIR}, int reduction=Mean, float delta=1.0) -> Tensor", out=True, **NN)
def huber_loss(self, target, reduction, delta, ops):
    """Half the squared difference up to ``delta``, and a line from there on.

    >>> flambeau.nn.functional.huber_loss(flambeau.tensor([0.5, 3.]), flambeau.zeros(2))
    tensor(1.3125)
    """
    check_loss("huber_loss", self, target, reduction)
    if not delta > 0:
        raise Error(
            f"huber_loss: huber_loss does not support non-positive values for delta, got {delta:g}."
        )
    return reduced(ops._huber(self, target, delta), reduction, ops)


huber_loss.samples(*_cases(1.0), *_cases(0.5), dtypes=FLOATING)
huber_loss.reference(
    lambda x, y, reduction=1, delta=1.0: _reduce(
        np.where(abs(x - y) < delta, 0.5 * (x - y) ** 2, delta * (abs(x - y) - delta / 2)),
        reduction,
    )
)
huber_loss.autocast("float32")


@huber_loss.gradient
def _(g, self, target, reduction, delta, ops):
    return (
        sum_to(ops.huber_loss_backward(g, self, target, reduction, delta), self.shape, ops),
        sum_to(ops.huber_loss_backward(g, target, self, reduction, delta), target.shape, ops),
    )


@pointwise(f"_huber_slope(Tensor grad_output, {_OTHERS}, float delta) -> Tensor", **_PART)
def _huber_slope(grad_output, self, other, delta):
    """The gradient of ``_huber``."""
    return _slope_of_bent(grad_output, self, other, delta, delta)


_huber_slope.samples(call(values(2, 3), values(2, 3), values(2, 3), 0.5))


@_huber_slope.gradient
def _(g, grad_output, self, other, delta):
    slope = _slope_of_bent(g, self, other, delta, delta)
    bend = f.where(f.abs(self - other) < delta, g * grad_output, 0)
    return slope, bend, -bend


@composite(
    f"huber_loss_backward(Tensor grad_output, {_PAIR}, int reduction, float delta) -> Tensor",
    **{**_BACKWARD, "out_overload": "out"},
)
def huber_loss_backward(grad_output, self, target, reduction, delta, ops):
    """The gradient of ``huber_loss``."""
    check_loss("huber_loss_backward", self, target, reduction)
    own = share(grad_output, reduction, self.shape, target.shape, ops)
    return ops._huber_slope(own, self, target, delta)


huber_loss_backward.samples(*_backward_cases(0.5), dtypes=FLOATING)


# ---- soft_margin_loss


@pointwise(f"_soft_margin({_OTHERS}) -> Tensor", **_PART)
def _soft_margin(self, other):
    """``log(1 + exp(-other * self))``."""
    z = -other * self
    return f.at_least(z, 0) + f.log1p(f.exp(-f.abs(z)))


_soft_margin.reference(lambda x, y: np.log1p(np.exp(-x * y)))


@_soft_margin.gradient
def _(g, self, other):
    s = -g * f.sigmoid(-other * self)
    return s * other, s * self


@native(f"soft_margin_loss({_PAIR}, int reduction=Mean) -> Tensor", out=True, **NN)
def soft_margin_loss(self, target, reduction, ops):
    """``log(1 + exp(-target * self))`` for targets 1 and -1.

    >>> flambeau.nn.functional.soft_margin_loss(flambeau.zeros(2), flambeau.tensor([1., -1.]))
    tensor(0.6931)
    """
    check_loss("soft_margin_loss", self, target, reduction)
    return reduced(ops._soft_margin(self, target), reduction, ops)


soft_margin_loss.samples(
    call(values(2, 3), values(2, 3, constant=True)),
    call(values(2, 3), values(2, 3, constant=True), 0),
    call(values(2), values(2, constant=True), 2),
    dtypes=FLOATING,
)
soft_margin_loss.reference(
    lambda x, y, reduction=1: _reduce(np.log1p(np.exp(-x * y)), reduction), tolerance=8
)
soft_margin_loss.autocast("float32")


@soft_margin_loss.gradient
def _(g, self, target, reduction, ops):
    return ops.soft_margin_loss_backward(g, self, target, reduction)


@pointwise(f"_soft_margin_slope(Tensor grad_output, {_OTHERS}) -> Tensor", **_PART)
def _soft_margin_slope(grad_output, self, other):
    """The gradient of ``_soft_margin``."""
    return -grad_output * other * f.sigmoid(-other * self)


_soft_margin_slope.reference(lambda g, x, y: -g * y * special.expit(-y * x))


@_soft_margin_slope.gradient
def _(g, grad_output, self, other):
    s = f.sigmoid(-other * self)
    bend = g * grad_output * (s * (1 - s))
    of_other = bend * other * self - g * grad_output * s
    return -g * other * s, bend * other * other, of_other


@composite(
    f"soft_margin_loss_backward(Tensor grad_output, {_PAIR}, int reduction) -> Tensor", **_BACKWARD
)
def soft_margin_loss_backward(grad_output, self, target, reduction, ops):
    """The gradient of ``soft_margin_loss``."""
    check_loss("soft_margin_loss_backward", self, target, reduction)
    own = share(grad_output, reduction, self.shape, target.shape, ops)
    return ops._soft_margin_slope(own, self, target)


soft_margin_loss_backward.samples(*_backward_cases(), dtypes=FLOATING)


# ---- binary cross entropy, of probabilities


def _log_at_least(x, least):
    return f.maximum(f.log(x), least)


@pointwise(f"_bce({_OTHERS}) -> Tensor", **_PART)
def _bce(self, other):
    """The binary cross entropy of elements: logarithms end at -100."""
    rest = f.maximum(f.log1p(-self), -100)
    return (other - 1) * rest - other * _log_at_least(self, -100)


_bce.domain(self=(0.05, 0.95), other=(0, 1))


@_bce.gradient
def _(g, self, other):
    return _slope_of_bce(g, self, other), _slope_of_target(g, self)


def _slope_of_bce(g, x, y):
    return g * (x - y) / f.at_least((1 - x) * x, 1e-12)


def _slope_of_target(g, x):
    return g * f.minimum(f.maximum(f.log1p(-x) - f.log(x), -100), 100)


_BCE = f"{_PAIR}, Tensor? weight=None, int reduction=Mean"


def check_probable(op, target):
    if not target.is_floating_point():
        raise Error(
            f"{op}: targets are probabilities, and these are {dtype_name(target.dtype)}: convert "
            "with .to(torch.float32)"
        )


def check_bce(op, self, target, reduction):
    check_loss(op, self, target, reduction)
    if self.dtype != target.dtype:
        raise Error(
            f"{op}: Found dtype {dtype_name(target.dtype)} but expected {dtype_name(self.dtype)}: "
            "convert the target"
        )


def weighted(each, weight, ops):
    return each if weight is None else each * weight


@native(
    f"binary_cross_entropy({_BCE}) -> Tensor",
    out=True,
    checks_values=True,
    **NN,
)
def binary_cross_entropy(self, target, weight, reduction, ops):
    """``-(t log(p) + (1 - t) log(1 - p))`` for probabilities p and targets t.

    >>> flambeau.nn.functional.binary_cross_entropy(flambeau.full((2,), 0.5), flambeau.ones(2))
    tensor(0.6931)
    """
    check_bce("binary_cross_entropy", self, target, reduction)
    if not self.is_meta and self.numel() > 0:
        least, most = ops.aminmax(self)
        if not (float(least.item()) >= 0 and float(most.item()) <= 1):
            raise Error(
                "binary_cross_entropy: all elements of input should be between 0 and 1, got "
                f"{float(least.item()):g} to {float(most.item()):g}"
            )
    return reduced(weighted(ops._bce(self, target), weight, ops), reduction, ops)


_P = values(2, 3, low=0.05, high=0.95)
binary_cross_entropy.samples(
    call(_P, values(2, 3, low=0, high=1)),
    call(_P, values(2, 3, low=0, high=1), values(3, low=0.1, constant=True), 2),
    call(_P, values(2, 3, low=0, high=1), None, 0),
    dtypes=FLOATING,
)
binary_cross_entropy.reference(
    lambda p, t, weight=None, reduction=1: _reduce(
        -(t * np.log(p) + (1 - t) * np.log1p(-p)) * (1 if weight is None else weight), reduction
    ),
    tolerance=8,
)
binary_cross_entropy.autocast("float32")


@binary_cross_entropy.gradient
def _(g, self, target, weight, reduction, ops):
    return (
        ops.binary_cross_entropy_backward(g, self, target, weight, reduction),
        of_bce_target(g, self, target.shape, weight, reduction, ops),
    )


def of_bce_target(g, self, shape, weight, reduction, ops):
    own = weighted(share(g, reduction, self.shape, shape, ops), weight, ops)
    logs = ops.log1p(-self) - ops.log(self)
    return sum_to(own * ops.clamp(logs, -100, 100), shape, ops)


@composite(
    "binary_cross_entropy_backward(Tensor grad_output, Tensor self, Tensor target, "
    "Tensor? weight=None, int reduction=Mean) -> Tensor",
    **_BACKWARD,
)
def binary_cross_entropy_backward(grad_output, self, target, weight, reduction, ops):
    """The gradient of ``binary_cross_entropy``."""
    check_bce("binary_cross_entropy_backward", self, target, reduction)
    own = share(grad_output, reduction, self.shape, target.shape, ops)
    return ops._bce_slope(weighted(own, weight, ops), self, target)


binary_cross_entropy_backward.samples(
    call(values(), _P, values(2, 3, low=0, high=1), None, 1),
    call(values(2, 3), _P, values(2, 3, low=0, high=1), values(3, constant=True), 0),
    dtypes=FLOATING,
)


@pointwise(f"_bce_slope(Tensor grad_output, {_OTHERS}) -> Tensor", **_PART)
def _bce_slope(grad_output, self, other):
    """The gradient of ``_bce``."""
    return _slope_of_bce(grad_output, self, other)


_bce_slope.domain(self=(0.05, 0.95), other=(0, 1))


@_bce_slope.gradient
def _(g, grad_output, self, other):
    height = f.at_least((1 - self) * self, 1e-12)
    bend = (self * self - 2 * self * other + other) / (height * height)
    both = g * grad_output
    return _slope_of_bce(g, self, other), both * bend, -both / height


# ---- binary cross entropy, of scores


@pointwise(f"_bce_logits({_OTHERS}) -> Tensor", **_PART)
def _bce_logits(self, other):
    """``(1 - other) * self - log(sigmoid(self))``."""
    return _of_logits(self, other, None)


def _log_sigmoid(x):
    return f.at_most(x, 0) - f.log1p(f.exp(-f.abs(x)))


def _of_logits(x, y, pos_weight):
    log_p = _log_sigmoid(x)
    return (1 - y) * x - (log_p if pos_weight is None else ((pos_weight - 1) * y + 1) * log_p)


@_bce_logits.gradient
def _(g, self, other):
    return g * (f.sigmoid(self) - other), -g * self


@pointwise(f"_bce_logits_weighted({_OTHERS}, Tensor pos_weight) -> Tensor", **_PART)
def _bce_logits_weighted(self, other, pos_weight):
    """The same with a factor for what the other says is there."""
    return _of_logits(self, other, pos_weight)


@_bce_logits_weighted.gradient
def _(g, self, other, pos_weight):
    log_p = _log_sigmoid(self)
    scale = (pos_weight - 1) * other + 1
    of_self = g * (1 - other - scale * f.sigmoid(-self))
    return of_self, g * (-self - (pos_weight - 1) * log_p), -g * other * log_p


@native(
    f"binary_cross_entropy_with_logits({_PAIR}, Tensor? weight=None, Tensor? pos_weight=None, "
    "int reduction=Mean) -> Tensor",
    method=False,
)
def binary_cross_entropy_with_logits(self, target, weight, pos_weight, reduction, ops):
    """``binary_cross_entropy`` of ``sigmoid(self)``, accurate for scores of any size.

    >>> flambeau.binary_cross_entropy_with_logits(flambeau.zeros(2), flambeau.ones(2))
    tensor(0.6931)
    """
    check_loss("binary_cross_entropy_with_logits", self, target, reduction)
    check_probable("binary_cross_entropy_with_logits", target)
    if pos_weight is None:
        each = ops._bce_logits(self, target)
    else:
        each = ops._bce_logits_weighted(self, target, pos_weight)
    return reduced(weighted(each, weight, ops), reduction, ops)


binary_cross_entropy_with_logits.samples(
    call(values(2, 3), values(2, 3, low=0, high=1)),
    call(
        values(2, 3),
        values(2, 3, low=0, high=1),
        values(3, low=0.1, constant=True),
        values(3, low=0.5, constant=True),
        2,
    ),
    call(values(2, 3), values(2, 3, low=0, high=1), None, None, 0),
    dtypes=FLOATING,
)
binary_cross_entropy_with_logits.reference(
    lambda x, t, weight=None, pos_weight=None, reduction=1: _reduce(
        -(
            (1 if pos_weight is None else pos_weight) * t * np.log(special.expit(x))
            + (1 - t) * np.log(special.expit(-x))
        )
        * (1 if weight is None else weight),
        reduction,
    ),
    tolerance=8,
)
binary_cross_entropy_with_logits.autocast("float32")


@binary_cross_entropy_with_logits.gradient
def _(g, self, target, weight, pos_weight, reduction, ops):
    return (
        of_logits(g, self, target, weight, pos_weight, reduction, ops),
        of_logits_target(g, self, target, weight, pos_weight, reduction, ops),
    )


def of_logits(g, self, target, weight, pos_weight, reduction, ops):
    own = weighted(share(g, reduction, self.shape, target.shape, ops), weight, ops)
    if pos_weight is None:
        return sum_to(ops._bce_logits_slope(own, self, target), self.shape, ops)
    scale = ops.add_Scalar(ops.sub_Scalar(pos_weight, 1) * target, 1)
    kept = ops.rsub_Scalar(target, 1)
    return sum_to(own * (kept - scale * ops.sigmoid(-self)), self.shape, ops)


def of_logits_target(g, self, target, weight, pos_weight, reduction, ops):
    own = weighted(share(g, reduction, self.shape, target.shape, ops), weight, ops)
    if pos_weight is None:
        return sum_to(-(own * self), target.shape, ops)
    log_p = ops.log_sigmoid(self)
    return sum_to(own * (-self - ops.sub_Scalar(pos_weight, 1) * log_p), target.shape, ops)


@pointwise(f"_bce_logits_slope(Tensor grad_output, {_OTHERS}) -> Tensor", **_PART)
def _bce_logits_slope(grad_output, self, other):
    """The gradient of ``_bce_logits``."""
    return grad_output * (f.sigmoid(self) - other)


@_bce_logits_slope.gradient
def _(g, grad_output, self, other):
    s = f.sigmoid(self)
    both = g * grad_output
    return g * (s - other), both * (s * (1 - s)), -both


# ---- divergences and likelihoods


@pointwise(f"_kl({_OTHERS}) -> Tensor", **_PART)
def _kl(self, other):
    """``other * (log(other) - self)``."""
    return f.where(other == 0, 0, other * f.log(other)) - other * self


_kl.domain(other=(0.1, 1.0))


@_kl.gradient
def _(g, self, other):
    return -g * other, g * (f.log(other) + 1 - self)


@composite(f"kl_div({_PAIR}, int reduction=Mean, *, bool log_target=False) -> Tensor", method=False)
def kl_div(self, target, reduction, log_target, ops):
    """The divergence of Kullback and Leibler, of log-probabilities ``self`` from ``target``.

    >>> flambeau.kl_div(flambeau.zeros(2), flambeau.ones(2))
    tensor(0.)
    """
    check_loss("kl_div", self, target, reduction)
    check_probable("kl_div", target)
    each = ops.exp(target) * (target - self) if log_target else ops._kl(self, target)
    return reduced(each, reduction, ops)


kl_div.samples(
    call(values(2, 3), values(2, 3, low=0.1, high=1)),
    call(values(2, 3), values(2, 3), 2, log_target=True),
    call(values(2, 3), values(2, 3, low=0.1, high=1), 0),
    dtypes=FLOATING,
)
kl_div.reference(
    lambda x, t, reduction=1, log_target=False: _reduce(
        np.exp(t) * (t - x) if log_target else t * (np.log(t) - x), reduction
    ),
    tolerance=8,
)


@composite(
    "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, "
    "int reduction) -> Tensor",
    method=False,
)
def poisson_nll_loss(input, target, log_input, full, eps, reduction, ops):
    """The negative log-likelihood of counts under Poisson distributions of rate ``input``, or of
    rate ``exp(input)``.

    >>> flambeau.poisson_nll_loss(flambeau.zeros(2), flambeau.ones(2), True, False, 1e-8, 1)
    tensor(1.)
    """
    check_reduction("poisson_nll_loss", reduction)
    if input.is_complex() or target.is_complex():
        raise NotImplementedError(
            'poisson_nll_loss: "poisson_nll_loss_cpu" not implemented for complex numbers'
        )
    if log_input:
        each = ops.exp(input) - target * input
    else:
        each = input - target * ops.log(ops.add_Scalar(input, eps))
    if full:
        rest = target * ops.log(target) - target
        stirling = rest + ops.mul_Scalar(ops.log(ops.mul_Scalar(target, 6.283185307179586)), 0.5)
        each = each + ops.masked_fill_Scalar(stirling, ops.le_Scalar(target, 1), 0)
    return reduced(each, reduction, ops)


poisson_nll_loss.samples(
    call(values(2, 3), values(2, 3, low=1.5, high=4), True, True, 1e-8, 1),
    call(values(2, 3, low=0.1), values(2, 3, low=0.1), False, False, 1e-8, 0),
    dtypes=REAL | BOOL,
)

for _op in (
    l1_loss,
    smooth_l1_loss_backward,
    huber_loss_backward,
    soft_margin_loss_backward,
    binary_cross_entropy_backward,
    kl_div,
    poisson_nll_loss,
):
    _op.without("benchmark")

for _op in (
    smooth_l1_loss,
    huber_loss,
    soft_margin_loss,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
):
    _op.without("jvp", "batching", "benchmark")
