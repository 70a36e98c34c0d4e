from typing import NoReturn


def refuse(function: str) -> NoReturn:
    raise RuntimeError(
        f"accelerator.{function}: Cannot access accelerator device when none is available. Ask "
        "flambeau.accelerator.is_available() first."
    )
