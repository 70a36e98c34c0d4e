// Fused multi-tensor steps of optimisers.

#include <cmath>
#include <vector>

#include "core/parallel/parallel.h"
#include "core/python/binding.h"
#include "kernels/cpu/optim/optim_kernels.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::python {
namespace {

constexpr int64_t kGrain = 16 * 1024;

// A list of tensors, borrowed.
class List {
 public:
  List(PyObject* list, const char* op, const char* name) : list_(list) {
    check<TypeError>(PyList_Check(list), op, ": argument '", name, "' must be a list of tensors");
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i)
      check<TypeError>(is_tensor(PyList_GET_ITEM(list, i)), op, ": argument '", name,
                       "' must be a list of tensors");
  }
  size_t size() const { return static_cast<size_t>(PyList_GET_SIZE(list_)); }
  const Tensor& operator[](size_t i) const { return unwrap(PyList_GET_ITEM(list_, i)); }

 private:
  PyObject* list_;
};

// Memory in the order of the parameter: the tensor's own where it lies like the parameter, else a
// packed copy that is written back.
class Lane {
 public:
  Lane(const Tensor& t, const Tensor& like, bool written) : own_(t), written_(written) {
    const bool fits =
        t.dtype() == like.dtype() && ((t.is_contiguous() && like.is_contiguous()) ||
                                      (t.impl()->dense() && same(t.strides(), like.strides())));
    if (fits) {
      used_ = t;
      return;
    }
    used_ = empty_strided(like.sizes(), strides_like(like), like.options());
    cpu::copy(used_, t);
  }
  ~Lane() {
    if (written_ && !used_.is(own_)) cpu::copy(own_, used_);
  }
  Lane(const Lane&) = delete;
  template <class T>
  T* data() const {
    return used_.data<T>();
  }

 private:
  Tensor own_, used_;
  bool written_;
};

void check_step(const char* op, const Tensor& p, const Tensor& t, const char* name) {
  check(same(p.sizes(), t.sizes()) && t.device().is_cpu(), op, ": ", name, " of shape ",
        show(t.sizes()), " does not fit a parameter of shape ", show(p.sizes()));
  t.bytes();  // raises where they are not there
}

template <class Run>
void by_rows(const Tensor& p, Run&& run) {
  const int64_t n = p.numel();
  if (p.dtype() == DType::float32)
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { run(float{}, begin, end - begin); });
  else
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { run(double{}, begin, end - begin); });
}

template <class T>
const cpu::OptimizerRows<T>& rows() {
  if constexpr (std::is_same_v<T, float>)
    return cpu::optimizer_kernels().f32;
  else
    return cpu::optimizer_kernels().f64;
}

void check_parameter(const char* op, const Tensor& p) {
  check(p.dtype() == DType::float32 || p.dtype() == DType::float64, op,
        ": parameters must be float32 or "
        "float64, got ",
        dtype_name(p.dtype()));
  check(p.device().is_cpu() && internal_overlap(p) == Overlap::no, op,
        ": parameters must be CPU tensors whose elements do not share memory");
  p.bytes();
}

double number_of(PyObject* o) {
  const double d = PyFloat_AsDouble(o);
  if (d == -1 && PyErr_Occurred()) throw PythonError();
  return d;
}

bool truth_of(PyObject* o) { return must(PyObject_IsTrue(o)) == 1; }

