// Boxed arguments and results: the form in which a call passes through layers that know no op.
#pragma once

#include <optional>
#include <string_view>

#include "core/dispatch/counted.h"
#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {

struct Generator;  // core/random

// A whole number that is not known yet: a size under capture. Who captures derives from it; here it
// is only passed on.
class SymInt : public Counted {
 public:
  virtual void* python() const { return nullptr; }  // its Python object, borrowed
};

// What an argument may be, as the schema says. `optional` and `list` are flags on top.
enum class Type : uint8_t {
  tensor,
  integer,
  floating,
  boolean,
  scalar,
  string,
  dtype,
  device,
  layout,
  memory_format,
  generator,
  none,
};

// One argument. Borrows: whoever makes it keeps tensors, lists and strings alive during the call.
struct Value {
  enum class Tag : uint8_t {
    none,
    tensor,
    integer,
    floating,
    boolean,
    scalar,
    dtype,
    device,
    layout,
    memory_format,
    generator,
    symint,
    tensors,
    // The rest points to text or to a list.
    integers,
    floatings,
    booleans,
    scalars,
    string,
    strings,
    values,  // a list of anything else: sizes with symbols in them, optional numbers, dtypes
  };
  Tag tag = Tag::none;
  bool is_none() const { return tag == Tag::none; }

  union {
    TensorImpl* tensor_;  // same bits as a Tensor
    int64_t integer_;
    double floating_;
    bool boolean_;
    Device device_;
    DType dtype_;
    Layout layout_;
    MemoryFormat memory_format_;
    Generator* generator_;
    const Scalar* scalar_;
    const SymInt* symint_;
    struct {
      const void* data;
      uint32_t size;
    } list_;
  };

  constexpr Value() : integer_(0) {}

  const Tensor& tensor() const {
    return reinterpret_cast<const Tensor&>(tensor_);
  }  // undefined if none
  TensorSpan tensors() const { return {static_cast<const Tensor*>(list_.data), list_.size}; }
  IntSpan integers() const { return {static_cast<const int64_t*>(list_.data), list_.size}; }
  std::span<const double> floatings() const {
    return {static_cast<const double*>(list_.data), list_.size};
  }
  std::span<const bool> booleans() const {
    return {static_cast<const bool*>(list_.data), list_.size};
  }
  std::span<const Scalar> scalars() const {
    return {static_cast<const Scalar*>(list_.data), list_.size};
  }
  std::span<const std::string_view> strings() const {
    return {static_cast<const std::string_view*>(list_.data), list_.size};
  }
  std::span<const Value> values() const {
    return {static_cast<const Value*>(list_.data), list_.size};
  }
  std::string_view string() const { return {static_cast<const char*>(list_.data), list_.size}; }
};

