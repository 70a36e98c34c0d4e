"""Recurrent networks: layers over all steps, and cells for one step."""

from __future__ import annotations

import math
import numbers
import warnings
import weakref

import flambeau

from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _permuted(t: flambeau.Tensor, permutation, dim: int = 1) -> flambeau.Tensor:
    return t if permutation is None else t.index_select(dim, permutation)


def apply_permutation(tensor, permutation, dim: int = 1):
    """Deprecated: ``tensor.index_select(dim, permutation)``.

    Args:
        tensor: what to take from.
        permutation: the indices, in order.
        dim: the dimension.

    Shape:
        - tensor, output: any, the same.
    """
    warnings.warn(
        "`apply_permutation` is deprecated, please use `tensor.index_select(dim, permutation)` "
        "instead",
        FutureWarning,
        stacklevel=2,
    )
    return tensor.index_select(dim, permutation)


def _autocasting() -> bool:
    asked = getattr(flambeau._C, "_is_any_autocast_enabled", None)
    return asked is not None and asked()


def _check_options(bias, batch_first, input_size, hidden_size, num_layers, dropout, proj_size):
    if (
        isinstance(dropout, bool)
        or not isinstance(dropout, numbers.Number)
        or not 0 <= dropout <= 1
    ):
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            f"being zeroed, got {dropout!r}"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and num_layers=1",
            stacklevel=4,
        )
    for name, value in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(value, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(value, int):
            raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
        if value <= 0:
            raise ValueError(f"{name} must be greater than zero, got {value}")
    if num_layers <= 0:
        raise ValueError(f"num_layers must be greater than zero, got {num_layers}")
    if proj_size < 0:
        raise ValueError(
            "proj_size should be a positive integer or zero to disable projections, got "
            f"{proj_size}"
        )
    if proj_size >= hidden_size:
        raise ValueError(
            f"proj_size has to be smaller than hidden_size, got {proj_size} and {hidden_size}"
        )


class RNNBase(Module):
    """What LSTM, GRU and RNN share: their parameters and checks.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size, hidden_size: features of the input and of the state.
        num_layers: layers, each of which takes the output of the one before.
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension of input and output.
        dropout: probability of dropout on the output of every layer but the last.
        bidirectional: whether a second direction reads the steps backwards.
        proj_size: of LSTM, the size that hidden states are projected to; 0 for none.
        device, dtype: of the parameters, which start evenly between ``-1 / sqrt(hidden_size)`` and
            ``1 / sqrt(hidden_size)``.

    Shape:
        - of the layers that derive from it.
    """

    __constants__ = [
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
    ]
    __jit_unused_properties__ = ["all_weights"]

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        _check_options(bias, batch_first, input_size, hidden_size, num_layers, dropout, proj_size)
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}; one of {', '.join(_GATES)}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._flat_weight_refs: list = []
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        gates, state = _GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else state * self._directions
            for suffix in ("", "_reverse")[: self._directions]:
                shapes = {"weight_ih": (gates, features), "weight_hh": (gates, state)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size > 0:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = [f"{name}_l{layer}{suffix}" for name in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    value = Parameter(flambeau.empty(shape, device=device, dtype=dtype))
                    self.register_parameter(name, value)
                self._flat_weights_names.extend(names)
                self._all_weights.append(names)
        self._init_flat_weights()
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _init_flat_weights(self) -> None:
        self._flat_weights = [getattr(self, name, None) for name in self._flat_weights_names]
        self._flat_weight_refs = [w if w is None else weakref.ref(w) for w in self._flat_weights]
        self.flatten_parameters()

    def __setattr__(self, attr: str, value) -> None:
        names = self.__dict__.get("_flat_weights_names")
        if names is not None and attr in names:
            flat = self.__dict__.get("_flat_weights")
            if flat is not None:
                flat[names.index(attr)] = value
        super().__setattr__(attr, value)

    def flatten_parameters(self) -> None:
        """Does nothing: weights are packed where they are used."""

    def _apply(self, fn, recurse: bool = True):
        self._flat_weight_refs = []
        made = super()._apply(fn, recurse)
        self._init_flat_weights()
        return made

    def _update_flat_weights(self) -> None:
        """Takes note of parameters that something has put in the place of others."""
        params = self._parameters
        refs = self.__dict__.get("_flat_weight_refs") or ()
        for name, ref in zip(self._flat_weights_names, refs, strict=False):
            weight = params[name] if name in params else getattr(self, name, None)
            if weight is not None and ref is not None and ref() is not weight:
                return self._init_flat_weights()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # ---- arguments

    def check_input(self, input: flambeau.Tensor, batch_sizes) -> None:
        """Refuse input that does not fit the parameters."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype and not _autocasting():
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). Convert "
                f"input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(
                f"{self.mode}: input must have {expected} dimensions, got {input.dim()}"
            )
        if self.input_size != input.size(-1):
            raise RuntimeError(
                f"{self.mode}: input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}"
            )

    def _batch(self, input: flambeau.Tensor, batch_sizes) -> int:
        if batch_sizes is not None:
            return int(batch_sizes[0])
        return input.size(0) if self.batch_first else input.size(1)

    def get_expected_hidden_size(self, input: flambeau.Tensor, batch_sizes) -> tuple[int, int, int]:
        """The shape that a hidden state has for this input."""
        count = self.num_layers * self._directions
        return count, self._batch(input, batch_sizes), self.proj_size or self.hidden_size

    def check_hidden_size(
        self, hx: flambeau.Tensor, expected_hidden_size, msg="Expected hidden size {}, got {}"
    ) -> None:
        """Refuse a state of another shape."""
        if hx.size() != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input: flambeau.Tensor, hidden, batch_sizes) -> None:
        """Refuse input and states that do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx, permutation):
        """A state with its batch in another order."""
        return _permuted(hx, permutation)

    def _zeros(self, input: flambeau.Tensor, batch_sizes):
        sizes = self.get_expected_hidden_size(input, batch_sizes)
        return flambeau.zeros(sizes, dtype=input.dtype, device=input.device)

    def _unbatched_state(self, hx):
        if hx.dim() != 2:
            raise RuntimeError(
                f"For unbatched 2-D input, hx should also be 2-D but got {hx.dim()}-D tensor"
            )
        return hx.unsqueeze(1)

    def _check_batched_state(self, hx):
        if hx.dim() != 3:
            raise RuntimeError(
                f"For batched 3-D input, hx should also be 3-D but got {hx.dim()}-D tensor"
            )

    def _without_batch(self, hx):
        return hx.squeeze(1)

    def _run(self, function, input, batch_sizes, hx):
        rest = (hx, self._flat_weights, self.bias, self.num_layers, self.dropout, self.training)
        if batch_sizes is not None:
            made = function(input, batch_sizes, *rest, self.bidirectional)
        else:
            made = function(input, *rest, self.bidirectional, self.batch_first)
        return made[0], (made[1] if len(made) == 2 else made[1:])

    def _forward(self, function, input, hx):
        self._update_flat_weights()
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            hx = self._zeros(data, batch_sizes) if hx is None else self.permute_hidden(hx, order)
            self.check_forward_args(data, hx, batch_sizes)
            output, hidden = self._run(function, data, batch_sizes, hx)
            packed = PackedSequence(output, batch_sizes, order, back)
            return packed, self.permute_hidden(hidden, back)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not batched:
            input = input.unsqueeze(batch_dim)
            hx = hx if hx is None else self._unbatched_state(hx)
        elif hx is not None:
            self._check_batched_state(hx)
        hx = self._zeros(input, None) if hx is None else hx
        self.check_forward_args(input, hx, None)
        output, hidden = self._run(function, input, None, hx)
        if batched:
            return output, hidden
        return output.squeeze(batch_dim), self._without_batch(hidden)

    # ---- looking and saving

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        plain = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        for name, usual in (plain | {"bidirectional": False}).items():
            value = getattr(self, name)
            if value != usual:
                parts.append(f"{name}={value}")
        return ", ".join(parts)

    def __getstate__(self) -> dict:
        self._update_flat_weights()
        state = self.__dict__.copy()
        state.pop("_flat_weight_refs", None)
        return state

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("proj_size", 0)
        if "all_weights" in state:  # of a file from before the names were private
            self._all_weights = self.__dict__.pop("all_weights")
        if self._all_weights and not isinstance(self._all_weights[0][0], str):
            self._all_weights = [
                [
                    f"{name}_l{layer}{suffix}"
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                    if f"{name}_l{layer}{suffix}" in self._parameters
                ]
                for layer in range(self.num_layers)
                for suffix in ("", "_reverse")[: self._directions]
            ]
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        self._init_flat_weights()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]


