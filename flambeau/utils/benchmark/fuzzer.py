"""Tensors of random shapes and layouts, to time operations on: the same ones for a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flambeau


class FuzzedParameter:
    """A number that is drawn.

    Args:
        name: under which tensors, and other parameters, ask for it.
        minval, maxval: bounds, both included.
        distribution: ``"uniform"``, of whole numbers where both bounds are; ``"loguniform"``, in
            which powers of two are as likely as each other; or choices with their probabilities.
        strict: it is not drawn again where a draw as a whole is rejected.
    """

    def __init__(
        self,
        name: str,
        minval: float | None = None,
        maxval: float | None = None,
        distribution: str | dict[Any, float] | None = None,
        strict: bool = False,
    ) -> None:
        self._name, self._minval, self._maxval, self.strict = name, minval, maxval, strict
        if isinstance(distribution, dict):
            if any(p < 0 for p in distribution.values()):
                raise AssertionError("Probabilities cannot be negative")
            if abs(sum(distribution.values()) - 1) > 1e-5:
                raise AssertionError("Distribution is not normalized")
            if minval is not None or maxval is not None:
                raise AssertionError("with choices, 'minval' and 'maxval' must be None")
        elif distribution not in ("loguniform", "uniform"):
            raise AssertionError(f"Unknown distribution: {distribution}")
        elif minval is None or maxval is None:
            raise AssertionError(f"the distribution {distribution} needs 'minval' and 'maxval'")
        self._distribution = distribution

    @property
    def name(self) -> str:
        return self._name

    def sample(self, state):
        """A draw, by NumPy's ``RandomState``."""
        if isinstance(self._distribution, dict):
            import numpy as np

            chances = tuple(self._distribution.values())
            return list(self._distribution)[state.choice(np.arange(len(chances)), p=chances)]
        low, high = self._minval, self._maxval
        if self._distribution == "loguniform":
            drawn = int(2 ** state.uniform(low=math.log2(low), high=math.log2(high)))
            return min(max(drawn, low), high)
        if isinstance(low, int) and isinstance(high, int):
            return int(state.randint(low=low, high=high + 1))
        return state.uniform(low=low, high=high)


class ParameterAlias:
    """Stands, among the choices of a parameter, for the value of another one."""

    def __init__(self, alias_to: str) -> None:
        self.alias_to = alias_to

    def __repr__(self) -> str:
        return f"ParameterAlias[alias_to: {self.alias_to}]"


