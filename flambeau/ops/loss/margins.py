"""Losses of margins: between pairs, triplets, and the scores of classes."""

from flambeau.ops.language import Error, Spec, dtype_name, dtypes, same, show, zeros_for
from flambeau.ops.loss.elementwise import _PAIR, _reduce, reduced
from flambeau.ops.loss.losses import MEAN, NONE, check_reduction
from flambeau.ops.record import BOOL, FLOATING, NUMERIC, REAL, composite, native, structured
from flambeau.ops.samples import call, ints, np, values

# ---- margins between pairs


@composite(
    "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, "
    "int reduction=Mean) -> Tensor",
    method=False,
)
def margin_ranking_loss(input1, input2, target, margin, reduction, ops):
    """``max(0, margin - target * (input1 - input2))``.

    >>> flambeau.margin_ranking_loss(flambeau.zeros(1), flambeau.ones(1), flambeau.ones(1), 0.5)
    tensor(1.5000)
    """
    check_reduction("margin_ranking_loss", reduction)
    lacking = ops.add_Scalar(-target * (input1 - input2), margin)
    return reduced(ops.clamp_min(lacking, 0), reduction, ops)


margin_ranking_loss.samples(
    call(values(2, 3), values(2, 3), values(2, 3), 0.5),
    call(values(3), values(3), values(3), 0.5, 0),
    dtypes=REAL,
)
margin_ranking_loss.reference(
    lambda a, b, t, margin=0.0, reduction=1: _reduce(np.maximum(0, margin - t * (a - b)), reduction)
)


@composite(
    f"hinge_embedding_loss({_PAIR}, float margin=1.0, int reduction=Mean) -> Tensor", method=False
)
def hinge_embedding_loss(self, target, margin, reduction, ops):
    """``self`` where the target is 1, ``max(0, margin - self)`` where it is -1.

    >>> flambeau.hinge_embedding_loss(flambeau.tensor([0.25, 0.25]), flambeau.tensor([1., -1.]))
    tensor(0.5000)
    """
    check_reduction("hinge_embedding_loss", reduction)
    lacking = ops.clamp_min(ops.rsub_Scalar(self, margin), 0)
    apart = ops.where_self(ops.ne_Scalar(target, 1), lacking, 0)
    return reduced(apart + ops.where_self(ops.ne_Scalar(target, -1), self, 0), reduction, ops)


hinge_embedding_loss.samples(
    call(values(2, 3), values(2, 3, constant=True)),
    call(values(2, 3), values(2, 3, constant=True), 0.5, 0),
    dtypes=REAL,
)


