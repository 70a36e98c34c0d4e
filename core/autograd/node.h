// The tape: nodes, edges, saved tensors.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/dispatch/thread_state.h"
#include "core/tensor/tensor.h"

namespace flambeau {

struct Node;

struct Edge {
  Ref<Node> node;
  uint32_t input = 0;  // which of the node's inputs the gradient goes to
  bool valid() const { return static_cast<bool>(node); }
};

// What a gradient that arrives must look like: the forward output's metadata.
struct InputMeta {
  Dims sizes;
  DType dtype = DType::float32;
  Device device;
  bool subclass = false;
};

// Hooks live apart, because most nodes have none.
struct NodeHook {
  virtual ~NodeHook() = default;
  // Pre-hooks may replace gradients (entries of `grads`).
  virtual void pre(Tensor* grads, size_t n) {}
  // Post-hooks see both sides and may replace what goes on (`out`).
  virtual void post(const Tensor* grads, size_t n, Tensor* out, size_t n_out) {}
  virtual void* python() const { return nullptr; }  // the Python object, for garbage collection
};

struct NodeHooks {
  // Tensor hooks run first (by input), then retain_grad, then pre-hooks, the node, post-hooks.
  std::vector<std::pair<uint32_t, std::unique_ptr<NodeHook>>> tensor_pre;
  std::vector<std::pair<uint32_t, std::unique_ptr<NodeHook>>> retains_grad;
  std::vector<std::unique_ptr<NodeHook>> pre, post;
  // AccumulateGrad only: after the gradient was accumulated (DDP).
  std::vector<std::unique_ptr<NodeHook>> post_accumulate;
};

struct Node : SmallObject {
  static constexpr int kInlineEdges = 3;

  Node() = default;
  Node(const Node&) = delete;
  virtual ~Node();

  virtual const char* name() const = 0;
  // grads: one per input (undefined = zero). out: one per edge, left undefined where not needed.
  virtual void apply(const Tensor* grads, Tensor* out) = 0;
  virtual void release_variables() {}  // after backward without retain_graph
  // For graph inspection: `_saved_*` attributes. Returns false when there is no such name.
  virtual const struct SavedField* saved_fields(size_t* n) const {
    *n = 0;
    return nullptr;
  }

  // edges
  size_t num_edges() const { return num_edges_; }
  Edge& edge(size_t i) { return edges()[i]; }
  const Edge& edge(size_t i) const { return const_cast<Node*>(this)->edges()[i]; }
  void add_edge(Edge e);
  void reserve_edges(size_t n);
  bool needs(size_t i) const { return i < num_edges_ && edge(i).valid(); }  // gradient wanted?

  // inputs (= outputs of the forward)
  size_t num_inputs() const { return inputs_.size(); }
  uint32_t add_input(const Tensor& forward_output);
  uint32_t add_undefined_input();
  const InputMeta& input_meta(size_t i) const { return inputs_[i]; }
  InputMeta& input_meta(size_t i) { return inputs_[i]; }

  NodeHooks& hooks() {
    if (!hooks_) hooks_ = std::make_unique<NodeHooks>();
    return *hooks_;
  }
  NodeHooks* hooks_if_any() const { return hooks_.get(); }

  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
  bool try_retain();  // false when the last reference is already gone
  uint32_t use_count() const { return refs_.load(std::memory_order_relaxed); }

  uint64_t sequence_nr = 0;        // order of creation on this thread; later ones run first
  uint64_t topological_nr = 0;
  std::unique_ptr<struct Anomaly> anomaly;  // forward traceback in anomaly mode
  void* py_object = nullptr;                // core/python: the node's Python object (borrowed)

 private:
  Edge* edges() { return heap_edges_ ? heap_edges_.get() : inline_edges_; }
  // Frees a chain of any length without recursion.
  static void destroy(Node* node);

  std::atomic<uint32_t> refs_{1};
  uint32_t num_edges_ = 0, edge_capacity_ = kInlineEdges;
  Edge inline_edges_[kInlineEdges];
  std::unique_ptr<Edge[]> heap_edges_;
  std::vector<InputMeta> inputs_;
  std::unique_ptr<NodeHooks> hooks_;
};

// A tensor kept for backward, with the version it had. An output of the node is kept without its
// grad_fn, else it would hold itself.
class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(SavedTensor&&) = default;
  SavedTensor& operator=(SavedTensor&&) = default;
  ~SavedTensor();
  void save(const Tensor& t, bool is_output);
  // Error when it was modified in place since, or freed by an earlier backward.
  Tensor unpack(Node* node) const;
  void reset();
  bool saved() const { return was_saved_; }
  // saved_tensors_hooks on one slot (grad_fn._raw_saved_x.register_hooks)
  void register_hooks(std::unique_ptr<struct SavedTensorHooks> hooks);

