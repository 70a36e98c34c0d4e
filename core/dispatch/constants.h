// Constants with static storage, for defaults of list arguments and numbers.
#pragma once

#include <span>

#include "core/tensor/scalar.h"

namespace flambeau {

template <class T, T... V>
struct Constant {
  static constexpr T values[] = {V...};
  static constexpr std::span<const T> span() { return values; }
};

template <auto V>
const Scalar& constant_scalar() {
  static const Scalar s(V);
  return s;
}

}  // namespace flambeau
