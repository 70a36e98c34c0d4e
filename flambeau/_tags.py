"""What may be said of an op beside its schema."""

from __future__ import annotations

import enum

__all__ = ["Tag"]


class Tag(enum.IntEnum):
    """A property of an op, as ``op.tags`` lists them and ``define(..., tags=...)`` takes them.

    >>> flambeau.Tag.pointwise in flambeau.ops.aten.add.Tensor.tags
    True
    """

    core = 0
    cudagraph_unsafe = 1
    data_dependent_output = 2
    dynamic_output_shape = 3
    flexible_layout = 4
    generated = 5
    inplace = 6
    inplace_view = 7
    maybe_aliasing_or_mutating = 8
    needs_contiguous_strides = 9
    needs_exact_strides = 10
    needs_fixed_stride_order = 11
    nondeterministic_bitwise = 12
    nondeterministic_seeded = 13
    out = 14
    out_variant = 15
    pointwise = 16
    pt2_compliant_tag = 17
    reduction = 18
    view_copy = 19

    def __str__(self) -> str:
        return f"Tag.{self.name}"


_given: dict[str, tuple[Tag, ...]] = {}  # what programs said of ops that they defined


def normalised(tags) -> tuple[Tag, ...]:
    """One tag, several or None, as a tuple without repetitions."""
    one = isinstance(tags, (Tag, str))
    several = () if tags is None else (tags,) if one else tuple(tags)
    for tag in several:
        if not isinstance(tag, Tag):
            raise TypeError(f"define: a tag is a member of flambeau.Tag, not {tag!r}")
    return tuple(dict.fromkeys(several))


def tags_of(name: str, stated: list[str]) -> list[Tag]:
    """The tags of an op, by what its record states and by what its program gave."""
    found = {Tag[s] for s in stated} | set(_given.get(name, ()))
    if name.startswith("aten::"):
        found.add(Tag.pt2_compliant_tag)
    return sorted(found)
