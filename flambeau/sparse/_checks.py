"""Whether the indices of new sparse tensors are looked at."""

from __future__ import annotations

import functools

__all__ = ["check_sparse_tensor_invariants"]


class check_sparse_tensor_invariants:
    """Switches checks of new sparse tensors on or off: for good, in a block, or in a function.

    With them ``sparse_coo_tensor`` looks at every index, and at the order of what is said to be
    coalesced. ``check_invariants=`` of a call says otherwise. They are off at first; ops check
    indices when they use them, in any case.

    Example::

        >>> import flambeau
        >>> with flambeau.sparse.check_sparse_tensor_invariants():
        ...     flambeau.sparse_coo_tensor([[5]], [1.], (2,))
        Traceback (most recent call last):
        RuntimeError: ... for dim 0, size is 2 but found index 5
        >>> flambeau.sparse.check_sparse_tensor_invariants.is_enabled()
        False
    """

    _on = False

    @staticmethod
    def is_enabled() -> bool:
        """Whether they are on."""
        return check_sparse_tensor_invariants._on

    @staticmethod
    def enable() -> None:
        """Switches them on."""
        check_sparse_tensor_invariants._on = True

    @staticmethod
    def disable() -> None:
        """Switches them off."""
        check_sparse_tensor_invariants._on = False

    def __init__(self, enable: bool = True):
        self.state = enable
        self.saved_state: bool | None = None

    def __enter__(self):
        if self.saved_state is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context "
                "manager instance for context nesting."
            )
        self.saved_state = self.is_enabled()
        check_sparse_tensor_invariants._on = self.state

    def __exit__(self, kind, value, traceback):
        assert self.saved_state is not None
        check_sparse_tensor_invariants._on = self.saved_state
        self.saved_state = None

    def __call__(self, function):
        @functools.wraps(function)
        def checked(*args, **kwargs):
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked
