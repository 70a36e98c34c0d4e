"""Makes the records importable without flambeau's core, which may not be built yet.

``import bare`` puts an empty package in flambeau's place, whose folder is the repository's.
"""

import pathlib
import sys
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent

package = types.ModuleType("flambeau")
package.__path__ = [str(ROOT / "flambeau")]
sys.modules["flambeau"] = package
