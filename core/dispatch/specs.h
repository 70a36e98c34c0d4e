// What a rule says of the outputs of a call, before there are any.
#pragma once

#include <array>
#include <tuple>
#include <vector>

#include "core/tensor/spec.h"
#include "core/tensor/tensor.h"

namespace flambeau::inline v1 {

struct OutputSpec : Spec {
  // Views: where in the storage of their argument they begin, in elements.
  std::optional<int64_t> offset;
  int like = -1;  // the argument whose device it follows (a list: its first); -1: `device`
  Device device;
};

// What printed rules give: of a view, and of an output that follows no argument.
struct ViewSpec {
  Dims sizes, strides;
  int64_t offset;
  DType dtype;
};
struct PlacedSpec : Spec {
  Device device;
};

// Outputs by place, or one list. A mutated argument is no output: in-place ops of their own
// (`fill_`) have no specs, and derived forms (`add_`, `add.out`) those of the functional form.
struct Specs {
  static constexpr int kMax = 6;  // MOST_OUTPUTS of flambeau/ops/generator/printed.py
  int size = 0;                   // of `outputs`
  bool is_list = false;
  OutputSpec outputs[kMax];
  std::vector<OutputSpec> list;

  void put(const Spec& spec, int like) { outputs[size++] = {spec, {}, like, {}}; }
  void put(const PlacedSpec& spec, int) { outputs[size++] = {spec, {}, -1, spec.device}; }
  void put(const ViewSpec& v, int like) {
    outputs[size++] = {{v.sizes, v.dtype, v.strides}, v.offset, like, {}};
  }
  template <size_t N>
  void put(const std::array<Spec, N>& specs, int like) {
    static_assert(N <= kMax, "more outputs than Specs has room for");
    for (const Spec& spec : specs) put(spec, like);
  }
  template <class... S>
  void put(const std::tuple<S...>& specs, int like) {
    static_assert(sizeof...(S) <= kMax, "more outputs than Specs has room for");
    std::apply([&](const auto&... s) { (put(s, like), ...); }, specs);
  }
  template <class S>
  void put(const std::vector<S>& specs, int like) {
    is_list = true;
    for (const S& spec : specs) {
      put(spec, like);
      list.push_back(std::move(outputs[--size]));
    }
  }
  // What a kernel is given: the outputs, wherever they stand.
  std::span<const OutputSpec> all() const {
    if (is_list) return list;
    return {outputs, static_cast<size_t>(size)};
  }
};

// The device of an output: that of the argument that it follows.
struct Value;
Device device_of(const OutputSpec& spec, const Value* args);

}  // namespace flambeau::inline v1
