"""What distributions share: parameters of one shape, probabilities and their logarithms."""

import math
from functools import update_wrapper
from numbers import Number

import flambeau
import flambeau.nn.functional as F

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060


def absent(owner, what):
    """Says that a class does not define something."""
    raise NotImplementedError(f"{type(owner).__name__}: its {what} is not implemented")


def is_tensor_like(value):
    return isinstance(value, flambeau.Tensor) or hasattr(type(value), "__torch_function__")


def broadcast_all(*values):
    """Tensors of one shape. Numbers become tensors of the dtype and device of the first tensor, or
    of the defaults.

    >>> broadcast_all(flambeau.zeros(2), 3)
    (tensor([0., 0.]), tensor([3., 3.]))
    """
    if not all(isinstance(v, Number) or is_tensor_like(v) for v in values):
        kinds = ", ".join(type(v).__name__ for v in values)
        raise ValueError(
            f"broadcast_all: Input arguments must all be numbers or tensors, got {kinds}"
        )
    like = next((v for v in values if is_tensor_like(v)), None)
    options = {"dtype": flambeau.get_default_dtype()}
    if like is not None:
        options = {"dtype": like.dtype, "device": like.device}
    made = [v if is_tensor_like(v) else flambeau.tensor(v, **options) for v in values]
    return flambeau.broadcast_tensors(*made)


def _standard_normal(shape, dtype, device):
    mean = flambeau.zeros(shape, dtype=dtype, device=device)
    return flambeau.normal(mean, flambeau.ones(shape, dtype=dtype, device=device))


def _sum_rightmost(value, dim):
    """The sum over the last ``dim`` dimensions.

    >>> _sum_rightmost(flambeau.ones(2, 3, 4), 2)
    tensor([12., 12.])
    """
    return value if dim == 0 else value.sum(tuple(range(-dim, 0)))


def logits_to_probs(logits, is_binary=False):
    """Probabilities of logits: of two outcomes each, or of those along the last dimension.

    >>> logits_to_probs(flambeau.zeros(2))
    tensor([0.5000, 0.5000])
    """
    return flambeau.sigmoid(logits) if is_binary else F.softmax(logits, -1)


def clamp_probs(probs):
    """Probabilities that are neither 0 nor 1, so that logarithms are finite.

    >>> bool(clamp_probs(flambeau.zeros(1)) > 0)
    True
    """
    eps = flambeau.finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


def probs_to_logits(probs, is_binary=False):
    """Logits of probabilities: the inverse of ``logits_to_probs``.

    >>> probs_to_logits(flambeau.tensor([0.5]), is_binary=True)
    tensor([0.])
    """
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


class lazy_property:
    """A property that is computed once: then it is an attribute of the object.

    >>> class Squared:
    ...     @lazy_property
    ...     def value(self):
    ...         print("computed")
    ...         return 4
    >>> s = Squared()
    >>> s.value, s.value
    computed
    (4, 4)
    """

    def __init__(self, wrapped):
        self.wrapped = wrapped
        update_wrapper(self, wrapped)

    def __get__(self, instance, obj_type=None):
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with flambeau.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property, property):
    """What the class has under the name of a lazy property: it is documented as a property is."""

    def __init__(self, wrapped):
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat, diag=0):
    """The elements on and below a diagonal, row by row.

    >>> tril_matrix_to_vec(flambeau.tensor([[1, 0], [2, 3]]))
    tensor([1, 2, 3])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"tril_matrix_to_vec: diag ({diag}) provided is outside [{-n}, {n - 1}]")
    rows, columns = flambeau.tril_indices(n, n, diag, device=mat.device)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec, diag=0):
    """The inverse of ``tril_matrix_to_vec``; what lies above is 0.

    >>> vec_to_tril_matrix(flambeau.tensor([1, 2, 3]))
    tensor([[1, 0],
            [2, 3]])
    """
    count = vec.shape[-1]
    # n^2 + (2 diag + 1) n = 2 count + corner, where the matrix lacks a corner, or has one more
    corner = diag * abs(diag + 1)
    n = (math.isqrt((2 * diag + 1) ** 2 + 4 * (2 * count + corner)) - (2 * diag + 1)) // 2
    rows, columns = flambeau.tril_indices(max(n, 0), max(n, 0), diag, device=vec.device)
    if rows.shape[0] != count:
        raise ValueError(
            f"vec_to_tril_matrix: The size of last dimension is {count} which cannot be expressed "
            "as the lower triangular part of a square D x D matrix."
        )
    mat = flambeau.zeros(vec.shape[:-1] + (n, n), dtype=vec.dtype, device=vec.device)
    mat[..., rows, columns] = vec
    return mat