@composite(
    "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, "
    "int reduction=Mean) -> Tensor",
    method=False,
)
def cosine_embedding_loss(input1, input2, target, margin, reduction, ops):
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    >>> flambeau.cosine_embedding_loss(
    ...     flambeau.ones(1, 2), flambeau.ones(1, 2), flambeau.tensor([1.]))
    tensor(0.)
    """
    check_reduction("cosine_embedding_loss", reduction)
    rank = target.dim()
    if rank > 1:
        raise Error(
            "cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported"
        )
    if input1.dim() != rank + 1 or input2.dim() != rank + 1:
        raise Error(
            f"cosine_embedding_loss: {rank}D target tensor expects {rank + 1}D input tensors, but "
            f"found inputs with {input1.dim()} and {input2.dim()} dimensions"
        )
    product = ops.sum_dim_IntList(input1 * input2, [rank])
    first = ops.add_Scalar(ops.sum_dim_IntList(input1 * input1, [rank]), 1e-12)
    second = ops.add_Scalar(ops.sum_dim_IntList(input2 * input2, [rank]), 1e-12)
    cosine = product / ops.sqrt(first * second)
    near = ops.where_self(ops.eq_Scalar(target, 1), ops.rsub_Scalar(cosine, 1), 0)
    over = ops.clamp_min(ops.sub_Scalar(cosine, margin), 0)
    far = ops.where_self(ops.eq_Scalar(target, -1), over, 0)
    return reduced(near + far, reduction, ops)


cosine_embedding_loss.samples(
    call(values(2, 3), values(2, 3), values(2, constant=True)),
    call(values(3), values(3), values(constant=True), 0.5, 0),
    dtypes=REAL | BOOL,
)


@composite(
    "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, "
    "float p=2, float eps=1e-06, bool swap=False, int reduction=Mean) -> Tensor",
    method=False,
)
def triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction, ops):
    """How much less than ``margin`` closer the anchor is to ``positive`` than to ``negative``.

    >>> a = flambeau.zeros(1, 1)
    >>> flambeau.triplet_margin_loss(a, a + 1, a)
    tensor(2.0000)
    """
    check_reduction("triplet_margin_loss", reduction)
    if anchor.dim() != positive.dim() or anchor.dim() != negative.dim():
        raise Error(
            "triplet_margin_loss: The anchor, positive, and negative tensors are expected to have "
            f"the same number of dimensions, but got: anchor {anchor.dim()}D, positive "
            f"{positive.dim()}D, and negative {negative.dim()}D inputs"
        )
    near = ops.pairwise_distance(anchor, positive, p, eps)
    far = ops.pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = ops.minimum(far, ops.pairwise_distance(positive, negative, p, eps))
    lacking = ops.add_Scalar(near - far, margin)
    return reduced(ops.clamp_min(lacking, 0), reduction, ops)


triplet_margin_loss.samples(
    call(values(2, 3), values(2, 3), values(2, 3)),
    call(values(3), values(3), values(3), 2.0, 1.0, swap=True, reduction=0),
    dtypes=NUMERIC,
)


# ---- classes


def batch_of(op, self, target, many):
    """The sizes (N, C) of scores, and whether there is a dimension of items at all."""
    if self.dim() > 2 or (self.dim() > 0 and self.shape[-1] == 0):
        raise Error(
            f"{op}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{show(self.shape)}"
        )
    if not self.is_floating_point():
        raise NotImplementedError(
            f"{op}: \"{op}\" not implemented for '{dtype_name(self.dtype)}': convert with "
            ".to(torch.float32)"
        )
    if target.dtype != dtypes.int64:
        raise Error(
            f"{op}: expected scalar type Long but found {dtype_name(target.dtype)}: class indices "
            "are torch.int64"
        )
    items = self.shape[0] if self.dim() == 2 else 1
    if many:
        fits = same(self.shape, target.shape)
    else:
        fits = target.dim() <= 1 and target.numel() == items
    if not fits:
        raise Error(
            f"{op}: inconsistent target size: {show(target.shape)} for scores of shape "
            f"{show(self.shape)}"
        )


def classes_of(self):
    return self.shape[-1] if self.dim() > 0 else 1


def lacking(self, target, margin, ops):
    """As (N, C): how much less than the margin the target's score is above each, and 0 at itself;
    then where the target is, as (N, 1).
    """
    scores = self if self.dim() == 2 else ops.reshape(self, [1, -1])
    place = ops.reshape(target, [scores.shape[0], 1])
    own = ops.gather(scores, 1, place)
    short = ops.clamp_min(ops.add_Scalar(scores - own, margin), 0)
    return ops.scatter_value(short, 1, place, 0), place


def class_factor(weight, place, classes, ops):
    """What each item's sum counts: the weight of its class, divided by the number of classes."""
    share = 1.0 / float(classes)
    if weight is None:
        return ops.scalar_tensor(share, dtypes.float32)
    rows = ops.index_select(weight, 0, ops.flatten_using_ints(place, 0, -1))
    return ops.mul_Scalar(ops.unsqueeze(rows, 1), share)


def check_multi(op, self, target, p, weight, reduction):
    check_reduction(op, reduction)
    batch_of(op, self, target, False)
    if p != 1 and p != 2:
        raise Error(f"{op}: only p == 1 and p == 2 supported")
    if weight is None:
        return
    if weight.dim() > 1 or weight.numel() != classes_of(self):
        raise Error(
            f"{op}: inconsistent weight size: {show(weight.shape)} for scores of shape "
            f"{show(self.shape)}"
        )


