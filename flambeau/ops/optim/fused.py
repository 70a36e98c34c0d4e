"""Steps of optimisers for all parameters of a group at once. Nothing is written when an argument is
wrong. Counters of steps are read, not advanced: the caller has counted this step already.

``grad_scale`` divides the gradients first, in place; with ``found_inf`` 1 nothing is done.
"""

from flambeau.ops.record import native
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


def _step(text, cxx):
    return native(text, cxx=cxx, method=False)


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


@_step("_fused_adam_.tensor_lr" + _ADAM.format(lr="Tensor"), "fused_adam_tensor_lr")
def _fused_adam_tensor_lr():
    """The step size as a tensor."""


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


@_step("_fused_adamw_.tensor_lr" + _ADAM.format(lr="Tensor"), "fused_adamw_tensor_lr")
def _fused_adamw_tensor_lr():
    """The step size as a tensor."""


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


@_step("_fused_sgd_.tensor_lr" + _SGD.format(lr="Tensor"), "fused_sgd_tensor_lr")
def _fused_sgd_tensor_lr():
    """The step size as a tensor."""


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


@_step(
    "_fused_adagrad_.tensor_lr" + _ADAGRAD.format(lr="Tensor", steps="Tensor"),
    "fused_adagrad_tensor_lr",
)
def _fused_adagrad_tensor_lr():
    """The step size as a tensor."""


_sampled(_fused_adagrad_tensor_lr, "adagrad", lr=values(low=0.1, high=0.2, dtype="float64"))
