"""What is done to networks and their input from outside of them."""

from . import rnn

__all__ = ["rnn"]