class RNN(RNNBase):
    """Recurrent layers: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` at each step.

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers: layers, each of which takes the output of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension of input and output.
        dropout: probability of dropout on the output of every layer but the last.
        bidirectional: whether a second direction reads the steps backwards.
        device, dtype: of the parameters.

    Shape:
        - input: (steps, batch, input_size), or (batch, steps, input_size) with ``batch_first``, or
          (steps, input_size) without a batch, or a ``PackedSequence``.
        - output: the same with ``directions * hidden_size`` features, both directions side by side.
        - hidden state, before and after: (num_layers * directions, batch, hidden_size), or without
          the batch; zeros where none is given.

    Example::

        >>> import flambeau
        >>> output, h = flambeau.nn.RNN(10, 20, 2)(flambeau.zeros(5, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            kwargs["nonlinearity"] = args[3]
            args = args[:3] + args[4:]
        nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        function = flambeau.rnn_tanh if self.mode == "RNN_TANH" else flambeau.rnn_relu
        return self._forward(function, input, hx)


class LSTM(RNNBase):
    """Layers of long short-term memory (Hochreiter and Schmidhuber, 1997).

    At each step, with ``*`` element by element::

        i, f, g, o = W_ih x + b_ih + W_hh h + b_hh
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers: layers, each of which takes the output of the one before.
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension of input and output.
        dropout: probability of dropout on the output of every layer but the last.
        bidirectional: whether a second direction reads the steps backwards.
        proj_size: the size that hidden states are projected to, ``h' = W_hr h``; 0 for none.
        device, dtype: of the parameters.

    Shape:
        - input: (steps, batch, input_size), or (batch, steps, input_size) with ``batch_first``, or
          (steps, input_size) without a batch, or a ``PackedSequence``.
        - output: the same with as many features as the states of both directions have.
        - states, before and after: a pair, hidden (num_layers * directions, batch, proj_size or
          hidden_size) and cell (num_layers * directions, batch, hidden_size), or without the
          batch; zeros where none are given.

    Example::

        >>> import flambeau
        >>> output, (h, c) = flambeau.nn.LSTM(10, 20, 2)(flambeau.zeros(5, 3, 10))
        >>> output.shape, h.shape, c.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: flambeau.Tensor, batch_sizes) -> tuple[int, int, int]:
        """The shape that a cell state has for this input."""
        count = self.num_layers * self._directions
        return count, self._batch(input, batch_sizes), self.hidden_size

    def check_forward_args(self, input: flambeau.Tensor, hidden, batch_sizes) -> None:
        self.check_input(input, batch_sizes)
        self.check_hidden_size(
            hidden[0],
            self.get_expected_hidden_size(input, batch_sizes),
            "Expected hidden[0] size {}, got {}",
        )
        self.check_hidden_size(
            hidden[1],
            self.get_expected_cell_size(input, batch_sizes),
            "Expected hidden[1] size {}, got {}",
        )

    def permute_hidden(self, hx, permutation):
        if permutation is None:
            return hx
        return _permuted(hx[0], permutation), _permuted(hx[1], permutation)

    def _zeros(self, input: flambeau.Tensor, batch_sizes):
        cell = self.get_expected_cell_size(input, batch_sizes)
        return super()._zeros(input, batch_sizes), flambeau.zeros(
            cell, dtype=input.dtype, device=input.device
        )

    def _unbatched_state(self, hx):
        self._check_state_ranks(hx, 2, "unbatched 2-D")
        return hx[0].unsqueeze(1), hx[1].unsqueeze(1)

    def _check_batched_state(self, hx):
        self._check_state_ranks(hx, 3, "batched 3-D")

    def _check_state_ranks(self, hx, rank: int, input: str) -> None:
        if hx[0].dim() != rank or hx[1].dim() != rank:
            raise RuntimeError(
                f"For {input} input, hx and cx should also be {rank}-D but got "
                f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )

    def _without_batch(self, hx):
        return hx[0].squeeze(1), hx[1].squeeze(1)

    def forward(self, input, hx=None):
        return self._forward(flambeau.lstm, input, hx)


