// Dtype and device rules of pointwise ops: PyTorch's promotion.
#pragma once

#include <optional>
#include <span>

#include "core/dispatch/thread_state.h"
#include "core/tensor/tensor.h"

namespace flambeau::inline v1::shape {

// The name of an element type in PyTorch's messages ("Float", "Long").
inline const char* scalar_type_name(DType dtype) {
  static constexpr const char* kNames[kDTypes] = {"Byte",
                                                  "Char",
                                                  "Short",
                                                  "Int",
                                                  "Long",
                                                  "Half",
                                                  "Float",
                                                  "Double",
                                                  "ComplexHalf",
                                                  "ComplexFloat",
                                                  "ComplexDouble",
                                                  "Bool",
                                                  "QInt8",
                                                  "QUInt8",
                                                  "QInt32",
                                                  "BFloat16",
                                                  "QUInt4x2",
                                                  "QUInt2x4",
                                                  "Bits1x8",
                                                  "Bits2x4",
                                                  "Bits4x2",
                                                  "Bits8",
                                                  "Bits16",
                                                  "Float8_e5m2",
                                                  "Float8_e4m3fn",
                                                  "Float8_e5m2fnuz",
                                                  "Float8_e4m3fnuz",
                                                  "UInt16",
                                                  "UInt32",
                                                  "UInt64"};
  return kNames[static_cast<int>(dtype)];
}

// Note [Promotion]
// Tensors with dimensions, 0-dim tensors and Python numbers are three categories. The dtype is that
// of the highest category, unless a lower one holds a higher kind of number (bool < integer <
// floating < complex): a number or a 0-dim tensor changes the kind of a result, never its width.
class Promotion {
 public:
  template <class T>
  void add(const T& t) {
    if (t.dim() > 0)
      join(dimensioned_, t.dtype());
    else if (t.impl()->wrapped_number)
      join(number_, natural(t.dtype()));
    else
      join(zero_dim_, t.dtype());
  }
  DType result() const { return *combine(dimensioned_, combine(zero_dim_, number_)); }

 private:
  using Maybe = std::optional<DType>;

  // Python's float and complex stand for the default dtypes.
  static DType natural(DType dtype) {
    if (is_complex(dtype)) return to_complex(default_dtype());
    return is_floating(dtype) ? default_dtype() : dtype;
  }
  static void join(Maybe& into, DType dtype) { into = into ? promote(*into, dtype) : dtype; }
  static Maybe combine(Maybe higher, Maybe lower) {
    if (!higher || !lower) return higher ? higher : lower;
    if (is_complex(*higher)) return higher;
    if (is_floating(*higher)) return is_complex(*lower) ? to_complex(*higher) : *higher;
    const bool kind_rises = *higher == DType::boolean || is_differentiable(*lower);
    return kind_rises ? promote(*higher, *lower) : *higher;
  }

  Maybe dimensioned_, zero_dim_, number_;
};

template <class T>
DType result_type(std::span<const T* const> tensors) {
  bool same = true;
  for (const T* t : tensors) same = same && t->dtype() == tensors[0]->dtype();
  if (same && !tensors[0]->impl()->wrapped_number) return tensors[0]->dtype();
  Promotion promotion;
  for (const T* t : tensors) promotion.add(*t);
  return promotion.result();
}

[[noreturn, gnu::cold]] inline void raise_devices(const char* op, Device a, Device b) {
  raise(op, ": Expected all tensors to be on the same device, but found at least two devices, ",
        a.str(), " and ", b.str(), "!");
}

// The device of an op: a 0-dim CPU tensor goes with any other.
template <class T>
Device common_device(const char* op, std::span<const T* const> tensors) {
  const auto is_number = [](const T& t) { return t.dim() == 0 && t.device().is_cpu(); };
  Device device = tensors[0]->device();
  for (const T* t : tensors)
    if (!is_number(*t)) {
      device = t->device();
      break;
    }
  for (const T* t : tensors)
    if (t->device() != device && !is_number(*t)) raise_devices(op, device, t->device());
  return device;
}

inline void check_result_cast(const char* op, DType result, DType out) {
  check(can_cast(result, out), op, ": result type ", scalar_type_name(result),
        " can't be cast to the desired output type ", scalar_type_name(out));
}

}  // namespace flambeau::inline v1::shape
