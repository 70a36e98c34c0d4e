# Written by tools/stubs.py from the records and its template; edit those.
from typing import NamedTuple

from flambeau import Tensor

class nll_loss_forward(NamedTuple):
    output: Tensor
    total_weight: Tensor
class nll_loss2d_forward(NamedTuple):
    output: Tensor
    total_weight: Tensor
class sort(NamedTuple):
    values: Tensor
    indices: Tensor
class topk(NamedTuple):
    values: Tensor
    indices: Tensor
class max(NamedTuple):
    values: Tensor
    indices: Tensor
class min(NamedTuple):
    values: Tensor
    indices: Tensor
class aminmax(NamedTuple):
    min: Tensor
    max: Tensor
