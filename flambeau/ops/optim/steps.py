"""Steps of further optimisers for all parameters of a group at once, as in `fused`: nothing is
written when an argument is wrong, and counters of steps are read, not advanced.
"""

from flambeau.ops.language import Error, check_written
from flambeau.ops.optim.fused import (
    check_companions,
    check_parameters,
    check_states,
    check_steps,
)
from flambeau.ops.record import structured
from flambeau.ops.samples import call, values

_DTYPES = frozenset({"float32", "float64"})
_LISTS = "(Tensor(a!)[] self, Tensor[] grads, "


def _step(name, lists, options):
    text = f"{name}{_LISTS}{lists}, *, {options}, bool maximize) -> ()"
    return structured(text, cpu=name.strip("_"), method=False)


def _sampled(handle, states, numbers, **options):
    """One step of two parameters: states of their shapes, then lists of single numbers."""
    lists = [[values(2, 3, low=0.1), values(3, low=0.1)] if state else [] for state in states]
    counts = [[values(low=1, high=2, dtype="float32") for _ in range(2)] for _ in range(numbers)]
    sample = call(
        [values(2, 3), values(3)],
        [values(2, 3), values(3)],
        *lists,
        *counts,
        maximize=False,
        **options,
    )
    handle.samples(sample, dtypes=_DTYPES)


def check_numbers(op, params, given):
    """A list beside the parameters of one number for each, which the step writes."""
    check_steps(op, params, given)
    for t in given:
        if not t.is_floating_point():
            raise Error(f"{op}: numbers in the state of a parameter must be floating point")
        check_written(op, t)


# ---- Adadelta


@_step(
    "_fused_adadelta_",
    "Tensor(b!)[] square_avgs, Tensor(c!)[] acc_deltas",
    "float lr, float rho, float weight_decay, float eps",
)
def _fused_adadelta_():
    """A step of Adadelta for all parameters.

    >>> w, g, square, moved = (flambeau.full((1,), x) for x in (1.0, 1.0, 0.0, 1.0))
    >>> flambeau._fused_adadelta_([w], [g], [square], [moved], lr=0.5, rho=0.0, weight_decay=0.0,
    ...                           eps=0.0, maximize=False)
    >>> w
    tensor([0.5000])
    """


@_fused_adadelta_.rule
def _(self, grads, square_avgs, acc_deltas):
    check_parameters("_fused_adadelta_", self)
    check_companions("_fused_adadelta_", self, grads, "grads")
    check_states("_fused_adadelta_", self, square_avgs, "square_avgs")
    check_states("_fused_adadelta_", self, acc_deltas, "acc_deltas")


_sampled(_fused_adadelta_, [True, True], 0, lr=1.0, rho=0.9, weight_decay=0.1, eps=1e-6)


# ---- Adamax


@_step(
    "_fused_adamax_",
    "Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_infs, Tensor[] state_steps",
    "float lr, float beta1, float beta2, float weight_decay, float eps",
)
def _fused_adamax_():
    """A step of Adamax for all parameters.

    >>> w, g, m, top = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1), flambeau.zeros(1)
    >>> flambeau._fused_adamax_([w], [g], [m], [top], [flambeau.ones(())], lr=0.5, beta1=0.9,
    ...                         beta2=0.9, weight_decay=0.0, eps=0.0, maximize=False)
    >>> w
    tensor([0.5000])
    """


@_fused_adamax_.rule
def _(self, grads, exp_avgs, exp_infs, state_steps):
    check_parameters("_fused_adamax_", self)
    check_companions("_fused_adamax_", self, grads, "grads")
    check_states("_fused_adamax_", self, exp_avgs, "exp_avgs")
    check_states("_fused_adamax_", self, exp_infs, "exp_infs")
    check_steps("_fused_adamax_", self, state_steps)


_sampled(_fused_adamax_, [True, True], 1, lr=0.1, beta1=0.9, beta2=0.99, weight_decay=0.1, eps=1e-8)


# ---- ASGD


@_step(
    "_fused_asgd_",
    "Tensor(b!)[] axs, Tensor(c!)[] mus, Tensor(d!)[] etas, Tensor[] state_steps",
    "float lambd, float lr, float t0, float alpha, float weight_decay",
)
def _fused_asgd_():
    """A step of averaged gradient descent for all parameters: ``etas`` and ``mus`` hold the size of
    the step and the weight of its result in the averages, and get those of the next.

    >>> w, g, mean = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1)
    >>> mu, eta, step = flambeau.ones(()), flambeau.full((), 0.5), flambeau.ones(())
    >>> flambeau._fused_asgd_([w], [g], [mean], [mu], [eta], [step], lambd=0.0, lr=0.5, t0=1e6,
    ...                       alpha=0.75, weight_decay=0.0, maximize=False)
    >>> w, mean
    (tensor([0.5000]), tensor([0.5000]))
    """


@_fused_asgd_.rule
def _(self, grads, axs, mus, etas, state_steps):
    check_parameters("_fused_asgd_", self)
    check_companions("_fused_asgd_", self, grads, "grads")
    check_states("_fused_asgd_", self, axs, "axs")
    check_numbers("_fused_asgd_", self, mus)
    check_numbers("_fused_asgd_", self, etas)
    check_steps("_fused_asgd_", self, state_steps)


_sampled(_fused_asgd_, [True], 3, lambd=1e-4, lr=0.1, t0=1.0, alpha=0.75, weight_decay=0.1)


# ---- NAdam and RAdam


