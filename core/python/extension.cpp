#include "core/python/extension.h"

#include "core/dispatch/extension_api.h"
#include "core/python/parse.h"

namespace flambeau::python {
namespace {

// Errors cross to the extension as the library's: its own kind is not known there.
[[noreturn]] void raise_as_error() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const Object types(type), values(value), traces(trace);
  const Object text(value ? PyObject_Str(value) : nullptr);
  const char* words = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  PyErr_Clear();
  raise<Error>(words ? words : "an error without a message");
}

template <class F>
auto as_errors(F&& f) {
  try {
    return f();
  } catch (const PythonError&) {
    raise_as_error();
  }
}

// Whether `f` could read the value; what it raised is forgotten.
template <class F>
bool reads(F&& f) {
  try {
    f();
    return true;
  } catch (...) {
    translate_exception();
    PyErr_Clear();
    return false;
  }
}

PyObject* wrap_tensor(Tensor t) {
  return as_errors([&] { return must(wrap(std::move(t))); });
}

const Tensor* unwrap_tensor(PyObject* o) { return is_tensor(o) ? &unwrap(o) : nullptr; }

const Op* define(const char* ns, const char* schema) {
  static PyObject* function = nullptr;
  return as_errors([&] {
    PyObject* f = imported(function, "flambeau.library._registry", "register");
    const Object made(must(PyObject_CallFunction(f, "ss", ns, schema)));
    return &unwrap_op(made.get());
  });
}

void warn(const char* text) {
  as_errors([&] { must(PyErr_WarnEx(PyExc_UserWarning, text, 1)); });
}

const PythonApi api = {
    .wrap = wrap_tensor,
    .unwrap = unwrap_tensor,
    .wrap_dtype = [](DType d) { return wrap(d); },
    .unwrap_dtype =
        [](PyObject* o, DType* into) {
          return is_dtype(o) && reads([&] { *into = unwrap_dtype(o); });
        },
    .wrap_device = [](Device d) { return as_errors([&] { return must(wrap(d)); }); },
    .unwrap_device = [](PyObject* o,
                        Device* into) { return reads([&] { *into = unwrap_device(o); }); },
    .wrap_scalar = [](const Scalar& s) { return as_errors([&] { return must(wrap(s)); }); },
    .unwrap_scalar =
        [](PyObject* o, Scalar* into) {
          return is_number(o) && reads([&] { *into = unwrap_scalar(o); });
        },
    .translate = [] { translate_exception(); },
    .define = define,
    .warn = warn,
};

}  // namespace

bool init_extension(PyObject* module) {
  PyObject* capsule = PyCapsule_New(const_cast<PythonApi*>(&api), kPythonApi, nullptr);
  const int added = capsule ? PyModule_AddObjectRef(module, "_extension_api", capsule) : -1;
  Py_XDECREF(capsule);
  return added == 0;
}

}  // namespace flambeau::python