_MULTI = "Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=Mean"


@native(
    f"multi_margin_loss(Tensor self, Tensor target, {_MULTI}) -> Tensor",
    module="_nn",
    method=False,
    out=True,
    checks_values=True,
)
def multi_margin_loss(self, target, p, margin, weight, reduction, ops):
    """How much less than ``margin`` the score of the target's class is above the others.

    >>> flambeau.nn.functional.multi_margin_loss(flambeau.zeros(1, 4), flambeau.tensor([2]))
    tensor(0.7500)
    """
    check_multi("multi_margin_loss", self, target, p, weight, reduction)
    short, place = lacking(self, target, margin, ops)
    each = short if p == 1 else short * short
    factor = class_factor(weight, place, classes_of(self), ops)
    total = ops.sum_dim_IntList(ops.to_dtype(each * factor, self.dtype), [1])
    if reduction == NONE and target.dim() == 0:
        return ops.squeeze_dim(total, 0)
    return reduced(total, reduction, ops)


multi_margin_loss.samples(
    call(values(2, 3), ints([1, 2])),
    call(values(2, 3), ints([1, 0]), 2, 0.5, values(3, low=0.1, constant=True), 0),
    call(values(3), ints(1), 1, 1, None, 2),
    dtypes=FLOATING,
)
multi_margin_loss.autocast("float32")


@multi_margin_loss.gradient
def _(g, self, target, p, margin, weight, reduction, ops):
    return ops.multi_margin_loss_backward(g, self, target, p, margin, weight, reduction), None


@composite(
    "multi_margin_loss_backward(Tensor grad_output, Tensor self, Tensor target, Scalar p, Scalar "
    "margin, Tensor? weight=None, int reduction=Mean) -> Tensor",
    function_variant=False,
    method=False,
    out=True,
    out_overload="grad_input",
)
def multi_margin_loss_backward(grad_output, self, target, p, margin, weight, reduction, ops):
    """The gradient of ``multi_margin_loss``."""
    check_multi("multi_margin_loss_backward", self, target, p, weight, reduction)
    short, place = lacking(self, target, margin, ops)
    if p == 1:
        slope = ops.to_dtype(ops.gt_Scalar(short, 0), self.dtype)
    else:
        slope = ops.mul_Scalar(short, 2)
    factor = class_factor(weight, place, classes_of(self), ops)
    own = ops.unsqueeze(grad_output, -1) if grad_output.dim() == 1 else grad_output
    if reduction == MEAN:
        own = ops.div_Scalar(own, float(max(short.shape[0], 1)))
    others = ops.to_dtype(slope * factor * own, self.dtype)
    made = ops.scatter_add(others, 1, place, -ops.sum_dim_IntList(others, [1], True))
    return ops.view(made, self.shape)


multi_margin_loss_backward.samples(
    call(values(), values(2, 3), ints([1, 2]), 1, 1, None, 1),
    call(values(2), values(2, 3), ints([1, 0]), 2, 0.5, values(3, constant=True), 0),
    dtypes=FLOATING,
)


def multilabel_specs(op, self, target, reduction):
    check_reduction(op, reduction)
    batch_of(op, self, target, True)
    sizes = [self.shape[0]] if reduction == NONE and self.dim() == 2 else []
    return Spec(sizes, self.dtype), Spec(target.shape, self.dtype)


@composite(
    "multilabel_margin_loss(Tensor self, Tensor target, int reduction=Mean) -> Tensor",
    module="_nn",
    method=False,
    out=True,
)
def multilabel_margin_loss(self, target, reduction, ops):
    """How much less than 1 the scores of an item's classes are above those of all others.

    >>> flambeau.nn.functional.multilabel_margin_loss(
    ...     flambeau.zeros(4), flambeau.tensor([2, -1, 0, 0]))
    tensor(0.7500)
    """
    return ops.multilabel_margin_loss_forward(self, target, reduction)[0]


