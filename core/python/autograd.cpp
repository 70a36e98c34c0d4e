// autograd.backward and autograd.grad: from Python's arguments to the engine.
#include "core/python/autograd.h"

#include "core/autograd/arithmetic.h"
#include "core/autograd/engine.h"
#include "core/autograd/transform.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

// Items of a tuple, a list, or one tensor that stands for a tuple of itself.
class Items {
 public:
  explicit Items(PyObject* o) {
    if (PyTuple_Check(o)) {
      held_ = Object::borrow(o);
      data_ = PySequence_Fast_ITEMS(o);
      size_ = static_cast<size_t>(PySequence_Fast_GET_SIZE(o));
    } else if (is_tensor(o) || o == Py_None) {
      one_ = o;
      data_ = &one_;
      size_ = o == Py_None ? 0 : 1;
    } else {
      held_ = fixed_tuple(o);
      data_ = PySequence_Fast_ITEMS(held_.get());
      size_ = static_cast<size_t>(PySequence_Fast_GET_SIZE(held_.get()));
    }
  }
  size_t size() const { return size_; }
  PyObject* operator[](size_t i) const { return data_[i]; }

 private:
  Object held_;
  PyObject* one_ = nullptr;
  PyObject** data_;
  size_t size_;
};

// A few edges and gradients, without a trip to the heap for one root.
template <class T>
class Few {
 public:
  explicit Few(size_t n) : size_(n) {
    if (n > 1) many_ = std::make_unique<T[]>(n);
  }
  T& operator[](size_t i) { return many_ ? many_[i] : one_; }
  std::span<const T> span() const { return {many_ ? many_.get() : &one_, size_}; }

 private:
  T one_;
  std::unique_ptr<T[]> many_;
  size_t size_;
};

// autograd.graph.GradientEdge: a tuple whose first two items are node and input.
bool is_gradient_edge(PyObject* o) {
  return PyTuple_Check(o) && PyTuple_GET_SIZE(o) >= 2 && PyLong_Check(PyTuple_GET_ITEM(o, 1));
}

Edge edge_of(PyObject* gradient_edge) {
  Node* node = unwrap_node(PyTuple_GET_ITEM(gradient_edge, 0));
  if (!node) throw PythonError();
  const int64_t input = unwrap_int(PyTuple_GET_ITEM(gradient_edge, 1));
  check(input >= 0 && static_cast<size_t>(input) < node->num_inputs(),
        "gradient edge: ", node->name(), " has ", node->num_inputs(),
        " outputs, there is none at index ", input);
  return {Ref<Node>(node), static_cast<uint32_t>(input)};
}

// Invalid for a tensor that does not require grad.
Edge root_of(PyObject* o, size_t i) {
  if (is_gradient_edge(o)) return edge_of(o);
  if (!is_tensor(o)) {
    PyErr_Format(PyExc_TypeError,
                 "element %zu of tensors must be a Tensor or a GradientEdge, not %s", i,
                 Py_TYPE(o)->tp_name);
    throw PythonError();
  }
  return needs_grad(unwrap(o)) ? gradient_edge(unwrap(o)) : Edge();
}

Tensor implicit_gradient(PyObject* root, const Edge& edge) {
  if (!is_tensor(root)) {
    const InputMeta& meta = edge.node->input_meta(edge.input);
    check(meta.sizes.empty() || count(meta.sizes) == 1,
          "grad can be implicitly created only for scalar outputs");
    return arithmetic::ones(meta.sizes, {meta.dtype, meta.device});
  }
  const Tensor& t = unwrap(root);
  check(t.numel() == 1,
        "grad can be implicitly created only for scalar outputs, this one has shape ",
        show(t.sizes()), ": pass a gradient of that shape");
  check(is_differentiable(t.dtype()) && !t.is_complex(),
        "grad can be implicitly created only for real scalar outputs but got ",
        dtype_name(t.dtype()));
  return arithmetic::ones_like(t);
}

Tensor explicit_gradient(PyObject* root, const Edge& edge, PyObject* gradient, size_t i) {
  if (!is_tensor(gradient)) {
    PyErr_Format(PyExc_TypeError, "gradients can be either Tensors or None, but got %s",
                 Py_TYPE(gradient)->tp_name);
    throw PythonError();
  }
  const Tensor& grad = unwrap(gradient);
  const InputMeta* meta = is_tensor(root) ? nullptr : &edge.node->input_meta(edge.input);
  const IntSpan sizes = meta ? IntSpan(meta->sizes) : unwrap(root).sizes();
  const DType dtype = meta ? meta->dtype : unwrap(root).dtype();
  check(same(grad.sizes(), sizes), "Mismatch in shape: grad_output[", i,
        "] has a shape of torch.Size(", show(grad.sizes()), ") and output[", i,
        "] has a shape of torch.Size(", show(sizes), ").");
  check(grad.is_complex() == is_complex(dtype),
        "For complex Tensors, both grad_output and output are required to have the same dtype. "
        "Mismatch in dtype: grad_output[",
        i, "] has a dtype of torch.", dtype_name(grad.dtype()), " and output[", i,
        "] has a dtype of torch.", dtype_name(dtype), ".");
  return grad;
}

