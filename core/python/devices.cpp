// Kinds of devices and what stands behind them: names, counts, the fall-back.
#include "core/dispatch/backend.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

std::string_view unwrap_text(PyObject* o, const char* function) {
  if (!PyUnicode_Check(o))
    raise_python(PyExc_TypeError, "%s(): expected str, got %.200s", function, Py_TYPE(o)->tp_name);
  Py_ssize_t size;
  const char* text = PyUnicode_AsUTF8AndSize(o, &size);
  if (!text) throw PythonError();
  return {text, static_cast<size_t>(size)};
}

PyObject* rename_private(PyObject*, PyObject* name) {
  return guarded([&] {
    rename_private_device(unwrap_text(name, "rename_privateuse1_backend"));
    return Py_NewRef(Py_None);
  });
}
PyObject* private_name(PyObject*, PyObject*) {
  return PyUnicode_FromString(device_type_name(DeviceType::private_use1));
}

// A device by its text, without asking whether it is there.
Device named(PyObject* o) { return unwrap_device(o); }

PyObject* device_count(PyObject*, PyObject* o) {
  return guarded([&] {
    const DeviceTable* const table = device_table(named(o).type);
    return PyLong_FromLong(table ? table->count() : 0);
  });
}
PyObject* current_device(PyObject*, PyObject* o) {
  return guarded(
      [&] { return PyLong_FromLong(require_device(named(o).type, "current device").current()); });
}
PyObject* set_current_device(PyObject*, PyObject* o) {
  return guarded([&] {
    const Device device = resolved(named(o));
    require_device(device.type).set_current(device.index);
    return Py_NewRef(Py_None);
  });
}
PyObject* synchronize_device(PyObject*, PyObject* o) {
  return guarded([&] {
    const Device device = named(o);
    {
      const ReleaseGil released;
      synchronize(device);
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* set_device_fallback(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject* device;
    const char* how;
    if (!PyArg_ParseTuple(args, "Os:_set_device_fallback", &device, &how)) throw PythonError();
    const std::string_view text(how);
    check<ValueError>(text == "warn" || text == "silent" || text == "refuse",
                      "set_fallback: expected 'warn', 'silent' or 'refuse', not '", text, "'");
    set_fallback(named(device).type, text == "warn"     ? Fallback::warn
                                     : text == "silent" ? Fallback::silent
                                                        : Fallback::refuse);
    return Py_NewRef(Py_None);
  });
}

PyObject* default_device_generator(PyObject*, PyObject* o) {
  return guarded([&] {
    const Device device = resolved(named(o));
    return must(wrap_generator(&require_device(device.type).generator(device.index), device));
  });
}

PyMethodDef functions[] = {
    {"_rename_privateuse1_backend", rename_private, METH_O, nullptr},
    {"_get_privateuse1_backend_name", private_name, METH_NOARGS,
     "The name of the kind of device that a package from outside brings."},
    {"_device_count", device_count, METH_O, "How many devices of a kind there are."},
    {"_current_device", current_device, METH_O, nullptr},
    {"_set_current_device", set_current_device, METH_O, nullptr},
    {"_synchronize_device", synchronize_device, METH_O, nullptr},
    {"_set_device_fallback", set_device_fallback, METH_VARARGS, nullptr},
    {"_default_device_generator", default_device_generator, METH_O, nullptr},
    {}};

}  // namespace

bool init_devices(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace flambeau::python
