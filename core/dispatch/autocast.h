// What autocast knows of ops: printed from the records' slot.
#pragma once

#include <cstdint>
#include <span>

namespace flambeau::inline v1 {

struct Op;

enum class Autocast : uint8_t {
  lower,    // in the dtype that autocast was given
  float32,  // in float32
  promote,  // in the widest dtype of its arguments
};
struct AutocastRow {
  const Op* op;
  Autocast policy;
};
std::span<const AutocastRow> autocast_rows();  // generated
void forget_autocast_copies();                 // of this thread

}  // namespace flambeau::inline v1