// Never reached, so that a graph walk for it finds nothing.
struct Unreachable final : Node {
  const char* name() const override { return "Unreachable"; }
  void apply(const Tensor*, Tensor*) override {}
};

Edge input_edge(PyObject* o, bool accumulate) {
  if (is_gradient_edge(o)) {
    Edge edge = edge_of(o);
    check(!accumulate || std::string_view(edge.node->name()) == "AccumulateGrad",
          "`inputs` of backward() can be a GradientEdge only where that edge is a leaf's");
    return edge;
  }
  if (!is_tensor(o)) {
    PyErr_Format(PyExc_TypeError, "all inputs have to be Tensors or GradientEdges, but got %s",
                 Py_TYPE(o)->tp_name);
    throw PythonError();
  }
  const Tensor& t = unwrap(o);
  check(needs_grad(t), "One of the differentiated Tensors does not require grad");
  if (accumulate) retain_grad(t);
  Edge edge = gradient_edge(t);
  if (!edge.valid()) edge.node = Ref<Node>::adopt(new Unreachable());
  return edge;
}

// Python's lock is given up for a long run only: for a short one that costs more than it brings.
struct LongRun {
  PyThreadState* state = nullptr;
  static void begin(void* self) { static_cast<LongRun*>(self)->state = PyEval_SaveThread(); }
  ~LongRun() {
    if (state) PyEval_RestoreThread(state);
  }
};

TensorVec run_released(std::span<const Edge> roots, TensorSpan grads, std::span<const Edge> inputs,
                       BackwardOptions options) {
  LongRun run;
  options.before_long_run = LongRun::begin;
  options.context = &run;
  return run_backward(roots, grads, inputs, options);
}

PyObject* wrap_captured(TensorVec grads, bool allow_unreachable) {
  Object tuple(must(PyTuple_New(static_cast<Py_ssize_t>(grads.size()))));
  for (size_t i = 0; i < grads.size(); ++i) {
    check(allow_unreachable || grads[i].defined(), "The differentiated Tensor at index ", i,
          " appears to not have been used in the graph. Set allow_unused=True if this is the "
          "desired behavior.");
    PyTuple_SET_ITEM(tuple.get(), i, must(wrap(std::move(grads[i]))));
  }
  return tuple.release();
}

}  // namespace

namespace {

// What it recorded holds values without tangents.
void refuse_dual(PyObject* root) {
  const TransformPayload* p = is_tensor(root) ? transform_payload(unwrap(root)) : nullptr;
  check<NotImplementedError>(
      !p || !p->level->alive || p->level->kind != TransformLevel::Kind::jvp,
      "backward() of a dual tensor is not supported, because its gradients would have no tangents: "
      "use autograd.grad, or flambeau.func.jvp of flambeau.func.grad");
}

}  // namespace

PyObject* run_from_python(PyObject* roots, PyObject* grads, bool retain_graph, bool create_graph,
                          PyObject* inputs, bool allow_unreachable, bool accumulate) {
  check(!accumulate || !in_function_transform(),
        "backward() called inside a functorch transform. This is not supported, please use "
        "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
        "transforms.");
  const Items root_items(is_gradient_edge(roots) ? Object(must(PyTuple_Pack(1, roots))).get()
                                                 : roots);
  const Items grad_items(grads), input_items(inputs);
  const size_t n = root_items.size();
  check(grad_items.size() == 0 || grad_items.size() == n, "got ", n, " tensors and ",
        grad_items.size(), " gradients");
  Few<Edge> edges(n), wanted(input_items.size());
  Few<Tensor> gradients(n);
  for (size_t i = 0; i < n; ++i) {
    PyObject* root = root_items[i];
    refuse_dual(root);
    PyObject* grad = grad_items.size() ? grad_items[i] : Py_None;
    Edge& edge = edges[i] = root_of(root, i);
    if (grad != Py_None)
      gradients[i] = explicit_gradient(root, edge, grad, i);
    else if (edge.valid())
      gradients[i] = implicit_gradient(root, edge);
    check(edge.valid(), "element ", i,
          " of tensors does not require grad and does not have a grad_fn");
  }
  for (size_t i = 0; i < input_items.size(); ++i)
    wanted[i] = input_edge(input_items[i], accumulate);
  BackwardOptions options;
  options.retain_graph = retain_graph;
  options.create_graph = create_graph;
  options.accumulate = accumulate;
  TensorVec captured;
  if (n > 0) captured = run_released(edges.span(), gradients.span(), wanted.span(), options);
  if (accumulate) Py_RETURN_NONE;
  captured.resize(input_items.size());
  return wrap_captured(std::move(captured), allow_unreachable);
}

