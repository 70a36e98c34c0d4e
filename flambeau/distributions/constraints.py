"""Sets of tensors: what parameters may be, and where samples lie.

A constraint says of each event of a tensor whether it lies in the set. Its ``event_dim`` tells how
many dimensions on the right make an event; ``check`` gives a boolean for each.

>>> positive.check(flambeau.tensor([-1.0, 2.0]))
tensor([False,  True])
>>> simplex.check(flambeau.tensor([[0.25, 0.75], [0.5, 1.0]]))
tensor([ True, False])
"""

import flambeau

from .utils import absent

__all__ = [
    "Constraint",
    "MixtureSameFamilyConstraint",
    "boolean",
    "cat",
    "corr_cholesky",
    "dependent",
    "dependent_property",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "is_dependent",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "positive_semidefinite",
    "real",
    "real_vector",
    "simplex",
    "square",
    "stack",
    "symmetric",
    "unit_interval",
]

_NEAR = 1e-6  # how far sums of probabilities, and mirrored elements, may be off


class Constraint:
    """A set of tensors.

    Attributes:
        is_discrete: whether it is a set of separate points.
        event_dim: how many dimensions on the right make one event.
    """

    is_discrete = False
    event_dim = 0

    def check(self, value):
        """A boolean for each event of ``value``: is it in the set?"""
        absent(self, "check")

    def __repr__(self):
        return f"{_short(self)}()"


def _short(constraint):
    return type(constraint).__name__.removeprefix("_")


class _Bounded(Constraint):
    """One that is told by numbers or tensors."""

    _bounds = ()

    def __init__(self, *bounds):
        for name, value in zip(self._bounds, bounds, strict=True):
            setattr(self, name, value)
        super().__init__()

    def __repr__(self):
        bounds = ", ".join(f"{name}={getattr(self, name)}" for name in self._bounds)
        return f"{_short(self)}({bounds})"


# ---- what depends on other parameters


def _declared(constraint, field):
    value = constraint.__dict__[field]
    if value is NotImplemented:
        raise NotImplementedError(
            f"{type(constraint).__name__}: {field.lstrip('_')} cannot be told before the "
            "distribution is made"
        )
    return value


class _Dependent(Constraint):
    """One that other parameters decide."""

    def __init__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        self._is_discrete = is_discrete
        self._event_dim = event_dim
        super().__init__()

    @property
    def is_discrete(self):
        return _declared(self, "_is_discrete")

    @property
    def event_dim(self):
        return _declared(self, "_event_dim")

    def __call__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        """The same, with what is known about it."""
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, x):
        raise ValueError(
            "constraints.dependent: cannot tell what satisfies a constraint that depends on "
            "other parameters; ask the distribution's own support or arg_constraints"
        )


def is_dependent(constraint):
    """Whether other parameters decide what is in the set.

    >>> is_dependent(flambeau.distributions.Uniform.support)
    True
    """
    return isinstance(constraint, _Dependent)


