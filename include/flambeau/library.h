// Ops that C++ extensions bring, as code written for PyTorch registers them:
//
//   TORCH_LIBRARY(mine, m) { m.def("muladd(Tensor a, Tensor b, float c) -> Tensor"); }
//   TORCH_LIBRARY_IMPL(mine, CPU, m) { m.impl("muladd", &muladd_cpu); }
//
// Python finds them as torch.ops.mine.muladd once the extension is loaded. Schemas are read by
// flambeau.library, so `def` needs a Python in the process; `impl` does not.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <type_traits>

#include "core/dispatch/extension_api.h"
#include "core/dispatch/registrations.h"
#include "include/flambeau/torch.h"

extern "C" void* PyCapsule_Import(const char* name, int no_block) __attribute__((weak));

namespace torch {

namespace detail {

// ---- arguments of the boxed call as a kernel's parameters

template <class T>
struct Unboxed;
template <class T>
using unboxed_t = Unboxed<std::remove_cvref_t<T>>;

template <>
struct Unboxed<at::Tensor> {
  static constexpr const char* kType = "Tensor";
  // Kernels also take what they write to as Tensor&; the handle is the call's own.
  static at::Tensor& get(const flambeau::Value& v) {
    return const_cast<at::Tensor&>(static_cast<const at::Tensor&>(v.tensor()));
  }
};
template <>
struct Unboxed<flambeau::Tensor> {
  static constexpr const char* kType = "Tensor";
  static flambeau::Tensor& get(const flambeau::Value& v) {
    return const_cast<flambeau::Tensor&>(v.tensor());
  }
};
template <>
struct Unboxed<int64_t> {
  static constexpr const char* kType = "int";
  static int64_t get(const flambeau::Value& v) { return v.integer_; }
};
template <>
struct Unboxed<double> {
  static constexpr const char* kType = "float";
  static double get(const flambeau::Value& v) { return v.floating_; }
};
template <>
struct Unboxed<bool> {
  static constexpr const char* kType = "bool";
  static bool get(const flambeau::Value& v) { return v.boolean_; }
};
template <>
struct Unboxed<c10::Scalar> {
  static constexpr const char* kType = "Scalar";
  static const c10::Scalar& get(const flambeau::Value& v) { return *v.scalar_; }
};
template <>
struct Unboxed<std::string> {
  static constexpr const char* kType = "str";
  static std::string get(const flambeau::Value& v) { return std::string(v.string()); }
};
template <>
struct Unboxed<std::string_view> {
  static constexpr const char* kType = "str";
  static std::string_view get(const flambeau::Value& v) { return v.string(); }
};
template <>
struct Unboxed<c10::ScalarType> {
  static constexpr const char* kType = "ScalarType";
  static c10::ScalarType get(const flambeau::Value& v) { return v.dtype_; }
};
template <>
struct Unboxed<c10::Device> {
  static constexpr const char* kType = "Device";
  static c10::Device get(const flambeau::Value& v) { return v.device_; }
};
template <>
struct Unboxed<c10::IntArrayRef> {
  static constexpr const char* kType = "int[]";
  static c10::IntArrayRef get(const flambeau::Value& v) {
    return c10::ArrayRef<int64_t>(v.integers());
  }
};
template <>
struct Unboxed<c10::ArrayRef<int64_t>> : Unboxed<c10::IntArrayRef> {};
template <>
struct Unboxed<at::TensorList> {
  static constexpr const char* kType = "Tensor[]";
  static at::TensorList get(const flambeau::Value& v) { return v.tensors(); }
};
template <>
struct Unboxed<c10::ArrayRef<at::Tensor>> : Unboxed<at::TensorList> {};
template <class T>
struct Unboxed<std::vector<T>> {
  static constexpr const char* kType = std::is_same_v<T, int64_t>  ? "int[]"
                                       : std::is_same_v<T, double> ? "float[]"
                                       : std::is_same_v<T, bool>   ? "bool[]"
                                                                   : "Tensor[]";
  static std::vector<T> get(const flambeau::Value& v) {
    const auto copy = [](auto list) { return std::vector<T>(list.begin(), list.end()); };
    if constexpr (std::is_same_v<T, int64_t>)
      return copy(v.integers());
    else if constexpr (std::is_same_v<T, double>)
      return copy(v.floatings());
    else if constexpr (std::is_same_v<T, bool>)
      return copy(v.booleans());
    else
      return copy(v.tensors());
  }
};
template <class T>
struct Unboxed<std::optional<T>> {
  static inline const std::string kText = std::string(Unboxed<T>::kType) + "?";
  static inline const char* const kType = kText.c_str();
  static std::optional<T> get(const flambeau::Value& v) {
    if (v.is_none()) return std::nullopt;
    return std::optional<T>(Unboxed<T>::get(v));
  }
};

// ---- results

template <class T>
void give(flambeau::Results& results, T&& made) {
  using Kind = std::remove_cvref_t<T>;
  if constexpr (std::is_base_of_v<flambeau::Tensor, Kind>)
    results.add(flambeau::Tensor(std::forward<T>(made)));
  else if constexpr (std::is_same_v<Kind, std::vector<at::Tensor>>)
    results.add(flambeau::TensorVec(made.begin(), made.end()));
  else
    results.add(std::forward<T>(made));
}
template <class... T>
void give(flambeau::Results& results, std::tuple<T...>&& made) {
  std::apply([&](auto&... v) { (give(results, std::move(v)), ...); }, made);
}

template <class T>
struct Given {
  static std::string type() { return unboxed_t<T>::kType; }
};
template <>
struct Given<void> {
  static std::string type() { return "()"; }
};
template <class... T>
struct Given<std::tuple<T...>> {
  static std::string type() {
    std::string text;
    ((text += (text.empty() ? "" : ", ") + Given<T>::type()), ...);
    return "(" + text + ")";
  }
};

// ---- a kernel: any function over these types

template <class F>
class Kernel;
template <class R, class... A>
class Kernel<R(A...)> final : public flambeau::Registered {
 public:
  template <class F>
  explicit Kernel(F f) : f_(std::move(f)) {}
  void call(const flambeau::Op& op, const flambeau::Value* args,
            flambeau::Results& results) const override {
    run(args, results, std::index_sequence_for<A...>());
  }
  static std::string schema() {
    std::string text;
    int i = 0;
    ((text += (i ? ", " : "") + Given<std::remove_cvref_t<A>>::type() + " _" + std::to_string(i),
      ++i),
     ...);
    return "(" + text + ") -> " + Given<std::remove_cvref_t<R>>::type();
  }
  // Whether the schema has as many arguments.
  static constexpr size_t kArguments = sizeof...(A);

