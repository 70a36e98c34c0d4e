"""What SummaryWriter writes, as TensorBoard itself reads it."""

import io
import os
import wave
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch

pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
from PIL import Image  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.backend.event_processing.plugin_event_multiplexer import (  # noqa: E402
    EventMultiplexer,
)
from tensorboard.util import tensor_util  # noqa: E402

from flambeau.utils.tensorboard import FileWriter, SummaryWriter, summary  # noqa: E402

ALL = {
    kind: 0
    for kind in ("scalars", "images", "audio", "histograms", "compressedHistograms", "tensors")
}


def read(folder):
    found = EventAccumulator(str(folder), size_guidance=ALL)
    found.Reload()
    return found


@pytest.fixture
def writer(tmp_path):
    with SummaryWriter(tmp_path / "run") as made:
        yield made


def written(writer):
    writer.close()
    return read(writer.log_dir)


def plugin(found, tag):
    return found.SummaryMetadata(tag).plugin_data


def test_scalars(writer):
    for step in range(5):
        writer.add_scalar("loss/train", torch.tensor(1.0 / (step + 1)), step, walltime=100 + step)
    writer.add_scalar("half", torch.tensor([2.5], dtype=torch.bfloat16), torch.tensor(3))
    writer.add_scalar("new", 0.1, 1, new_style=True, double_precision=True)
    found = written(writer)
    events = found.Scalars("loss/train")
    assert [e.step for e in events] == [0, 1, 2, 3, 4]
    assert [e.value for e in events] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert [e.wall_time for e in events] == [100, 101, 102, 103, 104]
    assert found.Scalars("half")[0].value == 2.5 and found.Scalars("half")[0].step == 3
    assert plugin(found, "new").plugin_name == "scalars"
    assert tensor_util.make_ndarray(found.Tensors("new")[0].tensor_proto) == 0.1
    with pytest.raises(AssertionError, match="one element"):
        writer.add_scalar("x", torch.ones(2))


def test_several_scalars_in_one_chart(writer):
    for step in range(3):
        writer.add_scalars("loss", {"train": step, "held out": 2 * step}, step)
    folder = Path(written(writer).path)
    assert [e.value for e in read(folder / "loss_train").Scalars("loss")] == [0, 1, 2]
    assert [e.value for e in read(folder / "loss_held out").Scalars("loss")] == [0, 2, 4]


@pytest.mark.parametrize("bins", ["tensorflow", "auto", "fd", [-4.0, -1.0, 0.0, 1.0, 5.0]])
def test_histograms(writer, bins):
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    writer.add_histogram("weights", values, 7, bins=bins)
    found = written(writer).Histograms("weights")[0]
    h, array = found.histogram_value, values.numpy().astype(float)
    assert found.step == 7 and h.num == 1000 == sum(h.bucket)
    assert (h.min, h.max) == (array.min(), array.max())
    assert h.sum == pytest.approx(array.sum()) and h.sum_squares == pytest.approx(array @ array)
    # Each bucket reaches up to its limit.
    below = [(array < limit).sum() for limit in h.bucket_limit]
    assert list(np.cumsum(h.bucket)[:-1]) == below[:-1] and h.bucket[0] == 0


def test_histograms_at_their_limits(writer):
    writer.add_histogram("zeros", torch.zeros(3, 3))
    writer.add_histogram("few", torch.arange(100), bins=100, max_bins=10)
    writer.add_histogram("list", [1, 2, 3])
    writer.add_histogram_raw("raw", 0, 2, 3, 3.0, 5.0, [1.0, 2.0], [1, 2], 4)
    found = written(writer)
    zeros = found.Histograms("zeros")[0].histogram_value
    assert zeros.num == 9 == sum(zeros.bucket)
    assert len(found.Histograms("few")[0].histogram_value.bucket) == 11
    raw = found.Histograms("raw")[0].histogram_value
    assert list(raw.bucket) == [1, 2] and raw.sum_squares == 5
    with pytest.raises(ValueError, match="no element"):
        writer.add_histogram("x", torch.ones(0))
    with pytest.raises(ValueError, match="len"):
        writer.add_histogram_raw("x", 0, 1, 1, 1, 1, [1.0], [])


