// Constants with static storage: defaults of arguments, in lists, as numbers and boxed.
#pragma once

#include <span>

#include "core/dispatch/value.h"
#include "core/tensor/scalar.h"

namespace flambeau::inline v1 {

template <class T, T... V>
struct Constant {
  static constexpr T values[] = {V...};
  static constexpr std::span<const T> span() { return values; }
};

template <auto V>
inline constexpr Scalar constant_scalar{V};

// A default boxed, as it stands in the table of ops: no code has to fill the table.
namespace detail {
template <class T>
constexpr Value constant(Value::Tag tag, T Value::* member, T v) {
  Value out;
  out.tag = tag;
  out.*member = v;
  return out;
}
constexpr Value constant_list(Value::Tag tag, const void* data, size_t size) {
  Value out;
  out.tag = tag;
  out.list_ = {data, static_cast<uint32_t>(size)};
  return out;
}
}  // namespace detail

constexpr Value constant(int64_t v) {
  return detail::constant(Value::Tag::integer, &Value::integer_, v);
}
constexpr Value constant(double v) {
  return detail::constant(Value::Tag::floating, &Value::floating_, v);
}
constexpr Value constant(bool v) {
  return detail::constant(Value::Tag::boolean, &Value::boolean_, v);
}
constexpr Value constant(DType v) { return detail::constant(Value::Tag::dtype, &Value::dtype_, v); }
constexpr Value constant(Layout v) {
  return detail::constant(Value::Tag::layout, &Value::layout_, v);
}
constexpr Value constant(MemoryFormat v) {
  return detail::constant(Value::Tag::memory_format, &Value::memory_format_, v);
}
constexpr Value constant(const Scalar& v) {
  return detail::constant(Value::Tag::scalar, &Value::scalar_, &v);
}
constexpr Value constant(IntSpan v) {
  return detail::constant_list(Value::Tag::integers, v.data(), v.size());
}
constexpr Value constant(std::string_view v) {
  return detail::constant_list(Value::Tag::string, v.data(), v.size());
}
constexpr Value constant(std::span<const bool> v) {
  return detail::constant_list(Value::Tag::booleans, v.data(), v.size());
}
constexpr Value constant(std::span<const double> v) {
  return detail::constant_list(Value::Tag::floatings, v.data(), v.size());
}

}  // namespace flambeau::inline v1