 private:
  template <size_t... I>
  void run([[maybe_unused]] const flambeau::Value* args, flambeau::Results& results,
           std::index_sequence<I...>) const {
    if constexpr (std::is_void_v<R>)
      f_(unboxed_t<A>::get(args[I])...);
    else
      give(results, f_(unboxed_t<A>::get(args[I])...));
  }
  std::function<R(A...)> f_;
};

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using type = R(A...);
};
template <class R, class... A>
struct Signature<R(A...)> {
  using type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> {
  using type = R(A...);
};
template <class F>
using KernelOf = Kernel<typename Signature<std::decay_t<F>>::type>;

inline const flambeau::PythonApi& python() {
  void* api = PyCapsule_Import ? PyCapsule_Import(flambeau::kPythonApi, 0) : nullptr;
  TORCH_CHECK(api, "m.def: schemas are read by flambeau.library, and there is no Python here");
  return *static_cast<const flambeau::PythonApi*>(api);
}

}  // namespace detail

// What stands between the brackets of TORCH_LIBRARY and TORCH_LIBRARY_IMPL.
class Library {
 public:
  Library(const char* ns, const char* key) : ns_(ns), key_(key) {}

  // A schema; or, with a function, its body for all devices, whose types are the schema where it
  // is a name alone.
  Library& def(const std::string& schema) {
    detail::python().define(ns_.c_str(), schema.c_str());
    return *this;
  }
  template <class F>
  Library& def(const std::string& schema, F&& f) {
    const bool named = schema.find('(') == std::string::npos;
    def(named ? schema + detail::KernelOf<F>::schema() : schema);
    return add(schema.substr(0, schema.find('(')), "CompositeImplicitAutograd", std::forward<F>(f));
  }
  template <class F>
  Library& impl(const std::string& name, F&& f) {
    return add(name, key_, std::forward<F>(f));
  }

 private:
  template <class F>
  Library& add(std::string name, const std::string& key, F&& f) {
    if (name.find("::") == std::string::npos) name = ns_ + "::" + name;
    const flambeau::Op* op = flambeau::find_op(name);
    TORCH_CHECK(op, "m.impl: there is no operator ", name, ": define it first");
    const auto place = flambeau::Place::named(key);
    TORCH_CHECK(place, "could not parse dispatch key: ", key);
    constexpr size_t takes = detail::KernelOf<F>::kArguments;
    TORCH_CHECK(op->nargs == takes, "m.impl: the function for ", name, " takes ", takes,
                " arguments, and its schema has ", static_cast<int>(op->nargs), ": ", op->schema);
    using Kernel = detail::KernelOf<F>;
    flambeau::add_registration(
        *op, *place,
        flambeau::Ref<const flambeau::Registered>::adopt(new Kernel(std::forward<F>(f))));
    return *this;
  }

  std::string ns_, key_;
};

namespace detail {
// Runs the body when the extension is loaded.
struct LibraryInit {
  LibraryInit(void (*fill)(Library&), const char* ns, const char* key) {
    Library library(ns, key);
    fill(library);
  }
};
}  // namespace detail

}  // namespace torch

#define FLAMBEAU_LIBRARY(name, ns, key, m)                                    \
  static void name(::torch::Library&);                                        \
  static const ::torch::detail::LibraryInit init_of_##name(&name, #ns, #key); \
  void name(::torch::Library& m)
#define FLAMBEAU_LIBRARY_THEN(name, ns, key, m) FLAMBEAU_LIBRARY(name, ns, key, m)
#define FLAMBEAU_LIBRARY_NAME(ns, counter) torch_library_##ns##_##counter
#define FLAMBEAU_LIBRARY_NUMBERED(ns, counter, key, m) \
  FLAMBEAU_LIBRARY_THEN(FLAMBEAU_LIBRARY_NAME(ns, counter), ns, key, m)
#define TORCH_LIBRARY(ns, m) FLAMBEAU_LIBRARY_NUMBERED(ns, __COUNTER__, CatchAll, m)
#define TORCH_LIBRARY_FRAGMENT(ns, m) FLAMBEAU_LIBRARY_NUMBERED(ns, __COUNTER__, CatchAll, m)
#define TORCH_LIBRARY_IMPL(ns, key, m) FLAMBEAU_LIBRARY_NUMBERED(ns, __COUNTER__, key, m)
#define TORCH_FN(f) (&f)
