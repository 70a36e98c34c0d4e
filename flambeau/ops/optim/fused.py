"""Steps of optimisers for all parameters of a group at once. Nothing is written when an argument is
wrong. Counters of steps are read, not advanced: the caller has counted this step already.

``grad_scale`` divides the gradients first, in place; with ``found_inf`` 1 nothing is done.
"""

from flambeau.ops.language import Error, check_written, dtype_name, dtypes, same, show
from flambeau.ops.record import native, structured
from flambeau.ops.samples import call, values

_SCALER = "Tensor? grad_scale=None, Tensor? found_inf=None) -> ()"
_ADAM = (
    "(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] exp_avgs, Tensor(d!)[] exp_avg_sqs, "
    "Tensor(e!)[] max_exp_avg_sqs, Tensor[] state_steps, *, {lr} lr, float beta1, float beta2, "
    "float weight_decay, float eps, bool amsgrad, bool maximize, " + _SCALER
)
_SGD = (
    "(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] momentum_buffer_list, *, "
    "float weight_decay, float momentum, {lr} lr, float dampening, bool nesterov, bool maximize, "
    "bool is_first_step, " + _SCALER
)
_ADAGRAD = (
    "(Tensor(a!)[] self, Tensor(b!)[] grads, Tensor(c!)[] state_sums, {steps}[] state_steps, *, "
    "{lr} lr, float lr_decay, float weight_decay, float eps, bool maximize, " + _SCALER
)


_DTYPES = frozenset({"float32", "float64"})
_RATES = {"lr": 0.1, "weight_decay": 0.1, "maximize": False}
_FORMS = {
    "adam": (3, _RATES | {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "amsgrad": False}),
    "sgd": (2, _RATES | {"momentum": 0.9, "dampening": 0.1, "nesterov": False}),
    "adagrad": (2, _RATES | {"lr_decay": 0.01, "eps": 1e-10}),
}


def _sampled(handle, form: str, **changes) -> None:
    """One step of two parameters, with state that can have come from steps before."""
    count, options = _FORMS[form]
    weights = [values(2, 3), values(3)]
    state = [[values(2, 3, low=0.1), values(3, low=0.1)] for _ in range(count)]
    steps = [values(low=1, high=2, dtype="float32") for _ in weights]
    further = {"adam": [[], steps], "adagrad": [steps], "sgd": []}[form]
    if form == "sgd":
        changes["is_first_step"] = False
    sample = call(weights, *state, *further, **(options | changes))
    handle.samples(sample, dtypes=_DTYPES)


def _step(text, cpu):
    return structured(text, cpu=cpu, method=False)


# ---- what is looked at first


def check_parameters(op, params):
    for p in params:
        if p.dtype != dtypes.float32 and p.dtype != dtypes.float64:
            raise Error(f"{op}: parameters must be float32 or float64, got {dtype_name(p.dtype)}")
        if p.device != params[0].device:
            raise Error(
                f"{op}: parameters must be on one device, got {params[0].device} and {p.device}"
            )
        check_written(op, p)


def check_companions(op, params, given, name):
    """A list beside the parameters: one of each shape."""
    if len(given) != len(params):
        raise Error(
            f"{op}: got {len(params)} parameters, but {len(given)} {name}: the lists must have the "
            "same length"
        )
    for i, t in enumerate(given):
        p = params[i]
        if not same(p.shape, t.shape) or p.device != t.device:
            raise Error(
                f"{op}: {name} of shape {show(t.shape)} on {t.device} does not fit a parameter of "
                f"shape {show(p.shape)} on {p.device}: shape and device must be the same"
            )
        if not t.is_floating_point():
            raise Error(f"{op}: {name} must be floating point, got {dtype_name(t.dtype)}")


def check_states(op, params, given, name):
    """A list beside the parameters that the step writes."""
    check_companions(op, params, given, name)
    for t in given:
        check_written(op, t)


def check_steps(op, params, steps):
    if len(steps) != len(params):
        raise Error(
            f"{op}: got {len(params)} parameters, but {len(steps)} state_steps: the lists must "
            "have the same length"
        )
    for step in steps:
        if step.numel() != 1:
            raise Error(f"{op}: each of state_steps must have one element")


