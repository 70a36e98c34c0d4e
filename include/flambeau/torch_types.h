// Names that C++ extensions written for PyTorch use, over the library's own: lists, options,
// dtypes, halves, checks, loops over dtypes and threads. torch.h adds Tensor and the ops.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <ostream>
#include <tuple>
#include <vector>

#include "core/autograd/node.h"
#include "core/dispatch/constants.h"
#include "core/parallel/parallel.h"
#include "core/random/generator.h"
#include "core/tensor/tensor.h"

namespace c10 {

using flambeau::Constant;
using flambeau::Generator;
using flambeau::Scalar;

// The library's enumerations under the names that ATen has for their values.
#define FLAMBEAU_NAME_OF(Name, Of, theirs, ours) \
  inline constexpr Name Name::theirs{flambeau::Of::ours};
#define FLAMBEAU_DECLARE_NAME(Name, Of, theirs, ours) static const Name theirs;
#define FLAMBEAU_NAMES(Name, Of, EACH)                                            \
  class Name {                                                                    \
   public:                                                                        \
    constexpr Name(flambeau::Of v = {}) : v_(v) {}                                \
    constexpr operator flambeau::Of() const { return v_; }                        \
    constexpr bool operator==(const Name& other) const { return v_ == other.v_; } \
    EACH(FLAMBEAU_DECLARE_NAME, Name, Of)                                         \
   private:                                                                       \
    flambeau::Of v_;                                                              \
  };                                                                              \
  EACH(FLAMBEAU_NAME_OF, Name, Of)

// clang-format off
#define FLAMBEAU_DTYPES(X, N, O)                                                   \
  X(N, O, Byte, uint8) X(N, O, Char, int8) X(N, O, Short, int16)                   \
  X(N, O, Int, int32) X(N, O, Long, int64) X(N, O, Half, float16)                  \
  X(N, O, Float, float32) X(N, O, Double, float64) X(N, O, ComplexHalf, complex32) \
  X(N, O, ComplexFloat, complex64) X(N, O, ComplexDouble, complex128)              \
  X(N, O, Bool, boolean) X(N, O, BFloat16, bfloat16) X(N, O, UInt16, uint16)       \
  X(N, O, UInt32, uint32) X(N, O, UInt64, uint64)
// clang-format on
FLAMBEAU_NAMES(ScalarType, DType, FLAMBEAU_DTYPES)
#define FLAMBEAU_DEVICES(X, N, O) \
  X(N, O, CPU, cpu)               \
  X(N, O, CUDA, cuda)             \
  X(N, O, HIP, hip)               \
  X(N, O, XLA, xla)               \
  X(N, O, XPU, xpu)               \
  X(N, O, MPS, mps) X(N, O, Meta, meta) X(N, O, HPU, hpu) X(N, O, PrivateUse1, private_use1)
FLAMBEAU_NAMES(DeviceType, DeviceType, FLAMBEAU_DEVICES)
#define FLAMBEAU_LAYOUTS(X, N, O) \
  X(N, O, Strided, strided) X(N, O, Sparse, sparse_coo) X(N, O, SparseCsr, sparse_csr)
FLAMBEAU_NAMES(Layout, Layout, FLAMBEAU_LAYOUTS)
#define FLAMBEAU_FORMATS(X, N, O) \
  X(N, O, Contiguous, contiguous) \
  X(N, O, Preserve, preserve)     \
  X(N, O, ChannelsLast, channels_last) X(N, O, ChannelsLast3d, channels_last_3d)
FLAMBEAU_NAMES(MemoryFormat, MemoryFormat, FLAMBEAU_FORMATS)

template <class T>
using optional = std::optional<T>;
using string_view = std::string_view;
using std::make_optional;
using std::nullopt;
using nullopt_t = std::nullopt_t;

using DeviceIndex = int8_t;

struct Device : flambeau::Device {
  Device(flambeau::Device d = {}) : flambeau::Device(d) {}
  Device(DeviceType type, DeviceIndex index = -1) : flambeau::Device{type, index} {}
  Device(const std::string& text) : flambeau::Device(parse(text)) {}
  Device(const char* text) : flambeau::Device(parse(text)) {}
  DeviceType type() const { return DeviceType(flambeau::Device::type); }
  DeviceIndex index() const { return flambeau::Device::index; }
  bool has_index() const { return index() >= 0; }
  bool is_cpu() const { return type() == DeviceType::CPU; }
  bool is_cuda() const { return type() == DeviceType::CUDA; }
  bool is_meta() const { return type() == DeviceType::Meta; }
};

// ---- errors: RuntimeError and its like in Python

using Error = flambeau::Error;
using IndexError = flambeau::IndexError;
using TypeError = flambeau::TypeError;
using ValueError = flambeau::ValueError;
using NotImplementedError = flambeau::NotImplementedError;

template <class... A>
std::string str(const A&... parts) {
  return flambeau::concat(parts...);
}

namespace detail {
template <class E, class... A>
[[noreturn]] void fail(const char* condition, const A&... parts) {
  if constexpr (sizeof...(A) == 0)
    flambeau::raise<E>("Expected ", condition, " to be true, but got false.");
  else
    flambeau::raise<E>(parts...);
}
}  // namespace detail

// ---- lists that borrow: from braces, vectors, arrays

template <class T>
class ArrayRef {
 public:
  using value_type = T;
  using iterator = const T*;
  using const_iterator = const T*;

