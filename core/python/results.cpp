// From boxed values and results to Python.

#include "core/python/binding.h"

namespace flambeau::python {
namespace {

// ---- named tuples: torch.return_types.max(values=..., indices=...)

PyObject* named_tuple_repr(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  const char* dot = std::strrchr(type->tp_name, '.');
  std::string text = concat("torch.return_types.", dot ? dot + 1 : type->tp_name, "(\n");
  const Object fields(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__match_args__"));
  if (!fields) return nullptr;
  const Py_ssize_t n = PyTuple_GET_SIZE(fields.get());
  for (Py_ssize_t i = 0; i < n; ++i) {
    const Object value(PyObject_Repr(PyTuple_GET_ITEM(self, i)));
    if (!value) return nullptr;
    text += concat(i ? ",\n" : "", show_python(PyTuple_GET_ITEM(fields.get(), i)), "=",
                   show_python(value.get()));
  }
  return PyUnicode_FromString((text + ")").c_str());
}

PyTypeObject* make_named_tuple(const Op& op) {
  // Names and fields are the op's own, which live as long as the program.
  auto* fields = new PyStructSequence_Field[op.nreturns + 1]{};
  for (size_t i = 0; i < op.nreturns; ++i) fields[i] = {op.returns[i].name, ""};
  const std::string* name = new std::string(concat("flambeau.return_types.", op.name));
  PyStructSequence_Desc description = {name->c_str(), "The results of an op, by name.", fields,
                                       op.nreturns};
  PyTypeObject* type = PyStructSequence_NewType(&description);
  if (!type) throw PythonError();
  type->tp_repr = named_tuple_repr;
  type->tp_str = named_tuple_repr;
  return type;
}

// One type for all ops with this name and number of results.
PyTypeObject* named_tuple_type(const Op& op) {
  static PyObject* const types = PyDict_New();
  const Object key(must(PyUnicode_FromFormat("%s/%d", op.name, static_cast<int>(op.nreturns))));
  PyObject* known = PyDict_GetItemWithError(types, key.get());
  if (!known) {
    const Object made(reinterpret_cast<PyObject*>(make_named_tuple(op)));
    known = must(PyDict_SetDefault(types, key.get(), made.get()));
  }
  return reinterpret_cast<PyTypeObject*>(known);
}

bool has_names(const Op& op) {
  for (size_t i = 0; i < op.nreturns; ++i)
    if (!*op.returns[i].name) return false;
  return true;
}

// _return_type("max"): the class of the op's results, or None.
PyObject* return_type(PyObject*, PyObject* name) {
  return guarded([&]() -> PyObject* {
    const char* wanted = PyUnicode_AsUTF8(name);
    if (!wanted) throw PythonError();
    for (const Op* op : builtin_ops())
      if (op->nreturns > 1 && std::string_view(op->name) == wanted && has_names(*op))
        return Py_NewRef(reinterpret_cast<PyObject*>(named_tuple_type(*op)));
    return Py_NewRef(Py_None);
  });
}
PyMethodDef functions[] = {{"_return_type", return_type, METH_O, nullptr}, {}};

// Ops that a program defined give lists as lists, as their functions did; built-in ones tuples.
PyObject* give(const Op& op, Owned& v) {
  if (v.is_tensor()) return wrap(std::move(v.tensor()));
  if (v.tag() == Value::Tag::tensors && !op.runtime) return wrap(std::move(v.tensors()));
  return box_to_python(v.view());
}

// An op without a name for each of several results gives a plain tuple.
PyObject* give_several(const Op& op, Results& results, bool named) {
  const auto n = static_cast<Py_ssize_t>(results.size());
  named = named && n == op.nreturns && has_names(op);
  Object tuple(must(named ? PyStructSequence_New(named_tuple_type(op)) : PyTuple_New(n)));
  for (Py_ssize_t i = 0; i < n; ++i)
    PyTuple_SET_ITEM(tuple.get(), i, must(give(op, results[static_cast<size_t>(i)])));
  return tuple.release();
}

PyObject* convert(const Op& op, Results& results, bool named) {
  if (results.size() == 1) [[likely]] {
    Owned& only = results[0];
    return only.is_tensor() ? wrap(std::move(only.tensor())) : give(op, only);
  }
  return results.empty() ? Py_NewRef(Py_None) : give_several(op, results, named);
}

template <class Span, class F>
PyObject* make_list(Span items, F&& item_to_python) {
  Object list(must(PyList_New(static_cast<Py_ssize_t>(items.size()))));
  for (size_t i = 0; i < items.size(); ++i)
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), must(item_to_python(items[i])));
  return list.release();
}

PyObject* string_to_python(std::string_view s) {
  return PyUnicode_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size()));
}

}  // namespace

bool init_results(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

PyObject* wrap_results(const Op& op, Results& results) { return convert(op, results, true); }

PyObject* results_to_python(const Op& op, const Results& results) {
  Results copy = results;
  return convert(op, copy, false);
}

PyObject* box_to_python(const Value& v) {
  switch (v.tag) {
    case Value::Tag::none:
      return Py_NewRef(Py_None);
    case Value::Tag::tensor:
      return wrap(Tensor(v.tensor()));
    case Value::Tag::tensors:
      return make_list(v.tensors(), [](const Tensor& t) { return wrap(Tensor(t)); });
    case Value::Tag::integer:
      return PyLong_FromLongLong(v.integer_);
    case Value::Tag::integers:
      return make_list(v.integers(), [](int64_t i) { return PyLong_FromLongLong(i); });
    case Value::Tag::floating:
      return PyFloat_FromDouble(v.floating_);
    case Value::Tag::floatings:
      return make_list(v.floatings(), [](double d) { return PyFloat_FromDouble(d); });
    case Value::Tag::boolean:
      return PyBool_FromLong(v.boolean_);
    case Value::Tag::booleans:
      return make_list(v.booleans(), [](bool b) { return PyBool_FromLong(b); });
    case Value::Tag::scalar:
      return wrap(*v.scalar_);
    case Value::Tag::scalars:
      return make_list(v.scalars(), [](const Scalar& s) { return wrap(s); });
    case Value::Tag::symint:
      if (!v.symint_->python())
        raise_python(PyExc_NotImplementedError, "a symbolic size that Python does not know");
      return Py_NewRef(static_cast<PyObject*>(v.symint_->python()));
    case Value::Tag::strings:
      return make_list(v.strings(), string_to_python);
    case Value::Tag::values:
      return make_list(v.values(), box_to_python);
    case Value::Tag::string:
      return string_to_python(v.string());
    case Value::Tag::dtype:
      return wrap(v.dtype_);
    case Value::Tag::device:
      return wrap(v.device_);
    case Value::Tag::layout:
      return wrap(v.layout_);
    case Value::Tag::memory_format:
      return wrap(v.memory_format_);
    case Value::Tag::generator:
      return wrap_generator(v.generator_);
  }
  return nullptr;
}

}  // namespace flambeau::python
