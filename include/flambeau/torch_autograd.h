// Functions with a gradient of their own in C++, as code written for PyTorch has them:
//
//   struct Cube : torch::autograd::Function<Cube> {
//     static at::Tensor forward(torch::autograd::AutogradContext* ctx, at::Tensor x) {
//       ctx->save_for_backward({x});
//       return x * x * x;
//     }
//     static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
//                                                    torch::autograd::variable_list grads) {
//       const auto x = ctx->get_saved_variables()[0];
//       return {grads[0] * 3 * x * x};
//     }
//   };
//   Cube::apply(x);
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <string>
#include <typeinfo>
#include <variant>

#include "include/flambeau/torch.h"

namespace torch::autograd {

using Variable = at::Tensor;
using variable_list = std::vector<at::Tensor>;
using tensor_list = variable_list;

// A value of any kind that is kept for backward.
class IValue {
 public:
  IValue() = default;
  IValue(bool v) : v_(v) {}
  IValue(double v) : v_(v) {}
  template <std::integral T>
  IValue(T v) : v_(static_cast<int64_t>(v)) {}
  IValue(std::string v) : v_(std::move(v)) {}
  IValue(const char* v) : v_(std::string(v)) {}
  IValue(at::Tensor v) : v_(std::move(v)) {}
  IValue(c10::ScalarType v) : v_(static_cast<int64_t>(static_cast<flambeau::DType>(v))) {}
  IValue(std::vector<int64_t> v) : v_(std::move(v)) {}
  IValue(c10::IntArrayRef v) : v_(v.vec()) {}

  int64_t toInt() const { return get<int64_t>("an int"); }
  double toDouble() const { return get<double>("a double"); }
  bool toBool() const { return get<bool>("a bool"); }
  const std::string& toStringRef() const { return get<std::string>("a string"); }
  at::Tensor toTensor() const { return get<at::Tensor>("a Tensor"); }
  std::vector<int64_t> toIntVector() const { return get<std::vector<int64_t>>("a list of ints"); }
  c10::ScalarType toScalarType() const { return static_cast<flambeau::DType>(toInt()); }
  bool isNone() const { return v_.index() == 0; }

 private:
  template <class T>
  const T& get(const char* what) const {
    const T* found = std::get_if<T>(&v_);
    TORCH_CHECK(found, "IValue: it is not ", what);
    return *found;
  }
  std::variant<std::monostate, bool, int64_t, double, std::string, at::Tensor, std::vector<int64_t>>
      v_;
};

class AutogradContext {
 public:
  std::map<std::string, IValue> saved_data;

  void save_for_backward(variable_list tensors) { to_save_ = std::move(tensors); }
  // Error where one was modified since, or freed by an earlier backward.
  variable_list get_saved_variables() const {
    variable_list out;
    for (const flambeau::SavedTensor& t : saved_) out.emplace_back(t.unpack(node_));
    return out;
  }
  void mark_non_differentiable(const variable_list& outputs) { constant_ = outputs; }
  void set_materialize_grads(bool on) { materialize_ = on; }
  // Whether the gradient of the i-th tensor among the arguments is wanted.
  bool needs_input_grad(size_t i) const { return node_->needs(i); }

 private:
  template <class T>
  friend struct FunctionNode;
  template <class T>
  friend struct Function;

  void save(TensorList outputs) {
    for (const at::Tensor& t : to_save_) {
      const auto same = [&](const at::Tensor& o) { return o.is(t); };
      const bool is_output = std::any_of(outputs.begin(), outputs.end(), same);
      saved_.emplace_back().save(t, t.defined() && is_output);
    }
    to_save_.clear();
  }
  bool is_constant(const at::Tensor& t) const {
    const auto same = [&](const at::Tensor& o) { return o.is(t); };
    return std::any_of(constant_.begin(), constant_.end(), same);
  }

  flambeau::Node* node_ = nullptr;
  variable_list to_save_, constant_;
  std::vector<flambeau::SavedTensor> saved_;
  bool materialize_ = true;
};

template <class T>
struct FunctionNode final : flambeau::Node {
  AutogradContext context;
  std::vector<bool> is_tensor;  // of each argument

