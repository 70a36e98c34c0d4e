// Tensors from Python data.
#pragma once

#include <optional>

#include "core/python/binding.h"

namespace flambeau::python {

// A new tensor from a number, nested sequences, an array or a tensor, copied. Without a dtype it
// follows from the data.
Tensor tensor_from(PyObject* data, std::optional<DType> dtype, Device device);
// What an object with __array_interface__ (NumPy arrays) says of its memory.
struct ArrayMemory {
  void* address;
  bool read_only;
};
struct ArrayGeometry {
  DType dtype;
  Dims sizes, strides;
  ArrayMemory memory;
};
bool is_array(PyObject* o);
ArrayGeometry read_array(PyObject* array);
// Shares that memory.
Tensor over_array(PyObject* array, const ArrayGeometry& geometry);
Tensor from_array(PyObject* array);
// The dtype in the buffer protocol; null where that has none.
const char* format_of(DType dtype);
// A tensor over memory of another owner, which `release` gives back with the last user. Raises, and
// leaves the owner alone, where sizes and strides reach no memory there can be.
Tensor over_memory(const char* op, void* address, DType dtype, IntSpan sizes, IntSpan strides,
                   Storage::Deleter release, void* owner);

bool init_casts();
bool init_dlpack(PyObject* module);

}  // namespace flambeau::python
