// flambeau.Tensor: the Python object of a tensor. See Note [One Python object] in tensor.h.

#include "core/python/binding.h"
#include "core/python/free_threading.h"

namespace flambeau::python {

PyTypeObject* tensor_type;

namespace {

PyTypeObject* meta_type;

TensorObject* object(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }

// ---- memory

// Dead objects of exactly Tensor, ready for use: their type is set and counted.
class FreeList {
 public:
  PyObject* pop() { return n_ ? items_[--n_] : nullptr; }
  bool push(PyObject* o) {
    if (n_ == kMax) return false;
    items_[n_++] = o;
    return true;
  }

 private:
#if defined(FLAMBEAU_NO_CACHE) || defined(Py_GIL_DISABLED)
  // Sanitizers must see every object die; free-threaded Python has such lists of its own.
  static constexpr size_t kMax = 0;
#else
  static constexpr size_t kMax = 128;
#endif
  PyObject* items_[kMax + 1];
  size_t n_ = 0;
};
FreeList free_objects;

// A new object of exactly Tensor, not tracked by the garbage collector: a tensor without
// attributes and hooks refers to no Python object.
PyObject* new_exact() {
  PyObject* self = free_objects.pop();
  if (self) [[likely]] {
    _Py_NewReference(self);
  } else {
    self = reinterpret_cast<PyObject*>(PyObject_GC_New(TensorObject, tensor_type));
    if (!self) throw PythonError();
    object(self)->dict = object(self)->weakrefs = nullptr;
  }
  return self;
}

void bind(PyObject* self, Tensor t) {
  allow_try(self);
  t.impl()->py_object.store(self, std::memory_order_relaxed);
  new (&object(self)->tensor) Tensor(std::move(t));
}

// Ends the tie between object and tensor; the tensor may die.
void unbind(PyObject* self) {
  TensorImpl* impl = object(self)->tensor.forget();
  if (!impl) return;
  {
    const TieLock lock(impl);
    void* own = self;  // another thread may have given it a new object already
    impl->py_object.compare_exchange_strong(own, nullptr, std::memory_order_relaxed);
  }
  impl->release();
}

// Whether the object is more than a handle, so that a new one could not stand in for it.
bool has_state(PyObject* self) {
  const TensorObject* o = object(self);
  return Py_TYPE(self) != tensor_type || o->weakrefs || (o->dict && PyDict_GET_SIZE(o->dict) > 0);
}

// Python's last reference is gone: when C++ still holds the tensor, it takes over the object.
bool give_to_cpp(PyObject* self) {
  TensorImpl* impl = object(self)->tensor.impl();
  if (!impl || impl->use_count() == 1 || !has_state(self)) return false;
  {
    const TieLock lock(impl);
    if (impl->py_object.load(std::memory_order_relaxed) != self) return false;
    _Py_NewReference(self);  // this one reference is the tensor's
    allow_try(self);
    PyObject_GC_Track(self);
    impl->py_owned = true;
  }
  impl->release();  // the object's bits stay, but no longer count; both may be gone after this
  return true;
}

void release_owned_object(TensorImpl* impl) {
  if (!Py_IsInitialized()) return;  // the interpreter is gone, and the object with it
  const AcquireGil gil;
  auto* self = static_cast<PyObject*>(impl->py_object.exchange(nullptr));
  object(self)->tensor.forget();
  impl->py_owned = false;
  Py_DECREF(self);
}

// What Python classes declare in __slots__.
void clear_slots(PyObject* self) {
  for (PyTypeObject* type = Py_TYPE(self); type != tensor_type; type = type->tp_base) {
    // A heap type's member table follows the type object.
    auto* member =
        reinterpret_cast<PyMemberDef*>(reinterpret_cast<char*>(type) + Py_TYPE(type)->tp_basicsize);
    for (Py_ssize_t i = 0; i < Py_SIZE(type); ++i, ++member) {
      if (member->type != T_OBJECT_EX || (member->flags & READONLY)) continue;
      Py_CLEAR(*reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + member->offset));
    }
  }
}

// False when a finalizer brought the object back.
bool run_finalizers(PyTypeObject* type, PyObject* self) {
  if (type->tp_finalize) {
    PyObject_GC_Track(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0) return false;
    PyObject_GC_UnTrack(self);
  }
  return true;
}

// For objects with state and all subclasses: what CPython's own deallocator of Python classes does,
// and before it the question whether C++ wants the object.
void dealloc_slow(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (give_to_cpp(self)) return;
  if (!run_finalizers(type, self)) return;
  if (object(self)->weakrefs) PyObject_ClearWeakRefs(self);
  clear_slots(self);
  Py_CLEAR(object(self)->dict);
  unbind(self);
  type->tp_free(self);
  Py_DECREF(type);
}

void dealloc(PyObject* self) {
  if (!is_exact_tensor(self) || object(self)->dict || object(self)->weakrefs) [[unlikely]]
    return dealloc_slow(self);
  PyObject_GC_UnTrack(self);
  unbind(self);
  if (free_objects.push(self)) return;
  PyObject_GC_Del(self);
  Py_DECREF(tensor_type);
}

// ---- garbage collection

// Note [Tensors in cycles]: a tensor that C++ holds beside its Python object can be reached, so
// what it refers to is not offered to the collector: the cycle stays alive until C++ lets go.
bool held_by_cpp(const Tensor& t) {
  return t.defined() && (t.impl()->py_owned || t.impl()->use_count() > 1);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const Tensor& t = object(self)->tensor;
  if (held_by_cpp(t)) return 0;
  Py_VISIT(object(self)->dict);
  return t.defined() ? traverse_hooks(t, visit, arg) : 0;
}

int clear(PyObject* self) {
  const Tensor& t = object(self)->tensor;
  if (held_by_cpp(t)) return 0;
  clear_slots(self);
  Py_CLEAR(object(self)->dict);
  if (t.defined()) clear_hooks(t);
  return 0;
}

// ---- attributes

int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  const int status = PyObject_GenericSetAttr(self, name, value);
  if (object(self)->dict) track(self);
  return status;
}
PyObject* get_dict(PyObject* self, void*) {
  PyObject* dict = PyObject_GenericGetDict(self, nullptr);
  if (dict) track(self);
  return dict;
}
int set_dict(PyObject* self, PyObject* value, void*) {
  const int status = PyObject_GenericSetDict(self, value, nullptr);
  if (status == 0) track(self);
  return status;
}

