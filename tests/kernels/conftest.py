"""The leaves of each instruction set that this processor has."""

import leaf_tools as tools
import pytest


@pytest.fixture(scope="session")
def libraries(request):
    return tools.build_supported(request.config.cache.mkdir("leaves"))


@pytest.fixture(params=list(tools.ISA_FLAGS))
def lib(request, libraries):
    if request.param not in libraries:
        pytest.skip(f"this processor has no {request.param}")
    return libraries[request.param]
