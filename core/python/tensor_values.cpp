// Reading a tensor's elements into Python, and the protocols that do: item, tolist, bool, int,
// iter.
#include "core/autograd/transform.h"
#include "core/dispatch/observe.h"
#include "core/python/binding.h"

namespace flambeau::python {
namespace {

using Args = PyObject* const*;

// ---- one element

// What a host may read directly: plain bytes in memory.
bool readable(const Tensor& t) {
  return !read_is_seen(t) && !(t.keys() & (kConjugate | kNegative)) && !t.is_meta() &&
         t.impl()->storage();
}

PyObject* item_of_object(PyObject* self) {
  const Tensor& t = unwrap(self);
  if (t.numel() == 1 && readable(t)) return element_to_python(t.bytes(), t.dtype());
  return wrap(t.item());
}

PyObject* item(PyObject* self, Args, Py_ssize_t, PyObject*) { return item_of_object(self); }

// item() of one that the conversions of Python ask for; its messages are theirs.
Scalar only_element(PyObject* self) {
  const Tensor& t = unwrap(self);
  check<ValueError>(t.numel() == 1,
                    "only one element tensors can be converted to Python scalars: "
                    "this one has shape ",
                    show(t.sizes()));
  return t.item();
}

template <class F>
PyObject* conversion(PyObject* self, const char* name, F&& f) {
  return guarded([&]() -> PyObject* {
    if (may_override(self))
      if (PyObject* r = torch_function_on(self, name, &self, 1)) return r;
    return must(f());
  });
}

int to_bool(PyObject* self) {
  return guarded_int([&] {
    if (may_override(self))
      if (const Object r(torch_function_on(self, "__bool__", &self, 1)); r)
        return must(PyObject_IsTrue(r.get()));
    const Tensor& t = unwrap(self);
    check(t.numel() != 0, "Boolean value of Tensor with no values is ambiguous");
    check(t.numel() == 1,
          "Boolean value of Tensor with more than one value is ambiguous: use "
          "any() or all()");
    const TransformPayload* p = transform_payload(t);
    check(!p || p->level->kind != TransformLevel::Kind::vmap,
          "vmap: It looks like you're attempting to use a Tensor in some data-dependent control "
          "flow. We don't support that yet, please file an issue at "
          "https://github.com/pytorch/pytorch/issues .");
    return static_cast<int>(t.item().to_bool());
  });
}

PyObject* to_int_object(const Scalar& s) {
  if (s.is_complex() && s.to_complex().imag() != 0)
    raise("value cannot be converted to type int64_t without overflow");
  if (s.is_integral(true)) return wrap(Scalar(s.is_boolean() ? Scalar(int64_t{s.to_bool()}) : s));
  return PyLong_FromDouble(s.to_double());
}
PyObject* to_int(PyObject* self) {
  return conversion(self, "__int__", [&] { return to_int_object(only_element(self)); });
}
PyObject* to_float(PyObject* self) {
  return conversion(self, "__float__", [&] {
    const Scalar s = only_element(self);
    check(!s.is_complex() || s.to_complex().imag() == 0,
          "value cannot be converted to type double without overflow");
    return PyFloat_FromDouble(s.to_double());
  });
}
PyObject* to_index(PyObject* self) {
  return conversion(self, "__index__", [&] {
    const Tensor& t = unwrap(self);
    check<TypeError>(t.numel() == 1 && is_integral(t.dtype(), true),
                     "only integer tensors of a single element can be converted to an index");
    return to_int_object(t.item());
  });
}
PyObject* to_complex_number(PyObject* self, Args, Py_ssize_t, PyObject*) {
  const std::complex<double> c = only_element(self).to_complex();
  return PyComplex_FromDoubles(c.real(), c.imag());
}

// ---- all elements

// Nested lists of one dimension after the other. `read` makes one element.
template <class Read>
PyObject* nested(const Tensor& t, const char* data, int64_t dim, Read& read) {
  if (dim == t.dim()) return read(data);
  const int64_t n = t.sizes()[dim];
  const int64_t step = t.strides()[dim] * static_cast<int64_t>(t.itemsize());
  Object list(must(PyList_New(n)));
  for (int64_t i = 0; i < n; ++i)
    PyList_SET_ITEM(list.get(), i, must(nested(t, data + i * step, dim + 1, read)));
  return list.release();
}

template <class T, PyObject* make(T)>
PyObject* read_as(const char* data) {
  return make(*reinterpret_cast<const T*>(data));
}
PyObject* make_float(float v) { return PyFloat_FromDouble(v); }
PyObject* make_double(double v) { return PyFloat_FromDouble(v); }
PyObject* make_int64(int64_t v) { return PyLong_FromLongLong(v); }
PyObject* make_bool(uint8_t v) { return Py_NewRef(v ? Py_True : Py_False); }

PyObject* list_of(const Tensor& given) {
  note_read(given, "tolist");
  // Making a list may run finalizers, which may do to the tensor what they like.
  const Tensor t = Tensor::alias(given, given.sizes(), given.strides(), given.offset());
  const Lent lent(t.impl()->storage());
  const char* data = t.bytes();
  const auto with = [&](auto&& read) { return nested(t, data, 0, read); };
  switch (t.dtype()) {
    case DType::float32:
      return with(read_as<float, make_float>);
    case DType::float64:
      return with(read_as<double, make_double>);
    case DType::int64:
      return with(read_as<int64_t, make_int64>);
    case DType::boolean:
      return with(read_as<uint8_t, make_bool>);
    default: {
      const auto read = [dtype = t.dtype()](const char* p) { return element_to_python(p, dtype); };
      return with(read);
    }
  }
}

// A tensor with the same values that can be read directly.
Tensor plain_copy(const Tensor& t) {
  check<NotImplementedError>(!t.is_meta(), "tolist: Cannot copy out of meta tensor; no data!");
  Tensor plain = t;
  for (const char* name : {"resolve_conj", "resolve_neg"}) {
    const Op* op = find_op(name);
    if (!op) continue;
    const Value args[] = {boxing::box(plain)};
    Results results;
    op->call(*op, args, results);
    plain = std::move(results.tensor());
  }
  if (plain.impl()->storage()->device().type == plain.device().type) {  // its memory, elsewhere
    const Value args[] = {boxing::box(plain), {}, {}, boxing::box(Device{}), {},
                          boxing::box(false), {}};
    const Op& op = *find_op("_to_copy");
    Results results;
    op.call(op, args, results);
    plain = std::move(results.tensor());
  }
  check(!(plain.keys() & kSeesReads) && plain.impl()->storage(),
        "tolist: the values of this kind of tensor cannot be read");
  return plain;
}

PyObject* tolist(PyObject* self, Args, Py_ssize_t, PyObject*) {
  const Tensor& t = unwrap(self);
  return readable(t) ? list_of(t) : list_of(plain_copy(t));
}

// ---- iteration: over the views that unbind gives

PyObject* iterate(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (may_override(self))
      if (PyObject* r = torch_function_on(self, "__iter__", &self, 1)) return r;
    check<TypeError>(unwrap(self).dim() > 0, "iteration over a 0-d tensor");
    const Object parts(must(PyObject_CallMethod(self, "unbind", "i", 0)));
    return must(PyObject_GetIter(parts.get()));
  });
}

const NativeMethod methods[] = {
    {"item", item, "()", "The one element as a Python number."},
    {"tolist", tolist, "()", "The elements as nested lists of Python numbers."},
    {"__complex__", to_complex_number, "()", nullptr},
};

}  // namespace

size_t value_slots(PyType_Slot* out) {
  size_t n = 0;
  out[n++] = {Py_nb_bool, reinterpret_cast<void*>(to_bool)};
  out[n++] = {Py_nb_int, reinterpret_cast<void*>(to_int)};
  out[n++] = {Py_nb_float, reinterpret_cast<void*>(to_float)};
  out[n++] = {Py_nb_index, reinterpret_cast<void*>(to_index)};
  out[n++] = {Py_tp_iter, reinterpret_cast<void*>(iterate)};
  return n;
}

bool init_tensor_values(PyObject*) { return add_methods(methods, std::size(methods)); }

}  // namespace flambeau::python
