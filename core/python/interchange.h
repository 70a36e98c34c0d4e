// Tensors from Python data.
#pragma once

#include <optional>

#include "core/python/binding.h"

namespace flambeau::python {

// A new tensor from a number, nested sequences, an array or a tensor, copied. Without a dtype it
// follows from the data.
Tensor tensor_from(PyObject* data, std::optional<DType> dtype, Device device);
// Shares the memory of an object with __array_interface__ (NumPy arrays).
Tensor from_array(PyObject* array);
bool is_array(PyObject* o);
// A tensor over memory of another owner, which `release` gives back with the last user. Raises, and
// leaves the owner alone, where sizes and strides reach no memory there can be.
Tensor over_memory(const char* op, void* address, DType dtype, IntSpan sizes, IntSpan strides,
                   Storage::Deleter release, void* owner);

bool init_casts();
bool init_dlpack(PyObject* module);

}  // namespace flambeau::python