namespace boxing {

inline Value list(Value::Tag tag, const void* data, size_t size) {
  Value v;
  v.tag = tag;
  v.list_ = {data, static_cast<uint32_t>(size)};
  return v;
}
inline Value box(const Tensor& t) {
  Value v;
  if (t.defined()) v.tag = Value::Tag::tensor;
  v.tensor_ = t.impl();
  return v;
}
inline Value box(TensorSpan t) { return list(Value::Tag::tensors, t.data(), t.size()); }
inline Value box(const TensorVec& t) { return box(TensorSpan(t)); }
inline Value box(int64_t i) {
  Value v;
  v.tag = Value::Tag::integer;
  v.integer_ = i;
  return v;
}
inline Value box(double d) {
  Value v;
  v.tag = Value::Tag::floating;
  v.floating_ = d;
  return v;
}
inline Value box(bool b) {
  Value v;
  v.tag = Value::Tag::boolean;
  v.integer_ = 0;
  v.boolean_ = b;
  return v;
}
inline Value box(const Scalar& s) {
  Value v;
  v.tag = Value::Tag::scalar;
  v.scalar_ = &s;
  return v;
}
inline Value box(std::span<const Scalar> s) {
  return list(Value::Tag::scalars, s.data(), s.size());
}
inline Value box(IntSpan s) { return list(Value::Tag::integers, s.data(), s.size()); }
inline Value box(const Dims& s) { return box(IntSpan(s)); }
inline Value box(std::span<const double> s) {
  return list(Value::Tag::floatings, s.data(), s.size());
}
inline Value box(std::span<const bool> s) { return list(Value::Tag::booleans, s.data(), s.size()); }
inline Value box(std::string_view s) { return list(Value::Tag::string, s.data(), s.size()); }
inline Value box(std::span<const std::string_view> s) {
  return list(Value::Tag::strings, s.data(), s.size());
}
inline Value box(std::span<const Value> s) { return list(Value::Tag::values, s.data(), s.size()); }
inline Value box(const SymInt& s) {
  Value v;
  v.tag = Value::Tag::symint;
  v.symint_ = &s;
  return v;
}
inline Value box(DType d) {
  Value v;
  v.tag = Value::Tag::dtype;
  v.dtype_ = d;
  return v;
}
inline Value box(Device d) {
  Value v;
  v.tag = Value::Tag::device;
  v.device_ = d;
  return v;
}
inline Value box(Layout l) {
  Value v;
  v.tag = Value::Tag::layout;
  v.layout_ = l;
  return v;
}
inline Value box(MemoryFormat m) {
  Value v;
  v.tag = Value::Tag::memory_format;
  v.memory_format_ = m;
  return v;
}
inline Value box(Generator* g) {
  Value v;
  if (g) v.tag = Value::Tag::generator;
  v.generator_ = g;
  return v;
}
template <class T>
Value box(const std::optional<T>& o) {
  return o ? box(*o) : Value();
}

// unbox<T>(v): the typed argument that a C++ entry takes.
template <class T>
struct Unbox;
template <>
struct Unbox<const Tensor&> {
  static const Tensor& get(const Value& v) { return v.tensor(); }
};
template <>
struct Unbox<TensorSpan> {
  static TensorSpan get(const Value& v) { return v.tensors(); }
};
template <>
struct Unbox<int64_t> {
  static int64_t get(const Value& v) { return v.integer_; }
};
template <>
struct Unbox<double> {
  static double get(const Value& v) { return v.floating_; }
};
template <>
struct Unbox<bool> {
  static bool get(const Value& v) { return v.boolean_; }
};
template <>
struct Unbox<const Scalar&> {
  static const Scalar& get(const Value& v) { return *v.scalar_; }
};
template <>
struct Unbox<IntSpan> {
  static IntSpan get(const Value& v) { return v.integers(); }
};
template <>
struct Unbox<std::span<const double>> {
  static std::span<const double> get(const Value& v) { return v.floatings(); }
};
template <>
struct Unbox<std::span<const bool>> {
  static std::span<const bool> get(const Value& v) { return v.booleans(); }
};
template <>
struct Unbox<std::span<const Scalar>> {
  static std::span<const Scalar> get(const Value& v) { return v.scalars(); }
};
template <>
struct Unbox<std::string_view> {
  static std::string_view get(const Value& v) { return v.string(); }
};
template <>
struct Unbox<std::span<const std::string_view>> {
  static std::span<const std::string_view> get(const Value& v) { return v.strings(); }
};
template <>
struct Unbox<std::span<const Value>> {
  static std::span<const Value> get(const Value& v) { return v.values(); }
};
template <>
struct Unbox<DType> {
  static DType get(const Value& v) { return v.dtype_; }
};
template <>
struct Unbox<Device> {
  static Device get(const Value& v) { return v.device_; }
};
template <>
struct Unbox<Layout> {
  static Layout get(const Value& v) { return v.layout_; }
};
template <>
struct Unbox<MemoryFormat> {
  static MemoryFormat get(const Value& v) { return v.memory_format_; }
};
template <>
struct Unbox<Generator*> {
  static Generator* get(const Value& v) { return v.is_none() ? nullptr : v.generator_; }
};
template <>
struct Unbox<std::optional<Scalar>> {
  static std::optional<Scalar> get(const Value& v) {
    return v.is_none() ? std::nullopt : std::optional<Scalar>(*v.scalar_);
  }
};
template <class T>
struct Unbox<std::optional<T>> {
  static std::optional<T> get(const Value& v) {
    return v.is_none() ? std::nullopt : std::optional<T>(Unbox<T>::get(v));
  }
};

}  // namespace boxing

}  // namespace flambeau::inline v1
