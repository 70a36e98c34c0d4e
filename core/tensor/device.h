#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flambeau::inline v1 {

// ATen's numbers. A backend that is not built in registers under one of them.
enum class DeviceType : int8_t {
  cpu = 0,
  cuda = 1,
  mkldnn = 2,
  opengl = 3,
  opencl = 4,
  ideep = 5,
  hip = 6,
  fpga = 7,
  maia = 8,
  xla = 9,
  vulkan = 10,
  metal = 11,
  xpu = 12,
  mps = 13,
  meta = 14,
  hpu = 15,
  ve = 16,
  lazy = 17,
  ipu = 18,
  mtia = 19,
  private_use1 = 20,
};
constexpr int kDeviceTypes = 21;

struct Device {
  DeviceType type = DeviceType::cpu;
  int8_t index = -1;  // -1: the current device of that type

  static Device parse(std::string_view text);  // RuntimeError on bad text
  std::string str() const;
  bool is_cpu() const { return type == DeviceType::cpu; }
  bool is_meta() const { return type == DeviceType::meta; }
  // As tensors have it: there is one CPU, whatever its index.
  Device of_tensors() const { return is_cpu() ? Device{} : *this; }
  bool operator==(const Device&) const = default;
};

const char* device_type_name(DeviceType type);
// "privateuseone" gets a name of its own, once. The former goes on being understood.
void rename_private_device(std::string_view name);

enum class Layout : int8_t {
  strided = 0,
  sparse_coo = 1,
  sparse_csr = 2,
  mkldnn = 3,
  sparse_csc = 4,
  sparse_bsr = 5,
  sparse_bsc = 6,
  jagged = 7
};
enum class MemoryFormat : int8_t {
  contiguous = 0,
  preserve = 1,
  channels_last = 2,
  channels_last_3d = 3
};
const char* layout_name(Layout layout);
const char* memory_format_name(MemoryFormat format);

}  // namespace flambeau::inline v1
