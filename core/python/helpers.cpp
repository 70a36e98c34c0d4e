// Small things that all files of the binding use.
#include "core/python/binding.h"
#include "core/python/free_threading.h"

namespace flambeau::python {

PyObject* imported(PyObject*& cache, const char* module, const char* name) {
  if (PyObject* known = published(cache)) return known;
  const Object m(must(PyImport_ImportModule(module)));
  return publish_first(cache, must(PyObject_GetAttrString(m.get(), name)), Py_DecRef);
}

PyObject* interned(const char* text) { return must(PyUnicode_InternFromString(text)); }

PyTypeObject* make_type(PyObject* module, PyType_Spec* spec, const char* name, PyObject* bases) {
  PyObject* type = PyType_FromSpecWithBases(spec, bases);
  if (!type) return nullptr;
  if (name && PyModule_AddObjectRef(module, name, type) < 0) {
    Py_DECREF(type);
    return nullptr;
  }
  return reinterpret_cast<PyTypeObject*>(type);
}

void unexpected_keyword(const char* function, PyObject* name) {
  raise_python(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
}

void read_arguments(const char* function, std::span<const char* const> names, size_t required,
                    PyObject* const* args, Py_ssize_t n, PyObject* kwnames, PyObject** out,
                    size_t positional) {
  const size_t most = std::min(positional, names.size());
  if (static_cast<size_t>(n) > most)
    raise_python(PyExc_TypeError, "%s() takes %zu positional argument%s but %zd were given",
                 function, most, most == 1 ? "" : "s", n);
  for (size_t i = 0; i < names.size(); ++i) out[i] = i < static_cast<size_t>(n) ? args[i] : nullptr;
  const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < nkw; ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    size_t i = 0;
    while (i < names.size() && !is_keyword(name, names[i])) ++i;
    if (i == names.size()) unexpected_keyword(function, name);
    if (out[i])
      raise_python(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, name);
    out[i] = args[n + k];
  }
  for (size_t i = 0; i < required; ++i)
    if (!out[i])
      raise_python(PyExc_TypeError, "%s() missing 1 required positional arguments: \"%s\"",
                   function, names[i]);
}

Object fixed_tuple(PyObject* iterable) {
  if (PyTuple_CheckExact(iterable)) return Object::borrow(iterable);
  if (PyList_CheckExact(iterable)) return Object(must(PyList_AsTuple(iterable)));
  const Object items(must(PyObject_GetIter(iterable)));
  const PyTypeObject& type = *Py_TYPE(iterable);
  const bool sized = (type.tp_as_sequence && type.tp_as_sequence->sq_length) ||
                     (type.tp_as_mapping && type.tp_as_mapping->mp_length);
  const Py_ssize_t most = sized ? PyObject_Size(iterable) : PY_SSIZE_T_MAX;
  if (most < 0) throw PythonError();
  const Object list(must(PyList_New(0)));
  while (const Object item{PyIter_Next(items.get())}) {
    if (PyList_GET_SIZE(list.get()) == most)
      raise_python(PyExc_ValueError,
                   "a sequence changed while it was read: '%.200s' has more items than the %zd of "
                   "its length",
                   type.tp_name, most);
    if (PyList_Append(list.get(), item.get()) < 0) throw PythonError();
  }
  if (PyErr_Occurred()) throw PythonError();
  return Object(must(PyList_AsTuple(list.get())));
}

namespace {

// _fixed_tuple(iterable): its items, as many as its length says.
PyObject* fixed_tuple_function(PyObject*, PyObject* iterable) {
  return guarded([&] { return fixed_tuple(iterable).release(); });
}
PyMethodDef functions[] = {{"_fixed_tuple", fixed_tuple_function, METH_O, nullptr}, {}};

}  // namespace

bool init_helpers(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

FixedItems::FixedItems(PyObject* sequence, const char* message) {
  if (PyTuple_Check(sequence)) {
    tuple_ = Object::borrow(sequence);
    return;
  }
  if (!Py_TYPE(sequence)->tp_iter && !PySequence_Check(sequence))
    raise_python(PyExc_TypeError, "%s, got %.200s", message, Py_TYPE(sequence)->tp_name);
  tuple_ = fixed_tuple(sequence);
}

PyObject* call_with(const char* function, PyObject* func, PyObject* args, PyObject* kwargs) {
  if (args && !Py_TYPE(args)->tp_iter && !PySequence_Check(args))
    raise_python(PyExc_TypeError, "%s: args must be a tuple, not %.200s", function,
                 Py_TYPE(args)->tp_name);
  const Object positional(args ? fixed_tuple(args) : Object(must(PyTuple_New(0))));
  if (kwargs == Py_None) kwargs = nullptr;
  if (kwargs && !PyDict_Check(kwargs))
    raise_python(PyExc_TypeError, "%s: kwargs must be a dict, not %.200s", function,
                 Py_TYPE(kwargs)->tp_name);
  return must(PyObject_Call(func, positional.get(), kwargs));
}

std::string show_python(PyObject* o) {
  const Object text(PyObject_Str(o));
  const char* utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  if (utf8) return utf8;
  PyErr_Clear();
  return Py_TYPE(o)->tp_name;
}

}  // namespace flambeau::python