// The same as id(), as PyTorch has it.
Py_hash_t hash(PyObject* self) { return reinterpret_cast<Py_hash_t>(self); }

PyGetSetDef getset[] = {{"__dict__", get_dict, set_dict, nullptr, {}}, {}};
PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weakrefs), READONLY, nullptr},
    {}};

// ---- subclasses

// CPython gives a Python class its own deallocator, which would not ask whether C++ still holds the
// tensor; tp_finalize would not do, since it runs once in an object's life. One deallocator and one
// tp_clear for all keep `t.__class__ = Subclass` possible, which compares them.
PyObject* meta_new(PyTypeObject* meta, PyObject* args, PyObject* kwargs) {
  PyObject* o = PyType_Type.tp_new(meta, args, kwargs);
  if (!o) return nullptr;
  auto* type = reinterpret_cast<PyTypeObject*>(o);
  type->tp_dealloc = dealloc;
  type->tp_clear = clear;
  return o;
}

PyType_Slot meta_slots[] = {
    {Py_tp_doc, const_cast<char*>("The class of Tensor and its subclasses.")},
    {Py_tp_new, reinterpret_cast<void*>(meta_new)},
    {}};
PyType_Spec meta_spec = {"flambeau._C._TensorMeta", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                         meta_slots};

PyTypeObject* subclass_argument(PyObject* o, const char* function) {
  if (!PyType_Check(o) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(o), tensor_type))
    raise_python(PyExc_TypeError, "%s(): the first argument must be a subclass of Tensor, not %R",
                 function, o);
  return reinterpret_cast<PyTypeObject*>(o);
}

bool truth(PyObject* o) { return o && must(PyObject_IsTrue(o)); }

// Options of PyTorch's with which a subclass answers for its own sizes or device.
void reject(PyObject* value, const char* function, const char* name) {
  if (value && value != Py_None && truth(value))
    raise<NotImplementedError>(function, ": ", name, " is not supported");
}

PyObject* make_subclass(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"cls",
                                         "data",
                                         "require_grad",
                                         "dispatch_sizes_strides_policy",
                                         "dispatch_device",
                                         "dispatch_layout"};
    constexpr const char* kFunction = "_make_subclass";
    PyObject* given[6];
    read_arguments(kFunction, kNames, 2, args, n, kwnames, given);
    PyTypeObject* type = subclass_argument(given[0], kFunction);
    for (int i = 3; i < 6; ++i) reject(given[i], kFunction, kNames[i]);
    if (!is_tensor(given[1]))
      raise_python(PyExc_TypeError, "_make_subclass(): argument 'data' must be Tensor, not %s",
                   Py_TYPE(given[1])->tp_name);
    const Exclude off(kPythonDispatch);  // the memory, whatever the old class says
    Tensor t = detach(unwrap(given[1]));
    t.impl()->allow_metadata_change = true;
    t.impl()->keys &= ~kPythonDispatch;
    if (truth(given[2])) t.set_requires_grad(true);
    return wrap_as(type, std::move(t));
  });
}

