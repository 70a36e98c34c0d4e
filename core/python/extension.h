// What extensions of other people find in the module: see core/dispatch/extension_api.h.
#pragma once

#include "core/python/python.h"

namespace flambeau::python {

bool init_extension(PyObject* module);

}  // namespace flambeau::python
