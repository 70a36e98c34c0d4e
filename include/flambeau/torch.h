// What C++ code written for PyTorch includes as <torch/torch.h> and <ATen/ATen.h>: at::Tensor with
// the methods of all ops, at:: and torch:: functions. It is flambeau::Tensor under its other names;
// methods and functions are printed from the records (tools/torch_names.py).
#pragma once

#include <concepts>

#include "flambeau/ops.h"
#include "include/flambeau/torch_types.h"

namespace at {

class Tensor;
class TensorList;
class OptionalTensor;
const OptionalTensor& no_tensor();

class Tensor : public flambeau::Tensor {
 public:
  Tensor() = default;
  Tensor(const flambeau::Tensor& t) : flambeau::Tensor(t) {}
  Tensor(flambeau::Tensor&& t) noexcept : flambeau::Tensor(std::move(t)) {}

  IntArrayRef sizes() const { return ArrayRef<int64_t>(flambeau::Tensor::sizes()); }
  IntArrayRef strides() const { return ArrayRef<int64_t>(flambeau::Tensor::strides()); }
  int64_t ndimension() const { return dim(); }
  int64_t storage_offset() const { return offset(); }
  ScalarType dtype() const { return flambeau::Tensor::dtype(); }
  ScalarType scalar_type() const { return dtype(); }
  Layout layout() const { return flambeau::Tensor::layout(); }
  MemoryFormat suggest_memory_format() const { return flambeau::Tensor::suggest_memory_format(); }
  Device device() const { return flambeau::Tensor::device(); }
  TensorOptions options() const { return flambeau::Tensor::options(); }
  int64_t element_size() const { return static_cast<int64_t>(itemsize()); }
  size_t nbytes() const { return static_cast<size_t>(numel()) * itemsize(); }
  bool is_floating_point() const { return is_floating(); }
  bool is_cpu() const { return device().is_cpu(); }
  bool is_cuda() const { return device().is_cuda(); }
  bool is_sparse() const { return layout() == kSparse; }
  bool is_same(const flambeau::Tensor& other) const { return is(other); }
  int64_t get_device() const { return is_cpu() ? -1 : device().index(); }
  void reset() { *this = Tensor(); }

  template <class T>
  T* data_ptr() const {
    TORCH_CHECK(CppTypeToScalarType_v<T> == dtype(), "data_ptr: expected scalar type ",
                toString(CppTypeToScalarType_v<T>), " but found ", toString(dtype()));
    impl()->storage()->expose();  // who has the address may write at any time
    return data<T>();
  }
  void* data_ptr() const { return bytes(); }
  template <class T>
  const T* const_data_ptr() const {
    return data_ptr<T>();
  }
  const void* const_data_ptr() const { return bytes(); }
  template <class T>
  T* mutable_data_ptr() const {
    return data_ptr<T>();
  }
  void* mutable_data_ptr() const { return bytes(); }
  template <class T, size_t n>
  TensorAccessor<T, n> accessor() const {
    TORCH_CHECK(dim() == n, "accessor: expected ", n, " dims but tensor has ", dim());
    return {data_ptr<T>(), flambeau::Tensor::sizes().data(), flambeau::Tensor::strides().data()};
  }

  Scalar item() const { return flambeau::Tensor::item(); }
  template <class T>
  T item() const {
    const Scalar s = item();
    if constexpr (std::is_same_v<T, bool>)
      return s.to_bool();
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(s.to_int());
    else if constexpr (requires(T t) { t.real(); })
      return T(s.to_complex());
    else
      return static_cast<T>(s.to_double());
  }

  // Autograd.
  const Tensor& set_requires_grad(bool on) const {
    flambeau::Tensor::set_requires_grad(on);
    return *this;
  }
  const Tensor& requires_grad_(bool on = true) const { return set_requires_grad(on); }
  Tensor grad() const { return flambeau::Tensor::grad(); }
  void backward(const flambeau::Tensor& gradient = {}, std::optional<bool> retain_graph = {},
                bool create_graph = false) const {
    flambeau::Tensor::backward(gradient, retain_graph.value_or(create_graph), create_graph);
  }