class FuzzedTensor:
    """A tensor whose sizes and layout are drawn.

    Args:
        name: of the tensor.
        size: sizes, as numbers or names of parameters.
        steps: of these many elements along a dimension the tensor has one.
        probability_contiguous: how often its dimensions lie in memory in their own order.
        min_elements, max_elements: bounds of the number of elements.
        max_allocation_bytes: of what is allocated before ``steps`` are taken.
        dim_parameter: the parameter that says how many of the sizes count.
        dtype: of the elements.
        cuda: whether it is on a GPU.
        tensor_constructor: makes the tensor from ``size``, ``dtype`` and all parameters; random
            numbers by default.
    """

    def __init__(
        self,
        name: str,
        size: tuple[str | int, ...],
        steps: tuple[str | int, ...] | None = None,
        probability_contiguous: float = 0.5,
        min_elements: int | None = None,
        max_elements: int | None = None,
        max_allocation_bytes: int | None = None,
        dim_parameter: str | None = None,
        roll_parameter: str | None = None,
        dtype=flambeau.float32,
        cuda: bool = False,
        tensor_constructor: Callable | None = None,
    ) -> None:
        if roll_parameter is not None:
            raise NotImplementedError("FuzzedTensor: roll_parameter is not supported")
        self._name, self._size, self._steps = name, size, steps or ()
        self._probability_contiguous = probability_contiguous
        self._bounds = (min_elements, max_elements, max_allocation_bytes)
        self._dim_parameter, self._dtype, self._cuda = dim_parameter, dtype, cuda
        self._constructor = tensor_constructor or self.default_tensor_constructor

    @property
    def name(self) -> str:
        return self._name

    @staticmethod
    def default_tensor_constructor(size, dtype, **kwargs):
        """Random numbers: from 0 to 1, or whole ones from 1 to 126."""
        if dtype.is_floating_point or dtype.is_complex:
            return flambeau.rand(size=size, dtype=dtype, device="cpu")
        return flambeau.randint(1, 127, size=size, dtype=dtype, device="cpu")

    def _geometry(self, params) -> tuple[tuple, tuple, tuple]:
        """Sizes, steps, and the sizes of what is allocated."""
        dim = len(self._size) if self._dim_parameter is None else params[self._dim_parameter]

        def resolved(values) -> tuple:
            found = tuple(params.get(v, v) for v in values)[:dim]
            return found + (1,) * (dim - len(found))

        size, steps = resolved(self._size), resolved(self._steps)
        return size, steps, tuple(n * step for n, step in zip(size, steps))

    def satisfies_constraints(self, params) -> bool:
        """Whether the tensor that the parameters give keeps to the bounds."""
        size, _, allocated = self._geometry(params)
        least, most, most_bytes = self._bounds
        count = math.prod(map(int, size))
        nbytes = math.prod(map(int, allocated)) * self._dtype.itemsize
        return (
            (least is None or count >= least)
            and (most is None or count <= most)
            and (most_bytes is None or nbytes <= most_bytes)
        )

    def _make_tensor(self, params, state) -> tuple[flambeau.Tensor, dict]:
        import numpy as np

        size, steps, allocated = self._geometry(params)
        raw = self._constructor(size=allocated, dtype=self._dtype, **params)
        if self._cuda:
            raw = raw.cuda()
        order = np.arange(len(size))
        if state.rand() > self._probability_contiguous:
            while len(size) > 1 and np.all(order == np.arange(len(size))):
                order = state.permutation(raw.dim())
            # In memory in this order, and back to the order of the sizes.
            raw = raw.permute(tuple(map(int, order))).contiguous()
            raw = raw.permute(tuple(map(int, np.argsort(order))))
        tensor = raw[tuple(slice(0, n * step, step) for n, step in zip(size, steps))]
        return tensor, {
            "numel": tensor.numel(),
            "order": order,
            "steps": steps,
            "is_contiguous": tensor.is_contiguous(),
            "dtype": str(self._dtype),
        }


class FuzzedSparseTensor(FuzzedTensor):
    """A sparse tensor, of which parameters say the density and whether it is coalesced."""

    def __init__(
        self,
        name: str,
        size: tuple[str | int, ...],
        min_elements: int | None = None,
        max_elements: int | None = None,
        dim_parameter: str | None = None,
        sparse_dim: str | None = None,
        nnz: str | None = None,
        density: str | None = None,
        coalesced: str | None = None,
        dtype=flambeau.float32,
        cuda: bool = False,
    ) -> None:
        if nnz is not None:
            raise NotImplementedError("FuzzedSparseTensor: nnz is not supported: give a density")
        super().__init__(
            name,
            size,
            min_elements=min_elements,
            max_elements=max_elements,
            dim_parameter=dim_parameter,
            dtype=dtype,
            cuda=cuda,
        )
        self._density, self._coalesced, self._sparse_dim = density, coalesced, sparse_dim

    @staticmethod
    def sparse_tensor_constructor(size, dtype, sparse_dim, nnz, is_coalesced):
        """``nnz`` elements at random places; twice as many, each place twice, if not coalesced."""
        if all(n <= 0 for n in size[:sparse_dim]) and nnz:
            raise AssertionError("sparse_tensor_constructor: elements of a tensor of no size")
        values = FuzzedTensor.default_tensor_constructor([nnz, *size[sparse_dim:]], dtype)
        places = flambeau.rand(sparse_dim, nnz, device="cpu")
        places = (places * flambeau.tensor(size[:sparse_dim]).unsqueeze(1)).to(flambeau.long)
        if not is_coalesced:
            values = flambeau.cat([values, flambeau.randn_like(values)], 0)
            places = flambeau.cat([places, places], 1)
        made = flambeau.sparse_coo_tensor(places, values, flambeau.Size(size))
        return made.coalesce() if is_coalesced else made

    def _make_tensor(self, params, state) -> tuple[flambeau.Tensor, dict]:
        size, _, _ = self._geometry(params)
        density = params[self._density or "density"]
        nnz = math.ceil(sum(size) * density)
        if nnz > sum(size):
            raise AssertionError("FuzzedSparseTensor: a density is at most 1")
        dims = params[self._sparse_dim] if self._sparse_dim else len(size)
        coalesced = params[self._coalesced or "coalesced"]
        tensor = self.sparse_tensor_constructor(
            size, self._dtype, min(dims, len(size)), nnz, coalesced
        )
        if self._cuda:
            tensor = tensor.cuda()
        return tensor, {
            "numel": tensor.numel(),
            "shape": tensor.size(),
            "is_coalesced": tensor.is_coalesced(),
            "density": density,
            "sparsity": 1.0 - density,
            "sparse_dim": tensor.sparse_dim(),
            "dense_dim": tensor.dense_dim(),
            "is_hybrid": len(size) > tensor.sparse_dim(),
            "dtype": str(self._dtype),
        }


