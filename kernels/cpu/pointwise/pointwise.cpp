#include "kernels/cpu/pointwise/pointwise.h"

#include "core/dispatch/specs.h"
#include "core/parallel/isa.h"
#include "core/parallel/parallel.h"
#include "core/tensor/convertible.h"
#include "core/tensor/overlap.h"
#include "core/tensor/range.h"
#include "core/tensor/rearrange.h"
#include "kernels/cpu/pointwise/convert.h"
#include "kernels/cpu/pointwise/pointwise_plan.h"
#include "kernels/cpu/pointwise/run_loop.h"
#include "kernels/cpu/reduce/reduce.h"
#include "kernels/shape/pointwise.h"

namespace flambeau::inline v1 {
namespace {

using Inputs = std::span<const Tensor* const>;

// The loop for a dtype, and the types that its operands and parameters have there.
struct Chosen {
  Loop loop = nullptr;
  bool any_length = false;
  DType value, number;

  DType of(Operand operand) const {
    if (operand == Operand::value) return value;
    return operand == Operand::boolean ? DType::boolean : to_real(value);
  }
};

Chosen choose(const PointwiseKernel& kernel, DType common) {
  const LoopSet& set = *kernel.sets[static_cast<int>(isa())];
  Compute compute = cpu::compute_of(common);
  if (compute == Compute::b8 && !set.by[static_cast<int>(Compute::b8)]) compute = Compute::i32;
  if (compute == Compute::count) return {};
  const DType dtype = cpu::dtype_of(compute);
  return {set.by[static_cast<int>(compute)], set.takes_any_length(compute), dtype, dtype};
}

// A loop, where the library's comparison of a few sizes would cost more than the whole rest.
bool same_sizes(const Tensor& a, const Tensor& b) {
  const IntSpan x = a.sizes(), y = b.sizes();
  if (x.size() != y.size()) return false;
  for (size_t d = 0; d < x.size(); ++d)
    if (x[d] != y[d]) return false;
  return true;
}

// Whether numbers stay as wide as they are: constants of the loop, in the type of parameters.
bool numbers_are_constants(DType dtype, Inputs inputs) {
  const Tensor* whole = nullptr;
  unsigned which = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = *inputs[i];
    if (t.numel() == 1) {
      if (is_complex(t.dtype())) return false;
      which |= 1u << i;
      continue;
    }
    if (t.dtype() != dtype && t.dtype() != DType::boolean) return false;
    if (!t.is_contiguous() || (whole && !same_sizes(*whole, t))) return false;
    whole = &t;
  }
  return whole && takes_constants(which, inputs.size());
}

// Whether nothing is lost when inputs are brought to a small dtype before they are computed with:
// integers wrap around in any case, floats are to have come from there.
bool keeps_values(DType dtype, Inputs inputs) {
  if (!is_floating(dtype)) return true;
  // In bfloat16 what a formula chooses is not rounded again, so a bound has to be one already.
  if (dtype == DType::float16 && numbers_are_constants(dtype, inputs)) return true;
  for (const Tensor* t : inputs) {
    if (t->dtype() == dtype || t->dtype() == DType::boolean) continue;
    if (t->numel() != 1 || !t->device().is_cpu() || is_complex(t->dtype())) return false;
    const double number = t->value().to_double();
    alignas(2) char stored[2];
    Scalar(number).store(stored, dtype);
    if (Scalar::load(stored, dtype).to_double() != number) return false;
  }
  return true;
}

// The loop over a small dtype itself, where there is one, instead of that over a wider one.
[[gnu::noinline]] void choose_small(const PointwiseKernel& kernel, DType common, Inputs inputs,
                                    Chosen& chosen) {
  const LoopSet& set = *kernel.sets[static_cast<int>(isa())];
  const Compute compute = cpu::small_compute_of(common);
  if (compute == Compute::count || !set.by[static_cast<int>(compute)]) return;
  if (!keeps_values(common, inputs)) return;
  chosen.loop = set.by[static_cast<int>(compute)];
  chosen.any_length = set.takes_any_length(compute);
  chosen.value = common;
  if (!is_floating(common)) chosen.number = common;
}

// Numbers that stay numbers, as the loop wants them.
struct Params {
  alignas(16) char bytes[8 * 16];