def picture(event):
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def test_images(writer):
    image = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))
    expected = (image.numpy() * 255).astype(np.uint8).transpose(1, 2, 0)
    writer.add_image("chw", image, 2)
    writer.add_image("hwc", image.permute(1, 2, 0), dataformats="HWC")
    writer.add_image("hw", image[0], dataformats="HW")
    writer.add_image("bytes", torch.tensor(expected), dataformats="HWC")
    batch = torch.stack([image[:1]] * 9)
    writer.add_images("grid", batch)
    found = written(writer)
    assert (picture(found.Images("chw")[0]) == expected).all()
    assert (picture(found.Images("hwc")[0]) == expected).all()
    assert (picture(found.Images("hw")[0]) == expected[:, :, :1]).all()
    assert (picture(found.Images("bytes")[0]) == expected).all()
    event = found.Images("grid")[0]
    assert (event.height, event.width) == (10, 56)
    assert (picture(event)[5:, :7] == expected[:, :, :1]).all() and not picture(event)[5:, 7:].any()
    with pytest.raises(AssertionError, match="does not fit"):
        writer.add_image("x", image[0])


def test_images_with_boxes(writer):
    image = torch.zeros(3, 20, 30)
    boxes = torch.tensor([[2.0, 3, 12, 15]])
    writer.add_image_with_boxes("boxes", image, boxes, rescale=2, labels=["cat"])
    writer.add_image_with_boxes("one", image, boxes[0])
    found = written(writer)
    event = found.Images("boxes")[0]
    assert (event.height, event.width) == (40, 60)
    drawn = picture(found.Images("one")[0])
    assert drawn[3, 2:13, 0].min() == 255 and drawn[:, :, 1].max() == 0 and not drawn[18:].any()


def test_figures(writer):
    from matplotlib.figure import Figure

    def figure(color):
        made = Figure(figsize=(2, 1), dpi=50, facecolor=color)
        return made

    writer.add_figure("one", figure("red"), 1)
    writer.add_figure("two", [figure("blue"), figure("lime")])
    found = written(writer)
    assert picture(found.Images("one")[0]).shape == (50, 100, 3)
    assert tuple(picture(found.Images("one")[0])[5, 5]) == (255, 0, 0)
    both = picture(found.Images("two")[0])
    assert tuple(both[0, 0]) == (0, 0, 255) and tuple(both[0, 150]) == (0, 255, 0)


def test_videos(writer):
    frames = torch.zeros(1, 4, 3, 8, 8)
    frames[:, 2] = 1
    writer.add_video("film", frames, fps=10)
    film = Image.open(io.BytesIO(written(writer).Images("film")[0].encoded_image_string))
    assert film.format == "GIF" and film.size == (8, 8)
    shown = []
    for at in range(film.n_frames):
        film.seek(at)
        shown.append((np.asarray(film.convert("L")).mean(), film.info["duration"]))
    assert [value for value, _ in shown] == [0, 255, 0]  # equal frames are one, shown longer
    assert sum(duration for _, duration in shown) == 400


def test_audio(writer):
    sound = torch.sin(torch.arange(800) / 10)
    writer.add_audio("tone", sound, 5, sample_rate=8000)
    event = written(writer).Audio("tone")[0]
    assert (event.sample_rate, event.length_frames, event.step) == (8000, 800, 5)
    with wave.open(io.BytesIO(event.encoded_audio_string)) as file:
        samples = np.frombuffer(file.readframes(800), "<i2") / 32767
    assert np.abs(samples - sound.numpy()).max() < 1e-4


def test_texts_and_tensors(writer):
    writer.add_text("note", "**hello** ü", 1)
    writer.add_tensor("whole", torch.arange(6.0).view(2, 3), 2)
    writer.add_tensor("half", torch.ones(2, dtype=torch.bfloat16))
    found = written(writer)
    event = found.Tensors("note/text_summary")[0]
    assert event.step == 1 and event.tensor_proto.string_val[0].decode() == "**hello** ü"
    assert plugin(found, "note/text_summary").plugin_name == "text"
    whole = tensor_util.make_ndarray(found.Tensors("whole")[0].tensor_proto)
    assert whole.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_precision_and_recall(writer):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (200,), generator=generator)
    scores = torch.rand(200, generator=generator)
    writer.add_pr_curve("curve", labels, scores, 3, num_thresholds=11)
    found = written(writer)
    data = tensor_util.make_ndarray(found.Tensors("curve")[0].tensor_proto)
    assert data.shape == (6, 11) and plugin(found, "curve").plugin_name == "pr_curves"
    truth, score = labels.numpy().astype(bool), scores.numpy()
    for at in range(11):
        chosen = np.floor(score * 10) >= at
        tp, fp = (chosen & truth).sum(), (chosen & ~truth).sum()
        tn, fn = (~chosen & ~truth).sum(), (~chosen & truth).sum()
        assert data[:4, at].tolist() == [tp, fp, tn, fn]
        assert data[4, at] == pytest.approx(tp / (tp + fp) if tp + fp else 0)
        assert data[5, at] == pytest.approx(tp / (tp + fn))
    writer.add_pr_curve_raw("raw", *data, num_thresholds=11)
    raw = tensor_util.make_ndarray(written(writer).Tensors("raw")[0].tensor_proto)
    assert np.allclose(raw, data)


