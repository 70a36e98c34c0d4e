"""Recurrent networks in cuDNN: this build has none."""

from typing import Any, NoReturn

from flambeau.backends._settings import Settings, precision

__all__ = ["fp32_precision", "get_cudnn_mode", "init_dropout_state"]

fp32_precision: str


class _Rnn(Settings):
    fp32_precision = precision("tf32")


_Rnn.become(__name__)


def _refuse(function: str) -> NoReturn:
    raise AttributeError(f"cudnn.rnn.{function}: this build has no cuDNN")


def get_cudnn_mode(mode) -> int:
    """Raises: there is no cuDNN to number its modes."""
    _refuse("get_cudnn_mode")


def init_dropout_state(dropout, train, dropout_seed, dropout_state) -> Any:
    """Raises: there is no cuDNN."""
    _refuse("init_dropout_state")
