// Objects of Python that stand for numbers.
#pragma once

#include <atomic>

#include "core/python/python.h"

namespace flambeau::python {

// The type of numbers that a recorded program has read (flambeau/_recorded_number.py). Ops are
// handed on to its __torch_function__; elsewhere it is taken as a NumPy scalar is, and `item()`
// gives the number.
extern std::atomic<PyTypeObject*> symbol_type;
void set_symbol_type(PyTypeObject* type);
inline bool is_symbol(PyObject* o) {
  return Py_TYPE(o) == symbol_type.load(std::memory_order_relaxed);
}

// They are numbers for functions; operators leave them to NumPy.
bool is_zero_dim_array(PyObject* o);

}  // namespace flambeau::python
