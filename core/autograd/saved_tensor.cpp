#include <mutex>

#include "core/autograd/accumulate.h"
#include "core/autograd/engine.h"
#include "core/autograd/node.h"
#include "core/autograd/view.h"

namespace flambeau::inline v1 {

std::unique_ptr<SavedTensorHooks> (*default_saved_tensor_hooks)() = nullptr;

const char kFreedGraph[] =
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward.";

namespace {

// As PyTorch's messages call a tensor: torch.FloatTensor.
std::string legacy_type(const Tensor& t) {
  const char* kind = "";
  switch (t.dtype()) {
    case DType::float32:
      kind = "Float";
      break;
    case DType::float64:
      kind = "Double";
      break;
    case DType::float16:
      kind = "Half";
      break;
    case DType::bfloat16:
      kind = "BFloat16";
      break;
    case DType::complex64:
      kind = "ComplexFloat";
      break;
    case DType::complex128:
      kind = "ComplexDouble";
      break;
    case DType::int64:
      kind = "Long";
      break;
    case DType::int32:
      kind = "Int";
      break;
    case DType::boolean:
      kind = "Bool";
      break;
    default:
      return concat("torch.", dtype_name(t.dtype()), " Tensor");
  }
  return concat("torch.", kind, "Tensor");
}

void pack(SavedTensorHooks& hooks, const Tensor& t) {
  const GradMode off(false);
  const uint32_t version = t.impl()->version();
  hooks.pack(t);
  check(version == t.impl()->version(),
        "A saved tensor pack hook is modifying its input in place. Tensors provided as input to "
        "pack hook cannot be modified by in-place operations as this can lead to unexpected "
        "side-effects.");
}

}  // namespace

SavedTensor& SavedTensor::operator=(SavedTensor&& o) noexcept {
  data_ = std::move(o.data_);
  grad_fn_ = std::move(o.grad_fn_);
  hooks_ = std::move(o.hooks_);
  version_ = o.version_;
  output_nr_ = o.output_nr_;
  is_output_ = o.is_output_;
  is_leaf_ = o.is_leaf_;
  was_saved_ = o.was_saved_;
  requires_grad_ = o.requires_grad_;
  original_ = o.original_;
  return *this;
}

void SavedTensor::save(const Tensor& t, bool is_output) {
  if (!t.defined()) return;
  const TensorImpl& impl = *t.impl();
  check(!impl.inference,
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
        "inference mode in computation tracked by autograd. To work around this, you can make a "
        "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
        "`torch.inference_mode()`.");
  was_saved_ = true;
  is_output_ = is_output;
  is_leaf_ = !grad_fn(t);
  requires_grad_ = impl.keys & kAutograd;
  version_ = impl.version();
  if (is_output) output_nr_ = impl.autograd ? impl.autograd->output_nr : 0;
  if (thread_state.saved_tensor_hooks && !impl.wrapped_number) [[unlikely]] {
    keep_history(t);
    hooks_ = default_saved_tensor_hooks();
    pack(*hooks_, is_output && !is_leaf_ ? same_memory(t) : t);
    return;
  }
  original_ = !is_output || is_leaf_;
  data_ = original_ ? t : same_memory(t);
}

void SavedTensor::keep_history(const Tensor& t) {
  if (is_leaf_) {
    if (requires_grad_) grad_fn_ = accumulator_of(t);
  } else if (!is_output_) {
    grad_fn_ = grad_fn(t);
    output_nr_ = autograd_meta(t).output_nr;
  }
}

void SavedTensor::register_hooks(std::unique_ptr<SavedTensorHooks> hooks) {
  check(was_saved_, "Calling register_hooks on a saved tensor with value None is forbidden");
  check(!hooks_,
        "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only "
        "one pair of hooks is allowed at a time.");
  check(data_.defined(),
        "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate "
        "values of the graph are freed when you call .backward() or autograd.grad(). Specify "
        "retain_graph=True if you need to backward through the graph a second time or if you need "
        "to access saved variables after calling backward.");
  if (original_) keep_history(data_);
  pack(*hooks, data_);
  hooks_ = std::move(hooks);
  original_ = false;
  data_ = Tensor();
}

void SavedTensor::reset() {
  // What dies here dies after the lock is given back.
  Tensor data;
  Ref<Node> node;
  std::shared_ptr<SavedTensorHooks> hooks;
  const std::lock_guard guard(lock_);
  data = std::move(data_);
  node = std::move(grad_fn_);
  hooks = std::move(hooks_);
}

Tensor SavedTensor::unpack(const Node* node) const {
  if (!was_saved_) return {};
  Tensor data;
  Ref<Node> kept;
  std::shared_ptr<SavedTensorHooks> hooks;
  {
    const std::lock_guard guard(lock_);
    data = data_;
    if (hooks_) [[unlikely]] {
      hooks = hooks_;
      kept = grad_fn_;
    }
  }
  check(data.defined() || hooks, kFreedGraph);
  if (!hooks) {
    if (data.impl()->version() != version_) modified(data, node);
    check(
        !original_ || is_leaf_ || data.impl()->autograd->grad_fn,
        "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_(). This "
        "is not supported, please use out-of-place `.detach()` instead");
    if (original_) return data;
  } else {
    data = hooks->unpack();
  }
  // Without a graph of the backward nobody can ask for the history.
  if (!GradMode::enabled() || !requires_grad_) return data;
  Tensor t = same_memory(data);
  if (is_leaf_) {
    // Gradients of what is computed from it go to the leaf, through its accumulator.
    set_gradient_edge(t, {kept, 0});
  } else if (!is_output_) {
    set_gradient_edge(t, {kept, output_nr_});
  } else if (node && node->owner) {
    set_gradient_edge(t, history_after_slice(t, Ref<Node>(node->owner)));
  } else {
    set_gradient_edge(t, {Ref<Node>(const_cast<Node*>(node)), output_nr_});
  }
  return t;
}

void SavedTensor::modified(const Tensor& data, const Node* node) const {
  const Node* producer = node;
  uint32_t output = output_nr_;
  if (!is_output_) {
    const AutogradMeta* meta = data.impl()->autograd.get();
    producer = meta ? meta->grad_fn.get() : nullptr;
    if (meta) output = meta->output_nr;
  }
  std::string by;
  if (producer) by = concat(", which is output ", output, " of ", forward_name(*producer), ",");
  raise(
      "one of the variables needed for gradient computation has been modified by an inplace "
      "operation: [",
      legacy_type(data), " ", show(data.sizes()), "]", by, " is at version ",
      data.impl()->version(), "; expected version ", version_, " instead. Hint: ",
      thread_state.anomaly_mode
          ? "the backtrace further above shows the operation that failed to compute its "
            "gradient. The variable in question was changed in there or anywhere later. Good "
            "luck!"
          : "enable anomaly detection to find the operation that failed to compute its gradient, "
            "with torch.autograd.set_detect_anomaly(True, check_nan=False).",
      node ? forward_place(*node) : "");
}

void SavedTensors::save(TensorSpan list) {
  list_.resize(list.size());
  for (size_t i = 0; i < list.size(); ++i) list_[i].save(list[i], false);
}

TensorVec SavedTensors::unpack(const Node* node) const {
  TensorVec out;
  out.reserve(list_.size());
  for (const SavedTensor& saved : list_) out.push_back(saved.unpack(node));
  return out;
}

void SavedTensors::reset() {
  for (SavedTensor& saved : list_) saved.reset();
}

}  // namespace flambeau::inline v1
