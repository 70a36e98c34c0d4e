"""Transformers."""

from __future__ import annotations

import copy
import warnings

import flambeau

from .. import functional as F
from .. import init
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


def _generate_square_subsequent_mask(sz: int, device=None, dtype=None):
    full = flambeau.full((sz, sz), float("-inf"), dtype=dtype, device=device)
    return flambeau.triu(full, diagonal=1)


def _get_seq_len(src, batch_first: bool):
    if src.dim() == 2:
        return src.size(0)
    return src.size(1 if batch_first else 0)


def _detect_is_causal_mask(mask, is_causal=None, size=None) -> bool:
    """Whether the mask is the causal one, where ``is_causal`` does not say so."""
    if is_causal is not None or mask is None:
        return is_causal is True
    n = size if size is not None else mask.size(-2)
    causal = _generate_square_subsequent_mask(n, device=mask.device, dtype=mask.dtype)
    return mask.size() == causal.size() and bool((mask == causal).all())


def _get_clones(module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(n)])


def _get_activation_fn(activation: str):
    if activation == "relu":
        return F.relu
    if activation == "gelu":
        return F.gelu
    raise RuntimeError(f"activation should be relu/gelu, not {activation}")


class Transformer(Module):
    """An encoder of the source and a decoder of the target that attends to it (Vaswani et al.,
    2017).

    Args:
        d_model: size of an element of a sequence.
        nhead: heads of attention.
        num_encoder_layers, num_decoder_layers: how many layers there are.
        dim_feedforward: size of the hidden layer in each.
        dropout: probability of an element to be zeroed.
        activation: of the hidden layer, ``"relu"``, ``"gelu"`` or a function.
        custom_encoder, custom_decoder: modules in place of those that would be made.
        layer_norm_eps: of the normalisations.
        batch_first: whether the batch is the first dimension, not the second.
        norm_first: whether to normalise before attention and the hidden layer, not after.
        bias: whether linear layers and normalisations have biases.
        device, dtype: of the parameters.

    Shape:
        - src: (S, N, E), tgt: (T, N, E), with N first where ``batch_first``, or without N.
        - src_mask: (S, S), tgt_mask: (T, T), memory_mask: (T, S), or (N * nhead, ...) of these.
        - src_key_padding_mask, memory_key_padding_mask: (N, S), tgt_key_padding_mask: (N, T).
        - output: like tgt.

    Example::

        >>> import flambeau
        >>> net = flambeau.nn.Transformer(8, 2, 1, 1, 16)
        >>> net(flambeau.zeros(5, 3, 8), flambeau.zeros(4, 3, 8)).shape
        torch.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation=F.relu,
        custom_encoder=None,
        custom_decoder=None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        options = {"device": device, "dtype": dtype}
        layer_options = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
        )
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            layer = TransformerEncoderLayer(*layer_options, **options)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **options)
            self.encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            layer = TransformerDecoderLayer(*layer_options, **options)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **options)
            self.decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src,
        tgt,
        src_mask=None,
        tgt_mask=None,
        memory_mask=None,
        src_key_padding_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ):
        """Encode the source and decode the target.

        Args:
            src, tgt: the sequences.
            src_mask, tgt_mask, memory_mask: which scores do not count, or what is added to them.
            src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask: which elements do
                not count.
            src_is_causal, tgt_is_causal, memory_is_causal: whether a mask is the causal one; None:
                look.
        """
        batched = src.dim() == 3
        batch = 0 if self.batch_first else 1
        if batched and src.size(batch) != tgt.size(batch):
            raise RuntimeError(
                "Transformer: the batch number of src and tgt must be equal, got shapes "
                f"{src.shape} and {tgt.shape}"
            )
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError(
                "Transformer: the feature number of src and tgt must be equal to d_model "
                f"({self.d_model}), got shapes {src.shape} and {tgt.shape}"
            )
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device=None, dtype=None):
        """The causal mask: minus infinity above the diagonal, 0 elsewhere.

        Args:
            sz: length of the sequence.
            device, dtype: of the mask.
        """
        return _generate_square_subsequent_mask(sz, dtype=dtype, device=device)

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)


def _why_no_nested(layer) -> str:
    """Why an encoder of such layers does not leave out padding in evaluation."""
    name = "encoder_layer"
    if not isinstance(layer, TransformerEncoderLayer):
        return f"{name} was not TransformerEncoderLayer"
    attention = layer.self_attn
    if layer.norm_first:
        return f"{name}.norm_first was True"
    if not attention.batch_first:
        return (
            f"{name}.self_attn.batch_first was not True"
            "(use batch_first for better inference performance)"
        )
    if not attention._qkv_same_embed_dim:
        return f"{name}.self_attn._qkv_same_embed_dim was not True"
    if attention.in_proj_bias is None:
        return f"{name}.self_attn was passed bias=False"
    if not layer.activation_relu_or_gelu:
        return f"{name}.activation_relu_or_gelu was not True"
    if layer.norm1.eps != layer.norm2.eps:
        return f"{name}.norm1.eps was not equal to {name}.norm2.eps"
    if attention.num_heads % 2 == 1:
        return f"{name}.self_attn.num_heads is odd"
    return ""


class TransformerEncoder(Module):
    """A stack of copies of an encoder layer.

    In evaluation without gradients, elements that are padding by ``src_key_padding_mask`` come out
    as 0 (before ``norm``), as in PyTorch, where they are left out.

    Args:
        encoder_layer: what is copied.
        num_layers: how many copies there are.
        norm: applied at the end; None: nothing.
        enable_nested_tensor: whether padding is treated as said above, where layers allow it.
        mask_check: whether that is for padding at the ends of sequences only; without, wherever.

    Shape:
        - as of `Transformer`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> flambeau.nn.TransformerEncoder(layer, 2)(flambeau.zeros(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    __constants__ = ["norm"]

    def __init__(
        self,
        encoder_layer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        why = _why_no_nested(encoder_layer) if enable_nested_tensor else ""
        if why:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because " + why,
                stacklevel=2,
            )
            self.use_nested_tensor = False

    def _drops_padding(self, src, mask, padding) -> bool:
        """Whether PyTorch would leave out the padding."""
        first = self.layers[0]
        usable = (
            getattr(self, "use_nested_tensor", False)
            and flambeau.backends.mha.get_fastpath_enabled()
            and not first.training
            and src.dim() == 3
            and padding is not None
            and mask is None
            and not (flambeau.is_grad_enabled() and _wants_grad(src, first))
        )
        if not usable:
            return False
        if not getattr(self, "mask_check", True):
            return True
        kept = padding.logical_not().int()  # a kept element behind padding is no padding at the end
        return bool((kept[:, 1:] <= kept[:, :-1]).all())

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal: bool | None = None):
        """Encode.

        Args:
            src: the sequence.
            mask: which scores do not count, or what is added to them.
            src_key_padding_mask: which elements do not count.
            is_causal: whether ``mask`` is the causal one; None: look.
        """
        src_key_padding_mask = F._canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", F._none_or_dtype(mask), "mask", src.dtype
        )
        mask = F._canonical_mask(mask, "mask", None, "", src.dtype, False)
        first = self.layers[0]
        drops = self._drops_padding(src, mask, src_key_padding_mask)
        batch_first = first.self_attn.batch_first
        is_causal = _detect_is_causal_mask(mask, is_causal, _get_seq_len(src, batch_first))
        output = src
        for layer in self.layers:
            output = layer(
                output,
                src_mask=mask,
                is_causal=is_causal,
                src_key_padding_mask=src_key_padding_mask,
            )
        if drops:
            output = output.masked_fill(src_key_padding_mask.bool().unsqueeze(-1), 0.0)
        return output if self.norm is None else self.norm(output)


