// A device whose memory the host must not touch: pages without any access, which only the device's
// own copies and kernels open.
#pragma once

#include <flambeau/backend.h>
#include <flambeau/flambeau.h>

namespace guarded {

// The memory behind an address is open until the end of the scope.
class Open {
 public:
  explicit Open(const void* address);
  ~Open();
  Open(const Open&) = delete;

 private:
  void* block_;
};

void register_memory();
void register_kernels();
void register_layouts();

}  // namespace guarded