 private:
  Tensor data_;
  Ref<Node> grad_fn_;          // inputs: the history at the time of saving
  std::unique_ptr<struct SavedTensorHooks> hooks_;
  uint32_t version_ = 0, output_nr_ = 0;
  bool is_output_ = false, is_leaf_ = false, was_saved_ = false, requires_grad_ = false,
       inplace_on_view_ = false;
};

class SavedTensors {  // of a list argument
 public:
  void save(TensorSpan list);
  TensorVec unpack(Node* node) const;
  void reset();

 private:
  std::vector<SavedTensor> list_;
  bool released_ = false;
};

// How saved fields are shown to Python.
struct SavedField {
  const char* name;  // "self", shown as _saved_self
  enum class Kind : uint8_t { tensor, tensors, integer, optional_integer, floating, boolean, scalar, dims, dtype, string } kind;
  const void* (*get)(const Node* node);
};

// ---- what generated entries use

struct AccumulateGrad;

// View bookkeeping, as PyTorch's creation_meta.
enum class Creation : uint8_t { plain, in_custom_function, multi_output, no_grad, inference };

struct AutogradMeta : SmallObject {
  Tensor grad;
  Ref<Node> grad_fn;
  Node* accumulator = nullptr;  // of a leaf; not owned, cleared by its destructor
  uint32_t output_nr = 0;
  bool requires_grad = false;   // a leaf's own flag
  bool retains_grad = false;
  // Views. `base` is never itself a view. `version_at_fn`: grad_fn is stale when the version moved.
  bool is_view = false;
  Creation creation = Creation::plain;
  Tensor base;
  uint32_t version_at_fn = 0;
  // Hooks of a tensor before it gets a grad_fn / of a leaf.
  std::vector<std::unique_ptr<NodeHook>> hooks;
  std::unique_ptr<NodeHook> post_accumulate;
  void* py_hooks = nullptr;  // core/python: the ordered dict behind register_hook
};

inline bool needs_grad(const Tensor& t) { return t.defined() && (t.keys() & kAutograd); }
inline bool needs_grad(TensorSpan list) {
  for (const Tensor& t : list)
    if (needs_grad(t)) return true;
  return false;
}
template <class... T>
inline bool any_needs_grad(const T&... t) {
  return (needs_grad(t) || ...);
}

// The edge a gradient of `t` leaves through: its grad_fn, or its AccumulateGrad.
Edge gradient_edge(const Tensor& t);
void collect_edges(Node& node, const Tensor& t);
void collect_edges(Node& node, TensorSpan list);
template <class N, class... T>
Ref<N> make_node(const T&... inputs) {
  auto node = Ref<N>::adopt(new N());
  extern void begin_node(Node&);
  begin_node(*node);
  (collect_edges(*node, inputs), ...);
  return node;
}
void begin_node(Node& node);  // sequence number, anomaly's traceback

// After the forward: t becomes the node's next output.
void set_history(const Tensor& t, const Ref<Node>& node);
void set_history(TensorSpan list, const Ref<Node>& node);
// Before an in-place op: leaf, view and inference rules; `requires_grad`: some argument needs it.
void check_inplace(const Tensor& self, bool requires_grad, const char* op);
// After an in-place op: self's history is rebased (CopySlices when self is a view).
void rebase_history(const Tensor& self, const Ref<Node>& node);
// out= under grad mode: Error when something requires grad.
void check_out(const char* op, bool requires_grad);

// Marks `view` (fresh alias of `of`) as a view: base, creation, keys.
Tensor as_view(const Tensor& of, Tensor view, Creation creation = Creation::plain);
void bump_version(const Tensor& t);

const Ref<Node>& grad_fn(const Tensor& t);  // regenerated when an in-place op on the base made it stale
AutogradMeta& autograd_meta(const Tensor& t);  // made on demand
Tensor detach(const Tensor& t);                // shares storage and version; not a view for autograd
Tensor variable_data(const Tensor& t);         // shares storage, own version

// A gradient brought to the shape and dtype of the input it is for: sums over broadcast dims.
Tensor sum_to(const Tensor& grad, IntSpan sizes);
Tensor grad_to(const Tensor& grad, IntSpan sizes, DType dtype);  // also real part, cast

// ---- engine

struct BackwardOptions {
  bool retain_graph = false, create_graph = false, accumulate = true, allow_unreachable = false;
};
// Runs from `roots` with `grads`; with `inputs`, gives their gradients (undefined where unreachable).
TensorVec run_backward(std::span<const Edge> roots, TensorSpan grads, std::span<const Edge> inputs,
                       const BackwardOptions& options);
void queue_callback(std::unique_ptr<struct EngineCallback> callback);  // at the end of this backward
struct EngineCallback {
  virtual ~EngineCallback() = default;
  virtual void run() = 0;
};

}  // namespace flambeau