def _wants_grad(src, layer) -> bool:
    return src.requires_grad or any(p.requires_grad for p in layer.parameters())


class TransformerDecoder(Module):
    """A stack of copies of a decoder layer.

    Args:
        decoder_layer: what is copied.
        num_layers: how many copies there are.
        norm: applied at the end; None: nothing.

    Shape:
        - as of `Transformer`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        >>> net = flambeau.nn.TransformerDecoder(layer, 2)
        >>> net(flambeau.zeros(3, 5, 8), flambeau.zeros(3, 4, 8)).shape
        torch.Size([3, 5, 8])
    """

    __constants__ = ["norm"]

    def __init__(self, decoder_layer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ):
        """Decode.

        Args:
            tgt: the sequence.
            memory: what the encoder made of the source.
            tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask: as of
                `Transformer`.
            tgt_is_causal, memory_is_causal: whether a mask is the causal one.
        """
        output = tgt
        length = _get_seq_len(tgt, self.layers[0].self_attn.batch_first)
        tgt_is_causal = _detect_is_causal_mask(tgt_mask, tgt_is_causal, length)
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class _Layer(Module):
    """What layers of both kinds share: the hidden layer and how it is activated."""

    activation: object

    def _set_activation(self, activation) -> None:
        self.activation = (
            _get_activation_fn(activation) if isinstance(activation, str) else activation
        )

    def __setstate__(self, state) -> None:
        super().__setstate__(state)
        if not hasattr(self, "activation"):
            self.activation = F.relu

    def _hidden(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself and a hidden layer, each with normalisation, dropout and
    the input added.

    Args:
        d_model: size of an element of the sequence.
        nhead: heads of attention.
        dim_feedforward: size of the hidden layer.
        dropout: probability of an element to be zeroed.
        activation: of the hidden layer, ``"relu"``, ``"gelu"`` or a function.
        layer_norm_eps: of the normalisations.
        batch_first: whether the batch is the first dimension, not the second.
        norm_first: whether to normalise before attention and the hidden layer, not after.
        bias: whether linear layers and normalisations have biases.
        device, dtype: of the parameters.

    Shape:
        - as of `Transformer`.

    Example::

        >>> import flambeau
        >>> flambeau.nn.TransformerEncoderLayer(8, 2, 16)(flambeau.zeros(5, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    __constants__ = ["norm_first"]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation=F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        options = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, batch_first=batch_first, **options
        )
        self.linear1 = Linear(d_model, dim_feedforward, **options)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **options)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **options)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **options)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self._set_activation(activation)
        chosen = self.activation
        relu = chosen is F.relu or isinstance(chosen, flambeau.nn.ReLU)
        gelu = chosen is F.gelu or isinstance(chosen, flambeau.nn.GELU)
        self.activation_relu_or_gelu = 1 if relu else 2 if gelu else 0

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal: bool = False):
        """Encode.

        Args:
            src: the sequence.
            src_mask: which scores do not count, or what is added to them.
            src_key_padding_mask: which elements do not count.
            is_causal: whether ``src_mask`` is the causal one.
        """
        padding = F._canonical_mask(
            src_key_padding_mask,
            "src_key_padding_mask",
            F._none_or_dtype(src_mask),
            "src_mask",
            src.dtype,
        )
        mask = F._canonical_mask(src_mask, "src_mask", None, "", src.dtype, False)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal: bool = False):
        x = self.self_attn(
            x,
            x,
            x,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=False,
            is_causal=is_causal,
        )[0]
        return self.dropout1(x)

    def _ff_block(self, x):
        return self.dropout2(self._hidden(x))


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, attention to what the encoder made, and a hidden layer,
    each with normalisation, dropout and the input added.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype: as of `TransformerEncoderLayer`.

    Shape:
        - as of `Transformer`.

    Example::

        >>> import flambeau
        >>> layer = flambeau.nn.TransformerDecoderLayer(8, 2, 16)
        >>> layer(flambeau.zeros(5, 3, 8), flambeau.zeros(4, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    __constants__ = ["norm_first"]

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation=F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        options = {"bias": bias, "device": device, "dtype": dtype}
        attention = {"dropout": dropout, "batch_first": batch_first, **options}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)
        self.linear1 = Linear(d_model, dim_feedforward, **options)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **options)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, **options)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, **options)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, **options)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self._set_activation(activation)

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ):
        """Decode.

        Args:
            tgt: the sequence.
            memory: what the encoder made of the source.
            tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask: as of
                `Transformer`.
            tgt_is_causal, memory_is_causal: whether a mask is the causal one.
        """
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), memory, *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, memory, *other))
        return self.norm3(x + self._ff_block(x))

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal: bool = False):
        x = self.self_attn(
            x,
            x,
            x,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            is_causal=is_causal,
            need_weights=False,
        )[0]
        return self.dropout1(x)

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal: bool = False):
        x = self.multihead_attn(
            x,
            mem,
            mem,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            is_causal=is_causal,
            need_weights=False,
        )[0]
        return self.dropout2(x)

    def _ff_block(self, x):
        return self.dropout3(self._hidden(x))
