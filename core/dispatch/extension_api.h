// The functions of the binding that C++ extensions call, which are compiled against the public
// headers and loaded into a Python that has flambeau. extension.h uses them for pybind11.
#pragma once

#include "core/dispatch/op.h"

struct _object;  // a Python object: no other header of the library's needs one

namespace flambeau::inline v1 {

// What `flambeau._C._extension_api` points to. The lock of Python is held in all of them.
struct PythonApi {
  _object* (*wrap)(Tensor t);           // a new reference; None where it is undefined
  const Tensor* (*unwrap)(_object* o);  // null for what is no tensor
  _object* (*wrap_dtype)(DType dtype);  // a new reference
  bool (*unwrap_dtype)(_object* o, DType* into);
  _object* (*wrap_device)(Device device);  // a new reference
  bool (*unwrap_device)(_object* o, Device* into);
  _object* (*wrap_scalar)(const Scalar& s);  // a new reference
  bool (*unwrap_scalar)(_object* o, Scalar* into);
  void (*translate)();  // the exception that is being handled becomes Python's error
  // Defines an op, as flambeau.library does: Error where the schema cannot be read.
  const Op* (*define)(const char* ns, const char* schema);
  void (*warn)(const char* text);  // a UserWarning; Error where warnings are errors
};

constexpr const char* kPythonApi = "flambeau._C._extension_api";

}  // namespace flambeau::inline v1