Dims optional_dims(PyObject* o, IntSpan otherwise) {
  return o && o != Py_None ? unwrap_dims(o) : Dims(otherwise);
}

// A tensor of a given geometry with no memory of its own: a subclass with __torch_dispatch__
// answers for it. It says that it lies on any device. With dispatch_sizes_strides_policy="sizes"
// the class is asked for the geometry too, and the given one is what C++ sees.
PyObject* make_wrapper_subclass(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"cls",
                                         "size",
                                         "strides",
                                         "storage_offset",
                                         "memory_format",
                                         "dtype",
                                         "layout",
                                         "device",
                                         "pin_memory",
                                         "requires_grad",
                                         "dispatch_sizes_strides_policy",
                                         "dispatch_device",
                                         "dispatch_layout",
                                         "_extra_dispatch_keys",
                                         "storage_size"};
    constexpr const char* kFunction = "_make_wrapper_subclass";
    PyObject* given[15];
    read_arguments(kFunction, kNames, 2, args, n, kwnames, given);
    PyTypeObject* type = subclass_argument(given[0], kFunction);
    if (!overrides_torch_dispatch(type))
      raise_python(PyExc_RuntimeError,
                   "_make_wrapper_subclass: %s must define __torch_dispatch__, because the tensor "
                   "has no memory of its own",
                   type->tp_name);
    for (const int i : {4, 8, 11, 12, 13, 14}) reject(given[i], kFunction, kNames[i]);
    const auto is_given = [&](int i) { return given[i] && given[i] != Py_None; };
    const bool asked = is_given(10);
    if (asked)
      check<NotImplementedError>(
          PyUnicode_Check(given[10]) && PyUnicode_CompareWithASCIIString(given[10], "sizes") == 0,
          kFunction, ": only \"sizes\" is supported as dispatch_sizes_strides_policy");
    const Dims sizes = unwrap_dims(given[1]);
    const Dims strides = optional_dims(given[2], contiguous_strides(sizes));
    check(sizes.size() == strides.size(), kFunction, ": ", strides.size(), " strides for ",
          sizes.size(), " sizes");
    const int64_t offset = is_given(3) ? unwrap_int(given[3]) : 0;
    const DType dtype = is_given(5) ? unwrap_dtype(given[5]) : default_dtype();
    const Device device = is_given(7) ? unwrap_device(given[7]) : Device{};
    auto* impl = new TensorImpl(Storage::allocate(0, Device{DeviceType::meta}), dtype, device);
    Tensor t = Tensor::adopt(impl);
    impl->set_geometry(sizes, strides, offset);
    if (is_given(6)) impl->set_layout(unwrap_layout(given[6]));
    impl->keys |= bit(Key::backend);  // no kernel may see it, see Note [Tensors without memory]
    if (asked) impl->keys |= bit(Key::symbolic);
    if (truth(given[9])) t.set_requires_grad(true);
    return wrap_as(type, std::move(t));
  });
}

PyObject* as_subclass(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  static const char* const kNames[] = {"cls"};
  PyObject* given[1];
  read_arguments("as_subclass", kNames, 1, args, n, kwnames, given);
  PyTypeObject* type = subclass_argument(given[0], "as_subclass");
  const Op* op = find_op("alias");
  check<NotImplementedError>(op, "as_subclass: the op 'alias' is not there");
  const Value values[] = {boxing::box(unwrap(self))};
  Results results;
  op->call(*op, values, results);
  return wrap_as(type, std::move(results.tensor()));
}

template <class F>
PyCFunction c_function(F* f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}
PyMethodDef methods[] = {
    {"_make_subclass", c_function(make_subclass), METH_STATIC | METH_FASTCALL | METH_KEYWORDS,
     "A tensor of class cls over the memory of data, detached from it."},
    {"_make_wrapper_subclass", c_function(make_wrapper_subclass),
     METH_STATIC | METH_FASTCALL | METH_KEYWORDS,
     "A tensor of class cls with a geometry and no memory, for __torch_dispatch__."},
    {}};
const NativeMethod native_methods[] = {
    {"as_subclass", as_subclass, "(cls)", "The same tensor as an instance of a subclass."}};

// ---- the mapping and buffer protocols

PyObject* subscript(PyObject* self, PyObject* index) {
  if (!may_override(self)) return get_item(self, index);
  return guarded([&]() -> PyObject* {
    PyObject* const args[] = {self, index};
    if (PyObject* r = torch_function_on(self, "__getitem__", args, 2)) return r;
    return get_item(self, index);
  });
}

