"""Says in one line what to install where no C++20 compiler is found."""

import os
import shutil
import subprocess
import sys
import tempfile

PROGRAM = (
    "#include <span>\n#include <concepts>\nint main() { std::span<int> s; return s.size(); }\n"
)


def main() -> int:
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    if compiler:
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "a.cpp")
            with open(source, "w") as f:
                f.write(PROGRAM)
            command = [compiler, "-std=c++20", source, "-o", os.path.join(folder, "a")]
            if subprocess.run(command, capture_output=True).returncode == 0:
                return 0
    print(
        "flambeau needs a C++20 compiler to build: install g++ 11 or newer "
        "(Debian and Ubuntu: apt install g++), or point CXX at one.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
