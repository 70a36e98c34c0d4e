// flambeau._C: the binding, made part by part.
#include "core/python/binding.h"

namespace {

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "flambeau._C",
                          "flambeau's core: tensors, ops and their autograd.", -1, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__C() {
  using namespace flambeau::python;
  PyObject* module = PyModule_Create(&definition);
  if (!module) return nullptr;
  constexpr bool (*kParts[])(PyObject*) = {init_types,   init_tensor,   init_call,
                                           init_layers,  init_indexing, init_interchange,
                                           init_autograd};
#ifdef Py_GIL_DISABLED
  PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);  // see free_threading.h
#endif
  for (const auto init : kParts) {
    if (init(module)) continue;
    Py_DECREF(module);
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_ImportError, "flambeau._C could not be initialised");
    return nullptr;
  }
  return module;
}
