// Function objects over the overloads of an op's Python name.
#pragma once

#include "core/python/free_threading.h"
#include "core/python/parse.h"

namespace flambeau::python {

struct FunctionObject {
  PyObject_HEAD vectorcallfunc call;
  const PythonName* name;
  Signature** signatures;  // made at the first call
  PyObject* doc;
};

inline FunctionObject* as_function(PyObject* o) { return reinterpret_cast<FunctionObject*>(o); }
Signature** prepare(FunctionObject* f);
inline std::span<Signature* const> signatures_of(FunctionObject* f) {
  Signature** made = published(f->signatures);
  if (!made) [[unlikely]]
    made = prepare(f);
  return {made, f->name->nops};
}

// Calls the first overload that fits; nullptr without an error when none does. `public_name`: the
// attribute of Tensor that __torch_function__ gets (operators), or nullptr for the function itself.
PyObject* call_fitting(FunctionObject* f, PyObject* const* args, Py_ssize_t n, PyObject* kwnames,
                       const char* public_name);

// Calls an op with parsed arguments, without Python's lock where that is worth it.
void call_parsed(const Op& op, Arguments& arguments, Results& results);
// The same, with the results wrapped.
PyObject* run_op(const Op& op, Arguments& arguments);

}  // namespace flambeau::python