namespace {

PyObject* run_backward_function(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"tensors",         "grad_tensors", "keep_graph",
                                      "create_graph",    "inputs",       "allow_unreachable",
                                      "accumulate_grad", nullptr};
  return guarded_backward([&] {
    PyObject *tensors, *grads, *inputs = Py_None;
    int keep_graph, create_graph, allow_unreachable = 0, accumulate = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOpp|Opp", const_cast<char**>(names), &tensors,
                                     &grads, &keep_graph, &create_graph, &inputs,
                                     &allow_unreachable, &accumulate))
      throw PythonError();
    return run_from_python(tensors, grads, keep_graph, create_graph, inputs, allow_unreachable,
                           accumulate);
  });
}

struct PythonCallback final : EngineCallback {
  explicit PythonCallback(PyObject* f) : function(Py_NewRef(f)) {}
  ~PythonCallback() override {
    const AcquireGil gil;
    Py_DECREF(function);
  }
  void run() override {
    const EnterPython python;
    const Object own = Object::borrow(function);
    call(own.get());
  }
  PyObject* const function;
};

PyObject* queue_callback_function(PyObject*, PyObject* f) {
  return guarded([&] {
    queue_callback(std::make_unique<PythonCallback>(f));
    return Py_NewRef(Py_None);
  });
}

PyObject* current_graph_task_function(PyObject*, PyObject*) {
  return PyLong_FromLongLong(current_graph_task());
}

// Whether a backward in this one may be of all inputs, as utils.checkpoint's reentrant form needs.
PyObject* is_checkpoint_valid(PyObject*, PyObject*) {
  const GraphTask* const task = GraphTask::current();
  return PyBool_FromLong(!task || !task->partial());
}

PyObject* current_node_function(PyObject*, PyObject*) {
  return guarded([&] {
    Node* node = current_node();
    return node ? wrap(Ref<Node>(node)) : Py_NewRef(Py_None);
  });
}

PyObject* will_execute_function(PyObject*, PyObject* o) {
  return guarded([&] {
    const Node* node = unwrap_node(o);
    if (!node) throw PythonError();
    return PyBool_FromLong(will_execute(node));
  });
}

PyObject* increment_version(PyObject*, PyObject* tensors) {
  return guarded([&] {
    const Items items(tensors);
    for (size_t i = 0; i < items.size(); ++i) {
      if (!is_tensor(items[i])) {
        PyErr_SetString(PyExc_TypeError, "increment_version expects tensors");
        throw PythonError();
      }
      check(!unwrap(items[i]).impl()->inference,
            "increment_version: inference tensors do not track a version");
      bump_version(unwrap(items[i]));
    }
    return Py_NewRef(Py_None);
  });
}

PyObject* set_versions(PyObject*, PyObject* args) {
  return guarded([&] {
    PyObject *tensors, *versions;
    if (!PyArg_ParseTuple(args, "OO", &tensors, &versions)) throw PythonError();
    const Items items(tensors), numbers(versions);
    check(items.size() == numbers.size(), "_unsafe_set_version_counter: ", items.size(),
          " tensors and ", numbers.size(), " versions");
    for (size_t i = 0; i < items.size(); ++i) {
      if (!is_tensor(items[i])) {
        PyErr_SetString(PyExc_TypeError, "_unsafe_set_version_counter expects tensors");
        throw PythonError();
      }
      const auto version = static_cast<uint32_t>(unwrap_int(numbers[i]));
      unwrap(items[i]).impl()->version_counter()->value.store(version, std::memory_order_relaxed);
    }
    return Py_NewRef(Py_None);
  });
}

PyMethodDef functions[] = {
    {"_run_backward", c_function(run_backward_function), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"_queue_callback", queue_callback_function, METH_O, nullptr},
    {"_is_checkpoint_valid", is_checkpoint_valid, METH_NOARGS, nullptr},
    {"_current_graph_task_id", current_graph_task_function, METH_NOARGS, nullptr},
    {"_current_autograd_node", current_node_function, METH_NOARGS, nullptr},
    {"_will_engine_execute_node", will_execute_function, METH_O, nullptr},
    {"_increment_version", increment_version, METH_O, nullptr},
    {"_unsafe_set_version_counter", set_versions, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

void without_gil(void (*f)(void*), void* context) {
  if (!PyGILState_Check()) return f(context);
  PyThreadState* state = PyEval_SaveThread();
  f(context);
  PyEval_RestoreThread(state);
}

}  // namespace

bool init_autograd(PyObject* module) {
  call_unlocked = without_gil;
  return PyModule_AddFunctions(module, functions) == 0 && init_nodes(module) &&
         init_function(module) && init_grad_mode(module) && init_saved_hooks(module) &&
         init_tensor_hooks(module) && init_tensor_autograd(module);
}

}  // namespace flambeau::python
