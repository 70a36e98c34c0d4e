"""Writers of event files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from tensorboard.compat.proto import event_pb2
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from flambeau.utils.tensorboard import summary as s
from flambeau.utils.tensorboard._arrays import figure_to_image, make_np

__all__ = ["FileWriter", "SummaryWriter"]


class FileWriter:
    """One event file; TensorBoard's own writer, on a thread, puts the events into it.

    Args:
        log_dir: the folder of the file.
        max_queue: how many events wait at the most before the program does.
        flush_secs: how often they are put onto the disk.
        filename_suffix: ends the file's name.

    Shape:
        - no tensors.

    Example::

        >>> import tempfile
        >>> from flambeau.utils.tensorboard import FileWriter
        >>> from flambeau.utils.tensorboard.summary import scalar
        >>> writer = FileWriter(tempfile.mkdtemp())
        >>> writer.add_summary(scalar("loss", 1.0), global_step=0)
        >>> writer.close()
    """

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = ""
    ) -> None:
        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return self.event_writer.get_logdir()

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Adds an event of step ``step``, at ``walltime`` seconds since 1970 or now."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(
        self, summary: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds what a function of :mod:`flambeau.utils.tensorboard.summary` made."""
        self.add_event(Event(summary=summary), global_step, walltime)

    def add_graph(self, graph_profile: tuple, walltime: float | None = None) -> None:
        """Adds a graph and what is known of its run."""
        graph, run = graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)
        tagged = event_pb2.TaggedRunMetadata(tag="step1", run_metadata=run.SerializeToString())
        self.add_event(Event(tagged_run_metadata=tagged), None, walltime)

    def add_onnx_graph(self, graph: Any, walltime: float | None = None) -> NoReturn:
        """Raises: ONNX is not read."""
        raise NotImplementedError("add_onnx_graph: ONNX is not read yet: use add_graph(model, x)")

    def flush(self) -> None:
        """Waits until all events are on the disk."""
        self.event_writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Begins another file in the same folder."""
        self.event_writer.reopen()


def _default_bins() -> list[float]:
    """Edges in equal ratios on both sides of 0."""
    edges, edge = [], 1e-12
    while edge < 1e20:
        edges.append(edge)
        edge *= 1.1
    return [-e for e in reversed(edges)] + [0.0] + edges


class SummaryWriter:
    """Writes what TensorBoard shows: curves, histograms, images, texts, graphs, ...

    Args:
        log_dir: where the file goes; by default ``runs/`` with date, time and machine.
        comment: ends the default's name.
        purge_step: TensorBoard forgets what an earlier run wrote at this step and later.
        max_queue: how many events wait at the most before the program does.
        flush_secs: how often they are put onto the disk.
        filename_suffix: ends the file's name.

    Shape:
        - as each method says.

    Example::

        >>> import tempfile
        >>> from flambeau.utils.tensorboard import SummaryWriter
        >>> with SummaryWriter(tempfile.mkdtemp()) as writer:
        ...     for step in range(3):
        ...         writer.add_scalar("loss", 1 / (step + 1), step)
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            import socket
            from datetime import datetime

            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = os.fspath(log_dir)
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._projector: Any = None
        self.default_bins = _default_bins()
        self._get_file_writer()

    def _new_writer(self, folder: str) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _get_file_writer(self) -> FileWriter:
        """The file, made again where it was closed."""
        if self.file_writer is None:
            self.file_writer = self._new_writer(self.log_dir)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                step, self.purge_step = self.purge_step, None
                self.file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
                start = SessionLog(status=SessionLog.START)
                self.file_writer.add_event(Event(step=step, session_log=start))
        return self.file_writer

    def _add(self, summary: Any, step: Any, walltime: float | None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    def get_logdir(self) -> str:
        """The folder of the event file."""
        return self.log_dir

    # ---- numbers

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Adds a number to a curve.

        Args:
            tag: the curve's name; ``/`` makes groups.
            scalar_value: a number, or a tensor of one element.
            global_step: where on the axis.
            walltime: seconds since 1970; now, by default.
            new_style: as a tensor, which TensorBoard reads faster.
            double_precision: with ``new_style``, in 64 bits.
        """
        self._add(
            s.scalar(tag, scalar_value, None, new_style, double_precision), global_step, walltime
        )

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a number to each of several curves in one chart. Each curve has a file of its own.

        Args:
            main_tag: the chart's name.
            tag_scalar_dict: the curves' names and numbers.
            global_step: where on the axis.
            walltime: seconds since 1970; now, by default.
        """
        walltime = time.time() if walltime is None else walltime
        folder = self._get_file_writer().get_logdir()
        for tag, value in tag_scalar_dict.items():
            place = f"{folder}/{main_tag.replace('/', '_')}_{tag}"
            assert self.all_writers is not None
            if place not in self.all_writers:
                self.all_writers[place] = self._new_writer(place)
            self.all_writers[place].add_summary(s.scalar(main_tag, value), global_step, walltime)

    def add_tensor(
        self, tag: str, tensor: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a whole tensor, to be read back from the file."""
        self._add(s.tensor_proto(tag, tensor), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Adds how often which values come.

        Args:
            tag: the name.
            values: any shape.
            global_step: where on the axis.
            bins: ``"tensorflow"``, edges in equal ratios; or what ``numpy.histogram`` takes.
            walltime: seconds since 1970; now, by default.
            max_bins: so many at the most, of equally many bins each.
        """
        bins = self.default_bins if isinstance(bins, str) and bins == "tensorflow" else bins
        self._add(s.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self,
        tag: str,
        min: float,
        max: float,
        num: float,
        sum: float,
        sum_squares: float,
        bucket_limits: Sequence[float],
        bucket_counts: Sequence[float],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a histogram that was made elsewhere: ``bucket_limits`` are the upper edges."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError("len(bucket_limits) != len(bucket_counts), see the document.")
        raw = s.histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
        self._add(raw, global_step, walltime)

    # ---- pictures and sound

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Adds an image: bytes, or numbers from 0 to 1.

        Args:
            tag: the name.
            img_tensor: ``(3, H, W)``, or as ``dataformats`` says.
            global_step: where on the axis.
            walltime: seconds since 1970; now, by default.
            dataformats: the order of dimensions: ``"CHW"``, ``"HWC"``, ``"HW"``, ...
        """
        self._add(s.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Adds several images in a grid; see :meth:`add_image`."""
        if isinstance(img_tensor, list):
            import flambeau

            img_tensor = flambeau.stack(img_tensor)
        self._add(s.image(tag, img_tensor, dataformats=dataformats), global_step, walltime)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: str | Sequence[str] | None = None,
    ) -> None:
        """Adds an image with frames drawn into it.

        Args:
            tag: the name.
            img_tensor: the image, as for :meth:`add_image`.
            box_tensor: ``(N, 4)``: left, top, right and bottom of each frame, in pixels.
            global_step: where on the axis.
            walltime: seconds since 1970; now, by default.
            rescale: by how much the image is made larger.
            dataformats: the order of dimensions.
            labels: a text for each frame.
        """
        if isinstance(labels, str):
            labels = [labels]
        if labels is not None and len(labels) != len(make_np(box_tensor).reshape(-1, 4)):
            labels = None
        boxes = s.image_boxes(tag, img_tensor, box_tensor, rescale, dataformats, labels)
        self._add(boxes, global_step, walltime)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: Any = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Adds a figure of Matplotlib, or a list of them, as an image; ``close`` closes it."""
        image = figure_to_image(figure, close)
        order = "NCHW" if isinstance(figure, list) else "CHW"
        self.add_image(tag, image, global_step, walltime, dataformats=order)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: float | None = None,
    ) -> None:
        """Adds films ``(N, T, C, H, W)``: bytes, or numbers from 0 to 1."""
        self._add(s.video(tag, vid_tensor, fps), global_step, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Any = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Adds sound: one channel of numbers from -1 to 1."""
        self._add(s.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Adds a text in Markdown."""
        self._add(s.text(tag, text_string), global_step, walltime)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds points or triangles in space.

        Args:
            tag: the name.
            vertices: ``(B, N, 3)``, where the points are.
            colors: ``(B, N, 3)``, bytes.
            faces: ``(B, M, 3)``, which three points each triangle has.
            config_dict: for three.js, which shows them.
            global_step: where on the axis.
            walltime: seconds since 1970; now, by default.
        """
        self._add(s.mesh(tag, vertices, colors, faces, config_dict), global_step, walltime)

    # ---- judging

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds precision against recall.

        Args:
            tag: the name.
            labels: whether each is of the class.
            predictions: how likely it seemed, from 0 to 1.
            global_step: where on the axis.
            num_thresholds: points of the curve, at most 127.
            weights: what each counts.
            walltime: seconds since 1970; now, by default.
        """
        curve = s.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(curve, global_step, walltime)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Adds a curve that was computed elsewhere."""
        curve = s.pr_curve_raw(
            tag,
            true_positive_counts,
            false_positive_counts,
            true_negative_counts,
            false_negative_counts,
            precision,
            recall,
            num_thresholds,
            weights,
        )
        self._add(curve, global_step, walltime)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: Mapping[str, Sequence] | None = None,
        run_name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """Adds what a run was made with, and the figures to judge it by.

        Args:
            hparam_dict: names and values: numbers, truth values, texts.
            metric_dict: names and figures.
            hparam_domain_discrete: which values a hyperparameter may have.
            run_name: the folder of the run; by default the time.
            global_step: where on the axis.
        """
        parts = s.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self.log_dir, run_name or str(time.time()))
        with SummaryWriter(log_dir=folder) as writer:
            for part in parts:
                writer._get_file_writer().add_summary(part, global_step)
            for name, value in metric_dict.items():
                writer.add_scalar(name, value, global_step)

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence]]) -> None:
        """Says which curves stand in one chart.

        Args:
            layout: category -> title -> ``["Multiline", [tags]]``, or ``["Margin", [middle, lower,
                upper]]``.
        """
        self._add(s.custom_scalars(layout), None, None)

    def add_custom_scalars_multilinechart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Says that these curves stand in one chart."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: Sequence[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """Says that the second and the third curve are the margins of the first."""
        if len(tags) != 3:
            raise AssertionError(f"expected three tags: middle, lower, upper; got {tags}")
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    # ---- models and what they make

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Adds a graph of a module: it runs once, in evaluation mode, and each op is a node within
        the modules that called it.

        Args:
            model: the module.
            input_to_model: what it is called with: a tensor, or a tuple of arguments.
            verbose: prints the graph too.
            use_strict_trace: makes no difference: results of any structure are followed.
        """
        from flambeau.utils.tensorboard._graph import graph

        made = graph(model, input_to_model)
        if verbose:
            print(made[0])
        self._get_file_writer().add_graph(made)

    def add_onnx_graph(self, prototxt: Any) -> NoReturn:
        """Raises: ONNX is not read."""
        self._get_file_writer().add_onnx_graph(prototxt)

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Adds points of many dimensions for the projector.

        Args:
            mat: ``(N, D)``, a point in each row.
            metadata: a label for each, or a row of labels.
            label_img: ``(N, C, H, W)``, an image for each.
            global_step: where on the axis.
            tag: the name.
            metadata_header: the names of the columns of labels.
        """
        points = make_np(mat)
        if points.ndim != 2:
            raise AssertionError(f"mat should be 2D, where each row is a point: {points.shape}")
        for name, given in (("metadata", metadata), ("label_img", label_img)):
            if given is not None and len(given) != len(points):
                raise AssertionError(
                    f"#{name} should equal with #data points: {len(given)} and {len(points)}"
                )
        from google.protobuf import text_format
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        step = 0 if global_step is None else int(global_step)
        place = f"{step:05d}/{re.sub(r'[^A-Za-z0-9_.-]', lambda m: f'%{ord(m[0]):02x}', tag)}"
        folder = os.path.join(self._get_file_writer().get_logdir(), place)
        images = None if label_img is None else make_np(label_img)
        name = f"{tag}:{step:05d}"
        info = s.embedding(folder, points, metadata, metadata_header, images, name, place)
        if self._projector is None:
            self._projector = ProjectorConfig()
        self._projector.embeddings.append(info)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w") as file:
            file.write(text_format.MessageToString(self._projector))

    # ---- ending

    def flush(self) -> None:
        """Waits until all events are on the disk."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the files; what is added later begins a new file."""
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.close()
