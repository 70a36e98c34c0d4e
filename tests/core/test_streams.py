"""Streams and events of the CPU, whose work is done when a call returns."""

import pytest

import flambeau as torch


def test_the_cpu_has_one_stream_that_is_always_done():
    stream = torch.Stream("cpu")
    assert stream.query() and stream == torch.Stream("cpu") and stream.device.type == "cpu"
    with stream:
        torch.ones(2)
    stream.synchronize()


def test_events_of_the_cpu_tell_the_time():
    start, end = (torch.Event("cpu", enable_timing=True) for _ in range(2))
    with pytest.raises(RuntimeError, match="must be recorded before"):
        start.elapsed_time(end)
    start.record()
    torch.ones(100_000).sum()
    torch.Stream("cpu").wait_event(start)
    end.record()
    end.synchronize()
    assert end.query() and 0 <= start.elapsed_time(end) < 60_000
    with pytest.raises(RuntimeError, match="enable_timing"):
        torch.Event("cpu").elapsed_time(end)
    with pytest.raises(NotImplementedError, match="interprocess"):
        torch.Event("cpu", interprocess=True)
    with pytest.raises(NotImplementedError, match="device 'meta' has no events"):
        torch.Event("meta")