class GRU(RNNBase):
    """Layers of gated recurrent units (Cho et al., 2014).

    At each step, with ``*`` element by element::

        r, z = sigmoid of the sums of what x and h give, as in LSTM
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers: layers, each of which takes the output of the one before.
        bias: whether there are biases.
        batch_first: whether the batch is the first dimension of input and output.
        dropout: probability of dropout on the output of every layer but the last.
        bidirectional: whether a second direction reads the steps backwards.
        device, dtype: of the parameters.

    Shape:
        - input: (steps, batch, input_size), or (batch, steps, input_size) with ``batch_first``, or
          (steps, input_size) without a batch, or a ``PackedSequence``.
        - output: the same with ``directions * hidden_size`` features, both directions side by side.
        - hidden state, before and after: (num_layers * directions, batch, hidden_size), or without
          the batch; zeros where none is given.

    Example::

        >>> import flambeau
        >>> output, h = flambeau.nn.GRU(10, 20, 2)(flambeau.zeros(5, 3, 10))
        >>> output.shape, h.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args, **kwargs) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input, hx=None):
        return self._forward(flambeau.gru, input, hx)


# ---- cells


class RNNCellBase(Module):
    """What the cells share: their parameters.

    Args:
        input_size, hidden_size: features of the input and of the state.
        bias: whether there are biases.
        num_chunks: gates of a unit.
        device, dtype: of the parameters, which start evenly between ``-1 / sqrt(hidden_size)`` and
            ``1 / sqrt(hidden_size)``.

    Shape:
        - of the cells that derive from it.
    """

    __constants__ = ["input_size", "hidden_size", "bias"]

    input_size: int
    hidden_size: int
    bias: bool
    weight_ih: flambeau.Tensor
    weight_hh: flambeau.Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        shapes = {"weight_ih": (gates, input_size), "weight_hh": (gates, hidden_size)}
        for name, shape in (shapes | {"bias_ih": (gates,), "bias_hh": (gates,)}).items():
            value = None
            if bias or name in shapes:
                value = Parameter(flambeau.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, value)
        self.reset_parameters()

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.__dict__.get("bias", True) is not True:
            text += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _weights(self) -> tuple:
        # See Note [Reading parameters].
        p = self._parameters
        try:
            return p["weight_ih"], p["weight_hh"], p["bias_ih"], p["bias_hh"]
        except KeyError:
            return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _check_rank(self, t: flambeau.Tensor, name: str) -> int:
        rank = t.dim()
        if rank not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {name} to be 1D or 2D, got {rank}D instead"
            )
        return rank

    def _zeros(self, input: flambeau.Tensor) -> flambeau.Tensor:
        size = (input.size(0), self.hidden_size)
        return flambeau.zeros(size, dtype=input.dtype, device=input.device)

    def _step(self, function, input, hx):
        """One step of a cell whose state is one tensor."""
        batched = self._check_rank(input, "input") == 2
        if hx is not None:
            self._check_rank(hx, "hidden")
        if not batched:
            input = input.unsqueeze(0)
            hx = hx if hx is None else hx.unsqueeze(0)
        made = function(input, self._zeros(input) if hx is None else hx, *self._weights())
        return made if batched else made.squeeze(0)


class RNNCell(RNNCellBase):
    """One step of a recurrent network: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    Args:
        input_size, hidden_size: features of the input and of the state.
        bias: whether there are biases.
        nonlinearity: "tanh" or "relu".
        device, dtype: of the parameters.

    Shape:
        - input: (batch, input_size), or (input_size).
        - state, before and after: (batch, hidden_size), or (hidden_size); zeros where none is
          given.

    Example::

        >>> import flambeau
        >>> flambeau.nn.RNNCell(10, 20)(flambeau.zeros(3, 10)).shape
        torch.Size([3, 20])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]
    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(
                f"Unknown nonlinearity: {self.nonlinearity}. Select from 'tanh' or 'relu'."
            )
        relu = self.nonlinearity == "relu"
        return self._step(flambeau.rnn_relu_cell if relu else flambeau.rnn_tanh_cell, input, hx)