def _flat(values: Iterable, kind: type) -> tuple:
    return tuple(v for group in values for v in ([group] if isinstance(group, kind) else group))


class Fuzzer:
    """Draws parameters and makes tensors from them.

    Args:
        parameters, tensors: what is drawn; lists among them are taken apart.
        constraints: functions of the parameters, in which False rejects a draw.
        seed: of the parameters and of the tensors' elements.

    >>> from flambeau.utils.benchmark import FuzzedParameter, FuzzedTensor, Fuzzer
    >>> n = FuzzedParameter("n", 1, 100, distribution="loguniform")
    >>> fuzzer = Fuzzer([n], [FuzzedTensor("x", size=("n", 3))], seed=0)
    >>> for tensors, properties, params in fuzzer.take(2):
    ...     tensors["x"].shape == (params["n"], 3)
    True
    True
    """

    def __init__(
        self,
        parameters: list,
        tensors: list,
        constraints: list[Callable] | None = None,
        seed: int | None = None,
    ) -> None:
        import numpy as np

        if seed is None:
            seed = int(np.random.RandomState().randint(0, 2**32 - 1, dtype=np.int64))
        self._seed, self._constraints = seed, constraints or ()
        self._parameters = _flat(parameters, FuzzedParameter)
        self._tensors = _flat(tensors, FuzzedTensor)
        overlap = {p.name for p in self._parameters} & {t.name for t in self._tensors}
        if overlap:
            raise ValueError(f"Duplicate names in parameters and tensors: {overlap}")
        self._rejections = self._total_generated = 0

    def take(self, n: int) -> Iterator[tuple[dict, dict, dict]]:
        """Tensors, what is drawn of each, and parameters, ``n`` times."""
        import numpy as np

        state = np.random.RandomState(self._seed)
        flambeau.manual_seed(int(state.randint(low=0, high=2**63, dtype=np.int64)))
        for _ in range(n):
            params = self._generate(state)
            made = {t.name: t._make_tensor(params, state) for t in self._tensors}
            yield (
                {name: tensor for name, (tensor, _) in made.items()},
                {name: properties for name, (_, properties) in made.items()},
                params,
            )

    @property
    def rejection_rate(self) -> float:
        """The share of draws that some bound or constraint rejected."""
        return self._rejections / self._total_generated if self._total_generated else 0.0

    def _generate(self, state) -> dict:
        strict: dict = {}
        for _ in range(1000):
            drawn = {}
            for p in self._parameters:
                if p.name not in strict:
                    drawn[p.name] = p.sample(state)
                    if p.strict:
                        strict[p.name] = drawn[p.name]
                else:
                    drawn[p.name] = strict[p.name]
            params = self._resolved(drawn)
            self._total_generated += 1
            if all(f(params) for f in self._constraints) and all(
                t.satisfies_constraints(params) for t in self._tensors
            ):
                return params
            self._rejections += 1
        raise ValueError("Failed to generate a set of valid parameters.")

    @staticmethod
    def _resolved(params: dict) -> dict:
        found = {}
        for name, value in params.items():
            passed = {name}
            while isinstance(value, ParameterAlias):
                if value.alias_to in passed:
                    raise ValueError(f"ParameterAlias cycle detected\n{params}")
                passed.add(value.alias_to)
                value = params[value.alias_to]
            found[name] = value
        return found
