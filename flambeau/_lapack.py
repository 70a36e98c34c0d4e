"""Where the library for ``flambeau.linalg`` lies; the core asks when it first needs one."""

import importlib.util
import os


def path() -> str:
    """The library of the package ``scipy-openblas32``, which is found without being imported."""
    found = importlib.util.find_spec("scipy_openblas32")
    if found is None or found.origin is None:
        return ""
    folder = os.path.join(os.path.dirname(found.origin), "lib")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if name.startswith("libscipy_openblas") and not name.endswith(".a"):
            return os.path.join(folder, name)
    return ""
