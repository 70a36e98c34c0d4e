"""Channels that become neighbours of pixels, and channels among themselves."""

from flambeau.ops.language import (
    Error,
    formats,
    show,
    suggest_memory_format,
)
from flambeau.ops.record import composite, native
from flambeau.ops.samples import call, values


def laid_as(made, like, ops):
    """Where channels lie innermost they do so afterwards."""
    form = suggest_memory_format(like)
    if form == formats.contiguous_format or made.dim() != like.dim():
        return made
    return ops.contiguous(made, form)


@native("pixel_shuffle(Tensor self, int upscale_factor) -> Tensor", method=False)
def pixel_shuffle(self, upscale_factor, ops):
    """Squares of pixels from channels: (*, C r², H, W) becomes (*, C, H r, W r).

    >>> flambeau.pixel_shuffle(flambeau.arange(4).view(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    r = upscale_factor
    if self.dim() < 3:
        raise Error(
            f"pixel_shuffle: expects input to have at least 3 dimensions, but got input with "
            f"{self.dim()} dimension(s)"
        )
    if r <= 0 or r > 2147483648:
        raise Error(f"pixel_shuffle: expects a positive upscale_factor, but got {r}")
    lead = self.dim() - 3
    c, h, w = self.shape[lead], self.shape[lead + 1], self.shape[lead + 2]
    if c % (r * r) != 0:
        raise Error(
            f"pixel_shuffle: expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    first = list(self.shape[:lead])
    parts = ops.reshape(self, first + [c // (r * r), r, r, h, w])
    order = [d for d in range(lead)] + [lead, lead + 3, lead + 1, lead + 4, lead + 2]
    made = ops.reshape(ops.permute(parts, order), first + [c // (r * r), h * r, w * r])
    return laid_as(ops.clone(made) if r == 1 else made, self, ops)


pixel_shuffle.samples(
    call(values(2, 8, 2, 3), 2), call(values(9, 1, 2), 3), call(values(2, 3, 4, 2, 2), 2)
)
pixel_shuffle.jvp("linear")

pixel_shuffle.without("benchmark", "sharding", "autocast")


@pixel_shuffle.batching
def _(b, self, upscale_factor):
    return b.op(self.full, upscale_factor)


@pixel_shuffle.gradient
def _(g, upscale_factor, ops):
    return ops.pixel_unshuffle(g, upscale_factor)


@native("pixel_unshuffle(Tensor self, int downscale_factor) -> Tensor", method=False)
def pixel_unshuffle(self, downscale_factor, ops):
    """Channels from squares of pixels: (*, C, H r, W r) becomes (*, C r², H, W).

    >>> flambeau.pixel_unshuffle(flambeau.arange(4).view(1, 2, 2), 2).shape
    torch.Size([4, 1, 1])
    """
    r = downscale_factor
    if self.dim() < 3:
        raise Error(
            f"pixel_unshuffle: expects input to have at least 3 dimensions, but got input with "
            f"{self.dim()} dimension(s)"
        )
    if r <= 0 or r > 2147483648:
        raise Error(f"pixel_unshuffle: expects a positive downscale_factor, but got {r}")
    lead = self.dim() - 3
    c, h, w = self.shape[lead], self.shape[lead + 1], self.shape[lead + 2]
    if h % r != 0 or w % r != 0:
        raise Error(
            f"pixel_unshuffle: expects height and width to be divisible by downscale_factor, but "
            f"{h} and {w} are not divisible by {r}"
        )
    first = list(self.shape[:lead])
    parts = ops.reshape(self, first + [c, h // r, r, w // r, r])
    order = [d for d in range(lead)] + [lead, lead + 2, lead + 4, lead + 1, lead + 3]
    made = ops.reshape(ops.permute(parts, order), first + [c * r * r, h // r, w // r])
    return laid_as(ops.clone(made) if r == 1 else made, self, ops)


pixel_unshuffle.samples(
    call(values(2, 2, 4, 6), 2), call(values(1, 3, 6), 3), call(values(2, 3, 1, 4, 4), 2)
)
pixel_unshuffle.jvp("linear")
pixel_unshuffle.without("benchmark", "sharding", "autocast")


@pixel_unshuffle.batching
def _(b, self, downscale_factor):
    return b.op(self.full, downscale_factor)


@pixel_unshuffle.gradient
def _(g, downscale_factor, ops):
    return ops.pixel_shuffle(g, downscale_factor)


def shuffled(self, groups, ops):
    if self.dim() <= 2:
        raise Error(
            f"channel_shuffle: expects input with > 2 dims, but got input with sizes "
            f"{show(self.shape)}"
        )
    if groups <= 0:
        raise Error(
            f"channel_shuffle: Number of groups to divide channels in must be positive. Value of "
            f"groups:{groups}"
        )
    c = self.shape[1]
    if c % groups != 0:
        raise Error(
            f"channel_shuffle: Number of channels must be divisible by groups. Got {c} channels "
            f"and {groups} groups."
        )
    parts = ops.reshape(self, [self.shape[0], groups, c // groups] + list(self.shape[2:]))
    made = ops.clone(ops.transpose_int(parts, 1, 2), formats.contiguous_format)
    return laid_as(ops.view(made, self.shape), self, ops)


@native("channel_shuffle(Tensor self, SymInt groups) -> Tensor", method=False)
def channel_shuffle(self, groups, ops):
    """Channels of (N, C, *), one of each group in turn.

    >>> flambeau.channel_shuffle(flambeau.arange(4).view(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return shuffled(self, groups, ops)


channel_shuffle.samples(call(values(2, 6, 2), 2), call(values(1, 4, 2, 2), 4))
channel_shuffle.jvp("linear")
channel_shuffle.batching("fold")
channel_shuffle.without("benchmark", "sharding", "autocast")


@channel_shuffle.gradient
def _(g, groups, ops):
    return ops.channel_shuffle(g, g.shape[1] // groups)


@composite("native_channel_shuffle(Tensor self, SymInt groups) -> Tensor", method=False)
def native_channel_shuffle(self, groups, ops):
    """``channel_shuffle`` by another name.

    >>> flambeau.native_channel_shuffle(flambeau.arange(4).view(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return shuffled(self, groups, ops)


native_channel_shuffle.samples(call(values(2, 6, 2), 2))
native_channel_shuffle.without("benchmark")