int assign_subscript(PyObject* self, PyObject* index, PyObject* value) {
  if (!may_override(self)) return set_item(self, index, value);
  return guarded_int([&] {
    PyObject* const args[] = {self, index, value};
    if (const Object r(value ? torch_function_on(self, "__setitem__", args, 3) : nullptr); r)
      return 0;
    return set_item(self, index, value);
  });
}

Py_ssize_t length(PyObject* self) {
  if (may_override(self)) [[unlikely]] {
    Py_ssize_t told = -1;
    const auto ask = [&] {
      const Object r(torch_function_on(self, "__len__", &self, 1));
      if (r) told = PyNumber_AsSsize_t(r.get(), PyExc_OverflowError);
      return 0;
    };
    if (guarded_int(ask) < 0 || PyErr_Occurred()) return -1;
    if (told >= 0) return told;
  }
  const Tensor& t = unwrap(self);
  if (t.dim() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
    return -1;
  }
  return static_cast<Py_ssize_t>(t.sizes()[0]);
}

PyType_Slot own_slots[] = {
    {Py_tp_doc, const_cast<char*>("A multi-dimensional array of numbers of one dtype.")},
    {Py_tp_new, reinterpret_cast<void*>(legacy_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_free, reinterpret_cast<void*>(PyObject_GC_Del)},
    {Py_tp_setattro, reinterpret_cast<void*>(set_attribute)},
    {Py_tp_hash, reinterpret_cast<void*>(hash)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, getset},
    {Py_mp_length, reinterpret_cast<void*>(length)},
    {Py_mp_subscript, reinterpret_cast<void*>(subscript)},
    {Py_mp_ass_subscript, reinterpret_cast<void*>(assign_subscript)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)},
};

}  // namespace

void track(PyObject* self) {
  if (!PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
}

PyObject* wrap(Tensor t) {
  TensorImpl* impl = t.impl();
  if (!impl) [[unlikely]]
    return Py_NewRef(Py_None);
  const TieLock lock(impl);
  auto* known = static_cast<PyObject*>(impl->py_object.load(std::memory_order_relaxed));
  if (known && impl->py_owned) {
    impl->py_owned = false;
    t.forget();  // its count becomes the object's; the object's reference becomes the caller's
    return known;
  }
  if (known && try_new_ref(known)) return known;
  PyObject* self = new_exact();
  bind(self, std::move(t));
  if (impl->autograd && impl->autograd->hooks && has_python_hooks(unwrap(self))) track(self);
  return self;
}

PyObject* wrap(TensorVec list) {
  Object tuple(must(PyTuple_New(static_cast<Py_ssize_t>(list.size()))));
  for (size_t i = 0; i < list.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), wrap(std::move(list[i])));
  return tuple.release();
}

PyObject* wrap_as(PyTypeObject* subclass, Tensor t) {
  if (subclass == tensor_type) return wrap(std::move(t));
  check(!t.impl()->py_object.load(std::memory_order_relaxed), "Creating a new Tensor subclass ",
        subclass->tp_name,
        " but the raw Tensor object is already associated to a python object of another type");
  if (overrides_torch_dispatch(subclass)) t.impl()->keys |= kPythonDispatch;
  PyObject* self = must(subclass->tp_alloc(subclass, 0));
  bind(self, std::move(t));
  return self;
}

bool init_tensor_type(PyObject* module) {
  meta_type =
      make_type(module, &meta_spec, "_TensorMeta", reinterpret_cast<PyObject*>(&PyType_Type));
  if (!meta_type) return false;
  PyType_Slot slots[128];
  size_t n = 0;
  for (const PyType_Slot& slot : own_slots) slots[n++] = slot;
  n += value_slots(slots + n);
  n += operator_slots(slots + n, std::size(slots) - n - 1);
  slots[n] = {};
  PyType_Spec spec = {"flambeau.Tensor", sizeof(TensorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  tensor_type = make_type(module, &spec, "Tensor");
  if (!tensor_type) return false;
  tensor_type->tp_name = "Tensor";  // as messages show it; __module__ is set by now
  // The metaclass adds no fields, so a type object of `type` can become one of it.
  Py_INCREF(meta_type);
  Py_SET_TYPE(reinterpret_cast<PyObject*>(tensor_type), meta_type);
  PyType_Modified(tensor_type);
  release_py_object = release_owned_object;
  return PyModule_AddObjectRef(module, "TensorBase", reinterpret_cast<PyObject*>(tensor_type)) ==
             0 &&
         add_methods(native_methods, std::size(native_methods));
}

bool init_tensor(PyObject* module) {
  return init_tensor_type(module) && init_tensor_properties(module) &&
         init_tensor_methods(module) && init_tensor_values(module) && init_tensor_convert(module) &&
         init_tensor_lazy();
}

}  // namespace flambeau::python
