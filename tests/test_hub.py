"""`flambeau.hub`: files from the network, here from a server in this process; versions."""

import functools
import hashlib
import http.server
import os
import threading

import pytest

import flambeau
from flambeau import hub
from flambeau.torch_version import TorchVersion


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hub, "_hub_dir", None)


def test_folders(tmp_path, monkeypatch):
    assert hub.get_dir() == str(tmp_path / "home/hub")
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert hub.get_dir() == "/cache/torch/hub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert hub.get_dir() == os.path.expanduser("~/.cache/torch/hub")
    hub.set_dir(tmp_path)
    assert hub.get_dir() == str(tmp_path)


def test_weights_are_fetched_once(server, capsys):
    folder, address = server
    flambeau.save({"w": flambeau.arange(3.0)}, folder / "net.pt")
    for _ in range(2):
        state = hub.load_state_dict_from_url(f"{address}/net.pt?x=1", weights_only=True)
        assert state["w"].tolist() == [0, 1, 2]
        (folder / "net.pt").unlink(missing_ok=True)
    assert capsys.readouterr().out.count("Downloading") == 1
    assert os.listdir(os.path.join(hub.get_dir(), "checkpoints")) == ["net.pt"]


def test_the_name_holds_the_start_of_the_hash(server, tmp_path):
    folder, address = server
    flambeau.save({"w": flambeau.ones(1)}, folder / "x.pt")
    data = (folder / "x.pt").read_bytes()
    good = f"net-{hashlib.sha256(data).hexdigest()[:8]}.pt"
    (folder / good).write_bytes(data)
    (folder / "net-00000000.pt").write_bytes(data)
    load = functools.partial(
        hub.load_state_dict_from_url, model_dir=tmp_path / "w", check_hash=True
    )
    assert load(f"{address}/{good}")["w"].item() == 1
    with pytest.raises(RuntimeError, match="invalid hash value"):
        load(f"{address}/net-00000000.pt")
    assert os.listdir(tmp_path / "w") == [good]


def test_a_file_that_was_not_fetched_whole_is_not_there(server, tmp_path):
    _, address = server
    with pytest.raises(OSError):
        hub.download_url_to_file(f"{address}/missing", str(tmp_path / "out"))
    assert "out" not in os.listdir(tmp_path)


def test_a_fetched_file_has_the_rights_of_new_files(server, tmp_path):
    folder, address = server
    (folder / "a").write_bytes(b"abc")
    hub.download_url_to_file(f"{address}/a", str(tmp_path / "a"), progress=False)
    (tmp_path / "new").touch()
    assert (tmp_path / "a").read_bytes() == b"abc"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "new").stat().st_mode


# ---- versions


@pytest.mark.parametrize(
    "less, more",
    [
        ("1.9", "1.10"),
        ("2.0.0a0", "2.0"),
        ("2.0rc1", "2.0"),
        ("2.0a1", "2.0b1"),
        ("2.0.dev3", "2.0a1"),
        ("2.0", "2.0.post1"),
        ("2.13.0", "2.13.0+flambeau"),
        ("2.13.0+1", "2.13.0+2"),
        ("2.13.0+a", "2.13.0+1"),
        ("9", "1!1"),
    ],
)
def test_versions_compare_as_versions_do(less, more):
    low, high = TorchVersion(less), TorchVersion(more)
    assert low < more and low <= high and high > less and high >= low and low != more
    assert not low > high and not low >= more and not low == high
    assert low == less and hash(low) == hash(less)


def test_versions_compare_with_tuples_and_other_texts():
    version = TorchVersion("2.13.0+flambeau")
    assert version > (2, 12) and version >= (2, 13) and version < (2, 14, 1)
    assert TorchVersion("2.13.0") == (2, 13) == TorchVersion("2.13")
    assert version.split("+") == ["2.13.0", "flambeau"] and isinstance(version, str)
    assert version != "no version" and (version < "no version") == (
        "2.13.0+flambeau" < "no version"
    )
    with pytest.raises(TypeError):
        _ = version < 3
    assert version != 3 and version != None  # noqa: E711