  Tensor operator[](int64_t i) const { return select(0, i); }
  Tensor toType(ScalarType t) const { return to(t); }
  Tensor cpu() const { return to(TensorOptions(kCPU)); }
  Tensor operator-() const { return neg(); }

#include "flambeau/torch_methods.inc"
};
static_assert(sizeof(Tensor) == sizeof(flambeau::Tensor), "lists of them are the same lists");

// Results of the library's under their names here.
template <class T>
struct Lifted {
  using type = T;
};
template <>
struct Lifted<flambeau::Tensor> {
  using type = Tensor;
};
template <>
struct Lifted<flambeau::TensorVec> {
  using type = std::vector<Tensor>;
};
template <class T>
typename Lifted<T>::type lift(T v) {
  return v;
}
inline std::vector<Tensor> lift(flambeau::TensorVec list) {
  return {std::make_move_iterator(list.begin()), std::make_move_iterator(list.end())};
}
template <class... T>
std::tuple<typename Lifted<T>::type...> lift(std::tuple<T...> t) {
  return std::apply(
      [](auto&... v) { return std::tuple<typename Lifted<T>::type...>(lift(std::move(v))...); }, t);
}

class TensorList : public ArrayRef<Tensor> {
 public:
  using ArrayRef::ArrayRef;
  TensorList(ArrayRef<Tensor> list) : ArrayRef(list) {}
  TensorList(flambeau::TensorSpan list)
      : ArrayRef(static_cast<const Tensor*>(list.data()), list.size()) {}
  operator flambeau::TensorSpan() const {
    return {static_cast<const flambeau::Tensor*>(data()), size()};
  }
};
using ITensorListRef = TensorList;

// An argument that may be left out.
class OptionalTensor {
 public:
  OptionalTensor(std::nullopt_t = std::nullopt) {}
  OptionalTensor(const Tensor& t) : t_(t) {}
  OptionalTensor(const flambeau::Tensor& t) : t_(t) {}
  OptionalTensor(const std::optional<Tensor>& t) : t_(t ? *t : Tensor()) {}
  operator const flambeau::Tensor&() const { return t_; }

 private:
  Tensor t_;
};

inline const OptionalTensor& no_tensor() {
  static const OptionalTensor none;
  return none;
}

#include "flambeau/torch_definitions.inc"
#include "flambeau/torch_functions.inc"

#define FLAMBEAU_TORCH_OPERATOR(symbol, name)                                           \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return a.name(b); } \
  inline Tensor operator symbol(const Tensor& a, const Scalar& b) { return a.name(b); } \
  inline const Tensor& operator symbol## = (const Tensor& a, const Tensor& b) {         \
    return a.name##_(b);                                                                \
  }                                                                                     \
  inline const Tensor& operator symbol## = (const Tensor& a, const Scalar& b) {         \
    return a.name##_(b);                                                                \
  }
FLAMBEAU_TORCH_OPERATOR(+, add)
FLAMBEAU_TORCH_OPERATOR(-, sub)
FLAMBEAU_TORCH_OPERATOR(*, mul)
FLAMBEAU_TORCH_OPERATOR(/, div)
#undef FLAMBEAU_TORCH_OPERATOR
inline Tensor operator+(const Scalar& a, const Tensor& b) { return b.add(a); }
inline Tensor operator*(const Scalar& a, const Tensor& b) { return b.mul(a); }
inline Tensor operator-(const Scalar& a, const Tensor& b) { return b.neg().add(a); }
inline Tensor operator/(const Scalar& a, const Tensor& b) { return b.reciprocal().mul(a); }
#define FLAMBEAU_TORCH_COMPARISON(symbol, name)                                         \
  inline Tensor operator symbol(const Tensor& a, const Tensor& b) { return a.name(b); } \
  inline Tensor operator symbol(const Tensor& a, const Scalar& b) { return a.name(b); }
