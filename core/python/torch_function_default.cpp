// What a class gets when it does not override: Tensor's own __torch_function__, and the function
// that a class names to switch overriding off.
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

// One level deeper on the stack; RecursionError past Python's limit.
struct Recursion {
  explicit Recursion(const char* where) {
    if (Py_EnterRecursiveCall(where)) throw PythonError();
  }
  ~Recursion() { Py_LeaveRecursiveCall(); }
};

// Runs the function on plain tensors and gives the results the class of the arguments.
Object as_class(PyObject* result, PyTypeObject* cls) {
  if (is_tensor(result)) {
    if (PyObject_TypeCheck(result, cls)) return Object::borrow(result);
    return Object(must(PyObject_CallMethod(result, "as_subclass", "O", cls)));
  }
  if (!PyTuple_Check(result) && !PyList_Check(result)) return Object::borrow(result);
  const FixedItems given(result, "__torch_function__: a sequence was expected");
  Object items(must(PyList_New(static_cast<Py_ssize_t>(given.size()))));
  {
    const Recursion deeper(" while results are given their class");
    for (size_t i = 0; i < given.size(); ++i)
      PyList_SET_ITEM(items.get(), static_cast<Py_ssize_t>(i), as_class(given[i], cls).release());
  }
  if (PyList_CheckExact(result)) return items;
  if (PyTuple_CheckExact(result)) return Object(must(PyList_AsTuple(items.get())));
  // Named tuples: those of ops take one sequence, those of collections one argument per field.
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(result));
  if (PyObject_HasAttrString(type, "_fields")) {
    const Object args(must(PyList_AsTuple(items.get())));
    return Object(must(PyObject_CallObject(type, args.get())));
  }
  return Object(must(PyObject_CallOneArg(type, items.get())));
}

// Functions whose results keep their class: what they give is not computed from the arguments.
bool keeps_class(PyObject* function) {
  static PyObject* functions = nullptr;
  const int found = PySet_Contains(
      imported(functions, "flambeau.overrides", "_functions_that_keep_the_class"), function);
  if (found < 0) PyErr_Clear();  // not hashable
  return found > 0;
}

PyObject* default_torch_function(PyObject* cls, PyObject* const* args, Py_ssize_t n,
                                 PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    static const char* const kNames[] = {"func", "types", "args", "kwargs"};
    PyObject* given[4];
    read_arguments("__torch_function__", kNames, 2, args, n, kwnames, given);
    const FixedItems types(given[1], "__torch_function__: types must be a sequence");
    for (PyObject* type : types)
      if (!must(PyObject_IsSubclass(cls, type))) return Py_NewRef(Py_NotImplemented);
    Object result;
    {
      const WithTorchFunction plain(TorchFunction::subclasses_off);
      result = Object(call_with("__torch_function__", given[0], given[2], given[3]));
    }
    if (cls == reinterpret_cast<PyObject*>(tensor_type) || keeps_class(given[0]))
      return result.release();
    const WithTorchFunction plain(TorchFunction::subclasses_off);
    return as_class(result.get(), reinterpret_cast<PyTypeObject*>(cls)).release();
  });
}

PyObject* disabled_torch_function(PyObject*, PyObject* const* args, Py_ssize_t n,
                                  PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"func", "types", "args", "kwargs"};
    PyObject* given[4];
    read_arguments("_disabled_torch_function_impl", kNames, 2, args, n, kwnames, given);
    const WithTorchFunction off(TorchFunction::subclasses_off);
    return call_with("_disabled_torch_function_impl", given[0], given[2], given[3]);
  });
}

PyMethodDef functions[] = {
    {"_disabled_torch_function_impl", c_function(disabled_torch_function),
     METH_FASTCALL | METH_KEYWORDS, "As __torch_function__ of a class: do not override."},
    {}};
PyMethodDef default_method = {"__torch_function__", c_function(default_torch_function),
                              METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
                              "Runs func and gives its results the class cls."};

}  // namespace

bool init_default_torch_function(PyObject* module) {
  const Object method(PyDescr_NewClassMethod(tensor_type, &default_method));
  return method &&
         PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), "__torch_function__",
                                method.get()) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