def check_number(op, t, name):
    if t.numel() != 1:
        raise Error(f"{op}: {name} must have one element, got shape {show(t.shape)}")


def check_scaler(op, params, grads, grad_scale, found_inf):
    """The gradients, which are written where there is a scale."""
    if grad_scale is not None:
        check_number(op, grad_scale, "grad_scale")
        check_states(op, params, grads, "grads")
    else:
        check_companions(op, params, grads, "grads")
    if found_inf is not None:
        check_number(op, found_inf, "found_inf")


def rule_of_adam(op):
    def rule(
        self,
        grads,
        exp_avgs,
        exp_avg_sqs,
        max_exp_avg_sqs,
        state_steps,
        amsgrad,
        grad_scale,
        found_inf,
    ):
        check_parameters(op, self)
        check_scaler(op, self, grads, grad_scale, found_inf)
        check_states(op, self, exp_avgs, "exp_avgs")
        check_states(op, self, exp_avg_sqs, "exp_avg_sqs")
        if amsgrad:
            check_states(op, self, max_exp_avg_sqs, "max_exp_avg_sqs")
        check_steps(op, self, state_steps)

    return rule


def rate_of(op, lr):
    """The step size that a tensor holds."""
    if lr.numel() != 1:
        raise Error(f"{op}: lr must be a tensor of one element, got shape {show(lr.shape)}")
    return float(lr.item())


@_step("_fused_adam_" + _ADAM.format(lr="float"), "fused_adam")
def _fused_adam_():
    """A step of Adam for all parameters.

    >>> w, g = flambeau.ones(1), flambeau.ones(1)
    >>> m, v, step = flambeau.zeros(1), flambeau.zeros(1), flambeau.ones(())
    >>> flambeau._fused_adam_([w], [g], [m], [v], [], [step], lr=0.1, beta1=0.9, beta2=0.999,
    ...                       weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False)
    >>> w
    tensor([0.9000])
    """


_sampled(_fused_adam_, "adam")


_fused_adam_.rule(rule_of_adam("_fused_adam_"))


@native("_fused_adam_.tensor_lr" + _ADAM.format(lr="Tensor"), method=False)
def _fused_adam_tensor_lr(
    self,
    grads,
    exp_avgs,
    exp_avg_sqs,
    max_exp_avg_sqs,
    state_steps,
    lr,
    beta1,
    beta2,
    weight_decay,
    eps,
    amsgrad,
    maximize,
    grad_scale,
    found_inf,
    ops,
):
    """The step size as a tensor."""
    rate = rate_of("_fused_adam_", lr)
    ops._fused_adam_(
        self,
        grads,
        exp_avgs,
        exp_avg_sqs,
        max_exp_avg_sqs,
        state_steps,
        rate,
        beta1,
        beta2,
        weight_decay,
        eps,
        amsgrad,
        maximize,
        grad_scale,
        found_inf,
    )


_sampled(_fused_adam_tensor_lr, "adam", lr=values(low=0.1, high=0.2, dtype="float64"))


@_step("_fused_adamw_" + _ADAM.format(lr="float"), "fused_adamw")
def _fused_adamw_():
    """A step of Adam that shrinks the parameters directly.

    >>> w, g = flambeau.ones(1), flambeau.zeros(1)
    >>> m, v, step = flambeau.zeros(1), flambeau.zeros(1), flambeau.ones(())
    >>> flambeau._fused_adamw_([w], [g], [m], [v], [], [step], lr=0.1, beta1=0.9, beta2=0.999,
    ...                        weight_decay=0.5, eps=1e-8, amsgrad=False, maximize=False)
    >>> w
    tensor([0.9500])
    """


_sampled(_fused_adamw_, "adam")


_fused_adamw_.rule(rule_of_adam("_fused_adamw_"))


@native("_fused_adamw_.tensor_lr" + _ADAM.format(lr="Tensor"), method=False)
def _fused_adamw_tensor_lr(
    self,
    grads,
    exp_avgs,
    exp_avg_sqs,
    max_exp_avg_sqs,
    state_steps,
    lr,
    beta1,
    beta2,
    weight_decay,
    eps,
    amsgrad,
    maximize,
    grad_scale,
    found_inf,
    ops,
):
    """The step size as a tensor."""
    rate = rate_of("_fused_adamw_", lr)
    ops._fused_adamw_(
        self,
        grads,
        exp_avgs,
        exp_avg_sqs,
        max_exp_avg_sqs,
        state_steps,
        rate,
        beta1,
        beta2,
        weight_decay,
        eps,
        amsgrad,
        maximize,
        grad_scale,
        found_inf,
    )