  Params(const char* op, std::span<const Scalar> values, DType dtype) {
    check(values.size() <= 8, op, ": a formula takes at most 8 numbers");
    const auto size = itemsize(dtype);
    for (size_t i = 0; i < values.size(); ++i) values[i].store(bytes + i * size, dtype);
  }
};

void check_params(const char* op, std::span<const Scalar> params, DType common) {
  for (const Scalar& p : params) {
    check(!p.is_floating() || is_differentiable(common), op,
          ": For integral input tensors, argument "
          "alpha must not be a floating point number: got ",
          p.to_double(), " for tensors of ", dtype_name(common));
    check(!p.is_complex() || is_complex(common), op,
          ": For non-complex input tensors, argument "
          "alpha must not be a complex number");
    if (is_integral(common, false)) check_fits(op, p, common);
  }
}

DType common_dtype(const char* op, const PointwiseRule& rule, const PointwiseKernel& kernel,
                   Inputs inputs) {
  const Tensor* values[cpu::kMaxOperands];
  size_t count = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (kernel.operands[kernel.outputs + i] != Operand::boolean) {
      values[count++] = inputs[i];
      continue;
    }
    const DType d = inputs[i]->dtype();
    check(d == DType::boolean || d == DType::uint8, op, ": ", op,
          " expected condition to be a "
          "boolean tensor, but got a tensor with dtype ",
          shape::scalar_type_name(d));
  }
  if (rule.promote == PointwiseRule::Promote::none) return values[0]->dtype();
  const DType common = shape::result_type(std::span<const Tensor* const>(values, count));
  const bool to_floating = rule.promote == PointwiseRule::Promote::floating;
  return to_floating && is_integral(common, true) ? default_dtype() : common;
}

DType result_dtype(const PointwiseRule& rule, DType common) {
  switch (rule.result) {
    case PointwiseRule::Result::boolean:
      return DType::boolean;
    case PointwiseRule::Result::real:
      return to_real(common);
    case PointwiseRule::Result::common:
      break;
  }
  return common;
}

// What an op says to boolean inputs that it does not take.
void check_booleans(const char* op, const char* refusal, Inputs inputs) {
  for (const Tensor* t : inputs)
    check(t->dtype() != DType::boolean, op, ": ", refusal,
          " a bool tensor is not supported. If "
          "you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
}

// Note [Numbers beyond the dtype]
// A number, or a 0-dim tensor, does not widen an integer dtype, so it may be no value of it. Sums,
// products and bits are the same modulo 2^n as without the loss. A comparison has an answer all the
// same; a bound that no value passes is any such bound; what else there is would be wrong in
// silence, and raises.
Scalar without_loss(const char* op, const Scalar& number, Part part, DType common) {
  const int side = beyond(number, common);
  if (side == 0 || (part == Part::stored && fits(number, common))) return number;
  const bool passed = (part == Part::at_least && side < 0) || (part == Part::at_most && side > 0);
  if (!passed) check_fits(op, number, common);
  check(passed, op, ": value ", number.to_int(), " cannot be converted to type ",
        dtype_name(common), " without overflow");
  const int bits = static_cast<int>(8 * itemsize(common));
  const bool is_signed = info(common).is_signed;
  if (side < 0) return is_signed ? Scalar(INT64_MIN >> (64 - bits)) : Scalar(int64_t{0});
  return Scalar(static_cast<uint64_t>(-1) >> (64 - bits + (is_signed ? 1 : 0)));
}

bool has_zero(const Tensor& t) {
  if (t.numel() == 1) return !t.value().to_bool();
  const Tensor nonzero = empty({}, {DType::boolean, Device()});
  Dims dims;
  for (int64_t d = 0; d < t.dim(); ++d) dims.push_back(d);
  cpu::all(nonzero, t, dims);
  return !nonzero.value().to_bool();
}

// Whether an op on integers has to look at the values of its inputs.
bool needs_values(const PointwiseRule& rule, DType common, Inputs inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = *inputs[i];
    if (rule.parts[i] == Part::divisor) return true;
    if (rule.parts[i] != Part::any && t.dtype() != common && t.dim() == 0) return true;
  }
  return false;
}

// Inputs of an op on integers; `owned` holds those that are not the caller's.
class Exact {
 public:
  Exact(const char* op, const PointwiseRule& rule, DType common, Inputs inputs) {
    bool runs = true;
    for (const Tensor* t : inputs) runs = runs && t->device().is_cpu() && t->numel() > 0;
    for (size_t i = 0; i < inputs.size(); ++i) inputs_[i] = inputs[i];
    count_ = inputs.size();
    if (!runs) return;
    for (size_t i = 0; i < count_; ++i) settle(op, rule.parts[i], common, i);
  }
  Inputs get() const { return {inputs_, count_}; }