PyObject* fused_adam(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    constexpr const char* op = "_fused_adam_";
    check<TypeError>(n == 14, op, ": takes 14 arguments, got ", n);
    const List params(args[0], op, "params"), grads(args[1], op, "grads"),
        averages(args[2], op, "exp_avgs"), squares(args[3], op, "exp_avg_sqs"),
        largest(args[4], op, "max_exp_avg_sqs");
    cpu::AdamStep step;
    step.lr = number_of(args[5]);
    step.beta1 = number_of(args[6]);
    step.beta2 = number_of(args[7]);
    step.weight_decay = number_of(args[8]);
    step.eps = number_of(args[9]);
    const bool amsgrad = truth_of(args[10]);
    step.maximize = truth_of(args[11]);
    step.decoupled = truth_of(args[12]);
    check<TypeError>(PyList_Check(args[13]), op, ": argument 'steps' must be a list");
    check(grads.size() == params.size() && averages.size() == params.size() &&
              squares.size() == params.size() && (!amsgrad || largest.size() == params.size()) &&
              static_cast<size_t>(PyList_GET_SIZE(args[13])) == params.size(),
          op, ": the lists must have the same length");
    // All that can fail, before the first parameter changes.
    std::vector<double> counts;
    for (size_t i = 0; i < params.size(); ++i) {
      const Tensor& p = params[i];
      check_parameter(op, p);
      check_step(op, p, grads[i], "a gradient");
      check_step(op, p, averages[i], "exp_avg");
      check_step(op, p, squares[i], "exp_avg_sq");
      if (amsgrad) check_step(op, p, largest[i], "max_exp_avg_sq");
      counts.push_back(number_of(PyList_GET_ITEM(args[13], i)));
    }
    for (size_t i = 0; i < params.size(); ++i) {
      const Tensor& p = params[i];
      const double count = counts[i];
      step.correction1 = 1 - std::pow(step.beta1, count);
      step.correction2_sqrt = std::sqrt(1 - std::pow(step.beta2, count));
      const Lane w(p, p, true), g(grads[i], p, false), m(averages[i], p, true),
          v(squares[i], p, true);
      std::optional<Lane> top;
      if (amsgrad) top.emplace(largest[i], p, true);
      by_rows(p, [&](auto zero, int64_t at, int64_t size) {
        using T = decltype(zero);
        rows<T>().adam(w.data<T>() + at, g.data<T>() + at, m.data<T>() + at, v.data<T>() + at,
                       top ? top->data<T>() + at : nullptr, size, step);
      });
      bump_version(p);
    }
    Py_RETURN_NONE;
  });
}

PyObject* fused_sgd(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    constexpr const char* op = "_fused_sgd_";
    check<TypeError>(n == 10, op, ": takes 10 arguments, got ", n);
    const List params(args[0], op, "params"), grads(args[1], op, "grads"),
        buffers(args[2], op, "momentum_buffers");
    cpu::SgdStep step;
    step.lr = number_of(args[3]);
    step.momentum = number_of(args[4]);
    step.dampening = number_of(args[5]);
    step.weight_decay = number_of(args[6]);
    step.nesterov = truth_of(args[7]);
    step.maximize = truth_of(args[8]);
    step.first = truth_of(args[9]);
    const bool has_buffers = buffers.size() > 0;
    check(grads.size() == params.size() && (!has_buffers || buffers.size() == params.size()), op,
          ": the lists must have the same length");
    for (size_t i = 0; i < params.size(); ++i) {  // before the first parameter changes
      check_parameter(op, params[i]);
      check_step(op, params[i], grads[i], "a gradient");
      if (has_buffers) check_step(op, params[i], buffers[i], "a momentum buffer");
    }
    for (size_t i = 0; i < params.size(); ++i) {
      const Tensor& p = params[i];
      const Lane w(p, p, true), g(grads[i], p, false);
      std::optional<Lane> buffer;
      if (has_buffers) buffer.emplace(buffers[i], p, true);
      by_rows(p, [&](auto zero, int64_t at, int64_t size) {
        using T = decltype(zero);
        rows<T>().sgd(w.data<T>() + at, g.data<T>() + at, buffer ? buffer->data<T>() + at : nullptr,
                      size, step);
      });
      bump_version(p);
    }
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {
    {"_fused_adam_", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(fused_adam)),
     METH_FASTCALL, "A step of Adam for all parameters of a group."},
    {"_fused_sgd_", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(fused_sgd)),
     METH_FASTCALL, "A step of SGD for all parameters of a group."},
    {}};

}  // namespace

bool init_optim(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace flambeau::python