FLAMBEAU_TORCH_COMPARISON(==, eq)
FLAMBEAU_TORCH_COMPARISON(!=, ne)
FLAMBEAU_TORCH_COMPARISON(<, lt)
FLAMBEAU_TORCH_COMPARISON(<=, le)
FLAMBEAU_TORCH_COMPARISON(>, gt)
FLAMBEAU_TORCH_COMPARISON(>=, ge)
#undef FLAMBEAU_TORCH_COMPARISON

// A tensor over memory of the program's, which is there until `deleter` is called; no copy.
template <std::invocable<void*> D>
Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides, D deleter,
                 const TensorOptions& options = {}) {
  TORCH_CHECK(options.device().is_cpu(), "from_blob: the memory is the CPU's");
  TORCH_CHECK(sizes.size() == strides.size(), "from_blob: ", sizes, " with strides ", strides);
  const size_t item = flambeau::itemsize(options.dtype());
  auto* const kept = new D(std::move(deleter));
  auto storage = flambeau::Storage::wrap(
      data, flambeau::span_bytes(sizes, strides, item), flambeau::Device{},
      [](void* memory, size_t, void* context) {
        auto* const f = static_cast<D*>(context);
        (*f)(memory);
        delete f;
      },
      kept);
  auto* const impl =
      new flambeau::TensorImpl(std::move(storage), options.dtype(), flambeau::Device{});
  Tensor made = flambeau::Tensor::adopt(impl);
  impl->set_geometry(sizes, strides, 0);
  return options.finished(made);
}
template <std::invocable<void*> D>
Tensor from_blob(void* data, IntArrayRef sizes, D deleter, const TensorOptions& options = {}) {
  const flambeau::Dims strides = flambeau::contiguous_strides(sizes);
  return from_blob(data, sizes, IntArrayRef(strides), std::move(deleter), options);
}
inline Tensor from_blob(void* data, IntArrayRef sizes, const TensorOptions& options = {}) {
  return from_blob(data, sizes, [](void*) {}, options);
}
inline Tensor from_blob(void* data, IntArrayRef sizes, IntArrayRef strides,
                        const TensorOptions& options = {}) {
  return from_blob(data, sizes, strides, [](void*) {}, options);
}

}  // namespace at

namespace torch {
using namespace at;   // NOLINT
using namespace c10;  // NOLINT
using at::Tensor;
using c10::dtype;
using Dtype = c10::ScalarType;

template <class T>
Tensor tensor(ArrayRef<T> values, const TensorOptions& options = {}) {
  Tensor made = at::empty({static_cast<int64_t>(values.size())}, CppTypeToScalarType_v<T>);
  std::memcpy(made.bytes(), values.data(), values.size() * sizeof(T));
  return options.finished(
      made.to(options
                  .dtype(options.dtype_opt().value_or(
                      std::is_floating_point_v<T> ? kFloat : CppTypeToScalarType_v<T>))
                  .requires_grad(false)));
}
template <class T>
Tensor tensor(std::initializer_list<T> values, const TensorOptions& options = {}) {
  return tensor(ArrayRef<T>(values), options);
}
template <class T>
  requires std::is_arithmetic_v<T>
Tensor tensor(T value, const TensorOptions& options = {}) {
  return tensor(ArrayRef<T>(value), options).reshape(IntArrayRef());
}

struct AutoGradMode : flambeau::GradMode {
  explicit AutoGradMode(bool on) : flambeau::GradMode(on) {}
};
struct NoGradGuard : flambeau::GradMode {
  NoGradGuard() : flambeau::GradMode(false) {}
};
namespace cuda {
inline bool is_available() { return false; }
inline int device_count() { return 0; }
}  // namespace cuda
}  // namespace torch

namespace at {
using torch::AutoGradMode;
using torch::NoGradGuard;
// Nothing is recorded within, as below autograd.
struct AutoDispatchBelowAutograd : flambeau::Exclude {
  AutoDispatchBelowAutograd() : flambeau::Exclude(flambeau::kAutograd) {}
};
struct AutoNonVariableTypeMode : AutoDispatchBelowAutograd {
  explicit AutoNonVariableTypeMode(bool = true) {}
};
}  // namespace at