 private:
  void settle(const char* op, Part part, DType common, size_t i) {
    const Tensor& t = *inputs_[i];
    if (part != Part::any && t.dim() == 0 && t.dtype() != common && is_integral(t.dtype(), false)) {
      const Scalar number = t.value();
      if (part != Part::compared) {
        const Scalar kept = without_loss(op, number, part, common);
        if (beyond(number, common) != 0) replace(i, scalar_tensor(kept, common, Device()));
      } else if (const int side = beyond(number, common); side != 0) {
        compare_beyond(common, i, side);
      }
    }
    if (part == Part::divisor && has_zero(*inputs_[i]))
      raise(op, ": ZeroDivisionError: integer division or modulo by zero");
  }

  // All values are less than the number, or greater: as 1 is less than 2 and greater than 0.
  void compare_beyond(DType common, size_t number, int side) {
    const Tensor one = scalar_tensor(Scalar(int64_t{1}), common, Device());
    for (size_t i = 0; i < count_; ++i) {
      const Dims still(inputs_[i]->sizes().size(), 0);
      if (i == number)
        replace(i, scalar_tensor(Scalar(int64_t{side > 0 ? 2 : 0}), common, Device()));
      else
        replace(i, Tensor::alias(one, inputs_[i]->sizes(), still, 0));
    }
  }

  void replace(size_t i, Tensor by) {
    owned_[i] = std::move(by);
    inputs_[i] = &owned_[i];
  }

  const Tensor* inputs_[cpu::kMaxOperands];
  size_t count_;
  Tensor owned_[cpu::kMaxOperands];
};

[[noreturn, gnu::cold, gnu::noinline]] void raise_dtype(const char* op, DType common) {
  raise<NotImplementedError>(op, ": \"", op, "_cpu\" not implemented for '",
                             shape::scalar_type_name(common), "'");
}

// ---- contiguous operands

// The common case, told at a glance: one dtype and one shape, contiguous, on the CPU.
bool are_alike(Inputs inputs, const PointwiseKernel& kernel) {
  const Tensor& first = *inputs[0];
  if (first.impl()->wrapped_number) return false;  // its dtype is not its own
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = *inputs[i];
    if (t.dtype() != first.dtype() || !t.is_contiguous() || !t.device().is_cpu() ||
        kernel.operands[kernel.outputs + i] != Operand::value || !same_sizes(t, first))
      return false;
  }
  return true;
}

// Operands of the loop's own types, each contiguous or one element.
struct Simple {
  const Tensor* shape = nullptr;  // an input that has the shape of the result
  bool constants = false;
};

bool has_plain_strides(const Tensor& t) {
  int64_t expected = 1;
  for (int64_t d = t.dim() - 1; d >= 0; --d) {
    if (t.strides()[d] != expected) return false;
    expected *= std::max<int64_t>(t.sizes()[d], 1);
  }
  return true;
}

// Whether the inputs are such; then fills in `simple`.
bool is_simple(Inputs inputs, const PointwiseKernel& kernel, const Chosen& chosen, Simple& simple) {
  simple.shape = inputs[0];
  for (const Tensor* t : inputs.subspan(1))
    if (t->dim() > simple.shape->dim() || t->numel() > simple.shape->numel()) simple.shape = t;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& t = *inputs[i];
    if (!t.device().is_cpu()) return false;
    const bool whole = t.is_contiguous() && same_sizes(t, *simple.shape);
    if (whole && t.dtype() == chosen.of(kernel.operands[kernel.outputs + i])) continue;
    if (t.numel() != 1 || t.dim() > simple.shape->dim()) return false;
    if (kernel.operands[kernel.outputs + i] != Operand::value) return false;
    simple.constants = true;
  }
  // Strides of dimensions of size 1 carry a layout into the result where shapes differ.
  return !simple.constants || has_plain_strides(*simple.shape);
}

constexpr int64_t kConstantBytes = 4096;

