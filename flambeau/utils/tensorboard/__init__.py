"""Event files for TensorBoard, through the package ``tensorboard``."""

try:
    import tensorboard as _tensorboard  # noqa: F401
    from tensorboard.summary.writer.record_writer import RecordWriter
except ImportError as error:
    raise ImportError(
        "flambeau.utils.tensorboard needs the package tensorboard (its files, no TensorFlow): "
        "pip install tensorboard"
    ) from error

from flambeau.utils.tensorboard.writer import FileWriter, SummaryWriter

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]
