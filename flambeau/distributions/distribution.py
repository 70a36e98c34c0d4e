"""The base class of distributions."""

import warnings

import flambeau

from . import constraints
from .utils import absent, lazy_property

__all__ = ["Distribution"]


class Distribution:
    """A batch of probability distributions.

    A sample has the shape ``sample_shape + batch_shape + event_shape``: the batch is one of
    distributions with parameters of their own, which are independent of each other; an event is
    one draw from one of them.

    A subclass sets its parameters and then calls ``super().__init__(batch_shape, event_shape,
    validate_args)``, which checks them against ``arg_constraints``. ``_expands`` names the
    attributes whose shape begins with that of the batch, tensors and distributions, and ``_keeps``
    those that ``expand`` hands on as they are.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value):
        """Whether distributions check their arguments, where they are not told.

        Checks read all values. They are on unless Python runs with ``-O``.
        """
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(
        self, batch_shape=flambeau.Size(), event_shape=flambeau.Size(), validate_args=None
    ):
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self):
        try:
            arg_constraints = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set "
                "`arg_constraints = {}` or initialize the distribution with `validate_args=False` "
                "to turn off validation.",
                stacklevel=3,
            )
            return
        for name, constraint in arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue  # nobody can tell
            if name not in self.__dict__ and isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                continue  # follows from the others
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"{type(self).__name__}: Expected parameter {name} "
                    f"({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid "
                    f"values:\n{value}"
                )

    # ---- shapes

    @property
    def batch_shape(self):
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self):
        """The shape of one draw from one of them."""
        return self._event_shape

    def _extended_shape(self, sample_shape=flambeau.Size()):
        return flambeau.Size(sample_shape) + self._batch_shape + self._event_shape

    def expand(self, batch_shape, _instance=None):
        """The same distributions as a batch of this shape, to which theirs broadcasts.

        Parameters are expanded, not copied. A subclass with an ``__init__`` of its own has to
        define it, or ``_expands``.
        """
        owner = next((c for c in type(self).__mro__ if "_expands" in c.__dict__), None)
        if owner is None:
            absent(self, "expand")
        new = self._get_checked_instance(owner, _instance)
        batch_shape = flambeau.Size(batch_shape)
        for name in owner._expands:
            if name not in self.__dict__:
                continue
            value = self.__dict__[name]
            if isinstance(value, Distribution):
                new.__dict__[name] = value.expand(batch_shape)
            else:
                own = value.shape[len(self._batch_shape) :]
                new.__dict__[name] = value.expand(batch_shape + own)
        for name in owner._keeps:
            new.__dict__[name] = self.__dict__[name]
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    _keeps = ()

    def _get_checked_instance(self, cls, _instance=None):
        """A new object for ``expand`` of ``cls`` to fill, or the one that a subclass has made."""
        if _instance is not None:
            return _instance
        if type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"{type(self).__name__}: Subclass {type(self).__name__} of {cls.__name__} that "
                "defines a custom __init__ method must also define a custom .expand() method"
            )
        return self.__new__(type(self))

    # ---- what it is

    @property
    def arg_constraints(self):
        """The constraint of each parameter, by name."""
        absent(self, "arg_constraints")

    @property
    def support(self):
        """The constraint that samples satisfy."""
        absent(self, "support")

    @property
    def mean(self):
        """The means."""
        absent(self, "mean")

    @property
    def mode(self):
        """Where the densities are largest."""
        absent(self, "mode")

    @property
    def variance(self):
        """The variances."""
        absent(self, "variance")

    @property
    def stddev(self):
        """The standard deviations."""
        return self.variance.sqrt()

    def entropy(self):
        """The entropies, in nats."""
        absent(self, "entropy")

    def perplexity(self):
        """``exp`` of the entropies."""
        return self.entropy().exp()

    # ---- draws

    def sample(self, sample_shape=flambeau.Size()):
        """Draws, through which no gradient flows."""
        with flambeau.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=flambeau.Size()):
        """Draws as functions of the parameters, so that gradients flow to these."""
        absent(self, "rsample")

    def sample_n(self, n):
        """``sample((n,))``, which is the way to write it."""
        warnings.warn(
            "sample_n(n) will be deprecated. Use .sample((n,)) instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(flambeau.Size((n,)))

    def enumerate_support(self, expand=True):
        """All values of a discrete distribution along a new first dimension, expanded to the batch,
        or (``expand=False``) of size 1 there."""
        absent(self, "enumerate_support")

    # ---- of values

    def log_prob(self, value):
        """The logarithm of the density, or of the probability, at ``value``."""
        absent(self, "log_prob")

    def cdf(self, value):
        """The probability of draws up to ``value``."""
        absent(self, "cdf")

    def icdf(self, value):
        """Where the cdf reaches ``value``."""
        absent(self, "icdf")

    def _validate_sample(self, value):
        name = type(self).__name__
        if not isinstance(value, flambeau.Tensor):
            raise ValueError(f"{name}: The value argument to log_prob must be a Tensor")
        events = len(self._event_shape)
        right = value.shape[max(value.dim() - events, 0) :]
        if tuple(right) != tuple(self._event_shape):
            raise ValueError(
                f"{name}: The right-most size of value must match event_shape: {tuple(right)} vs "
                f"{tuple(self._event_shape)}"
            )
        expected = self._batch_shape + self._event_shape
        for given, wanted in zip(reversed(value.shape), reversed(expected), strict=False):
            if given != wanted and given != 1 and wanted != 1:
                raise ValueError(
                    f"{name}: Value is not broadcastable with batch_shape+event_shape: "
                    f"{tuple(value.shape)} vs {tuple(expected)}"
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"{name}: Expected value argument ({type(value).__name__} of shape "
                f"{tuple(value.shape)}) to be within the support ({support!r}) of the distribution "
                f"{self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self):
        names = [n for n in self.arg_constraints if n in self.__dict__]
        values = ((n, self.__dict__[n]) for n in names)
        shown = (f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in values)
        return f"{type(self).__name__}({', '.join(shown)})"