// Runs over n contiguous elements; operands that are `constant` are repeated.
void run_simple(const Chosen& chosen, const void* params, char* const* ptrs, const DType* dtypes,
                const DType* stored, const bool* constant, int operands, int64_t n) {
  alignas(64) char tiles[cpu::kMaxOperands - 1][kConstantBytes];
  unsigned which = 0;
  for (int k = 1; k < operands; ++k) which |= static_cast<unsigned>(constant[k]) << (k - 1);
  if (chosen.any_length && takes_constants(which, static_cast<size_t>(operands - 1))) {
    char* at[cpu::kMaxOperands];
    for (int k = 0; k < operands; ++k) {
      at[k] = constant[k] ? tiles[k - 1] : ptrs[k];
      if (constant[k]) cpu::convert_loop(stored[k], chosen.number)(ptrs[k], at[k], 1);
    }
    return chosen.loop(at, with_constants(n, which), params);
  }
  int64_t tile = n;
  for (int k = 0; k < operands; ++k)
    if (constant[k])
      tile = std::min(tile, kConstantBytes / static_cast<int64_t>(itemsize(dtypes[k])));
  for (int64_t begin = 0; begin < n; begin += tile) {
    const int64_t m = std::min(tile, n - begin);
    char* at[cpu::kMaxOperands];
    for (int k = 0; k < operands; ++k) {
      if (!constant[k]) {
        at[k] = ptrs[k] + begin * static_cast<int64_t>(itemsize(dtypes[k]));
        continue;
      }
      at[k] = tiles[k - 1];
      if (begin > 0) continue;
      alignas(16) char element[16];
      cpu::convert_loop(stored[k], dtypes[k])(ptrs[k], element, 1);
      const auto size = static_cast<int64_t>(itemsize(dtypes[k]));
      cpu::convert_kernels().fill[cpu::log2_size(size)](at[k], element, m);
    }
    cpu::run_loop(chosen.loop, chosen.any_length, at, m, params, dtypes, 1, operands);
  }
}

[[gnu::noinline]] void run_tiles(const PointwiseKernel& kernel, const Chosen& chosen,
                                 const Simple& simple, const Tensor& out, Inputs inputs,
                                 char* const* ptrs, const void* params) {
  const int operands = static_cast<int>(inputs.size()) + 1;
  const int64_t n = out.numel();
  DType dtypes[cpu::kMaxOperands], stored[cpu::kMaxOperands];
  bool constant[cpu::kMaxOperands] = {false};
  dtypes[0] = stored[0] = out.dtype();
  for (int k = 1; k < operands; ++k) {
    const Tensor& t = *inputs[k - 1];
    dtypes[k] = chosen.of(kernel.operands[k]);
    stored[k] = t.dtype();
    constant[k] = simple.constants && t.numel() == 1;
  }
  parallel_for(n, cpu::kGrain, [&](int64_t begin, int64_t end) {
    char* at[cpu::kMaxOperands];
    for (int k = 0; k < operands; ++k)
      at[k] = constant[k] ? ptrs[k] : ptrs[k] + begin * static_cast<int64_t>(itemsize(dtypes[k]));
    if (simple.constants)
      run_simple(chosen, params, at, dtypes, stored, constant, operands, end - begin);
    else
      cpu::run_loop(chosen.loop, chosen.any_length, at, end - begin, params, dtypes, 1, operands);
  });
}

inline void run_contiguous(const PointwiseKernel& kernel, const Chosen& chosen,
                           const Simple& simple, const Tensor& out, Inputs inputs,
                           const void* params) {
  char* ptrs[cpu::kMaxOperands];
  ptrs[0] = out.bytes();
  for (size_t i = 0; i < inputs.size(); ++i) ptrs[i + 1] = inputs[i]->bytes();
  const bool whole = chosen.any_length || out.numel() % kMostBlock == 0;
  if (!simple.constants && out.numel() <= cpu::kGrain && whole)
    return chosen.loop(ptrs, out.numel(), params);
  run_tiles(kernel, chosen, simple, out, inputs, ptrs, params);
}

// ---- the general case

// Whether an output that is given may be written; an input that is the output cannot grow.
void check_target(const char* op, const Tensor& out, Inputs inputs, IntSpan shape, bool inplace) {
  check_written_once(op, out);
  for (const Tensor* t : inputs) {
    check_not_shifted(op, out, *t);
    inplace = inplace || t->is(out);
  }
  if (inplace) check_shape(op, out, shape);
}

Dims broadcast_shape(const char* op, Inputs inputs) {
  Dims shape(inputs[0]->sizes());
  for (const Tensor* t : inputs.subspan(1))
    if (!same(shape, t->sizes())) shape = broadcast(shape, t->sizes(), op);
  return shape;
}

