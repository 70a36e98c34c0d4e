// What C++ extensions of Python written for PyTorch include as <torch/extension.h>: torch.h, and
// pybind11 (`pip install pybind11`), for which tensors, dtypes, devices and numbers are arguments
// and results like any other. flambeau/utils/cpp_extension.py compiles and loads extensions.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/dispatch/extension_api.h"
#include "include/flambeau/library.h"
#include "include/flambeau/torch_autograd.h"

namespace py = pybind11;

namespace torch {

// The binding's functions. `import flambeau` has happened: whoever has a tensor did it.
inline const flambeau::PythonApi& python_api() {
  static const auto* const api =
      static_cast<const flambeau::PythonApi*>(PyCapsule_Import(flambeau::kPythonApi, 0));
  if (!api) throw py::error_already_set();
  return *api;
}

namespace detail {
// When an extension is loaded: errors of the library become Python's of the same kind.
inline bool translate_errors() noexcept {
  try {
    if (!Py_IsInitialized()) return false;
    py::register_local_exception_translator([](std::exception_ptr e) {
      try {
        if (e) std::rethrow_exception(e);
      } catch (const flambeau::Error&) {
        python_api().translate();
      }
    });
    return true;
  } catch (...) {
    return false;  // all of them are RuntimeErrors, then
  }
}
inline const bool errors_are_translated = translate_errors();
}  // namespace detail

}  // namespace torch

namespace pybind11::detail {

template <>
struct type_caster<at::Tensor> {
  PYBIND11_TYPE_CASTER(at::Tensor, const_name("torch.Tensor"));
  bool load(handle from, bool) {
    if (from.is_none()) return true;  // undefined
    const flambeau::Tensor* t = torch::python_api().unwrap(from.ptr());
    if (t) value = *t;
    return t != nullptr;
  }
  static handle cast(const at::Tensor& t, return_value_policy, handle) {
    return torch::python_api().wrap(t);
  }
};

template <>
struct type_caster<flambeau::Tensor> {
  PYBIND11_TYPE_CASTER(flambeau::Tensor, const_name("torch.Tensor"));
  bool load(handle from, bool) {
    if (from.is_none()) return true;
    const flambeau::Tensor* t = torch::python_api().unwrap(from.ptr());
    if (t) value = *t;
    return t != nullptr;
  }
  static handle cast(const flambeau::Tensor& t, return_value_policy, handle) {
    return torch::python_api().wrap(t);
  }
};

template <>
struct type_caster<c10::ScalarType> {
  PYBIND11_TYPE_CASTER(c10::ScalarType, const_name("torch.dtype"));
  bool load(handle from, bool) {
    flambeau::DType read;
    const bool is_one = torch::python_api().unwrap_dtype(from.ptr(), &read);
    if (is_one) value = read;
    return is_one;
  }
  static handle cast(c10::ScalarType t, return_value_policy, handle) {
    return torch::python_api().wrap_dtype(t);
  }
};

template <>
struct type_caster<c10::Device> {
  PYBIND11_TYPE_CASTER(c10::Device, const_name("torch.device"));
  bool load(handle from, bool) { return torch::python_api().unwrap_device(from.ptr(), &value); }
  static handle cast(c10::Device d, return_value_policy, handle) {
    return torch::python_api().wrap_device(d);
  }
};

template <>
struct type_caster<c10::Scalar> {
  PYBIND11_TYPE_CASTER(c10::Scalar, const_name("float"));
  bool load(handle from, bool) { return torch::python_api().unwrap_scalar(from.ptr(), &value); }
  static handle cast(const c10::Scalar& s, return_value_policy, handle) {
    return torch::python_api().wrap_scalar(s);
  }
};

// Lists of whole numbers, which the caster keeps while the call runs.
template <>
struct type_caster<c10::IntArrayRef> {
  PYBIND11_TYPE_CASTER(c10::IntArrayRef, const_name("list[int]"));
  bool load(handle from, bool convert) {
    make_caster<std::vector<int64_t>> list;
    if (PyLong_Check(from.ptr()))
      kept_ = {from.cast<int64_t>()};
    else if (list.load(from, convert))
      kept_ = cast_op<std::vector<int64_t>>(std::move(list));
    else
      return false;
    value = c10::ArrayRef<int64_t>(kept_);
    return true;
  }
  static handle cast(c10::IntArrayRef list, return_value_policy, handle) {
    return pybind11::cast(list.vec()).release();
  }

 private:
  std::vector<int64_t> kept_;
};
template <>
struct type_caster<c10::ArrayRef<int64_t>> : type_caster<c10::IntArrayRef> {
  operator c10::ArrayRef<int64_t>() { return value; }
  template <class>
  using cast_op_type = c10::ArrayRef<int64_t>;
};

template <>
struct type_caster<at::TensorList> {
  PYBIND11_TYPE_CASTER(at::TensorList, const_name("list[torch.Tensor]"));
  bool load(handle from, bool convert) {
    make_caster<std::vector<at::Tensor>> list;
    if (!list.load(from, convert)) return false;
    kept_ = cast_op<std::vector<at::Tensor>>(std::move(list));
    value = c10::ArrayRef<at::Tensor>(kept_);
    return true;
  }
  static handle cast(at::TensorList list, return_value_policy, handle) {
    return pybind11::cast(list.vec()).release();
  }

 private:
  std::vector<at::Tensor> kept_;
};

}  // namespace pybind11::detail
