// The names under which Python finds ops; generated from the records.
#pragma once

#include <span>

#include "core/dispatch/op.h"

namespace flambeau::inline v1 {

struct PythonName {
  enum class Where : uint8_t { function, method, property, part };  // part: x.real = y works
  Where where;
  const char* module;   // functions: "" is flambeau, else "_nn", "linalg", "special", ...
  const char* name;     // "add", "__add__", "T"
  const uint16_t* ops;  // indices into builtin_ops(), in the order they are tried
  uint8_t nops;
  // Methods that are operators: the number slot they fill ("nb_add", "nb_inplace_add", ...; nullptr
  // for others). A binary slot's reflected form ("__radd__") has slot_reflected: the arguments come
  // swapped unless the op is named by itself.
  const char* slot;
  const char* doc;  // of a property, which cannot look for it when asked, as the others do
};

std::span<const PythonName> python_names();

}  // namespace flambeau::inline v1
