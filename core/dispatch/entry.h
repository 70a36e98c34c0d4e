// What the generated entries include.
#pragma once

#include <array>
#include <string>

#include "core/autograd/formulas.h"
#include "core/autograd/node.h"
#include "core/autograd/view.h"
#include "core/dispatch/constants.h"
#include "core/dispatch/op.h"
#include "core/dispatch/outputs.h"
#include "core/dispatch/printed.h"

namespace flambeau::inline v1 {

constexpr uint32_t bit_of(DType dtype) { return uint32_t{1} << static_cast<int>(dtype); }
inline uint32_t bits_of(const Tensor& t) { return t.defined() ? bit_of(t.dtype()) : 0; }
inline uint32_t bits_of(TensorSpan list) {
  uint32_t bits = 0;
  for (const Tensor& t : list) bits |= bits_of(t);
  return bits;
}

// The dtypes that kernels have loops for; the others are moved as bytes and nothing else.
constexpr uint32_t kLoops = bit_of(DType::uint8) | bit_of(DType::int8) | bit_of(DType::int16) |
                            bit_of(DType::int32) | bit_of(DType::int64) | bit_of(DType::uint16) |
                            bit_of(DType::uint32) | bit_of(DType::uint64) | bit_of(DType::float16) |
                            bit_of(DType::bfloat16) | bit_of(DType::float32) |
                            bit_of(DType::float64) | bit_of(DType::complex64) |
                            bit_of(DType::complex128) | bit_of(DType::boolean);
[[noreturn, gnu::cold]] void refuse_dtype(const char* op, uint32_t bits);
inline void check_loops(const char* op, uint32_t given) {
  if (given & ~kLoops) [[unlikely]]
    refuse_dtype(op, given & ~kLoops);
}
// What an in-place or out= form writes to, before it does.
inline void check_may_write(const Tensor& t) {
  if (t.impl()->inference) [[unlikely]]
    check_inference_inplace(t);
}
inline void check_may_write(TensorSpan list) {
  for (const Tensor& t : list) check_may_write(t);
}

// Of tensors on one device.
inline bool is_meta(TensorSpan list) { return !list.empty() && list[0].is_meta(); }

// What the forms of an op make of the one spec that a rule gives: the view, the output, or a spec.
struct ViewOf {
  const Tensor& self;
  [[gnu::always_inline]] Tensor operator()(IntSpan sizes, IntSpan strides, int64_t offset,
                                           DType dtype) const {
    return Tensor::alias(self, dtype, sizes, strides, offset);
  }
  [[gnu::always_inline]] Tensor operator()(const ViewSpec& v) const {
    return Tensor::alias(self, v.dtype, v.sizes, v.strides, v.offset);
  }
};
struct Allocated {
  const Tensor& like;
  [[gnu::always_inline]] Tensor operator()(IntSpan sizes, DType dtype) const {
    return empty(sizes, {dtype, like.device()});
  }
  [[gnu::always_inline]] Tensor operator()(const Spec& spec) const { return allocate(spec, like); }
};
struct GivenSpec {
  ViewSpec operator()(IntSpan sizes, IntSpan strides, int64_t offset, DType dtype) const {
    return {Dims(sizes), Dims(strides), offset, dtype};
  }
  ViewSpec operator()(ViewSpec v) const { return v; }
  Spec operator()(IntSpan sizes, DType dtype) const { return {Dims(sizes), dtype, {}}; }
  Spec operator()(Spec spec) const { return spec; }
};

// The views that a rule tells of.
inline TensorVec alias_of(const Tensor& self, const std::vector<ViewSpec>& views) {
  TensorVec out;
  out.reserve(views.size());
  for (const ViewSpec& v : views) out.push_back(ViewOf{self}(v));
  return out;
}

inline Tensor flipped(Tensor t, KeySet lazy) {
  t.impl()->keys ^= lazy;
  return t;
}

// Whether a static argument (a string, a truth value, or none of them) has a given value.
inline bool is_static(std::string_view v, const char* want) { return want && v == want; }
inline bool is_static(const std::optional<std::string_view>& v, const char* want) {
  return want ? v && *v == want : !v;
}
inline bool is_static(const std::optional<std::string_view>& v, std::nullptr_t) { return !v; }
inline bool is_static(bool v, bool want) { return v == want; }
inline std::string_view show_static(std::string_view v) { return v; }
inline std::string_view show_static(const std::optional<std::string_view>& v) {
  return v ? *v : std::string_view("None");
}

}  // namespace flambeau::inline v1
