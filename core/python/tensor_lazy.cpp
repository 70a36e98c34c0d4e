// Methods of Tensor that are written in Python: names that load flambeau._tensor when first called.
// It puts its own functions in their place, so that a name stands in for one call only.
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

constexpr const char* kNames[] = {
    "__repr__",           "__format__",     "__dir__",      "__contains__",
    "__reversed__",       "__array_wrap__", "__deepcopy__", "__reduce_ex__",
    "__setstate__",       "__rdiv__",       "type",         "storage",
    "module_load",        "_new_over",      "nonzero",      "unique",
    "unique_consecutive", "split",          "norm",         "to_sparse_coo",
    "row_indices"};

template <size_t I>
PyObject* load_and_call(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const Object module(must(PyImport_ImportModule("flambeau._tensor")));
  const Object method(
      must(PyObject_GetAttrString(reinterpret_cast<PyObject*>(tensor_type), kNames[I])));
  std::vector<PyObject*> all = {self};
  all.insert(all.end(), args, args + n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
  return PyObject_Vectorcall(method.get(), all.data(), static_cast<size_t>(n) + 1, kwnames);
}

template <size_t... I>
bool add(std::index_sequence<I...>) {
  static const NativeMethod methods[] = {
      {kNames[I], load_and_call<I>, "(*args, **kwargs)", nullptr}...};
  return add_methods(methods, std::size(methods));
}

}  // namespace

bool init_tensor_lazy() { return add(std::make_index_sequence<std::size(kNames)>()); }

}  // namespace flambeau::python
