// What the generated entries include.
#pragma once

#include <array>
#include <string>

#include "core/autograd/formulas.h"
#include "core/autograd/node.h"
#include "core/dispatch/constants.h"
#include "core/dispatch/op.h"
#include "core/dispatch/outputs.h"
#include "core/dispatch/printed.h"

namespace flambeau {

constexpr uint32_t bit_of(DType dtype) { return uint32_t{1} << static_cast<int>(dtype); }

// The view that a rule tells of.
inline Tensor alias_of(const Tensor& self, const ViewSpec& v) {
  return Tensor::alias(self, v.dtype, v.sizes, v.strides, v.offset);
}
inline TensorVec alias_of(const Tensor& self, const std::vector<ViewSpec>& views) {
  TensorVec out;
  out.reserve(views.size());
  for (const ViewSpec& v : views) out.push_back(alias_of(self, v));
  return out;
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

}  // namespace flambeau