def test_hyperparameters(writer):
    from tensorboard.plugins.hparams import metadata

    chosen = {"lr": 0.1, "layers": 3, "bn": True, "name": "a", "none": None}
    writer.add_hparams(chosen, {"accuracy": 0.9}, {"layers": [1, 2, 3]}, "trial", 4)
    writer.close()
    found = read(Path(writer.log_dir) / "trial")
    start = metadata.parse_session_start_info_plugin_data(
        plugin(found, metadata.SESSION_START_INFO_TAG).content
    )
    assert start.hparams["lr"].number_value == 0.1 and start.hparams["bn"].bool_value is True
    assert start.hparams["layers"].number_value == 3 and start.hparams["name"].string_value == "a"
    experiment = metadata.parse_experiment_plugin_data(
        plugin(found, metadata.EXPERIMENT_TAG).content
    )
    assert [m.name.tag for m in experiment.metric_infos] == ["accuracy"]
    infos = {h.name: h for h in experiment.hparam_infos}
    assert list(infos["layers"].domain_discrete) == [1, 2, 3]
    assert found.Scalars("accuracy")[0].value == pytest.approx(0.9)
    with pytest.raises(TypeError, match="dictionary"):
        writer.add_hparams([1], {})
    with pytest.raises(ValueError, match="value should be one of"):
        writer.add_hparams({"x": [1]}, {})


def test_custom_scalars(writer):
    from tensorboard.plugins.custom_scalar import layout_pb2

    writer.add_custom_scalars(
        {"A": {"both": ["Multiline", ["x", "y"]], "band": ["Margin", ["m", "l", "u"]]}}
    )
    found = written(writer)
    (tag,) = found.Tags()["tensors"]
    content = found.Tensors(tag)[0].tensor_proto.string_val[0]
    layout = layout_pb2.Layout.FromString(content)
    first, second = layout.category[0].chart
    assert list(first.multiline.tag) == ["x", "y"] and second.margin.series[0].upper == "u"
    writer.add_custom_scalars_multilinechart(["a"], title="t")
    writer.add_custom_scalars_marginchart(["a", "b", "c"])
    with pytest.raises(AssertionError, match="three"):
        writer.add_custom_scalars_marginchart(["a"])


def test_meshes(writer):
    vertices, colors = torch.rand(1, 4, 3), torch.randint(255, (1, 4, 3))
    faces = torch.tensor([[[0, 1, 2], [1, 2, 3]]])
    writer.add_mesh("shape", vertices, colors, faces, {"lights": []}, 1)
    found = written(writer)
    assert set(found.Tags()["tensors"]) == {"shape_VERTEX", "shape_COLOR", "shape_FACE"}
    read_back = tensor_util.make_ndarray(found.Tensors("shape_VERTEX")[0].tensor_proto)
    assert (read_back == vertices.numpy()).all()
    read_back = tensor_util.make_ndarray(found.Tensors("shape_FACE")[0].tensor_proto)
    assert (read_back == faces.numpy()).all()


def test_embeddings(writer):
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    points = torch.arange(12.0).view(4, 3)
    writer.add_embedding(points, ["a", "b", "c", "d"], torch.rand(4, 3, 5, 5), 2, "words")
    header = ["word", "kind"]
    writer.add_embedding(points, [["a", "n"]] * 4, metadata_header=header, global_step=3)
    folder = Path(written(writer).path)
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    first, second = config.embeddings
    rows = [line.split("\t") for line in (folder / first.tensor_path).read_text().splitlines()]
    assert np.array(rows, float).tolist() == points.tolist()
    assert (folder / first.metadata_path).read_text().split() == ["a", "b", "c", "d"]
    assert Image.open(folder / first.sprite.image_path).size == (10, 10)
    assert list(first.sprite.single_image_dim) == [5, 5]
    assert (folder / second.metadata_path).read_text().startswith("word\tkind\na\tn\n")
    with pytest.raises(AssertionError, match="#metadata"):
        writer.add_embedding(points, ["a"])


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 8)
        self.rest = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Dropout(0.5))
        self.register_buffer("shift", torch.ones(8))

    def forward(self, x, y):
        x = self.rest(self.first(x)) + self.shift
        return {"sum": x.sum(), "both": (x, y * 2)}


def graph_of(writer):
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    return GraphDef.FromString(written(writer).Graph().SerializeToString())


