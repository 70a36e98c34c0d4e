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
  // `stream` is the queue that the caller's work stands in: the current one of the device, 0 where
  // there are no streams. What was queued there before comes first.
  // Work that is queued in `stream` may use the memory at once.
  void* (*allocate)(size_t nbytes, int index, uint64_t stream);
  // Work that stands in `stream` may still use it: it is given out again within that stream, or
  // when that work is done.
  void (*free)(void* data, size_t nbytes, int index, uint64_t stream) noexcept;
  // Within a device it may return when it is queued. Between two of this kind, from the host and
  // to it, it is done when it returns; `stream` is then of the device that is read, or else of the
  // one that is not the host, and nothing that is queued touches the memory of the other.
  void (*copy)(void* to, Device to_device, const void* from, Device from_device, size_t nbytes,
               uint64_t stream);
  void (*fill)(void* data, uint8_t byte, size_t nbytes, int index, uint64_t stream);

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
  // Marks in such queues. One may be destroyed while a stream still waits for it.
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

// ---- by the table, in the current stream of this thread

uint64_t current_stream(Device device);  // 0 where the device has no streams
// Of `from_device`'s kind, or where that is the host, of `to_device`'s.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t nbytes);
void fill_bytes(void* data, Device device, uint8_t byte, size_t nbytes);
// What is queued in `later` from now on begins when what stands in `first` is done.
void stream_waits(Device device, uint64_t later, uint64_t first);

// Work of this thread on a device goes to this stream, until the end of the scope.
class WithStream {
 public:
  WithStream(Device device, uint64_t stream);
  ~WithStream();
  WithStream(const WithStream&) = delete;

 private:
  const DeviceTable::Streams* const streams_;
  const Device device_;
  const uint64_t stream_, before_;
};

}  // namespace flambeau::inline v1
