"""Transforms of the pieces of a signal, and the signal from them."""

from flambeau.ops.language import (
    Error,
    in_batch,
    is_differentiable,
    scalar_type_name,
    show,
    to_real,
)
from flambeau.ops.record import COMPLEX, composite
from flambeau.ops.samples import call, values

_PIECES = "Tensor self, int n_fft, int? hop_length=None, int? win_length=None, "
_WINDOW = "Tensor? window=None, "
_RESULT = "bool normalized=False, bool? onesided=None, bool? return_complex=None, "


def check_pieces(op, n_fft, hop, length, window):
    if hop <= 0:
        raise Error(f"{op}: expected hop_length > 0, but got hop_length={hop}")
    if length <= 0 or length > n_fft:
        raise Error(
            f"{op}: expected 0 < win_length <= n_fft, but got win_length={length} and n_fft={n_fft}"
        )
    if window is not None:
        if window.dim() != 1 or window.shape[0] != length:
            raise Error(
                f"{op}: expected a 1D window tensor of size equal to win_length={length}, but got "
                f"window with size {show(window.shape)}"
            )


def weights(t, window, n_fft, length, ops):
    """A window of ``n_fft`` elements, with zeros on both sides of the one that is given."""
    made = ops.new_ones(t, [length], to_real(t.dtype)) if window is None else window
    left = (n_fft - length) // 2
    if length == n_fft:
        return made
    return ops.constant_pad_nd(made, [left, n_fft - length - left], 0)


