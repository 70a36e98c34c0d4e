"""Tensors, arrays and numbers as NumPy arrays, and images in the order of dimensions of PNG."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau

__all__ = ["figure_to_image", "make_grid", "make_np", "pixels", "to_hwc"]

_HALF = (flambeau.bfloat16, flambeau.float16)


def make_np(x: Any) -> np.ndarray:
    """What holds numbers as an array of at least one dimension.

    >>> make_np(flambeau.tensor(2.0)).shape
    (1,)
    """
    if isinstance(x, list):
        return make_np(np.array([v.item() if isinstance(v, flambeau.Tensor) else v for v in x]))
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, flambeau.Tensor):
        x = x.detach().cpu()
        return np.atleast_1d((x.float() if x.dtype in _HALF else x).numpy())
    raise NotImplementedError(
        f"make_np: got {type(x)}, but numpy arrays and tensors are what can be written"
    )


def make_grid(images: np.ndarray, columns: int = 8) -> np.ndarray:
    """Images ``(N, 1 or 3, H, W)`` beside and below each other, as ``(3, rows, columns)``."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"make_grid: expected (N, 1 or 3, H, W), got {images.shape}")
    if images.shape[1] == 1:
        images = np.repeat(images, 3, 1)
    count, channels, height, width = images.shape
    columns = min(count, columns)
    rows = -(-count // columns)
    grid = np.zeros((channels, rows * height, columns * width), images.dtype)
    for at in range(count):
        y, x = at // columns * height, at % columns * width
        grid[:, y : y + height, x : x + width] = images[at]
    return grid


def to_hwc(tensor: np.ndarray, order: str) -> np.ndarray:
    """An image, or images in a grid, in the order height, width, channels (3 of them).

    >>> to_hwc(np.zeros((4, 1, 5, 6)), "NCHW").shape
    (5, 24, 3)
    """
    order = order.upper()
    if len(set(order)) != len(order):
        raise AssertionError(f"add_image: dimensions are named twice in dataformats={order!r}")
    if len(tensor.shape) != len(order):
        raise AssertionError(
            f"add_image: dataformats={order!r} does not fit a tensor of shape {tensor.shape}"
        )
    if len(order) == 4:
        tensor = make_grid(np.transpose(tensor, [order.index(d) for d in "NCHW"]))
        return np.transpose(tensor, (1, 2, 0))
    if len(order) == 3:
        tensor = np.transpose(tensor, [order.index(d) for d in "HWC"])
        return np.repeat(tensor, 3, 2) if tensor.shape[2] == 1 else tensor
    if len(order) == 2:
        tensor = np.transpose(tensor, [order.index(d) for d in "HW"])
        return np.stack([tensor] * 3, 2)
    raise ValueError(f"add_image: dataformats={order!r} is not one of NCHW, CHW, HWC, HW, ...")


def pixels(tensor: np.ndarray) -> np.ndarray:
    """Bytes as they are; else numbers from 0 to 1 as bytes."""
    if tensor.dtype == np.uint8:
        return tensor
    return (tensor.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def figure_to_image(figures: Any, close: bool) -> np.ndarray:
    """Figures of Matplotlib as ``(3, H, W)``, or ``(N, 3, H, W)`` for a list."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    def render(figure: Any) -> np.ndarray:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        image = np.asarray(canvas.buffer_rgba())[:, :, :3]
        if close:
            import matplotlib.pyplot as pyplot

            pyplot.close(figure)
        return np.transpose(image, (2, 0, 1))

    if isinstance(figures, list):
        return np.stack([render(figure) for figure in figures])
    return render(figures)