  constexpr ArrayRef() = default;
  constexpr ArrayRef(const T* data, size_t size) : data_(data), size_(size) {}
  constexpr ArrayRef(const T* begin, const T* end)
      : data_(begin), size_(static_cast<size_t>(end - begin)) {}
  constexpr ArrayRef(const T& one) : data_(&one), size_(1) {}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
  // Braces in a call live until it returns.
  constexpr ArrayRef(std::initializer_list<T> list) : data_(list.begin()), size_(list.size()) {}
#pragma GCC diagnostic pop
  ArrayRef(const std::vector<T>& list) : data_(list.data()), size_(list.size()) {}
  constexpr ArrayRef(std::span<const T> list) : data_(list.data()), size_(list.size()) {}
  template <size_t n>
  constexpr ArrayRef(const std::array<T, n>& list) : data_(list.data()), size_(n) {}
  template <size_t n>
  constexpr ArrayRef(const T (&list)[n]) : data_(list), size_(n) {}

  constexpr const T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const T* begin() const { return data_; }
  constexpr const T* end() const { return data_ + size_; }
  constexpr const T& operator[](size_t i) const { return data_[i]; }
  const T& at(size_t i) const {
    flambeau::check<IndexError>(i < size_, "ArrayRef: index ", i, " is out of range: ", size_);
    return data_[i];
  }
  const T& front() const { return at(0); }
  const T& back() const { return at(size_ - 1); }
  ArrayRef slice(size_t from, size_t n) const { return {data_ + from, n}; }
  ArrayRef slice(size_t from) const { return {data_ + from, size_ - from}; }
  std::vector<T> vec() const { return {begin(), end()}; }
  bool equals(ArrayRef other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }
  operator std::span<const T>() const { return {data_, size_}; }

 private:
  const T* data_ = nullptr;
  size_t size_ = 0;
};

template <class T>
bool operator==(ArrayRef<T> a, ArrayRef<T> b) {
  return a.equals(b);
}
template <class T>
bool operator==(const std::vector<T>& a, ArrayRef<T> b) {
  return ArrayRef<T>(a).equals(b);
}
template <class T>
bool operator==(ArrayRef<T> a, const std::vector<T>& b) {
  return a.equals(b);
}
template <class T>
std::ostream& operator<<(std::ostream& out, ArrayRef<T> list) {
  out << '[';
  for (size_t i = 0; i < list.size(); ++i) out << (i ? ", " : "") << list[i];
  return out << ']';
}

// Sizes. One number stands for a list of it, as in Python; Dims are the core's own vector.
class IntArrayRef : public ArrayRef<int64_t> {
 public:
  using ArrayRef::ArrayRef;
  constexpr IntArrayRef() = default;
  IntArrayRef(ArrayRef<int64_t> list) : ArrayRef(list) {}
  IntArrayRef(const flambeau::Dims& list) : ArrayRef(list.data(), list.size()) {}
  IntArrayRef(const int64_t& one) : ArrayRef(one) {}
};

class OptionalIntArrayRef {
 public:
  OptionalIntArrayRef(std::nullopt_t = std::nullopt) {}
  OptionalIntArrayRef(IntArrayRef list) : list_(list) {}
  OptionalIntArrayRef(std::initializer_list<int64_t> list) : list_(IntArrayRef(list)) {}
  OptionalIntArrayRef(const std::vector<int64_t>& list) : list_(IntArrayRef(list)) {}
  OptionalIntArrayRef(const int64_t& one) : list_(IntArrayRef(one)) {}
  template <class T>
  OptionalIntArrayRef(const std::optional<T>& list) {
    if (list) list_ = IntArrayRef(*list);
  }
  bool has_value() const { return list_.has_value(); }
  const IntArrayRef& value() const { return list_.value(); }
  operator std::optional<flambeau::IntSpan>() const {
    if (!list_) return std::nullopt;
    return flambeau::IntSpan(*list_);
  }