// PyTorch's layout of a result whose inputs have its shape and agree on a layout.
std::optional<Dims> agreed_strides(IntSpan shape, Inputs inputs) {
  const auto all = [&](auto&& holds) { return std::all_of(inputs.begin(), inputs.end(), holds); };
  if (!all([&](const Tensor* t) { return same(t->sizes(), shape); })) return std::nullopt;
  if (all([](const Tensor* t) { return t->is_contiguous(); })) return contiguous_strides(shape);
  if (all([](const Tensor* t) { return t->is_contiguous(MemoryFormat::channels_last); }))
    return channels_last_strides(shape);
  const IntSpan first = inputs[0]->strides();
  if (all([&](const Tensor* t) { return t->impl()->dense() && same(t->strides(), first); }))
    return Dims(first);
  return std::nullopt;
}

// What a call has settled on before it looks at shapes.
struct Call {
  const char* op;
  const PointwiseKernel& kernel;
  const Chosen& chosen;
  Inputs inputs;
  const void* params;
  DType result;
  Device device;
};

// `out` allocated or resized to the shape.
void make_output(const Call& call, Tensor& out, IntSpan shape, IntSpan strides) {
  if (!out.defined()) {
    out = empty_strided(shape, strides, {call.result, call.device});
    return;
  }
  if (call.device.is_cpu())
    for (const Tensor* t : call.inputs) t->bytes();  // raises where they are gone
  resize_out(out, shape, call.op);
  if (same(strides, out.strides())) return;
  const Rearranging scope;
  out.impl()->set_geometry(shape, strides, out.offset());
}

// Any shapes, strides and dtypes.
void run_general(const Call& call, Tensor& out, bool inplace) {
  const Inputs inputs = call.inputs;
  const Dims shape = broadcast_shape(call.op, inputs);
  const bool fresh = !out.defined() || !same(out.sizes(), shape);
  if (out.defined()) {
    check_target(call.op, out, inputs, shape, inplace);
    const auto changes = [&](const Tensor* t) { return may_change(*t, out, shape); };
    if (fresh && std::any_of(inputs.begin(), inputs.end(), changes)) {
      Tensor apart;
      run_general(call, apart, false);
      make_output(call, out, shape, apart.strides());
      return out.is_meta() ? void() : cpu::copy(out, apart);
    }
  }
  cpu::Plan plan(shape);
  plan.operands = static_cast<int>(inputs.size()) + 1;
  for (int k = 1; k < plan.operands; ++k) plan.set(k, *inputs[k - 1]);
  if (!fresh) plan.set(0, out);
  plan.order(fresh ? 1 : 0);
  if (fresh) {
    const std::optional<Dims> agreed = agreed_strides(shape, inputs);
    make_output(call, out, shape, agreed ? *agreed : plan.dense_strides());
    plan.set(0, out);
  }
  if (out.is_meta() || out.numel() == 0) return;
  // A value is rounded to the result's dtype before it is cast to that of a given output.
  if (out.dtype() != call.result && call.result != call.chosen.of(call.kernel.operands[0])) {
    Tensor rounded = empty_like(out, call.result);
    run_general(call, rounded, false);
    return cpu::copy(out, rounded);
  }
  cpu::Operation operation{call.chosen.loop, call.params, call.kernel.outputs, {}, {}};
  operation.any_length = call.chosen.any_length;
  operation.number = call.chosen.number;
  operation.one_by_one = !fresh && internal_overlap(out) != Overlap::no;
  for (int k = 0; k < plan.operands; ++k) {
    operation.stored[k] = k == 0 ? out.dtype() : inputs[k - 1]->dtype();
    operation.computed[k] = call.chosen.of(call.kernel.operands[k]);
  }
  cpu::execute(plan, operation);
}

// Whether a given output needs none of the general case's care.
bool takes_simple(const Tensor& out, DType result, const Tensor& shape, Inputs inputs) {
  if (!out.is_contiguous() || out.dtype() != result || !out.device().is_cpu() ||
      !same_sizes(out, shape))
    return false;
  const Storage* storage = out.impl()->storage().get();
  for (const Tensor* t : inputs)
    if (!t->is(out) && t->impl()->storage().get() == storage) return false;
  return true;
}

}  // namespace

