"""Masks and targets that another thread writes while they are read: results of some kind, or an
error, but no write beyond what was counted or checked."""

import subprocess
import sys

import pytest

CHILD = """
import sys, threading, time
import flambeau as torch, flambeau.nn.functional as F

torch.set_num_threads(1)
n = 1 << 16
words = torch.zeros(n, dtype=torch.int64)
mask, x, v = words.view(torch.bool), torch.zeros(8 * n), torch.ones(n)
scores, one = torch.zeros(n, 3), torch.tensor(1.0)
calls = {
    "nonzero": lambda: mask.nonzero(),
    "masked_select": lambda: torch.masked_select(x, mask),
    "get": lambda: x[mask],
    "put": lambda: x.__setitem__(mask, 1 + v[:1].expand(8 * n)[mask]),
    "nll_loss": lambda: F.nll_loss(scores, words),
    "nll_loss_backward": lambda: torch.ops.aten.nll_loss_backward(
        v, scores, words, None, 0, -100, one
    ),
}
call, done = calls[sys.argv[1]], False

def flip():
    while not done:
        words.fill_(2**40)
        words.fill_(0)

other = threading.Thread(target=flip)
other.start()
end = time.monotonic() + 1.5
while time.monotonic() < end:
    try:
        call()
    except (IndexError, RuntimeError):
        pass
done = True
other.join()
"""


@pytest.mark.parametrize(
    "name", ["nonzero", "masked_select", "get", "put", "nll_loss", "nll_loss_backward"]
)
def test_values_that_change_meanwhile(name):
    child = subprocess.run(
        [sys.executable, "-c", CHILD, name], capture_output=True, text=True, timeout=100
    )
    assert child.returncode == 0, (child.returncode, child.stderr)