 private:
  std::optional<IntArrayRef> list_;
};

// ---- halves, for kernels over all dtypes: they compute in float

struct Half {
  _Float16 value;
  Half() = default;
  Half(float v) : value(static_cast<_Float16>(v)) {}
  operator float() const { return static_cast<float>(value); }
};

struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  BFloat16(float v) {
    uint32_t u;
    std::memcpy(&u, &v, sizeof u);
    // To the nearest, ties to even; a NaN stays one.
    bits = static_cast<uint16_t>(v != v ? 0x7fc0 : (u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  operator float() const {
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float v;
    std::memcpy(&v, &u, sizeof v);
    return v;
  }
};
#define FLAMBEAU_HALF_OPERATORS(Type)                                    \
  inline Type& operator+=(Type& a, float b) { return a = float(a) + b; } \
  inline Type& operator-=(Type& a, float b) { return a = float(a) - b; } \
  inline Type& operator*=(Type& a, float b) { return a = float(a) * b; } \
  inline Type& operator/=(Type& a, float b) { return a = float(a) / b; }
FLAMBEAU_HALF_OPERATORS(Half)
FLAMBEAU_HALF_OPERATORS(BFloat16)
#undef FLAMBEAU_HALF_OPERATORS

template <class T>
using complex = std::complex<T>;

template <class T>
struct CppTypeToScalarType;
// clang-format off
#define FLAMBEAU_CPP_TYPES(X)                                                 \
  X(uint8_t, uint8) X(int8_t, int8) X(int16_t, int16) X(int32_t, int32)       \
  X(int64_t, int64) X(Half, float16) X(float, float32) X(double, float64)     \
  X(bool, boolean) X(BFloat16, bfloat16) X(std::complex<float>, complex64)    \
  X(std::complex<double>, complex128) X(uint16_t, uint16) X(uint32_t, uint32) \
  X(uint64_t, uint64)
// clang-format on
#define FLAMBEAU_CPP_TYPE(type, name)                          \
  template <>                                                  \
  struct CppTypeToScalarType<type> {                           \
    static constexpr ScalarType value = flambeau::DType::name; \
  };
FLAMBEAU_CPP_TYPES(FLAMBEAU_CPP_TYPE)
#undef FLAMBEAU_CPP_TYPE
#undef FLAMBEAU_CPP_TYPES
template <class T>
inline constexpr ScalarType CppTypeToScalarType_v = CppTypeToScalarType<std::remove_cv_t<T>>::value;

inline const char* toString(ScalarType t) {
#define FLAMBEAU_TEXT(N, O, theirs, ours) \
  if (t == ScalarType::theirs) return #theirs;
  FLAMBEAU_DTYPES(FLAMBEAU_TEXT, , )
#undef FLAMBEAU_TEXT
  return flambeau::dtype_name(t);
}
inline size_t elementSize(ScalarType t) { return flambeau::itemsize(t); }
inline bool isFloatingType(ScalarType t) { return flambeau::is_floating(t); }
inline bool isComplexType(ScalarType t) { return flambeau::is_complex(t); }
inline bool isIntegralType(ScalarType t, bool include_bool) {
  return flambeau::is_integral(t, include_bool);
}

#define FLAMBEAU_CONSTANT(N, O, theirs, ours) constexpr ScalarType k##theirs = ScalarType::theirs;
FLAMBEAU_DTYPES(FLAMBEAU_CONSTANT, , )
#undef FLAMBEAU_CONSTANT
constexpr ScalarType kUInt8 = kByte, kInt8 = kChar, kInt16 = kShort, kInt32 = kInt, kInt64 = kLong,
                     kFloat16 = kHalf, kFloat32 = kFloat, kFloat64 = kDouble,
                     kComplex64 = kComplexFloat, kComplex128 = kComplexDouble;
constexpr DeviceType kCPU = DeviceType::CPU, kCUDA = DeviceType::CUDA, kMeta = DeviceType::Meta,
                     kXPU = DeviceType::XPU, kMPS = DeviceType::MPS,
                     kPrivateUse1 = DeviceType::PrivateUse1;
constexpr Layout kStrided = Layout::Strided, kSparse = Layout::Sparse;

// ---- options of what is made

class TensorOptions {
 public:
  TensorOptions() = default;
  TensorOptions(ScalarType dtype) : dtype_(dtype) {}
  TensorOptions(flambeau::DType dtype) : dtype_(dtype) {}
  TensorOptions(Device device) : device_(device) {}
  TensorOptions(DeviceType type) : device_(Device(type)) {}
  TensorOptions(flambeau::Device device) : device_(device) {}
  TensorOptions(Layout layout) : layout_(layout) {}
  TensorOptions(flambeau::TensorOptions of)
      : dtype_(of.dtype), device_(of.device), layout_(of.layout) {}

  TensorOptions dtype(std::optional<ScalarType> v) const { return with(&TensorOptions::dtype_, v); }
  TensorOptions device(std::optional<Device> v) const { return with(&TensorOptions::device_, v); }
  TensorOptions device(DeviceType type, DeviceIndex index = -1) const {
    return device(Device(type, index));
  }
  TensorOptions layout(std::optional<Layout> v) const { return with(&TensorOptions::layout_, v); }
  TensorOptions pinned_memory(std::optional<bool> v) const {
    return with(&TensorOptions::pinned_, v);
  }
  TensorOptions requires_grad(std::optional<bool> v) const {
    return with(&TensorOptions::requires_grad_, v);
  }

  ScalarType dtype() const { return dtype_.value_or(kFloat); }
  Device device() const { return device_.value_or(Device{}); }
  Layout layout() const { return layout_.value_or(kStrided); }
  bool requires_grad() const { return requires_grad_.value_or(false); }
  bool pinned_memory() const { return pinned_.value_or(false); }
  std::optional<ScalarType> dtype_opt() const { return dtype_; }
  std::optional<Device> device_opt() const { return device_; }
  std::optional<Layout> layout_opt() const { return layout_; }
  std::optional<bool> pin_memory_opt() const { return pinned_; }

  // What was made with these options: with a gradient if they ask for one.
  template <class T>
  T finished(T made) const {
    if (requires_grad()) made.set_requires_grad(true);
    return made;
  }

 private:
  template <class T>
  TensorOptions with(std::optional<T> TensorOptions::* field, std::optional<T> value) const {
    TensorOptions out = *this;
    out.*field = value;
    return out;
  }

  std::optional<ScalarType> dtype_;
  std::optional<Device> device_;
  std::optional<Layout> layout_;
  std::optional<bool> pinned_, requires_grad_;
};
inline TensorOptions dtype(ScalarType v) { return TensorOptions(v); }
inline TensorOptions device(Device v) { return TensorOptions(v); }
inline TensorOptions device(DeviceType v) { return TensorOptions(v); }
inline TensorOptions layout(Layout v) { return TensorOptions(v); }
inline TensorOptions requires_grad(bool v = true) { return TensorOptions().requires_grad(v); }

inline std::ostream& operator<<(std::ostream& out, ScalarType t) { return out << toString(t); }
inline std::ostream& operator<<(std::ostream& out, DeviceType t) {
  return out << flambeau::device_type_name(t);
}

}  // namespace c10

namespace flambeau::inline v1 {
inline std::ostream& operator<<(std::ostream& out, const Device& d) { return out << d.str(); }
inline std::ostream& operator<<(std::ostream& out, DType t) { return out << dtype_name(t); }
inline std::ostream& operator<<(std::ostream& out, DeviceType t) {
  return out << device_type_name(t);
}
}  // namespace flambeau::inline v1

namespace at {

using namespace c10;  // NOLINT: the names are the same ones

// ---- threads: chunks depend on the size and the grain alone

template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, F&& f) {
  flambeau::parallel_for(end - begin, grain > 0 ? grain : 1,
                         [&](int64_t from, int64_t to) { f(begin + from, begin + to); });
}
inline int get_num_threads() { return flambeau::num_threads(); }
inline void set_num_threads(int n) { flambeau::set_num_threads(n); }
inline bool in_parallel_region() { return flambeau::in_parallel_region(); }
inline void manual_seed(uint64_t seed) { flambeau::manual_seed(seed); }

// ---- elements by their places

template <class T, size_t n>
class TensorAccessor {
 public:
  TensorAccessor(T* data, const int64_t* sizes, const int64_t* strides)
      : data_(data), sizes_(sizes), strides_(strides) {}
  IntArrayRef sizes() const { return ArrayRef<int64_t>(sizes_, n); }
  IntArrayRef strides() const { return ArrayRef<int64_t>(strides_, n); }
  int64_t size(int64_t d) const { return sizes_[d]; }
  int64_t stride(int64_t d) const { return strides_[d]; }
  T* data() const { return data_; }
  decltype(auto) operator[](int64_t i) const {
    if constexpr (n == 1)
      return (data_[i * strides_[0]]);
    else
      return TensorAccessor<T, n - 1>(data_ + i * strides_[0], sizes_ + 1, strides_ + 1);
  }

 private:
  T* data_;
  const int64_t *sizes_, *strides_;
};

}  // namespace at

// ---- checks

#define TORCH_CHECK_OF(E, ok, ...)                                   \
  do {                                                               \
    if (!(ok)) [[unlikely]]                                          \
      ::c10::detail::fail<::c10::E>(#ok __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)
#define TORCH_CHECK(ok, ...) TORCH_CHECK_OF(Error, ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_INDEX(ok, ...) TORCH_CHECK_OF(IndexError, ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_VALUE(ok, ...) TORCH_CHECK_OF(ValueError, ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_TYPE(ok, ...) TORCH_CHECK_OF(TypeError, ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_NOT_IMPLEMENTED(ok, ...) \
  TORCH_CHECK_OF(NotImplementedError, ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_ARG(ok, n, ...) TORCH_CHECK(ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_CHECK_EQ(a, b) TORCH_CHECK((a) == (b), #a " == " #b ": ", (a), " and ", (b))
#define TORCH_CHECK_NE(a, b) TORCH_CHECK((a) != (b), #a " != " #b ": ", (a), " and ", (b))
#define TORCH_CHECK_LT(a, b) TORCH_CHECK((a) < (b), #a " < " #b ": ", (a), " and ", (b))
#define TORCH_CHECK_LE(a, b) TORCH_CHECK((a) <= (b), #a " <= " #b ": ", (a), " and ", (b))
#define TORCH_CHECK_GT(a, b) TORCH_CHECK((a) > (b), #a " > " #b ": ", (a), " and ", (b))
#define TORCH_CHECK_GE(a, b) TORCH_CHECK((a) >= (b), #a " >= " #b ": ", (a), " and ", (b))
#define TORCH_INTERNAL_ASSERT(ok, ...) TORCH_CHECK(ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_INTERNAL_ASSERT_DEBUG_ONLY(ok, ...) TORCH_CHECK(ok __VA_OPT__(, ) __VA_ARGS__)
#define TORCH_WARN(...) ::flambeau::warn(::c10::str(__VA_ARGS__))
#define AT_ASSERT(ok, ...) TORCH_CHECK(ok __VA_OPT__(, ) __VA_ARGS__)
#define AT_ASSERTM(ok, ...) TORCH_CHECK(ok __VA_OPT__(, ) __VA_ARGS__)
#define AT_ERROR(...) ::c10::detail::fail<::c10::Error>("" __VA_OPT__(, ) __VA_ARGS__)
#define C10_UNUSED [[maybe_unused]]
#define C10_EXPORT __attribute__((visibility("default")))
#define TORCH_API

// ---- one function for each dtype: `scalar_t` in it

#define AT_DISPATCH_CASE(dtype, ...)                                  \
  case dtype: {                                                       \
    using scalar_t [[maybe_unused]] = flambeau_cpp_type<dtype>::type; \
    return __VA_ARGS__();                                             \
  }
#define AT_PRIVATE_CASE_TYPE_USING_HINT(dtype, hint, ...)         \
  case dtype: {                                                   \
    using hint [[maybe_unused]] = flambeau_cpp_type<dtype>::type; \
    return __VA_ARGS__();                                         \
  }
#define AT_DISPATCH_SWITCH(TYPE, NAME, ...)                                                  \
  [&] {                                                                                      \
    const ::flambeau::DType flambeau_dtype = (TYPE);                                         \
    switch (flambeau_dtype) {                                                                \
      __VA_ARGS__                                                                            \
      default:                                                                               \
        ::flambeau::raise<::c10::NotImplementedError>('"', NAME, "\" not implemented for '", \
                                                      ::c10::toString(flambeau_dtype), "'"); \
    }                                                                                        \
  }()

template <flambeau::DType>
struct flambeau_cpp_type;
#define FLAMBEAU_SCALAR_TYPE(name, cpp)             \
  template <>                                       \
  struct flambeau_cpp_type<flambeau::DType::name> { \
    using type = cpp;                               \
  };
FLAMBEAU_SCALAR_TYPE(uint8, uint8_t)
FLAMBEAU_SCALAR_TYPE(int8, int8_t)
FLAMBEAU_SCALAR_TYPE(int16, int16_t)
FLAMBEAU_SCALAR_TYPE(int32, int32_t)
FLAMBEAU_SCALAR_TYPE(int64, int64_t)
FLAMBEAU_SCALAR_TYPE(float16, c10::Half)
FLAMBEAU_SCALAR_TYPE(float32, float)
FLAMBEAU_SCALAR_TYPE(float64, double)
FLAMBEAU_SCALAR_TYPE(boolean, bool)
FLAMBEAU_SCALAR_TYPE(bfloat16, c10::BFloat16)
FLAMBEAU_SCALAR_TYPE(complex64, std::complex<float>)
FLAMBEAU_SCALAR_TYPE(complex128, std::complex<double>)
FLAMBEAU_SCALAR_TYPE(uint16, uint16_t)
FLAMBEAU_SCALAR_TYPE(uint32, uint32_t)
FLAMBEAU_SCALAR_TYPE(uint64, uint64_t)
#undef FLAMBEAU_SCALAR_TYPE

#define FLAMBEAU_CASE(name, ...) AT_DISPATCH_CASE(::flambeau::DType::name, __VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_TYPES(...) \
  FLAMBEAU_CASE(float64, __VA_ARGS__) FLAMBEAU_CASE(float32, __VA_ARGS__)
#define AT_DISPATCH_CASE_COMPLEX_TYPES(...) \
  FLAMBEAU_CASE(complex64, __VA_ARGS__) FLAMBEAU_CASE(complex128, __VA_ARGS__)
#define AT_DISPATCH_CASE_INTEGRAL_TYPES(...) \
  FLAMBEAU_CASE(uint8, __VA_ARGS__)          \
  FLAMBEAU_CASE(int8, __VA_ARGS__)           \
  FLAMBEAU_CASE(int16, __VA_ARGS__)          \
  FLAMBEAU_CASE(int32, __VA_ARGS__) FLAMBEAU_CASE(int64, __VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES(...) \
  AT_DISPATCH_CASE_INTEGRAL_TYPES(__VA_ARGS__) AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__)
#define AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX(...) \
  AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__) AT_DISPATCH_CASE_COMPLEX_TYPES(__VA_ARGS__)
#define AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES(...) \
  AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__) AT_DISPATCH_CASE_COMPLEX_TYPES(__VA_ARGS__)

#define AT_DISPATCH_FLOATING_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND_HALF(TYPE, NAME, ...) \
  AT_DISPATCH_FLOATING_TYPES_AND(::c10::kHalf, TYPE, NAME, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES_AND(A, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(                                      \
      TYPE, NAME, AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__) AT_DISPATCH_CASE(A, __VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND2(A, B, TYPE, NAME, ...)                                     \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                                   \
                     AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__) AT_DISPATCH_CASE(A, __VA_ARGS__) \
                         AT_DISPATCH_CASE(B, __VA_ARGS__))
#define AT_DISPATCH_COMPLEX_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_COMPLEX_TYPES(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_AND_COMPLEX_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_FLOATING_AND_COMPLEX_TYPES(__VA_ARGS__))
#define AT_DISPATCH_INTEGRAL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_INTEGRAL_TYPES(__VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND(A, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME,                      \
                     AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__) AT_DISPATCH_CASE(A, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND2(A, B, TYPE, NAME, ...)                                     \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                              \
                     AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__) AT_DISPATCH_CASE(A, __VA_ARGS__) \
                         AT_DISPATCH_CASE(B, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND3(A, B, C, TYPE, NAME, ...)                                  \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                                              \
                     AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__) AT_DISPATCH_CASE(A, __VA_ARGS__) \
                         AT_DISPATCH_CASE(B, __VA_ARGS__) AT_DISPATCH_CASE(C, __VA_ARGS__))
#define AT_DISPATCH_ALL_TYPES_AND_COMPLEX(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_ALL_TYPES_AND_COMPLEX(__VA_ARGS__))
