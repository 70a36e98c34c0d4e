// Rules of ops from Python, and the C++ that rules in Python call.
#include "core/autograd/formulas.h"
#include "core/dispatch/printed.h"
#include "core/python/binding.h"
#include "core/python/parse.h"
#include "kernels/shape/einsum.h"
#include "kernels/shape/index.h"

namespace flambeau::python {
namespace {

std::string_view text_of(PyObject* o) {
  Py_ssize_t n;
  const char* text = PyUnicode_AsUTF8AndSize(o, &n);
  if (!text) throw PythonError();
  return {text, static_cast<size_t>(n)};
}

PyObject* spec_to_python(const OutputSpec& spec, const Value* args) {
  const Object sizes(must(wrap_size(spec.sizes)));
  const Object dtype(must(wrap(spec.dtype)));
  const Object strides(spec.strides ? must(wrap_size(*spec.strides)) : Py_NewRef(Py_None));
  const Object offset(spec.offset ? must(PyLong_FromLongLong(*spec.offset)) : Py_NewRef(Py_None));
  const Object device(must(wrap(device_of(spec, args))));
  return must(PyTuple_Pack(5, sizes.get(), dtype.get(), strides.get(), offset.get(), device.get()));
}

// _run_rule(op, args, kwargs): (sizes, dtype, strides, offset, device) of each output; None where
// the op has no rule.
PyObject* run_rule(PyObject*, PyObject* given) {
  PyObject *object, *args, *kwargs;
  if (!PyArg_ParseTuple(given, "OO!O!", &object, &PyTuple_Type, &args, &PyDict_Type, &kwargs))
    return nullptr;
  return guarded([&]() -> PyObject* {
    const Op& op = unwrap_op(object);
    if (!op.rule) return Py_NewRef(Py_None);
    std::vector<PyObject*> values;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i)
      values.push_back(PyTuple_GET_ITEM(args, i));
    const Object names(must(PyTuple_New(PyDict_GET_SIZE(kwargs))));
    PyObject *key, *value;
    Py_ssize_t at = 0, n = 0;
    while (PyDict_Next(kwargs, &at, &key, &value)) {
      PyTuple_SET_ITEM(names.get(), n++, Py_NewRef(key));
      values.push_back(value);
    }
    const Signature signature(op, Style::schema);
    Arguments arguments;
    const Py_ssize_t positional = PyTuple_GET_SIZE(args);
    if (!signature.parse(arguments, values.data(), positional, names.get()))
      raise<TypeError>(signature.mismatch(op.name, values.data(), positional, names.get()));
    check<TypeError>(!arguments.symbolic, op.name,
                     ": the rule in C++ takes no symbols; the record's runs on them");
    Specs specs;
    op.rule(op, arguments.values, specs);
    const Object out(must(PyList_New(0)));
    for (const OutputSpec& spec : specs.all()) {
      const Object one(spec_to_python(spec, arguments.values));
      if (PyList_Append(out.get(), one.get()) < 0) throw PythonError();
    }
    return Py_NewRef(out.get());
  });
}

// ---- leaves

struct Leaf {
  const char* name;
  PyObject* (*call)(PyObject* const* args);
  Py_ssize_t nargs;
};

const Tensor& tensor_of(PyObject* o) {
  if (!is_tensor(o)) raise<TypeError>("expected a Tensor");
  return unwrap(o);
}

TensorVec tensors_of(PyObject* list) {
  const Object items(must(PySequence_Fast(list, "expected a list of Tensors")));
  TensorVec out;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(items.get(), i);
    if (!is_tensor(item)) raise<TypeError>("expected a list of Tensors");
    out.push_back(unwrap(item));
  }
  return out;
}

