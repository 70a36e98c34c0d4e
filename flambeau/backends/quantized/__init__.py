"""Engines for quantised tensors: this build has none."""

from flambeau.backends._settings import Setting, Settings

__all__ = ["engine", "supported_engines"]

engine: str
supported_engines: list[str]


class _Engine(Setting):
    def check(self, owner, value) -> None:
        raise RuntimeError(
            f"backends.quantized: quantized engine {value} is not supported: this build has none"
        )


class _Quantized(Settings):
    engine = _Engine("none")

    @property
    def supported_engines(self) -> list[str]:
        return []

    @supported_engines.setter
    def supported_engines(self, value) -> None:
        raise RuntimeError("backends.quantized.supported_engines: Assignment not supported")


_Quantized.become(__name__)
