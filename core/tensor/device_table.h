// What a kind of device does with memory, work that is queued, and random numbers: one table of
// functions per DeviceType. The CPU and meta have one each; a package from outside hands in its
// own, usually under private_use1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/tensor/device.h"
#include "core/tensor/error.h"

namespace flambeau::inline v1 {

struct Generator;  // core/random

// All may be called by any thread. Errors are exceptions (core/tensor/error.h); a failed
// allocation is memory::OutOfMemory.
struct DeviceTable {
  int (*count)();    // devices of this kind that are there
  int (*current)();  // which one "name" means
  void (*set_current)(int index);

  // Memory. The host reaches it through `copy` alone; allocating no bytes may give nullptr.
  void* (*allocate)(size_t nbytes, int index);
  void (*free)(void* data, size_t nbytes, int index) noexcept;
  // Within a device, between two of this kind, from the host and to it. Done when it returns.
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, size_t nbytes);
  void (*fill)(void* data, uint8_t byte, size_t nbytes, int index);

  static constexpr uint64_t kAllStreams = UINT64_MAX;
  // Queues of work by number; 0 is the one that every device begins with. Null for a device that
  // has done its work when a kernel returns.
  struct Streams {
    uint64_t (*current)(int index);  // of this thread
    void (*set_current)(int index, uint64_t stream);
    uint64_t (*create)(int index, int priority);
    bool (*query)(int index, uint64_t stream);        // whether all is done
    void (*synchronize)(int index, uint64_t stream);  // or kAllStreams
  };
  const Streams* stream;
  // Marks in such queues.
  struct Events {
    void* (*create)(int index);
    void (*destroy)(void* event) noexcept;
    void (*record)(void* event, int index, uint64_t stream);
    void (*wait)(void* event, int index, uint64_t stream);  // the stream waits
    bool (*query)(void* event);
    void (*synchronize)(void* event);             // the host waits
    double (*elapsed)(void* event, void* later);  // in milliseconds
  };
  const Events* event;

  // The device's own; ops that fall back on the CPU draw from it too.
  Generator& (*generator)(int index);
};

// A kind of device that programs ask for by a module (`torch.cuda`), and that this build lacks.
struct AbsentDevice : Error {  // AssertionError, as in PyTorch
  using Error::Error;
};

// nullptr where none is registered.
const DeviceTable* device_table(DeviceType type);
// The same, or an error that says so: AbsentDevice, or NotImplementedError of a kind that has no
// module, and where it is no tensor that is asked for (`what`).
const DeviceTable& require_device(DeviceType type, const char* what = nullptr);
// Once per type. The table is kept, not copied.
void register_device(DeviceType type, const DeviceTable& table);

// With an index: that of the current device where none was given. Error where there is none such.
Device resolved(Device device, const char* what = nullptr);
// Work of all streams of a device is done.
void synchronize(Device device);

}  // namespace flambeau::inline v1