multilabel_margin_loss.samples(
    call(values(2, 3), ints([[1, -1, 0], [2, 0, -1]])),
    call(values(3), ints([1, 0, -1]), 0),
    dtypes=FLOATING,
)


@structured(
    "multilabel_margin_loss_forward(Tensor self, Tensor target, int reduction)"
    " -> (Tensor output, Tensor is_target)",
    cpu="cpu::multilabel_margin(output, is_target, self, target, reduction)",
    checks_values=True,
    function_variant=False,
    method=False,
    differentiable=(0,),
    node="MultilabelMarginLossBackward0",
)
def multilabel_margin_loss_forward():
    """The op under ``multilabel_margin_loss``, and ones at the classes of each item."""


multilabel_margin_loss_forward.samples(
    call(values(2, 3), ints([[1, -1, 0], [2, 0, -1]]), 1),
    call(values(2, 3), ints([[1, -1, 0], [2, 0, -1]]), 0),
    call(values(3), ints([1, 0, -1]), 2),
    dtypes=FLOATING,
)
multilabel_margin_loss_forward.autocast("float32")


@multilabel_margin_loss_forward.rule
def _(self, target, reduction):
    return multilabel_specs("multilabel_margin_loss", self, target, reduction)


@multilabel_margin_loss_forward.gradient
def _(g, self, target, reduction, is_target, ops):
    return ops.multilabel_margin_loss_backward(g, self, target, reduction, is_target), None


@structured(
    "multilabel_margin_loss_backward(Tensor grad_output, Tensor self, Tensor target, "
    "int reduction, Tensor is_target) -> Tensor",
    cpu="cpu::multilabel_margin_backward(result, grad_output, self, target, reduction)",
    checks_values=True,
    function_variant=False,
    method=False,
)
def multilabel_margin_loss_backward():
    """The gradient of ``multilabel_margin_loss``, which is constant almost everywhere."""


multilabel_margin_loss_backward.samples(
    call(
        values(),
        values(2, 3),
        ints([[1, -1, 0], [2, 0, -1]]),
        1,
        values(2, 3, constant=True),
    ),
    dtypes=FLOATING,
)


@multilabel_margin_loss_backward.rule
def _(grad_output, self, target, reduction, is_target):
    op = "multilabel_margin_loss_backward"
    loss = multilabel_specs(op, self, target, reduction)[0]
    if not same(grad_output.shape, loss.sizes) and grad_output.numel() != 1:
        raise Error(
            f"{op}: grad_output of shape {show(grad_output.shape)} does not fit a loss of shape "
            f"{show(loss.sizes)}"
        )
    if not same(is_target.shape, target.shape):
        raise Error(
            f"{op}: is_target of shape {show(is_target.shape)} does not fit targets of shape "
            f"{show(target.shape)}"
        )
    return Spec(self.shape, self.dtype)


@multilabel_margin_loss_backward.gradient
def _(g, grad_output, self, target, reduction, is_target, ops):
    ones = ops.ones_like(grad_output)
    unit = ops.multilabel_margin_loss_backward(ones, self, target, reduction, is_target)
    return along_items(g * unit, grad_output.shape, ops), zeros_for(g, self.shape, ops)


def along_items(t, sizes, ops):
    """The sum of what each item, or the one loss of all, has a share in."""
    if len(sizes) == 1 and t.dim() == 2 and sizes[0] == t.shape[0]:
        return ops.sum_dim_IntList(t, [1])
    return ops.view(ops.sum(t), sizes)


for _op in (
    margin_ranking_loss,
    hinge_embedding_loss,
    cosine_embedding_loss,
    triplet_margin_loss,
    multi_margin_loss_backward,
    multilabel_margin_loss,
):
    _op.without("benchmark")

multi_margin_loss.without("jvp", "batching", "benchmark")

multilabel_margin_loss_forward.without("jvp", "batching", "decomposition", "sharding", "benchmark")

multilabel_margin_loss_backward.without(
    "jvp", "batching", "decomposition", "sharding", "autocast", "benchmark"
)