def test_graphs(writer):
    net = Net()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    writer.add_graph(net, (torch.ones(2, 4), torch.ones(3)))
    assert net.training and net.rest[1].training and torch.equal(torch.get_rng_state(), state)
    assert not torch.nn.modules.module._global_forward_hooks
    nodes = {n.name: n for n in graph_of(writer).node}
    linear = nodes["Net/Linear[first]/linear"]
    assert linear.op == "aten::linear"
    assert list(linear.input) == [
        "input/input",
        "Net/Linear[first]/weight",
        "Net/Linear[first]/bias",
    ]
    shape = linear.attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shape.dim] == [2, 8]
    relu = nodes["Net/Sequential[rest]/ReLU[0]/relu"]
    assert list(relu.input) == ["Net/Linear[first]/linear"]
    assert nodes["Net/shift"].op == "Buffer" and "Net/shift" in nodes["Net/add"].input
    outputs = [list(n.input) for name, n in nodes.items() if name.startswith("output/")]
    assert sorted(outputs) == [["Net/add"], ["Net/mul"], ["Net/sum"]]
    # Every input is a node, and all names differ.
    assert all(i in nodes for n in nodes.values() for i in n.input)


def test_a_graph_with_a_layer_that_is_used_twice(writer):
    layer = torch.nn.Linear(3, 3)
    writer.add_graph(torch.nn.Sequential(layer, layer), torch.ones(1, 3))
    graph = graph_of(writer)
    names = [n.name for n in graph.node]
    assert len(set(names)) == len(names)
    linears = [n for n in graph.node if n.op == "aten::linear"]
    assert linears[1].input[0] == linears[0].name


def test_purging(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", step, step)
    with SummaryWriter(tmp_path, purge_step=4, filename_suffix=".again") as writer:
        for step in range(4, 6):
            writer.add_scalar("x", -step, step)
    files = sorted(os.listdir(tmp_path), key=lambda name: name.endswith(".again"))
    assert len(files) == 2 and files[1].endswith(".again")
    for at, name in enumerate(files):  # in the order in which they were made
        os.rename(tmp_path / name, tmp_path / f"events.out.tfevents.{at}")
    assert [e.value for e in read(tmp_path).Scalars("x")] == [0, 1, 2, 3, -4, -5]


def test_flushing_and_going_on_after_the_end(tmp_path):
    writer = SummaryWriter(tmp_path / "run", max_queue=1000, flush_secs=10_000)
    writer.add_scalar("x", 1.0, 0)
    writer.flush()
    assert len(read(writer.get_logdir()).Scalars("x")) == 1
    writer.close()
    writer.close()
    writer.add_scalar("x", 2.0, 1)
    writer.close()
    assert [e.value for e in read(tmp_path / "run").Scalars("x")] == [1, 2]


def test_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="_mine") as writer:
        writer.add_scalar("x", 1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("_mine") and list(folder.glob("events.out.tfevents.*"))


def test_the_reader_of_the_server_understands_it_too(writer):
    writer.add_scalar("loss", 1.0, 0)
    writer.add_histogram("h", torch.ones(3), 0)
    writer.add_image("i", torch.zeros(3, 2, 2), 0)
    writer.close()
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(Path(writer.log_dir).parent))
    multiplexer.Reload()
    content = multiplexer.PluginRunToTagToContent
    assert "loss" in content("scalars")["run"] and "h" in content("histograms")["run"]
    assert "i" in content("images")["run"]


def test_file_writers(tmp_path):
    writer = FileWriter(str(tmp_path))
    writer.add_summary(summary.scalar("x", 3.0), 2)
    writer.flush()
    assert read(writer.get_logdir()).Scalars("x")[0].step == 2
    with pytest.raises(NotImplementedError, match="add_graph"):
        writer.add_onnx_graph("")
    writer.close()


def test_what_cannot_be_written(writer):
    with pytest.raises(NotImplementedError, match="numpy arrays and tensors"):
        writer.add_scalar("x", object())
    with pytest.raises(NotImplementedError, match="ONNX"):
        writer.add_onnx_graph("model.onnx")


def test_the_demo_writes_its_curves(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("tqdm")
    from flambeau import cli

    arguments = ["--epochs", "1", "--quick", "--no-plots", "--out", tmp_path / "out"]
    cli.main(["demo", *map(str, arguments), "--log-dir", str(tmp_path / "logs")])
    found = read(tmp_path / "logs")
    losses, rates = found.Scalars("loss"), found.Scalars("learning rate")
    assert len(losses) == len(rates) > 10 and losses[-1].value < losses[0].value
    assert len(found.Scalars("held out/accuracy")) == 1
    assert found.Graph() and found.Images("held out")
