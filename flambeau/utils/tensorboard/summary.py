"""What TensorBoard shows, as its protocol buffers: one function for each kind."""

from __future__ import annotations

import io
import json
import os
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

import flambeau
from flambeau.utils.tensorboard._arrays import make_np, pixels, to_hwc

__all__ = [
    "audio",
    "compute_curve",
    "custom_scalars",
    "histogram",
    "histogram_raw",
    "hparams",
    "image",
    "image_boxes",
    "mesh",
    "pr_curve",
    "pr_curve_raw",
    "scalar",
    "tensor_proto",
    "text",
    "video",
]

_FLOAT, _DOUBLE, _STRING = 1, 2, 7  # TensorFlow's numbers of types
_DTYPES = {
    np.dtype(name): number
    for name, number in {
        "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6,
        "complex64": 8, "int64": 9, "bool": 10, "uint16": 17, "complex128": 18, "float16": 19,
        "uint32": 22, "uint64": 23,
    }.items()
}  # fmt: skip


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as error:
        raise ImportError("images for TensorBoard need Pillow: pip install pillow") from error
    return PIL.Image


def _shape(sizes: Sequence[int]) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in sizes])


def _one(**value: Any) -> Summary:
    return Summary(value=[Summary.Value(**value)])


def _plugin(name: str, content: bytes = b"") -> SummaryMetadata:
    data = SummaryMetadata.PluginData(plugin_name=name, content=content)
    return SummaryMetadata(plugin_data=data)


# ---- numbers


def scalar(
    name: str,
    tensor: Any,
    collections: Any = None,
    new_style: bool = False,
    double_precision: bool = False,
) -> Summary:
    """One number. ``new_style``: as a tensor, which TensorBoard reads faster."""
    if collections is not None:
        raise NotImplementedError("scalar: collections= is not supported")
    array = make_np(tensor).squeeze()
    if array.ndim != 0:
        raise AssertionError(
            f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and "
            f"{array.ndim} dimensions."
        )
    number = float(array)
    if not new_style:
        return _one(tag=name, simple_value=number)
    proto = TensorProto(dtype=_DOUBLE if double_precision else _FLOAT)
    (proto.double_val if double_precision else proto.float_val).append(number)
    return _one(tag=name, tensor=proto, metadata=_plugin("scalars"))


def tensor_proto(tag: str, tensor: flambeau.Tensor) -> Summary:
    """A whole tensor."""
    if tensor.numel() * tensor.itemsize >= 1 << 31:
        raise ValueError(f"add_tensor: {tag} has 2 GB or more, which one event cannot hold")
    if tensor.dtype == flambeau.bfloat16:
        content = tensor.detach().cpu().contiguous().view(flambeau.int16).numpy().tobytes()
        number = 14
    else:
        array = tensor.detach().cpu().numpy()
        if array.dtype not in _DTYPES:
            raise ValueError(f"add_tensor: {tag} has dtype {tensor.dtype}, which cannot be written")
        content, number = np.ascontiguousarray(array).tobytes(), _DTYPES[array.dtype]
    proto = TensorProto(dtype=number, tensor_shape=_shape(tensor.shape), tensor_content=content)
    return _one(tag=tag, tensor=proto, metadata=_plugin("tensor", b""))


# ---- histograms