_sampled(_fused_adamw_tensor_lr, "adam", lr=values(low=0.1, high=0.2, dtype="float64"))


@_step("_fused_sgd_" + _SGD.format(lr="float"), "fused_sgd")
def _fused_sgd_():
    """A step of gradient descent for all parameters, with buffers where there is momentum.

    >>> w, g = flambeau.ones(1), flambeau.ones(1)
    >>> flambeau._fused_sgd_([w], [g], [], weight_decay=0.0, momentum=0.0, lr=0.1, dampening=0.0,
    ...                      nesterov=False, maximize=False, is_first_step=True)
    >>> w
    tensor([0.9000])
    """


_sampled(_fused_sgd_, "sgd")


@_fused_sgd_.rule
def _(self, grads, momentum_buffer_list, momentum, grad_scale, found_inf):
    check_parameters("_fused_sgd_", self)
    check_scaler("_fused_sgd_", self, grads, grad_scale, found_inf)
    if len(momentum_buffer_list) > 0:
        check_states("_fused_sgd_", self, momentum_buffer_list, "momentum_buffer_list")
    elif momentum != 0:
        raise Error(f"_fused_sgd_: a momentum of {momentum:g} needs momentum_buffer_list")


@native("_fused_sgd_.tensor_lr" + _SGD.format(lr="Tensor"), method=False)
def _fused_sgd_tensor_lr(
    self,
    grads,
    momentum_buffer_list,
    weight_decay,
    momentum,
    lr,
    dampening,
    nesterov,
    maximize,
    is_first_step,
    grad_scale,
    found_inf,
    ops,
):
    """The step size as a tensor."""
    rate = rate_of("_fused_sgd_", lr)
    ops._fused_sgd_(
        self,
        grads,
        momentum_buffer_list,
        weight_decay,
        momentum,
        rate,
        dampening,
        nesterov,
        maximize,
        is_first_step,
        grad_scale,
        found_inf,
    )


_sampled(_fused_sgd_tensor_lr, "sgd", lr=values(low=0.1, high=0.2, dtype="float64"))


@_step("_fused_adagrad_" + _ADAGRAD.format(lr="float", steps="Tensor(d!)"), "fused_adagrad")
def _fused_adagrad_():
    """A step of Adagrad for all parameters.

    >>> w, g, total, step = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1), flambeau.ones(())
    >>> flambeau._fused_adagrad_([w], [g], [total], [step], lr=0.1, lr_decay=0.0, weight_decay=0.0,
    ...                          eps=1e-10, maximize=False)
    >>> w
    tensor([0.9000])
    """


_sampled(_fused_adagrad_, "adagrad")


@_fused_adagrad_.rule
def _(self, grads, state_sums, state_steps, grad_scale, found_inf):
    check_parameters("_fused_adagrad_", self)
    check_scaler("_fused_adagrad_", self, grads, grad_scale, found_inf)
    check_states("_fused_adagrad_", self, state_sums, "state_sums")
    check_steps("_fused_adagrad_", self, state_steps)


@native(
    "_fused_adagrad_.tensor_lr" + _ADAGRAD.format(lr="Tensor", steps="Tensor"),
    method=False,
)
def _fused_adagrad_tensor_lr(
    self,
    grads,
    state_sums,
    state_steps,
    lr,
    lr_decay,
    weight_decay,
    eps,
    maximize,
    grad_scale,
    found_inf,
    ops,
):
    """The step size as a tensor."""
    rate = rate_of("_fused_adagrad_", lr)
    ops._fused_adagrad_(
        self,
        grads,
        state_sums,
        state_steps,
        rate,
        lr_decay,
        weight_decay,
        eps,
        maximize,
        grad_scale,
        found_inf,
    )


_sampled(_fused_adagrad_tensor_lr, "adagrad", lr=values(low=0.1, high=0.2, dtype="float64"))