constexpr Leaf kLeaves[] = {
    {"strides_like",
     [](PyObject* const* a) { return must(wrap_size(strides_like(tensor_of(a[0])))); }, 1},
    {"printed::suggest_memory_format",
     [](PyObject* const* a) { return must(wrap(tensor_of(a[0]).suggest_memory_format())); }, 1},
    {"printed::result_type",
     [](PyObject* const* a) {
       const TensorVec tensors = tensors_of(a[0]);
       if (tensors.empty()) raise<ValueError>("result_type of no tensors");
       return must(wrap(printed::result_type(tensors)));
     },
     1},
    {"shape::scalar_type_name",
     [](PyObject* const* a) {
       return must(PyUnicode_FromString(shape::scalar_type_name(unwrap_dtype(a[0]))));
     },
     1},
    {"wrapped_number",
     [](PyObject* const* a) { return must(wrap(wrapped_number(unwrap_scalar(a[0])))); }, 1},
    {"printed::watched",
     [](PyObject* const* a) { return PyBool_FromLong(printed::watched(tensors_of(a[0]))); }, 1},
    {"printed::in_batch",
     [](PyObject* const* a) { return PyBool_FromLong(printed::in_batch(tensor_of(a[0]))); }, 1},
    {"printed::under_dispatch",
     [](PyObject* const* a) { return PyBool_FromLong(printed::under_dispatch(tensor_of(a[0]))); },
     1},
    {"formula::wants_ops",
     [](PyObject* const* a) {
       return PyBool_FromLong(
           formula::wants_ops(tensor_of(a[0]), tensor_of(a[1]), a[2] == Py_True));
     },
     3},
    {"resolved", [](PyObject* const* a) { return must(wrap(resolved(unwrap_device(a[0])))); }, 1},
    {"shape::einsum_labels",
     [](PyObject* const* a) {
       const Object list(must(PyList_New(0)));
       for (const Dims& labels :
            shape::einsum_labels(text_of(a[0]), unwrap_scalar(a[1]).to_int())) {
         const Object one(must(wrap_size(labels)));
         if (PyList_Append(list.get(), one.get()) < 0) throw PythonError();
       }
       return Py_NewRef(list.get());
     },
     2},
    {"check_inplace",
     [](PyObject* const* a) {
       check_inplace(tensor_of(a[0]), a[1] == Py_True, std::string(text_of(a[2])).c_str());
       return Py_NewRef(Py_None);
     },
     3},
    {"check_written_once",
     [](PyObject* const* a) {
       check_written_once(std::string(text_of(a[0])).c_str(), tensor_of(a[1]));
       return Py_NewRef(Py_None);
     },
     2},
    {"check_not_shifted",
     [](PyObject* const* a) {
       check_not_shifted(std::string(text_of(a[0])).c_str(), tensor_of(a[1]), tensor_of(a[2]));
       return Py_NewRef(Py_None);
     },
     3},
    {"printed::check_copy",
     [](PyObject* const* a) {
       printed::check_copy(std::string(text_of(a[0])).c_str(), tensor_of(a[1]), tensor_of(a[2]));
       return Py_NewRef(Py_None);
     },
     3},
    {"printed::check_apart",
     [](PyObject* const* a) {
       printed::check_apart(std::string(text_of(a[0])).c_str(), tensor_of(a[1]), tensor_of(a[2]));
       return Py_NewRef(Py_None);
     },
     3},
    {"fits",
     [](PyObject* const* a) {
       return PyBool_FromLong(fits(unwrap_scalar(a[0]), unwrap_dtype(a[1])));
     },
     2},
    {"check_fits",
     [](PyObject* const* a) {
       check_fits(std::string(text_of(a[0])).c_str(), unwrap_scalar(a[1]), unwrap_dtype(a[2]));
       return Py_NewRef(Py_None);
     },
     3},
};

// _leaf(name, *args): a function of flambeau/ops/language.py whose body is C++.
PyObject* call_leaf(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n > 0)
      for (const Leaf& leaf : kLeaves)
        if (leaf.nargs == n - 1 && text_of(args[0]) == leaf.name) return leaf.call(args + 1);
    raise<TypeError>("_leaf: no such function, or not with ", n - 1, " arguments");
  });
}

// The built-in ops of which `wanted` holds, by their full names.
template <class F>
PyObject* names_of_ops(F&& wanted) {
  const Object list(must(PyList_New(0)));
  for (const Op* const each : builtin_ops()) {
    const Op& op = *each;
    if (!wanted(op)) continue;
    const std::string full = *op.overload ? concat(op.name, ".", op.overload) : op.name;
    const Object name(must(PyUnicode_FromString(full.c_str())));
    if (PyList_Append(list.get(), name.get()) < 0) throw PythonError();
  }
  return Py_NewRef(list.get());
}

constexpr uint32_t kDynamic = tag::dynamic_shape | tag::data_dependent;

// _ops_without_rule(): those that meta, deferral and other devices cannot run by parts.
PyObject* ops_without_rule(PyObject*, PyObject*) {
  return guarded([] {
    return names_of_ops([](const Op& op) {
      return !op.rule && !(op.tags & (tag::composite_implicit | tag::composite_explicit));
    });
  });
}
// _ops_of_dynamic_shape(): those whose sizes, or whose plain results, depend on elements.
PyObject* ops_of_dynamic_shape(PyObject*, PyObject*) {
  return guarded(
      [] { return names_of_ops([](const Op& op) { return (op.tags & kDynamic) != 0; }); });
}

PyMethodDef functions[] = {{"_ops_without_rule", ops_without_rule, METH_NOARGS, nullptr},
                           {"_ops_of_dynamic_shape", ops_of_dynamic_shape, METH_NOARGS, nullptr},
                           {"_run_rule", run_rule, METH_VARARGS, nullptr},
                           {"_leaf", c_function(call_leaf), METH_FASTCALL, nullptr},
                           {}};

}  // namespace

bool init_rules(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace flambeau::python