class LSTMCell(RNNCellBase):
    """One step of an LSTM; see there.

    Args:
        input_size, hidden_size: features of the input and of the state.
        bias: whether there are biases.
        device, dtype: of the parameters.

    Shape:
        - input: (batch, input_size), or (input_size).
        - states, before and after: a pair, hidden and cell, of (batch, hidden_size), or
          (hidden_size); zeros where none are given.

    Example::

        >>> import flambeau
        >>> h, c = flambeau.nn.LSTMCell(10, 20)(flambeau.zeros(3, 10))
        >>> h.shape, c.shape
        (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        rank = self._check_rank(input, "input")
        if hx is not None:
            for i, state in enumerate(hx):
                if state.dim() not in (1, 2):
                    self._check_rank(state, f"hx[{i}]")
        if rank == 1:
            input = input.unsqueeze(0)
            hx = hx if hx is None else (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        if hx is None:
            zeros = self._zeros(input)
            hx = (zeros, zeros)
        made = flambeau.lstm_cell(input, hx, *self._weights())
        return made if rank == 2 else (made[0].squeeze(0), made[1].squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a GRU; see there.

    Args:
        input_size, hidden_size: features of the input and of the state.
        bias: whether there are biases.
        device, dtype: of the parameters.

    Shape:
        - input: (batch, input_size), or (input_size).
        - state, before and after: (batch, hidden_size), or (hidden_size); zeros where none is
          given.

    Example::

        >>> import flambeau
        >>> flambeau.nn.GRUCell(10, 20)(flambeau.zeros(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(flambeau.gru_cell, input, hx)