@composite(
    f"stft({_PIECES}{_WINDOW}{_RESULT}bool? align_to_window=None) -> Tensor",
    module="_functional",
    method=False,
)
def stft(
    self,
    n_fft,
    hop_length,
    win_length,
    window,
    normalized,
    onesided,
    return_complex,
    align_to_window,
    ops,
):
    """The transforms of pieces of a signal that is not padded.

    >>> x = flambeau.ones(8)
    >>> flambeau._C._functional.stft(x, 4, return_complex=True).shape
    torch.Size([3, 5])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    is_complex = self.is_complex()
    if window is not None:
        is_complex = is_complex or window.is_complex()
    if return_complex is None and not is_complex:
        raise Error(
            "stft: stft requires the return_complex parameter be given for real inputs: "
            "return_complex=True gives complex numbers, of which view_as_real shows the parts"
        )
    if not is_differentiable(self.dtype):
        raise Error(
            "stft: expected a tensor of floating point or complex values, got "
            f"{scalar_type_name(self.dtype)}"
        )
    if self.dim() < 1 or self.dim() > 2:
        raise Error(f"stft: expected a 1D or 2D tensor, got {show(self.shape)}")
    aligned = False
    if align_to_window is not None:
        aligned = align_to_window
    samples = self.shape[-1]
    if n_fft <= 0 or n_fft > samples:
        raise Error(f"stft: expected 0 < n_fft <= {samples}, but got n_fft={n_fft}")
    check_pieces("stft", n_fft, hop, length, window)
    signal = self
    if aligned:
        # The first piece begins with the first element that the window sees.
        left = (n_fft - length) // 2
        signal = ops.constant_pad_nd(self, [left, n_fft - length - left], 0)
    pieces = ops.unfold(signal, -1, n_fft, hop)
    if window is not None or length < n_fft:
        pieces = pieces * weights(self, window, n_fft, length, ops)
    half = not is_complex
    if onesided is not None:
        half = onesided
    mode = 1 if normalized else 0
    last = pieces.dim() - 1
    if is_complex:
        if half:
            raise Error(
                "stft: Cannot have onesided output if window or input is complex: use "
                "onesided=False"
            )
        made = ops._fft_c2c(pieces, [last], mode, True)
    else:
        made = ops._fft_r2c(pieces, [last], mode, half)
    made = ops.transpose_int(made, -2, -1)
    whole = True
    if return_complex is not None:
        whole = return_complex
    return made if whole else ops.view_as_real(made)


@composite(
    f'stft.center({_PIECES}{_WINDOW}bool center=True, str pad_mode="reflect", {_RESULT}'
    "bool? align_to_window=None) -> Tensor"
)
def stft_center(
    self,
    n_fft,
    hop_length,
    win_length,
    window,
    center,
    pad_mode,
    normalized,
    onesided,
    return_complex,
    align_to_window,
    ops,
):
    """The short-time Fourier transform: of pieces of ``n_fft`` elements, ``hop_length`` apart.

    Each is weighed by ``window`` (ones unless given), which has ``win_length`` elements. With
    ``center`` the signal is padded, so that piece t has element ``t * hop_length`` in its middle.
    The result is frequencies by pieces; ``onesided`` gives the first half of the frequencies,
    ``normalized`` divides by the root of ``n_fft``.

    >>> x = flambeau.ones(8)
    >>> flambeau.stft(x, 4, window=flambeau.hann_window(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    signal = self
    if center:
        if align_to_window is not None:
            raise Error("stft: align_to_window should only be set when center=False")
        if self.dim() < 1 or self.dim() > 2:
            raise Error(f"stft: expected a 1D or 2D tensor, got {show(self.shape)}")
        if n_fft <= 0:
            raise Error(f"stft: expected n_fft > 0, but got n_fft={n_fft}")
        beside = n_fft // 2
        batch = ops.view(self, [1] * (3 - self.dim()) + list(self.shape))
        wide = ops.pad(batch, [beside, beside], pad_mode)
        signal = ops.view(wide, list(self.shape[:-1]) + [wide.shape[-1]])
    return ops.stft(
        signal,
        n_fft,
        hop_length,
        win_length,
        window,
        normalized,
        onesided,
        return_complex,
        align_to_window,
    )


@composite(
    f"istft({_PIECES}{_WINDOW}bool center=True, bool normalized=False, bool? onesided=None, "
    "int? length=None, bool return_complex=False) -> Tensor"
)
def istft(
    self,
    n_fft,
    hop_length,
    win_length,
    window,
    center,
    normalized,
    onesided,
    length,
    return_complex,
    ops,
):
    """The signal that has a short-time Fourier transform: the inverse of ``stft``.

    Pieces that overlap are added and divided by the sum of the squares of their windows, which may
    be 0 nowhere.

    >>> x, window = flambeau.ones(8), flambeau.hann_window(4)
    >>> frames = flambeau.stft(x, 4, window=window, return_complex=True)
    >>> flambeau.istft(frames, 4, window=window)
    tensor([1., 1., 1., 1., 1., 1., 1., 1.])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    span = n_fft if win_length is None else win_length
    if not self.is_complex():
        raise Error(
            "istft: istft requires a complex-valued input tensor, as stft gives with "
            f"return_complex=True, got {scalar_type_name(self.dtype)}"
        )
    if self.dim() < 2 or self.dim() > 3:
        raise Error(f"istft: expected a tensor with 2 or 3 dimensions, but got {show(self.shape)}")
    if self.numel() == 0:
        raise Error(f"istft: input tensor cannot be empty, got {show(self.shape)}")
    frames, bins = self.shape[-1], self.shape[-2]
    half = bins != n_fft
    if onesided is not None:
        half = onesided
    due = n_fft // 2 + 1 if half else n_fft
    if bins != due:
        raise Error(
            f"istft: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft / 2 + 1 when onesided=True, n_fft otherwise: {due}, but got {bins}"
        )
    if hop <= 0 or hop > span:
        raise Error(
            f"istft: expected 0 < hop_length <= win_length, but got hop_length={hop} and "
            f"win_length={span}"
        )
    check_pieces("istft", n_fft, hop, span, window)
    pieces = ops.transpose_int(self, -2, -1)
    if self.dim() == 2:
        pieces = ops.unsqueeze(pieces, 0)
    window_is_complex = False
    if window is not None:
        window_is_complex = window.is_complex()
    mode = 1 if normalized else 2
    if return_complex:
        if half:
            raise Error(
                "istft: cannot have onesided output if window or input is complex: use "
                "onesided=False"
            )
        parts = ops._fft_c2c(pieces, [2], mode, False)
    else:
        if window_is_complex:
            raise Error("istft: complex windows are incompatible with return_complex=False")
        if not half:
            pieces = ops.slice_Tensor(pieces, 2, 0, n_fft // 2 + 1)
        parts = ops._fft_c2r(pieces, [2], mode, n_fft)
    weight = weights(self, window, n_fft, span, ops)
    whole = n_fft + hop * (frames - 1)
    parts = parts * weight
    signal = ops.unfold_backward(parts, [parts.shape[0], whole], 1, n_fft, hop)
    squares = ops.expand(ops.mul_Tensor(weight, weight), [1, frames, n_fft])
    envelope = ops.unfold_backward(squares, [1, whole], 1, n_fft, hop)
    start = n_fft // 2 if center else 0
    end = whole - start
    if length is not None:
        end = start + length
    if end <= start:
        raise Error(
            f"istft: {frames} frames of {n_fft}, {hop} apart, leave no signal between {start} and "
            f"{end}: give a length, or center=False"
        )
    stop = min(end, whole)
    signal = ops.slice_Tensor(signal, 1, start, stop)
    envelope = ops.slice_Tensor(envelope, 1, start, stop)
    if not envelope.is_meta and not in_batch(envelope):
        least = ops.min(ops.abs(envelope))
        if bool(ops.lt_Scalar(least, 1e-11).item()):
            raise Error("istft: window overlap add min is 0: the windows leave elements out")
    made = signal / envelope
    if self.dim() == 2:
        made = ops.squeeze_dim(made, 0)
    if end > stop:
        made = ops.constant_pad_nd(made, [0, end - stop], 0)
    return made


_REALS = frozenset({"float32", "float64"})
for _op in (stft, stft_center):
    _op.samples(
        call(values(12), 4, return_complex=True),
        call(values(2, 12), 4, 3, 3, values(3, low=0.5), normalized=True, return_complex=False),
        call(values(12), 4, onesided=False, return_complex=True),
        dtypes=_REALS | COMPLEX,
    )
istft.samples(
    call(values(3, 5), 4),
    call(values(2, 3, 5), 4, 1, 3, values(3, low=0.5, dtype="float32", constant=True), length=3),
    call(values(4, 5), 4, normalized=True, onesided=False, return_complex=True),
    dtypes=COMPLEX,
)
for _op in (stft, stft_center, istft):
    _op.autocast("float32")
    _op.without("benchmark")