def histogram(name: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """How often which values come. ``bins``: edges, or what ``numpy.histogram`` takes."""
    return _one(tag=name, histo=make_histogram(make_np(values).astype(float), bins, max_bins))


def make_histogram(values: np.ndarray, bins: Any, max_bins: int | None = None) -> HistogramProto:
    """Empty bins at both ends are left out, but for one that says where the first begins."""
    if values.size == 0:
        raise ValueError("The input has no element.")
    flat = values.reshape(-1)
    counts, limits = np.histogram(flat, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        together = -(-len(counts) // max_bins)
        counts = np.add.reduceat(counts, np.arange(0, len(counts), together))
        limits = np.append(limits[:-1:together], limits[-1])
    used = np.flatnonzero(counts)
    if used.size == 0:
        raise ValueError("add_histogram: no value lies between the first and the last edge")
    first, last = used[0], used[-1]
    return HistogramProto(
        min=flat.min(),
        max=flat.max(),
        num=len(flat),
        sum=flat.sum(),
        sum_squares=flat.dot(flat),
        bucket_limit=limits[first : last + 2].tolist(),
        bucket=[0, *counts[first : last + 1].tolist()],
    )


def histogram_raw(
    name: str,
    min: float,
    max: float,
    num: float,
    sum: float,
    sum_squares: float,
    bucket_limits: Sequence[float],
    bucket_counts: Sequence[float],
) -> Summary:
    """A histogram that was made elsewhere."""
    proto = HistogramProto(
        min=min,
        max=max,
        num=num,
        sum=sum,
        sum_squares=sum_squares,
        bucket_limit=bucket_limits,
        bucket=bucket_counts,
    )
    return _one(tag=name, histo=proto)


# ---- images, films, sound, text


def _png(array: np.ndarray) -> Summary.Image:
    height, width, channels = array.shape
    buffer = io.BytesIO()
    _pillow().fromarray(array).save(buffer, format="PNG")
    return Summary.Image(
        height=height,
        width=width,
        colorspace=channels,
        encoded_image_string=buffer.getvalue(),
    )


def image(tag: str, tensor: Any, rescale: float = 1, dataformats: str = "NCHW") -> Summary:
    """An image, or several in a grid; ``rescale`` changes the size."""
    array = pixels(to_hwc(make_np(tensor), dataformats))
    return _one(tag=tag, image=_png(_resized(array, rescale)))


def _resized(array: np.ndarray, rescale: float) -> np.ndarray:
    if rescale == 1:
        return array
    height, width, _ = array.shape
    size = int(width * rescale), int(height * rescale)
    return np.asarray(_pillow().fromarray(array).resize(size, _pillow().Resampling.LANCZOS))


def image_boxes(
    tag: str,
    tensor_image: Any,
    tensor_boxes: Any,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: Sequence[str] | None = None,
) -> Summary:
    """An image with frames: each box is left, top, right, bottom."""
    from PIL import ImageDraw

    array = pixels(to_hwc(make_np(tensor_image), dataformats))
    boxes = make_np(tensor_boxes)
    picture = _pillow().fromarray(np.ascontiguousarray(array))
    draw = ImageDraw.Draw(picture)
    for at, (left, top, right, bottom) in enumerate(boxes.reshape(-1, 4).tolist()):
        draw.rectangle((left, top, right, bottom), outline="red", width=2)
        if labels is not None:
            draw.text((left + 3, top + 2), str(labels[at]), fill="red")
    return _one(tag=tag, image=_png(_resized(np.asarray(picture), rescale)))


def video(tag: str, tensor: Any, fps: float = 4) -> Summary:
    """Films ``(N, T, C, H, W)`` side by side, as one GIF."""
    array = pixels(make_np(tensor))
    if array.ndim != 5:
        raise ValueError(f"add_video: expected (N, T, C, H, W), got {array.shape}")
    frames = [to_hwc(array[:, at], "NCHW") for at in range(array.shape[1])]
    first, *rest = map(_pillow().fromarray, frames)
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=rest,
        duration=round(1000 / fps),
        loop=0,
    )
    height, width, channels = frames[0].shape
    proto = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=buffer.getvalue()
    )
    return _one(tag=tag, image=proto)


def audio(tag: str, tensor: Any, sample_rate: int = 44100) -> Summary:
    """Sound, one channel of numbers from -1 to 1."""
    array = make_np(tensor).squeeze()
    if array.ndim != 1:
        raise AssertionError(f"input tensor should be 1 dimensional, and has shape {array.shape}")
    samples = (array.clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
    proto = Summary.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=array.shape[-1],
        encoded_audio_string=buffer.getvalue(),
        content_type="audio/wav",
    )
    return _one(tag=tag, audio=proto)


def _texts(*texts: str) -> TensorProto:
    values = [t.encode("utf-8", "replace") for t in texts]
    return TensorProto(dtype=_STRING, string_val=values, tensor_shape=_shape([len(texts)]))


def text(tag: str, text: str) -> Summary:
    """A text in Markdown."""
    from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

    metadata = _plugin("text", TextPluginData(version=0).SerializeToString())
    return _one(tag=f"{tag}/text_summary", tensor=_texts(text), metadata=metadata)


# ---- precision and recall


def compute_curve(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_thresholds: int | None = None,
    weights: Any = None,
) -> np.ndarray:
    """For each threshold: true and false positives, true and false negatives, precision, recall."""
    n = num_thresholds or 127
    weight = np.broadcast_to(1.0 if weights is None else weights, labels.shape).reshape(-1)
    truth = labels.reshape(-1).astype(bool)
    bucket = np.floor(predictions.reshape(-1) * (n - 1)).astype(int).clip(0, n - 1)

    def at_least(chosen: np.ndarray) -> np.ndarray:
        counts = np.bincount(bucket[chosen], weights=weight[chosen], minlength=n)
        return counts[::-1].cumsum()[::-1]

    tp, fp = at_least(truth), at_least(~truth)
    tn, fn = fp[0] - fp, tp[0] - tp
    least = 1e-7  # where nothing is counted the share is 0
    precision, recall = tp / np.maximum(tp + fp, least), tp / np.maximum(tp + fn, least)
    return np.stack([tp, fp, tn, fn, precision, recall])


def _pr_summary(tag: str, data: np.ndarray, num_thresholds: int) -> Summary:
    from tensorboard.plugins.pr_curve.metadata import create_summary_metadata

    metadata = create_summary_metadata(tag, "", num_thresholds)
    proto = TensorProto(
        dtype=_FLOAT,
        float_val=np.asarray(data, dtype=float).reshape(-1).tolist(),
        tensor_shape=_shape(data.shape),
    )
    return _one(tag=tag, tensor=proto, metadata=metadata)


def pr_curve(
    tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None
) -> Summary:
    """Precision against recall, of a classifier of two classes."""
    num_thresholds = min(num_thresholds, 127)
    weights = None if weights is None else make_np(weights)
    data = compute_curve(make_np(labels), make_np(predictions), num_thresholds, weights)
    return _pr_summary(tag, data, num_thresholds)


def pr_curve_raw(
    tag: str,
    tp: Any,
    fp: Any,
    tn: Any,
    fn: Any,
    precision: Any,
    recall: Any,
    num_thresholds: int = 127,
    weights: Any = None,
) -> Summary:
    """A curve that was computed elsewhere, in which weights are counted already."""
    if weights is not None:
        raise NotImplementedError("add_pr_curve_raw: weights= is not supported: counts hold them")
    data = np.stack([make_np(part) for part in (tp, fp, tn, fn, precision, recall)])
    return _pr_summary(tag, data, min(num_thresholds, 127))


# ---- what a run was made with


def hparams(
    hparam_dict: Mapping[str, Any],
    metric_dict: Mapping[str, Any],
    hparam_domain_discrete: Mapping[str, Sequence] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """What a run was made with and which figures judge it: experiment, begin and end of a run."""
    from google.protobuf import struct_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    for name, given in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict)):
        if not isinstance(given, Mapping):
            raise TypeError(f"parameter: {name} should be a dictionary, nothing logged.")
    domains = dict(hparam_domain_discrete or {})
    for key, values in domains.items():
        if key not in hparam_dict or not isinstance(values, (list, tuple)):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{key}] should be a list of values of a "
                "hyperparameter that hparam_dict has"
            )
    kinds = {bool: "DATA_TYPE_BOOL", float: "DATA_TYPE_FLOAT64", str: "DATA_TYPE_STRING"}
    start = plugin_data_pb2.SessionStartInfo()
    infos = []
    for key, value in hparam_dict.items():
        if value is None:
            continue
        plain = _plain(key, value)
        field = {bool: "bool_value", float: "number_value", str: "string_value"}[type(plain)]
        setattr(start.hparams[key], field, plain)
        info = api_pb2.HParamInfo(name=key, type=api_pb2.DataType.Value(kinds[type(plain)]))
        if key in domains:
            values = [_plain(key, v) for v in domains[key]]
            info.domain_discrete.CopyFrom(
                struct_pb2.ListValue(values=[struct_pb2.Value(**{field: v}) for v in values])
            )
        infos.append(info)
    names = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=key)) for key in metric_dict]
    experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=names)
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))

    def summary(tag: str, **content: Any) -> Summary:
        data = plugin_data_pb2.HParamsPluginData(**content)
        return _one(tag=tag, metadata=metadata.create_summary_metadata(data))

    return (
        summary(metadata.EXPERIMENT_TAG, experiment=experiment),
        summary(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        summary(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    )


def _plain(key: str, value: Any) -> bool | float | str:
    if isinstance(value, flambeau.Tensor):
        value = make_np(value).reshape(-1)[0].item()
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(value)
    if isinstance(value, str):
        return value
    raise ValueError(f"value should be one of int, float, str, bool, or torch.Tensor: {key}")


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence]]) -> Summary:
    """Which scalars stand in one chart: category -> title -> ["Multiline" or "Margin", tags]."""
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata

    def chart(title: str, kind: str, tags: Sequence[str]) -> Any:
        if kind == "Margin":
            if len(tags) != 3:
                raise AssertionError(f"custom_scalars: a margin chart has 3 tags, not {len(tags)}")
            series = layout_pb2.MarginChartContent.Series(
                value=tags[0], lower=tags[1], upper=tags[2]
            )
            margin = layout_pb2.MarginChartContent(series=[series])
            return layout_pb2.Chart(title=title, margin=margin)
        return layout_pb2.Chart(
            title=title, multiline=layout_pb2.MultilineChartContent(tag=list(tags))
        )

    categories = [
        layout_pb2.Category(title=name, chart=[chart(t, *content) for t, content in charts.items()])
        for name, charts in layout.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    proto = TensorProto(dtype=_STRING, string_val=[content], tensor_shape=TensorShapeProto())
    metadata_of = metadata.create_summary_metadata()
    return _one(tag=metadata.CONFIG_SUMMARY_TAG, tensor=proto, metadata=metadata_of)


def mesh(
    tag: str,
    vertices: Any,
    colors: Any = None,
    faces: Any = None,
    config_dict: Mapping[str, Any] | None = None,
    display_name: str | None = None,
    description: str | None = None,
) -> Summary:
    """Points, or triangles between them, in space: ``vertices`` is ``(B, N, 3)``."""
    from tensorboard.plugins.mesh import metadata
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    config = json.dumps(config_dict or {}, sort_keys=True)
    given = [
        (vertices, MeshPluginData.VERTEX, np.float32, _FLOAT),
        (faces, MeshPluginData.FACE, np.int32, 3),
        (colors, MeshPluginData.COLOR, np.uint8, 4),
    ]
    parts = [(make_np(t), kind, dtype, n) for t, kind, dtype, n in given if t is not None]
    components = metadata.get_components_bitmask([kind for _, kind, _, _ in parts])
    values = []
    for array, kind, dtype, number in parts:
        about = metadata.create_summary_metadata(
            tag, display_name, kind, components, list(array.shape), description, config
        )
        content = np.ascontiguousarray(array.astype(dtype)).tobytes()
        proto = TensorProto(dtype=number, tensor_shape=_shape(array.shape), tensor_content=content)
        name = metadata.get_instance_name(tag, kind)
        values.append(Summary.Value(tag=name, tensor=proto, metadata=about))
    return Summary(value=values)


# ---- embeddings: files beside the events


def embedding(
    folder: str, points: np.ndarray, labels: Any, header: Any, images: Any, name: str, place: str
) -> Any:
    """Writes the files of an embedding into ``folder``, and tells the projector of them."""
    from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo

    os.makedirs(folder, exist_ok=True)
    info = EmbeddingInfo(tensor_name=name, tensor_path=os.path.join(place, "tensors.tsv"))
    with open(os.path.join(folder, "tensors.tsv"), "w") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in points.tolist())
    if labels is not None:
        with open(os.path.join(folder, "metadata.tsv"), "w", encoding="utf-8") as file:
            if header:
                file.write("\t".join(map(str, header)) + "\n")
            for row in labels:
                cells = row if header else [row]
                file.write("\t".join(str(c).replace("\t", " ") for c in cells) + "\n")
        info.metadata_path = os.path.join(place, "metadata.tsv")
    if images is not None:
        from flambeau.utils.tensorboard._arrays import make_grid

        columns = int(np.ceil(np.sqrt(len(images))))
        sprite = pixels(np.transpose(make_grid(images, columns), (1, 2, 0)))
        _pillow().fromarray(sprite).save(os.path.join(folder, "sprite.png"))
        info.sprite.image_path = os.path.join(place, "sprite.png")
        info.sprite.single_image_dim.extend([images.shape[3], images.shape[2]])
    return info
