#include "core/tensor/device.h"

#include <atomic>
#include <cctype>
#include <charconv>
#include <cstring>
#include <mutex>

#include "core/tensor/error.h"

namespace flambeau::inline v1 {
namespace {

constinit std::atomic<const char*> private_name{"privateuseone"};

constexpr const char* kDeviceNames[kDeviceTypes] = {
    "cpu",  "cuda", "mkldnn", "opengl", "opencl", "ideep", "hip",
    "fpga", "maia", "xla",    "vulkan", "metal",  "xpu",   "mps",
    "meta", "hpu",  "ve",     "lazy",   "ipu",    "mtia",  "privateuseone"};

}  // namespace

const char* device_type_name(DeviceType type) {
  if (type == DeviceType::private_use1) return private_name.load(std::memory_order_acquire);
  return kDeviceNames[static_cast<int>(type)];
}

void rename_private_device(std::string_view name) {
  bool valid = !name.empty() && std::isalpha(static_cast<unsigned char>(name[0]));
  for (const char c : name) valid &= std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  check(valid, "rename_privateuse1_backend: '", name, "' is no name: letters, digits and _");
  for (const char* known : kDeviceNames)
    check(name == "privateuseone" || name != known, "rename_privateuse1_backend: '", name,
          "' is the name of another kind of device");
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const char* const now = private_name.load(std::memory_order_relaxed);
  if (name == now) return;
  check(std::string_view(now) == "privateuseone",
        "rename_privateuse1_backend: the backend has been named '", now, "' already");
  private_name.store(strdup(std::string(name).c_str()), std::memory_order_release);  // for ever
}

Device Device::parse(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  Device device;
  int found = -1;
  for (int i = 0; i < kDeviceTypes; ++i)
    if (kind == kDeviceNames[i] || kind == device_type_name(static_cast<DeviceType>(i))) found = i;
  if (found < 0)
    raise("Expected one of cpu, cuda, mps, xpu, meta, ... device type at start of device string: ",
          text);
  device.type = static_cast<DeviceType>(found);
  if (colon == std::string_view::npos) return device;
  const std::string_view number = text.substr(colon + 1);
  int index = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  const bool leading_zero = number.size() > 1 && number[0] == '0';
  if (error != std::errc() || end != number.data() + number.size() || index < 0 || index > 127 ||
      leading_zero)
    raise("Invalid device string: '", text, "': after the colon stands an index of 0 to 127");
  device.index = static_cast<int8_t>(index);
  return device;
}

std::string Device::str() const {
  std::string s = device_type_name(type);
  if (index >= 0) s += ":" + std::to_string(index);
  return s;
}

const char* layout_name(Layout layout) {
  constexpr const char* kNames[] = {"strided",    "sparse_coo", "sparse_csr", "_mkldnn",
                                    "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"};
  return kNames[static_cast<int>(layout)];
}

const char* memory_format_name(MemoryFormat format) {
  constexpr const char* kNames[] = {"contiguous_format", "preserve_format", "channels_last",
                                    "channels_last_3d"};
  return kNames[static_cast<int>(format)];
}

}  // namespace flambeau::inline v1
