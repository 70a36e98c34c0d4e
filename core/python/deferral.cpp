// Deferral for Python: FLAMBEAU_DEFER=1 notes ops from the start.
#include <cstdlib>

#include "core/dispatch/defer.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

PyObject* set_deferred(PyObject*, PyObject* on) {
  return guarded([&] {
    const bool before = deferral_is_on();
    set_deferral(must(PyObject_IsTrue(on)) == 1);
    return PyBool_FromLong(before);
  });
}
PyObject* notes(PyObject*, PyObject*) { return PyLong_FromSize_t(pending_notes()); }
PyObject* run(PyObject*, PyObject*) {
  return guarded([] {
    run_notes();
    return Py_NewRef(Py_None);
  });
}

PyMethodDef functions[] = {
    {"_set_deferral", set_deferred, METH_O, "Whether this thread's ops are noted; gives what was."},
    {"_pending_notes", notes, METH_NOARGS, "How many ops are noted and have not run."},
    {"_run_notes", run, METH_NOARGS, "Runs all ops that are noted."},
    {}};

}  // namespace

bool init_deferral(PyObject* module) {
  const char* const asked = std::getenv("FLAMBEAU_DEFER");
  const bool on = asked && std::string_view(asked) == "1";
  set_deferral(on);
  return PyModule_AddFunctions(module, functions) == 0 &&
         PyModule_AddObjectRef(module, "_deferred", on ? Py_True : Py_False) == 0;
}

}  // namespace flambeau::python
