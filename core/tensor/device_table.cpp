#include "core/tensor/device_table.h"

#include <atomic>
#include <chrono>
#include <cstring>

#include "core/memory/allocator.h"
#include "core/tensor/error.h"

namespace flambeau::inline v1 {

Generator& default_generator();  // core/random, which stands above

namespace {

int one_device() { return 1; }
int first_device() { return 0; }
void only_first(int index) { check(index <= 0, "there is one device of this kind, not ", index); }

// ---- the CPU: the host itself, and work is done when a kernel returns

using Clock = std::chrono::steady_clock;
struct CpuEvent {
  Clock::time_point at;
  bool recorded = false;
};
CpuEvent& cpu_event(void* event) { return *static_cast<CpuEvent*>(event); }

constexpr DeviceTable::Events kCpuEvents = {
    [](int) -> void* { return new CpuEvent; },
    [](void* event) noexcept { delete static_cast<CpuEvent*>(event); },
    [](void* event, int, uint64_t) { cpu_event(event) = {Clock::now(), true}; },
    [](void*, int, uint64_t) {},
    [](void*) { return true; },
    [](void*) {},
    [](void* event, void* later) {
      check(cpu_event(event).recorded && cpu_event(later).recorded,
            "elapsed_time: both events must be recorded before");
      return std::chrono::duration<double, std::milli>(cpu_event(later).at - cpu_event(event).at)
          .count();
    }};

constexpr DeviceTable kCpu = {
    one_device,
    first_device,
    only_first,
    [](size_t nbytes, int, uint64_t) { return memory::allocate(nbytes); },
    [](void* data, size_t nbytes, int, uint64_t) noexcept { memory::deallocate(data, nbytes); },
    [](void* to, Device, const void* from, Device, size_t nbytes, uint64_t) {
      std::memmove(to, from, nbytes);
    },
    [](void* data, uint8_t byte, size_t nbytes, int, uint64_t) { std::memset(data, byte, nbytes); },
    nullptr,
    &kCpuEvents,
    [](int) -> Generator& { return default_generator(); }};

// ---- meta: sizes, and nothing behind them

constexpr DeviceTable kMeta = {one_device,
                               first_device,
                               only_first,
                               [](size_t, int, uint64_t) -> void* { return nullptr; },
                               [](void*, size_t, int, uint64_t) noexcept {},
                               [](void*, Device to, const void*, Device, size_t, uint64_t) {
                                 check<NotImplementedError>(
                                     to.is_meta(), "Cannot copy out of meta tensor; no data!");
                               },
                               [](void*, uint8_t, size_t, int, uint64_t) {},
                               nullptr,
                               nullptr,
                               [](int) -> Generator& { return default_generator(); }};

constinit std::atomic<const DeviceTable*> tables[kDeviceTypes] = {};

// As flambeau/_absent.py calls those that have a module.
const char* name_of_absent(DeviceType type) {
  switch (type) {
    case DeviceType::cuda:
      return "CUDA";
    case DeviceType::xpu:
      return "XPU";
    case DeviceType::mtia:
      return "MTIA";
    default:
      return nullptr;
  }
}

[[noreturn, gnu::cold, gnu::noinline]] void raise_absent(DeviceType type, const char* what) {
  const char* const name = name_of_absent(type);
  if (name && !what)
    raise<AbsentDevice>("Torch not compiled with ", name,
                        " enabled: this build computes on the "
                        "CPU. Ask flambeau.",
                        device_type_name(type), ".is_available() first.");
  raise<NotImplementedError>(what ? what : "", what ? ": " : "",
                             "no backend is registered for device '", device_type_name(type),
                             "': this build has cpu and meta");
}

}  // namespace

const DeviceTable* device_table(DeviceType type) {
  if (type == DeviceType::cpu) return &kCpu;
  if (type == DeviceType::meta) return &kMeta;
  return tables[static_cast<int>(type)].load(std::memory_order_acquire);
}

const DeviceTable& require_device(DeviceType type, const char* what) {
  const DeviceTable* const table = device_table(type);
  if (!table) [[unlikely]]
    raise_absent(type, what);
  return *table;
}

void register_device(DeviceType type, const DeviceTable& table) {
  const DeviceTable* before = nullptr;
  check(type != DeviceType::cpu && type != DeviceType::meta &&
            tables[static_cast<int>(type)].compare_exchange_strong(before, &table),
        "register_device: there is a backend for '", device_type_name(type), "' already");
}

Device resolved(Device device, const char* what) {
  if (device.is_cpu()) return {device.type, -1};
  const DeviceTable& table = require_device(device.type, what);
  if (device.is_meta()) return device;
  if (device.index < 0) device.index = static_cast<int8_t>(table.current());
  const int count = table.count();
  check(device.index < count, "device '", device.str(), "' is not there: there are ", count,
        " of this kind");
  return device;
}

void synchronize(Device device) {
  const DeviceTable& table = require_device(device.type);
  if (table.stream) table.stream->synchronize(resolved(device).index, DeviceTable::kAllStreams);
}

uint64_t current_stream(Device device) {
  const auto* const streams = require_device(device.type).stream;
  return streams ? streams->current(device.index) : 0;
}

void copy_bytes(void* to, Device to_device, const void* from, Device from_device, size_t nbytes) {
  if (nbytes == 0) return;
  const Device device = from_device.is_cpu() ? to_device : from_device;
  const DeviceTable& table = require_device(device.type);
  if (!to_device.is_cpu() && !from_device.is_cpu() && to_device != from_device) {
    const auto* const streams = require_device(to_device.type).stream;
    if (streams) streams->synchronize(to_device.index, streams->current(to_device.index));
  }
  table.copy(to, to_device, from, from_device, nbytes, current_stream(device));
}

void fill_bytes(void* data, Device device, uint8_t byte, size_t nbytes) {
  if (nbytes == 0) return;
  require_device(device.type).fill(data, byte, nbytes, device.index, current_stream(device));
}

void stream_waits(Device device, uint64_t later, uint64_t first) {
  const DeviceTable& table = require_device(device.type);
  if (!table.stream || later == first) return;
  if (!table.event) return table.stream->synchronize(device.index, first);
  void* const mark = table.event->create(device.index);
  table.event->record(mark, device.index, first);
  table.event->wait(mark, device.index, later);
  table.event->destroy(mark);
}

WithStream::WithStream(Device device, uint64_t stream)
    : streams_(require_device(device.type).stream),
      device_(device),
      stream_(stream),
      before_(current_stream(device)) {
  if (streams_ && before_ != stream_) streams_->set_current(device_.index, stream_);
}
WithStream::~WithStream() {
  if (streams_ && before_ != stream_) streams_->set_current(device_.index, before_);
}

}  // namespace flambeau::inline v1
