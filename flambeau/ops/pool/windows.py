"""What rules of pooling share: where windows lie, and how many there are."""

from flambeau.ops.language import (
    Error,
    Spec,
    channels_last_strides,
    dtype_name,
    dtypes,
    formats,
    same,
    show,
    suggest_memory_format,
    zeros_for,
)


def documented(f, text, *examples):
    """A function without statements that carries an op's words."""
    f.__doc__ = "\n".join((text, "", *examples))
    return f


def lies_last(self, rank):
    """Whether images have their channels as the innermost dimension."""
    return self.dim() == rank + 2 and suggest_memory_format(self) != formats.contiguous_format


def image_spec(sizes, dtype, last):
    if last:
        return Spec(sizes, dtype, channels_last_strides(sizes))
    return Spec(sizes, dtype)


def several(op, name, v, rank):
    """One number stands for all dimensions."""
    if len(v) != 1 and len(v) != rank:
        raise Error(
            f"{op}: {name} must either be a single int, or a tuple of {rank} ints, got {show(v)}"
        )
    return [v[0]] * rank if len(v) == 1 else list(v)


def steps_of(op, kernel, stride, rank):
    """Without a stride windows lie side by side."""
    if not stride:
        return list(kernel)
    return several(op, "stride", stride, rank)


def pooled_size(n, kernel, step, pad, dilate, ceil_mode):
    room = n + 2 * pad - (dilate * (kernel - 1) + 1)
    if not ceil_mode:
        return room // step + 1
    size = (room + step - 1) // step + 1
    # A window that would begin in the padding behind is left out.
    return size - 1 if (size - 1) * step >= n + pad else size


def check_images(op, self, rank):
    if self.dim() != rank + 1 and self.dim() != rank + 2:
        raise Error(
            f"{op}: non-empty {rank + 1}D or {rank + 2}D (batch mode) tensor expected for input, "
            f"got shape {show(self.shape)}"
        )
    for d in range(self.dim() - rank - 1, self.dim()):
        if self.shape[d] <= 0:
            raise Error(
                f"{op}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 "
                f"dim batch size for input, but got: {show(self.shape)}"
            )


def pooled_sizes(op, self, kernel, step, pad, dilate, ceil_mode, rank):
    """The sizes that windows give."""
    check_images(op, self, rank)
    sizes = list(self.shape)
    for d in range(rank):
        if kernel[d] <= 0:
            raise Error(f"{op}: kernel size should be greater than zero, but got {show(kernel)}")
        if step[d] <= 0:
            raise Error(f"{op}: stride should be greater than zero, but got {show(step)}")
        if dilate[d] <= 0:
            raise Error(f"{op}: dilation should be greater than zero, but got {show(dilate)}")
        if pad[d] < 0:
            raise Error(f"{op}: pad must be non-negative, but got pad: {pad[d]}")
        if pad[d] > (dilate[d] * (kernel[d] - 1) + 1) // 2:
            raise Error(
                f"{op}: pad should be at most half of effective kernel size, but got "
                f"pad={pad[d]}, kernel_size={kernel[d]} and dilation={dilate[d]}"
            )
        at = self.dim() - rank + d
        size = pooled_size(self.shape[at], kernel[d], step[d], pad[d], dilate[d], ceil_mode)
        if size < 1:
            raise Error(f"{op}: Given input size: {show(self.shape)}. Output size is too small")
        sizes[at] = size
    return sizes


def check_floating(op, dtype):
    if not dtype.is_floating_point:
        raise NotImplementedError(
            f"{op}: not implemented for {dtype_name(dtype)}: convert with .to(torch.float32)"
        )


def check_maxima(op, dtype):
    """The kernels know the other dtypes only."""
    if dtype.is_complex or dtype in (dtypes.bool, dtypes.uint16, dtypes.uint32, dtypes.uint64):
        raise NotImplementedError(
            f"{op}: not implemented for {dtype_name(dtype)}: convert with .to(torch.float32)"
        )


def check_indices(op, indices):
    if indices.dtype != dtypes.int64:
        raise Error(f"{op}: elements in indices must be int64, got {dtype_name(indices.dtype)}")


def gradient_of_maxima(op, grad_output, self, indices, rank):
    """The spec of the gradient with respect to ``self`` of windows' largest elements."""
    g, planes = grad_output.shape, self.dim() - rank
    fits = (self.dim() == rank + 1 or self.dim() == rank + 2) and len(g) == self.dim()
    if not fits or not same(g, indices.shape) or not same(g[:planes], self.shape[:planes]):
        raise Error(
            f"{op}: grad_output of shape {show(g)} and indices of shape {show(indices.shape)} do "
            f"not fit an input of shape {show(self.shape)}"
        )
    if indices.dtype != dtypes.int64 or grad_output.dtype != self.dtype:
        raise Error(
            f"{op}: indices must be int64 and grad_output of the input's dtype, got "
            f"{dtype_name(indices.dtype)} and {dtype_name(grad_output.dtype)} for "
            f"{dtype_name(self.dtype)}"
        )
    return image_spec(self.shape, self.dtype, lies_last(self, rank))


def read_places(t, indices, rank, ops):
    """What ``t`` holds at places of its planes; 0 for windows without elements."""
    lead = indices.dim() - rank
    plane, places = 1, 1
    for d in range(lead, indices.dim()):
        plane = plane * t.shape[d]
        places = places * indices.shape[d]
    planes = ops.reshape(t, list(t.shape[:lead]) + [plane])
    at = ops.reshape(indices, list(indices.shape[:lead]) + [places])
    read = ops.gather(planes, -1, ops.clamp_min(at, 0))
    read = ops.masked_fill_Scalar(read, ops.lt_Scalar(at, 0), 0)
    return ops.view(read, indices.shape)


def gradient_of_scattered(g, shape, indices, rank, ops):
    """Of an op that sends gradients to places, the gradients of its arguments."""
    return read_places(g, indices, rank, ops), zeros_for(g, shape, ops)


def slopes_of_maxima(rank):
    """The slot ``jvp`` of ops that give largest elements and their places."""

    def jvp(t, self, result):
        places = result[1].flatten(-rank)
        picked = t.get("self").flatten(-rank).gather(-1, places.clamp(min=0))
        return picked.masked_fill(places < 0, 0).reshape(result[0].shape), None

    return jvp