void pointwise(const char* op, const PointwiseRule& rule, const PointwiseKernel& kernel,
               Tensor& out, std::span<const Tensor* const> inputs, std::span<const Scalar> params,
               bool inplace) {
  if (rule.refuses_bool) check_booleans(op, rule.refuses_bool, inputs);
  const bool alike = are_alike(inputs, kernel);
  const DType common = alike && rule.promote != PointwiseRule::Promote::floating
                           ? inputs[0]->dtype()
                           : common_dtype(op, rule, kernel, inputs);
  Chosen chosen = choose(kernel, common);
  if (!chosen.loop || !(rule.dtypes >> static_cast<int>(common) & 1)) [[unlikely]]
    raise_dtype(op, common);
  if (chosen.value != common) choose_small(kernel, common, inputs, chosen);
  if (rule.has_parts && is_integral(common, false) && needs_values(rule, common, inputs)) {
    const Exact exact(op, rule, common, inputs);
    PointwiseRule settled = rule;
    settled.has_parts = false;
    return pointwise(op, settled, kernel, out, exact.get(), params, inplace);
  }
  const DType result = result_dtype(rule, common);
  if (!params.empty()) check_params(op, params, common);
  const Params numbers(op, params, chosen.number);
  Simple simple{inputs[0]};
  if (chosen.of(kernel.operands[0]) == result && ((alike && chosen.value == inputs[0]->dtype()) ||
                                                  is_simple(inputs, kernel, chosen, simple))) {
    const bool fresh = !out.defined();
    if (fresh) out = empty(simple.shape->sizes(), {result, Device()});
    if (fresh || takes_simple(out, result, *simple.shape, inputs))
      return run_contiguous(kernel, chosen, simple, out, inputs, numbers.bytes);
  }
  const Device device = shape::common_device(op, inputs);
  if (out.defined()) {
    check(!(inplace && rule.result == PointwiseRule::Result::real && is_complex(common)), op,
          ": In-place ", op, " is not supported for complex tensors.");
    if (out.device() != device) shape::raise_devices(op, device, out.device());
    shape::check_result_cast(op, result, out.dtype());
    check<NotImplementedError>(convertible(result, out.dtype()), op, ": elements of ",
                               dtype_name(result), " cannot be converted to ",
                               dtype_name(out.dtype()), ", the dtype of out");
    // What cannot be read is refused before `out` is resized.
    for (size_t i = 0; i < inputs.size(); ++i) {
      const DType wanted = chosen.of(kernel.operands[kernel.outputs + i]);
      check<NotImplementedError>(convertible(inputs[i]->dtype(), wanted), op, ": elements of ",
                                 dtype_name(inputs[i]->dtype()), " cannot be converted to ",
                                 dtype_name(wanted));
    }
  }
  run_general({op, kernel, chosen, inputs, numbers.bytes, result, device}, out, inplace);
}

void pointwise_rule(const char* op, const PointwiseRule& rule, const PointwiseKernel& kernel,
                    Inputs inputs, std::span<const Scalar> params, Specs& specs) {
  if (rule.refuses_bool) check_booleans(op, rule.refuses_bool, inputs);
  const DType common = common_dtype(op, rule, kernel, inputs);
  const Chosen chosen = choose(kernel, common);
  if (!chosen.loop || !(rule.dtypes >> static_cast<int>(common) & 1)) raise_dtype(op, common);
  if (!params.empty()) check_params(op, params, common);
  const Device device = shape::common_device(op, inputs);
  Spec spec{broadcast_shape(op, inputs), result_dtype(rule, common), {}};
  spec.strides = agreed_strides(spec.sizes, inputs);
  if (!spec.strides) {
    cpu::Plan plan(spec.sizes);
    plan.operands = static_cast<int>(inputs.size()) + 1;
    for (int k = 1; k < plan.operands; ++k) plan.set_geometry(k, *inputs[k - 1]);
    plan.order(1);
    spec.strides = plan.dense_strides();
  }
  specs.outputs[specs.size++] = {std::move(spec), {}, -1, device};
}

Tensor pointwise_grad(const PointwiseKernel& kernel, DType compute, DType out_dtype,
                      std::span<const Tensor* const> inputs, std::span<const Scalar> params) {
  constexpr const char* kOp = "backward";
  const Chosen chosen = choose(kernel, compute);
  if (!chosen.loop)
    raise<NotImplementedError>("backward: a gradient is not implemented for '",
                               shape::scalar_type_name(compute), "'");
  const Params numbers(kOp, params, chosen.number);
  Tensor out;
  Simple simple;
  if (chosen.of(kernel.operands[0]) == out_dtype && is_simple(inputs, kernel, chosen, simple)) {
    out = empty(simple.shape->sizes(), {out_dtype, Device()});
    run_contiguous(kernel, chosen, simple, out, inputs, numbers.bytes);
    return out;
  }
  const Device device = shape::common_device(kOp, inputs);
  run_general({kOp, kernel, chosen, inputs, numbers.bytes, out_dtype, device}, out, false);
  return out;
}

}  // namespace flambeau::inline v1
