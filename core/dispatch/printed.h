// What printed Python functions stand on: Python's meaning of integers and lists, checked.
#pragma once

#include <array>
#include <cmath>
#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "core/dispatch/specs.h"
#include "core/dispatch/value.h"
#include "core/tensor/checked.h"
#include "core/tensor/device_table.h"
#include "core/tensor/overlap.h"
#include "core/tensor/range.h"
#include "kernels/shape/pointwise.h"

namespace flambeau::inline v1::printed {

// ---- lists

[[noreturn, gnu::cold, gnu::noinline]] inline void raise_index() {
  raise<IndexError>("list index out of range");
}
[[noreturn, gnu::cold, gnu::noinline]] inline void raise_none() {
  raise<TypeError>("a value is None where one is needed");
}

template <class L>
[[gnu::always_inline]] inline decltype(auto) at(L&& list, int64_t i) {
  const auto n = static_cast<int64_t>(list.size());
  if (i < 0) i += n;
  if (i < 0 || i >= n) [[unlikely]]
    raise_index();
  return list[static_cast<size_t>(i)];
}

template <class L>
inline int64_t len(const L& list) {
  return static_cast<int64_t>(list.size());
}

// list[from:to], bounds as Python cuts them.
template <class T>
std::span<const T> slice(std::span<const T> list, std::optional<int64_t> from,
                         std::optional<int64_t> to) {
  const auto n = static_cast<int64_t>(list.size());
  const auto place = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  const int64_t a = place(from.value_or(0)), b = std::max(a, place(to.value_or(n)));
  return list.subspan(static_cast<size_t>(a), static_cast<size_t>(b - a));
}

inline Dims joined(IntSpan a, IntSpan b) {
  Dims out(a);
  for (const int64_t v : b) out.push_back(v);
  return out;
}
inline TensorVec joined(TensorSpan a, TensorSpan b) {
  TensorVec out(a.begin(), a.end());
  out.insert(out.end(), b.begin(), b.end());
  return out;
}
inline Dims repeated(IntSpan list, int64_t times) {
  Dims out;
  for (int64_t k = 0; k < times; ++k)
    for (const int64_t v : list) out.push_back(v);
  return out;
}
inline Dims reversed(IntSpan list) {
  Dims out(list);
  std::reverse(out.begin(), out.end());
  return out;
}
inline Dims sorted(IntSpan list) {
  Dims out(list);
  std::sort(out.begin(), out.end());
  return out;
}
inline int64_t place_to_insert(size_t size, int64_t i) {
  const auto n = static_cast<int64_t>(size);
  return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n);
}
inline void insert(Dims& list, int64_t i, int64_t v) {
  list.insert(static_cast<size_t>(place_to_insert(list.size(), i)), v);
}
template <class T>
void insert(std::vector<T>& list, int64_t i, T v) {
  list.insert(list.begin() + place_to_insert(list.size(), i), std::move(v));
}
[[gnu::always_inline]] inline void erase(Dims& list, int64_t i) {
  at(list, i);
  list.erase(static_cast<size_t>(i < 0 ? i + len(list) : i));
}
template <class T>
void erase(std::vector<T>& list, int64_t i) {
  at(list, i);
  list.erase(list.begin() + (i < 0 ? i + len(list) : i));
}
inline int64_t pop(Dims& list) {
  const int64_t v = at(list, -1);
  list.erase(list.size() - 1);
  return v;
}
template <class L, class T>
bool contains(const L& list, const T& v) {
  for (const auto& item : list)
    if (item == v) return true;
  return false;
}
inline int64_t sum(IntSpan list) {
  int64_t total = 0;
  for (const int64_t v : list) total = add(total, v);
  return total;
}
inline int64_t prod(IntSpan list) {
  int64_t total = 1;
  for (const int64_t v : list) total = mul(total, v);
  return total;
}
template <class T>
T larger(T a, T b) {
  return b > a ? b : a;
}
template <class T>
T smaller(T a, T b) {
  return b < a ? b : a;
}
inline int64_t larger(IntSpan list) {
  if (list.empty()) raise<ValueError>("max() arg is an empty sequence");
  return *std::max_element(list.begin(), list.end());
}
inline int64_t smaller(IntSpan list) {
  if (list.empty()) raise<ValueError>("min() arg is an empty sequence");
  return *std::min_element(list.begin(), list.end());
}

// ---- what may be None

template <class T>
const T& some(const std::optional<T>& v) {
  if (!v) [[unlikely]]
    raise_none();
  return *v;
}
inline const Tensor& some(const Tensor& t) {
  if (!t.defined()) [[unlikely]]
    raise_none();
  return t;
}

// ---- numbers in messages

inline const char* shown(bool v) { return v ? "True" : "False"; }