  FunctionNode() { context.node_ = this; }
  const char* name() const override {
    static const std::string text = [] {
      int status = 0;
      char* const plain = abi::__cxa_demangle(typeid(T).name(), nullptr, nullptr, &status);
      const std::string found = status == 0 ? plain : typeid(T).name();
      std::free(plain);
      return found;
    }();
    return text.c_str();
  }
  void apply(const flambeau::Tensor* grads, flambeau::Tensor* out) override {
    variable_list given(grads, grads + num_inputs());
    for (size_t i = 0; i < given.size(); ++i) {
      const flambeau::InputMeta& meta = input_meta(i);
      if (!given[i].defined() && meta.defined && context.materialize_)
        given[i] = at::zeros(c10::IntArrayRef(meta.sizes),
                             c10::TensorOptions(meta.dtype).device(c10::Device(meta.device)));
    }
    const variable_list made = T::backward(&context, std::move(given));
    // Trailing ones may be left out, as those of what is no tensor.
    size_t edge = 0;
    for (size_t i = 0; i < is_tensor.size(); ++i) {
      const at::Tensor grad = i < made.size() ? made[i] : at::Tensor();
      TORCH_CHECK(is_tensor[i] || !grad.defined(), name(),
                  ": backward gave a gradient for argument ", i, ", which is no tensor");
      if (!is_tensor[i]) continue;
      if (needs(edge)) out[edge] = grad;
      ++edge;
    }
    TORCH_CHECK(made.size() <= is_tensor.size(), name(), ": backward gave ", made.size(),
                " gradients for ", is_tensor.size(), " arguments");
  }
  void release_variables() override {
    for (flambeau::SavedTensor& t : context.saved_) t.reset();
  }
};

template <class T>
struct Function {
  template <class... A>
  static auto apply(A&&... args) {
    auto* const made = new FunctionNode<T>;
    const auto node = flambeau::Ref<flambeau::Node>::adopt(made);
    flambeau::begin_node(*node);
    (add_argument(*made, args), ...);
    const bool records = flambeau::GradMode::enabled() && (needs_gradient(args) || ...);
    auto out = [&] {
      const NoGradGuard off;
      return T::forward(&made->context, args...);
    }();
    if (records) {
      if constexpr (std::is_same_v<decltype(out), at::Tensor>)
        record(*made, node, {&out, 1}, args...);
      else
        record(*made, node, out, args...);
    }
    return out;
  }

 private:
  template <class V>
  static bool needs_gradient(const V& v) {
    if constexpr (std::is_base_of_v<flambeau::Tensor, V>) return flambeau::needs_grad(v);
    return false;
  }
  template <class V>
  static void add_argument(FunctionNode<T>& node, const V& v) {
    constexpr bool is_tensor = std::is_base_of_v<flambeau::Tensor, V>;
    node.is_tensor.push_back(is_tensor);
    if constexpr (is_tensor) flambeau::collect_edges(node, v);
  }
  template <class V>
  static bool is_same(const at::Tensor& t, const V& argument) {
    if constexpr (std::is_base_of_v<flambeau::Tensor, V>) return t.is(argument);
    return false;
  }
  template <class... A>
  static void record(FunctionNode<T>& made, const flambeau::Ref<flambeau::Node>& node,
                     std::span<at::Tensor> outputs, const A&... args) {
    for (at::Tensor& t : outputs) {
      if (t.defined() && (is_same(t, args) || ...)) {
        const NoGradGuard off;
        t = t.view_as(t);  // an argument as it is has a history of its own
      }
      const bool differentiable =
          t.defined() && flambeau::is_differentiable(t.dtype()) && !made.context.is_constant(t);
      if (differentiable)
        flambeau::set_history(t, node);
      else
        node->add_undefined_input();
    }
    made.context.save(c10::ArrayRef<at::Tensor>(outputs.data(), outputs.size()));
    made.context.constant_.clear();
  }
};

}  // namespace torch::autograd
