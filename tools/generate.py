"""Runs the generator without flambeau's core: ``python tools/generate.py OUTPUT_FOLDER``.

The package is not importable before it is built, so an empty one stands in for it here.
"""

import pathlib
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent

package = types.ModuleType("flambeau")
package.__path__ = [str(ROOT / "flambeau")]
sys.modules["flambeau"] = package

from flambeau.ops.generator.main import write  # noqa: E402

if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