class _DependentProperty(property, _Dependent):
    """A property of an object that is a dependent constraint of its class.

    >>> class Below(flambeau.distributions.Distribution):
    ...     @dependent_property(is_discrete=False, event_dim=0)
    ...     def support(self):
    ...         return interval(0.0, self.high)
    >>> Below.support.event_dim
    0
    """

    def __init__(self, fn=None, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        property.__init__(self, fn)
        _Dependent.__init__(self, is_discrete=is_discrete, event_dim=event_dim)

    def __call__(self, fn):
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


# ---- of others


class _IndependentConstraint(Constraint):
    """Events of another constraint, ``reinterpreted_batch_ndims`` more dimensions to each."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        if not isinstance(base_constraint, Constraint):
            raise AssertionError(
                f"constraints.independent: expected a Constraint, got {base_constraint!r}"
            )
        if not isinstance(reinterpreted_batch_ndims, int) or reinterpreted_batch_ndims < 0:
            raise AssertionError(
                "constraints.independent: reinterpreted_batch_ndims must be an integer of at "
                f"least 0, got {reinterpreted_batch_ndims!r}"
            )
        self.base_constraint = base_constraint
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        super().__init__()

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value):
        result = self.base_constraint.check(value)
        kept = result.dim() - self.reinterpreted_batch_ndims
        if kept < 0:
            raise ValueError(
                f"{self}: expected value.dim() >= {self.event_dim} but got {value.dim()}"
            )
        return _all(result, kept)

    def __repr__(self):
        return f"{_short(self)}({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


def _all(result, kept):
    """Whether all hold beyond the first ``kept`` dimensions."""
    return result if result.dim() == kept else result.flatten(kept).all(-1)


class MixtureSameFamilyConstraint(Constraint):
    """What lies in the support of every component, whose dimension is left of the event's.

    >>> MixtureSameFamilyConstraint(real).check(flambeau.tensor([1.0, float("nan")]))
    tensor([ True, False])
    """

    def __init__(self, base_constraint):
        if not isinstance(base_constraint, Constraint):
            raise AssertionError(
                f"MixtureSameFamilyConstraint: expected a Constraint, got {base_constraint!r}"
            )
        self.base_constraint = base_constraint
        super().__init__()

    @property
    def is_discrete(self):
        return self.base_constraint.is_discrete

    @property
    def event_dim(self):
        return self.base_constraint.event_dim

    def check(self, value):
        kept = value.dim() - self.event_dim
        if kept < 0:
            raise ValueError(
                f"{self}: expected value.dim() >= {self.event_dim} but got {value.dim()}"
            )
        return _all(self.base_constraint.check(value.unsqueeze(-1 - self.event_dim)), kept)

    def __repr__(self):
        return f"{type(self).__name__}({self.base_constraint!r})"


# ---- numbers


class _Boolean(Constraint):
    """0 and 1."""

    is_discrete = True

    def check(self, value):
        return (value == 0) | (value == 1)


class _IntegerInterval(_Bounded):
    """Integers from ``lower_bound`` to ``upper_bound``, both included."""

    is_discrete = True
    _bounds = ("lower_bound", "upper_bound")

    def check(self, value):
        whole = value % 1 == 0
        return whole & (value >= self.lower_bound) & (value <= self.upper_bound)


class _IntegerLessThan(_Bounded):
    """Integers up to ``upper_bound``."""

    is_discrete = True
    _bounds = ("upper_bound",)

    def check(self, value):
        return (value % 1 == 0) & (value <= self.upper_bound)


class _IntegerGreaterThan(_Bounded):
    """Integers from ``lower_bound`` on."""

    is_discrete = True
    _bounds = ("lower_bound",)

    def check(self, value):
        return (value % 1 == 0) & (value >= self.lower_bound)


class _Real(Constraint):
    """All but NaN."""

    def check(self, value):
        return value == value


class _GreaterThan(_Bounded):
    """Above ``lower_bound``."""

    _bounds = ("lower_bound",)

    def check(self, value):
        return self.lower_bound < value


class _GreaterThanEq(_Bounded):
    """``lower_bound`` and above."""

    _bounds = ("lower_bound",)

    def check(self, value):
        return self.lower_bound <= value


class _LessThan(_Bounded):
    """Below ``upper_bound``."""

    _bounds = ("upper_bound",)

    def check(self, value):
        return value < self.upper_bound


class _Interval(_Bounded):
    """From ``lower_bound`` to ``upper_bound``, both included."""

    _bounds = ("lower_bound", "upper_bound")

    def check(self, value):
        return (self.lower_bound <= value) & (value <= self.upper_bound)


class _HalfOpenInterval(_Bounded):
    """From ``lower_bound`` on, below ``upper_bound``."""

    _bounds = ("lower_bound", "upper_bound")

    def check(self, value):
        return (self.lower_bound <= value) & (value < self.upper_bound)


# ---- vectors


class _OneHot(Constraint):
    """Vectors of zeros and a single one."""

    is_discrete = True
    event_dim = 1

    def check(self, value):
        return boolean.check(value).all(-1) & (value.sum(-1) == 1)


class _Simplex(Constraint):
    """Vectors of numbers of at least 0 that sum to 1."""

    event_dim = 1

    def check(self, value):
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < _NEAR)


class _Multinomial(Constraint):
    """Vectors of counts that sum to ``upper_bound`` or less."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, x):
        return (x >= 0).all(-1) & (x.sum(-1) <= self.upper_bound)


# ---- matrices


class _LowerTriangular(Constraint):
    """Square matrices that are 0 above the diagonal."""

    event_dim = 2

    def check(self, value):
        return (value.tril() == value).flatten(-2).all(-1)


class _LowerCholesky(Constraint):
    """Lower triangular matrices with a positive diagonal."""

    event_dim = 2

    def check(self, value):
        return lower_triangular.check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(Constraint):
    """Lower triangular matrices with a positive diagonal whose rows have length 1."""

    event_dim = 2

    def check(self, value):
        tolerance = 10 * value.shape[-1] * flambeau.finfo(value.dtype).eps
        lengths = value.square().sum(-1)
        return lower_cholesky.check(value) & ((lengths - 1).abs() <= tolerance).all(-1)


class _Square(Constraint):
    """Square matrices."""

    event_dim = 2

    def check(self, value):
        holds = value.shape[-1] == value.shape[-2]
        return flambeau.full(value.shape[:-2], holds, dtype=flambeau.bool, device=value.device)


class _Symmetric(_Square):
    """Matrices that equal their transpose."""

    def check(self, value):
        square = super().check(value)
        if not square.all():
            return square
        return flambeau.isclose(value, value.mT, atol=_NEAR).flatten(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    """Symmetric matrices without a negative eigenvalue."""

    def check(self, value):
        symmetric = super().check(value)
        if not symmetric.all():
            return symmetric
        return (flambeau.linalg.eigvalsh(value) >= 0).all(-1)


class _PositiveDefinite(_Symmetric):
    """Symmetric matrices whose eigenvalues are positive."""

    def check(self, value):
        symmetric = super().check(value)
        if not symmetric.all():
            return symmetric
        return flambeau.linalg.cholesky_ex(value).info == 0


# ---- parts


class _Cat(Constraint):
    """Each piece along ``dim`` in a constraint of its own; the pieces have these ``lengths``."""

    def __init__(self, cseq, dim=0, lengths=None):
        self.cseq = list(cseq)
        if not all(isinstance(c, Constraint) for c in self.cseq):
            raise AssertionError(f"constraints.cat: expected constraints, got {self.cseq}")
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(
                f"constraints.cat: {len(self.cseq)} constraints have {len(self.lengths)} lengths"
            )
        self.dim = dim
        super().__init__()

    @property
    def is_discrete(self):
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self):
        return max(c.event_dim for c in self.cseq)

    def check(self, value):
        _check_dim("cat", self.dim, value)
        pieces, start = [], 0
        for constraint, length in zip(self.cseq, self.lengths, strict=True):
            pieces.append(constraint.check(value.narrow(self.dim, start, length)))
            start += length
        return flambeau.cat(pieces, self.dim)


class _Stack(Constraint):
    """Each slice along ``dim`` in a constraint of its own."""

    def __init__(self, cseq, dim=0):
        self.cseq = list(cseq)
        if not all(isinstance(c, Constraint) for c in self.cseq):
            raise AssertionError(f"constraints.stack: expected constraints, got {self.cseq}")
        self.dim = dim
        super().__init__()

    @property
    def is_discrete(self):
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self):
        dim = max(c.event_dim for c in self.cseq)
        return dim + 1 if self.dim + dim < 0 else dim

    def check(self, value):
        _check_dim("stack", self.dim, value)
        slices = zip(self.cseq, value.unbind(self.dim), strict=True)
        return flambeau.stack([c.check(v) for c, v in slices], self.dim)


def _check_dim(name, dim, value):
    if not -value.dim() <= dim < value.dim():
        raise AssertionError(
            f"constraints.{name}: dim {dim} is out of range for shape {tuple(value.shape)}"
        )


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _IndependentConstraint
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
real = _Real()
real_vector = independent(real, 1)
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
multinomial = _Multinomial
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
simplex = _Simplex()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
square = _Square()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
cat = _Cat
stack = _Stack
