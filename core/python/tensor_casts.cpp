// tensor.float() and its like: to(dtype) by the dtype's short name; tensor.cpu().

#include "core/python/interchange.h"
#include "flambeau/ops/to.h"

namespace flambeau::python {
namespace {

struct Cast {
  const char* name;
  DType dtype;
};
constexpr Cast kCasts[] = {
    {"float", DType::float32},     {"double", DType::float64},   {"half", DType::float16},
    {"bfloat16", DType::bfloat16}, {"long", DType::int64},       {"int", DType::int32},
    {"short", DType::int16},       {"char", DType::int8},        {"byte", DType::uint8},
    {"bool", DType::boolean},      {"cfloat", DType::complex64}, {"cdouble", DType::complex128},
};

std::optional<MemoryFormat> format_argument(const char* method, PyObject* const* args, Py_ssize_t n,
                                            PyObject* kwnames) {
  static const char* const kNames[] = {"memory_format"};
  PyObject* given[1];
  read_arguments(method, kNames, 0, args, n, kwnames, given);
  if (!given[0] || given[0] == Py_None) return std::nullopt;
  return unwrap_memory_format(given[0]);
}

template <size_t I>
PyObject* cast(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const auto format = format_argument(kCasts[I].name, args, n, kwnames);
  return wrap(entry::to_dtype(unwrap(self), kCasts[I].dtype, false, false, format));
}

PyObject* cpu(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const auto format = format_argument("cpu", args, n, kwnames);
  const Tensor& t = unwrap(self);
  return wrap(entry::to_device(t, Device{}, t.dtype(), false, false, format));
}

template <size_t... I>
bool add(std::index_sequence<I...>) {
  static const NativeMethod methods[] = {
      {kCasts[I].name, cast<I>, "(memory_format=None)", "The tensor as this dtype."}...,
      {"cpu", cpu, "(memory_format=None)", "The tensor in the CPU's memory."}};
  return add_methods(methods, std::size(methods));
}

}  // namespace

bool init_casts() { return add(std::make_index_sequence<std::size(kCasts)>()); }

}  // namespace flambeau::python
