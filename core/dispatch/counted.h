// The base of small objects that are shared by counting.
#pragma once

#include <atomic>

#include "core/memory/small.h"
#include "core/tensor/ref.h"

namespace flambeau::inline v1 {

class Counted : public SmallObject {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  virtual ~Counted() = default;

  void retain() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

 private:
  mutable std::atomic<uint32_t> refs_{1};
};

}  // namespace flambeau::inline v1