// The number after `i` in a range up to `end`, which is before it.
inline int64_t next(int64_t i, int64_t step, int64_t end) {
  const uint64_t left = step > 0 ? static_cast<uint64_t>(end) - static_cast<uint64_t>(i)
                                 : static_cast<uint64_t>(i) - static_cast<uint64_t>(end);
  const uint64_t by = step > 0 ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  return left <= by ? end : i + step;
}
// How an integer stands to a float, exactly.
inline std::partial_ordering compared(int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b >= 0x1p63) return std::partial_ordering::less;
  if (b < -0x1p63) return std::partial_ordering::greater;
  const auto whole = static_cast<int64_t>(b);
  if (a != whole) return a <=> whole;
  return static_cast<double>(whole) <=> b;
}
inline std::partial_ordering compared(double a, int64_t b) { return 0 <=> compared(b, a); }
inline double divided(double a, double b) {
  if (b == 0) [[unlikely]]
    raise<ZeroDivisionError>("float division by zero");
  return a / b;
}
inline double divided(int64_t a, int64_t b) {
  return divided(static_cast<double>(a), static_cast<double>(b));
}
inline double pow(double a, double b) {
  const double out = std::pow(a, b);
  if (!std::isfinite(out) && std::isfinite(a) && std::isfinite(b)) [[unlikely]]
    raise<ValueError>("math range or domain error: ", a, " to the power of ", b);
  return out;
}
// int(x): the number without its fraction.
inline int64_t whole(double x) {
  if (!(x >= -0x1p63 && x < 0x1p63)) [[unlikely]] {
    if (std::isnan(x)) raise<ValueError>("cannot convert float NaN to integer");
    raise<memory::SizeOverflow>("integer overflow: ", x, " does not fit 64 bits");
  }
  return static_cast<int64_t>(x);
}
inline int64_t whole(const Scalar& v) {
  if (v.is_complex()) raise<TypeError>("a complex number is no integer");
  return v.is_floating() ? whole(v.to_double()) : v.to_int();
}
// float(x): a number with an imaginary part has none.
inline double real_number(const Scalar& v) {
  if (v.is_complex() && v.to_complex().imag() != 0) [[unlikely]]
    raise("value cannot be converted to type double without overflow: it is complex");
  return v.to_double();
}
inline double ceiled(double x) { return std::ceil(x); }
inline std::string show_shapes(TensorSpan list) {
  std::string text;
  for (const Tensor& t : list)
    if (t.defined()) text += concat(text.empty() ? "" : ", ", show(t.sizes()));
  return text;
}
inline std::string show_open(IntSpan sizes) { return concat(show(sizes)).substr(1); }

inline Scalar sub(const Scalar& a, const Scalar& b) {
  if (a.is_complex() || b.is_complex()) return a.to_complex() - b.to_complex();
  if (a.is_floating() || b.is_floating()) return a.to_double() - b.to_double();
  return sub(a.to_int(), b.to_int());
}
inline Scalar log_of(const Scalar& v) {
  if (v.is_complex() || v.to_double() < 0) return std::log(v.to_complex());
  return std::log(v.to_double());
}

// ---- leaves under Python's names

bool watched(TensorSpan tensors);
bool under_dispatch(const Tensor& t);
// Whether vmap has an element for each item of its batch in `t`: it cannot be read as a number.
bool in_batch(const Tensor& t);

inline Device placed(const std::optional<Device>& device) {
  return device.value_or(Device()).of_tensors();
}
inline int64_t storage_bytes(const Tensor& t) {
  return static_cast<int64_t>(t.impl()->storage()->nbytes());
}
inline MemoryFormat suggest_memory_format(const Tensor& t) { return t.suggest_memory_format(); }
inline DType joint_dtype(const Tensor& a, const Tensor& b) {
  shape::Promotion promotion;
  promotion.add(a);
  promotion.add(b);
  return promotion.result();
}
inline DType result_type(TensorSpan list) {
  shape::Promotion promotion;
  for (const Tensor& t : list) promotion.add(t);
  return promotion.result();
}

// An op that writes element by element must know where each element stands.
inline void check_apart(const char* op, const Tensor& written, const Tensor& read) {
  if (memory_overlap(written, read) != MemOverlap::none) raise_shared(op);
}

// A copy onto what is there already, bits of lazy conjugation and negation included.
inline bool is_itself(const Tensor& written, const Tensor& read, MemOverlap overlap) {
  return written.is(read) || (overlap == MemOverlap::full && written.dtype() == read.dtype() &&
                              ((written.keys() ^ read.keys()) & (kConjugate | kNegative)) == 0);
}
inline MemOverlap overlap_of_copy(const Tensor& written, const Tensor& read) {
  return written.device() == read.device() ? memory_overlap(written, read) : MemOverlap::none;
}
inline void check_copy(const char* op, const Tensor& written, const Tensor& read) {
  const MemOverlap overlap = overlap_of_copy(written, read);
  if (is_itself(written, read, overlap)) return;
  check_written_once(op, written);
  if (overlap == MemOverlap::partial) raise_shared(op);
}

}  // namespace flambeau::inline v1::printed