@_step(
    "_fused_nadam_",
    "Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, Tensor(d!)[] mu_products, "
    "Tensor[] state_steps",
    "float lr, float beta1, float beta2, float weight_decay, float momentum_decay, float eps, "
    "bool decoupled_weight_decay",
)
def _fused_nadam_():
    """A step of NAdam for all parameters; ``mu_products`` are multiplied on.

    >>> w, g, m, v = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1), flambeau.zeros(1)
    >>> product, step = flambeau.ones(()), flambeau.ones(())
    >>> flambeau._fused_nadam_([w], [g], [m], [v], [product], [step], lr=0.5, beta1=0.0, beta2=0.9,
    ...                        weight_decay=0.0, momentum_decay=0.0, eps=0.0,
    ...                        decoupled_weight_decay=False, maximize=False)
    >>> w, product
    (tensor([0.5000]), tensor(0.))
    """


@_fused_nadam_.rule
def _(self, grads, exp_avgs, exp_avg_sqs, mu_products, state_steps):
    check_parameters("_fused_nadam_", self)
    check_companions("_fused_nadam_", self, grads, "grads")
    check_states("_fused_nadam_", self, exp_avgs, "exp_avgs")
    check_states("_fused_nadam_", self, exp_avg_sqs, "exp_avg_sqs")
    check_numbers("_fused_nadam_", self, mu_products)
    check_steps("_fused_nadam_", self, state_steps)


_sampled(
    _fused_nadam_,
    [True, True],
    2,
    lr=0.1,
    beta1=0.9,
    beta2=0.99,
    weight_decay=0.1,
    momentum_decay=4e-3,
    eps=1e-8,
    decoupled_weight_decay=False,
)


@_step(
    "_fused_radam_",
    "Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, Tensor[] state_steps",
    "float lr, float beta1, float beta2, float weight_decay, float eps, "
    "bool decoupled_weight_decay",
)
def _fused_radam_():
    """A step of RAdam for all parameters.

    >>> w, g, m, v = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1), flambeau.zeros(1)
    >>> flambeau._fused_radam_([w], [g], [m], [v], [flambeau.ones(())], lr=0.5, beta1=0.9,
    ...                        beta2=0.999, weight_decay=0.0, eps=1e-8,
    ...                        decoupled_weight_decay=False, maximize=False)
    >>> w
    tensor([0.5000])
    """


@_fused_radam_.rule
def _(self, grads, exp_avgs, exp_avg_sqs, state_steps):
    check_parameters("_fused_radam_", self)
    check_companions("_fused_radam_", self, grads, "grads")
    check_states("_fused_radam_", self, exp_avgs, "exp_avgs")
    check_states("_fused_radam_", self, exp_avg_sqs, "exp_avg_sqs")
    check_steps("_fused_radam_", self, state_steps)


_sampled(
    _fused_radam_,
    [True, True],
    1,
    lr=0.1,
    beta1=0.9,
    beta2=0.999,
    weight_decay=0.1,
    eps=1e-8,
    decoupled_weight_decay=False,
)


# ---- RMSprop


@_step(
    "_fused_rmsprop_",
    "Tensor(b!)[] square_avgs, Tensor(c!)[] grad_avgs, Tensor(d!)[] momentum_buffer_list",
    "float lr, float alpha, float eps, float weight_decay, float momentum, bool centered",
)
def _fused_rmsprop_():
    """A step of RMSprop for all parameters. ``grad_avgs`` are needed where ``centered``,
    ``momentum_buffer_list`` where there is momentum.

    >>> w, g, square = flambeau.ones(1), flambeau.ones(1), flambeau.zeros(1)
    >>> flambeau._fused_rmsprop_([w], [g], [square], [], [], lr=0.5, alpha=0.0, eps=0.0,
    ...                          weight_decay=0.0, momentum=0.0, centered=False, maximize=False)
    >>> w
    tensor([0.5000])
    """


@_fused_rmsprop_.rule
def _(self, grads, square_avgs, grad_avgs, momentum_buffer_list, momentum, centered):
    check_parameters("_fused_rmsprop_", self)
    check_companions("_fused_rmsprop_", self, grads, "grads")
    check_states("_fused_rmsprop_", self, square_avgs, "square_avgs")
    if centered:
        check_states("_fused_rmsprop_", self, grad_avgs, "grad_avgs")
    if momentum > 0:
        check_states("_fused_rmsprop_", self, momentum_buffer_list, "momentum_buffer_list")


_sampled(
    _fused_rmsprop_,
    [True, False, True],
    0,
    lr=0.1,
    alpha=0.9,
    eps=1e-8,
    weight_decay=0.1,
    momentum=0.9,
    centered=False,
)


# ---- Rprop


@_step(
    "_fused_rprop_",
    "Tensor(b!)[] prevs, Tensor(c!)[] step_sizes",
    "float step_size_min, float step_size_max, float etaminus, float etaplus",
)
def _fused_rprop_():
    """A step of Rprop for all parameters.

    >>> w, g, prev, size = flambeau.ones(1), flambeau.ones(1), flambeau.ones(1), flambeau.ones(1)
    >>> flambeau._fused_rprop_([w], [g], [prev], [size], step_size_min=1e-6, step_size_max=50.0,
    ...                        etaminus=0.5, etaplus=1.5, maximize=False)
    >>> w, size
    (tensor([-0.5000]), tensor([1.5000]))
    """


@_fused_rprop_.rule
def _(self, grads, prevs, step_sizes):
    check_parameters("_fused_rprop_", self)
    check_companions("_fused_rprop_", self, grads, "grads")
    check_states("_fused_rprop_", self, prevs, "prevs")
    check_states("_fused_rprop_", self, step_sizes, "step_sizes")


_sampled(
    _fused_rprop_,
    [True, True],
    0,
    step_size_min=1e-6,
    step_size_max=50.0,
    etaminus=0.5,
    etaplus=1.2,
)
