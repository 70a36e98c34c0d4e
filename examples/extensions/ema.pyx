# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Exponential moving averages along rows, and their gradient, on tensors' own memory.

A memory view takes a tensor as it takes an array: through the buffer protocol, so nothing is
copied, strides are followed, and a wrong dtype is a ValueError. See cython_extension.py.
"""

ctypedef fused real:
    float
    double


def forward(real[:, :] x, double decay, real[:, :] y):
    """``y[t] = decay * y[t - 1] + (1 - decay) * x[t]``, beginning from 0, written into ``y``."""
    cdef real keep = <real>decay
    cdef real state
    cdef Py_ssize_t row, t
    with nogil:
        for row in range(x.shape[0]):
            state = 0
            for t in range(x.shape[1]):
                state = keep * state + (1 - keep) * x[row, t]
                y[row, t] = state


def backward(real[:, :] grad, double decay, real[:, :] to_x):
    """The gradient of ``forward`` for its ``x``, written into ``to_x``."""
    cdef real keep = <real>decay
    cdef real state
    cdef Py_ssize_t row, t
    with nogil:
        for row in range(grad.shape[0]):
            state = 0
            for t in range(grad.shape[1] - 1, -1, -1):
                state = keep * state + grad[row, t]
                to_x[row, t] = (1 - keep) * state
