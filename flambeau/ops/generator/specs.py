"""What printed rules say of outputs.

Note [Giving a spec]: a rule that has one output hands its sizes to ``give``, where a form of the op
puts what it makes of them: the output itself, or a spec. So the lists of the rule need not be kept.
"""

from __future__ import annotations

import ast
import types

from flambeau.ops import language
from flambeau.ops.generator import kinds
from flambeau.ops.generator.kinds import Val


class Specs:
    """The part of Function that translates Spec(...)."""

    def give(self, e) -> Val | None:
        """A returned Spec(...), or call of a helper that returns one, as it is given."""
        call = e if isinstance(e, ast.Call) and isinstance(e.func, ast.Name) else None
        found = self.globals.get(call.func.id) if call and call.func.id not in self.nested else None
        if found is language.Spec:
            given = self.spec_arguments(e)
            view, plain = "offset" in given, given.keys() == {"sizes", "dtype"}
            if not view and not plain:
                return None
            sizes = self.as_type(given["sizes"], "int[]", e)
            dtype = self.as_type(given["dtype"], "dtype", e)
            if plain:
                return Val(f"give({sizes}, {dtype})", "spec")
            strides = self.as_type(given["strides"], "int[]", e)
            offset = self.as_type(given["offset"], "int", e)
            return Val(f"give({sizes}, {strides}, {offset}, {dtype})", "view")
        if isinstance(found, types.FunctionType):
            made = self.helper(found, e, gives=True)
            return made if made.type in kinds.GIVEN else None
        return None

    def spec_arguments(self, e) -> dict[str, Val]:
        args, keywords = self.arguments(e)
        names = ("sizes", "dtype", "strides", "offset", "device")
        return dict(zip(names, args, strict=False)) | keywords

    def spec(self, e) -> Val:
        """What a rule says of one output; the keywords decide which kind of spec that is."""
        given = self.spec_arguments(e)
        sizes = self.as_type(given["sizes"], "int[]", e)
        sizes = sizes if given["sizes"].fresh else self.own(sizes)
        dtype = self.as_type(given["dtype"], "dtype", e)
        strides = given.get("strides", Val("std::nullopt", "none"))
        if "offset" in given:
            steps = self.as_type(strides, "int[]", e)
            steps = steps if strides.fresh else self.own(steps)
            return Val(
                f"ViewSpec{{{sizes}, {steps}, {self.as_type(given['offset'], 'int', e)}, {dtype}}}",
                "view",
            )
        steps = self.as_type(strides, "int[]?", e)
        if kinds.is_list(strides.type) and not strides.fresh:
            steps = self.own(steps)
        code = f"Spec{{{sizes}, {dtype}, {steps}}}"
        if "device" in given:
            device = self.as_type(given["device"], "device", e)
            return Val(f"PlacedSpec{{{code}, {device}}}", "placed")
        return Val(code, "spec")

    def own(self, code: str) -> str:
        """A list that a spec keeps: moved out of a variable that ends with this return."""
        if code in self.owned and [self.symbol(n) for n in self.leaving].count(code) == 1:
            return f"std::move({code})"
        return f"Dims({code})"
