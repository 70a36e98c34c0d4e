// flambeau.Generator and the functions of the default one.
#include "core/random/generator.h"

#include "core/python/binding.h"
#include "core/tensor/device_table.h"

namespace flambeau::python {

PyTypeObject* generator_type;

namespace {

struct GeneratorObject {
  PyObject_HEAD Generator* generator;
  bool owned;  // false for the default one, which the core keeps
  Device device;
  PyObject* weakrefs;
};

GeneratorObject* object(PyObject* o) { return reinterpret_cast<GeneratorObject*>(o); }
Generator& generator_of(PyObject* o) { return *object(o)->generator; }

PyObject* default_object;

PyObject* make(PyTypeObject* type, Generator* generator, bool owned, Device device = {}) {
  PyObject* self = must(type->tp_alloc(type, 0));
  object(self)->generator = generator;
  object(self)->owned = owned;
  object(self)->device = device;
  return self;
}

PyObject* generator_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    static const char* const kNames[] = {"device", nullptr};
    PyObject* device = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(kNames),
                                     &device))
      throw PythonError();
    const Device where =
        device && device != Py_None ? resolved(unwrap_device(device), "Generator") : Device{};
    check(!where.is_meta(), "Generator: device type meta is not supported: it draws no numbers");
    return make(type, new Generator(), true, where);
  });
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  if (object(self)->weakrefs) PyObject_ClearWeakRefs(self);
  if (object(self)->owned) delete object(self)->generator;
  type->tp_free(self);
  Py_DECREF(type);
}

// What int() takes is a seed for flambeau.manual_seed, and integers alone for a generator.
uint64_t unwrap_seed(PyObject* o, bool converts) {
  if (!converts && !PyIndex_Check(o))
    raise("manual_seed: manual_seed expected a long, but got ", Py_TYPE(o)->tp_name);
  const Object index(must(converts ? PyNumber_Long(o) : PyNumber_Index(o)));
  int overflow;
  const long long v = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  if (!overflow) return static_cast<uint64_t>(v);  // -1 is the largest seed, as in PyTorch
  const uint64_t u = PyLong_AsUnsignedLongLong(index.get());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    raise<ValueError>(
        "manual_seed: Overflow when unpacking long: the seed must lie in [-2**63, 2**64)");
  }
  return u;
}

PyObject* seed_with(PyObject* self, PyObject* seed, bool converts) {
  return guarded([&] {
    const uint64_t value = unwrap_seed(seed, converts);
    const std::lock_guard lock(generator_of(self).mutex);
    generator_of(self).manual_seed(value);
    return Py_NewRef(self);
  });
}
PyObject* manual_seed(PyObject* self, PyObject* seed) { return seed_with(self, seed, false); }
PyObject* seed(PyObject* self, PyObject*) {
  return guarded([&] {
    const std::lock_guard lock(generator_of(self).mutex);
    return PyLong_FromUnsignedLongLong(generator_of(self).seed());
  });
}
PyObject* initial_seed(PyObject* self, PyObject*) {
  const std::lock_guard lock(generator_of(self).mutex);
  return PyLong_FromUnsignedLongLong(generator_of(self).initial_seed());
}

Tensor state_of(const Generator& generator) {
  const int64_t n = Generator::kStateBytes;
  const Tensor state = empty({&n, 1}, {DType::uint8});
  const std::lock_guard lock(generator.mutex);
  generator.get_state(state.data<uint8_t>());
  return state;
}
PyObject* get_state(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(state_of(generator_of(self))); });
}
PyObject* set_state(PyObject* self, PyObject* state) {
  return guarded([&] {
    if (!is_tensor(state))
      raise_python(PyExc_TypeError, "set_state(): expected a torch.ByteTensor, but got %.200s",
                   Py_TYPE(state)->tp_name);
    const Tensor& t = unwrap(state);
    check<TypeError>(t.dtype() == DType::uint8 && t.device().is_cpu() && t.is_contiguous(),
                     "RNG state must be a torch.ByteTensor: a contiguous uint8 tensor on the CPU");
    const std::lock_guard lock(generator_of(self).mutex);
    generator_of(self).set_state(t.data<uint8_t>(), static_cast<size_t>(t.numel()));
    return Py_NewRef(self);
  });
}
PyObject* clone_state(PyObject* self, PyObject*) {
  return guarded([&] {
    auto copy = std::make_unique<Generator>();
    {
      const std::lock_guard lock(generator_of(self).mutex);
      copy->copy_state(generator_of(self));
    }
    PyObject* made = make(generator_type, copy.get(), true, object(self)->device);
    copy.release();
    return made;
  });
}
PyObject* get_device(PyObject* self, void*) { return wrap(object(self)->device); }

PyObject* reduce(PyObject* self, PyObject*) {
  return guarded([&] {
    const Object state(must(wrap(state_of(generator_of(self)))));
    return must(
        Py_BuildValue("O(s)O", generator_type, object(self)->device.str().c_str(), state.get()));
  });
}

PyMethodDef methods[] = {
    {"manual_seed", manual_seed, METH_O, "Seeds the generator and returns it."},
    {"seed", seed, METH_NOARGS, "Seeds with a number from the system, and returns the number."},
    {"initial_seed", initial_seed, METH_NOARGS, "The number that it was last seeded with."},
    {"get_state", get_state, METH_NOARGS, "The state as a uint8 tensor."},
    {"set_state", set_state, METH_O, "Takes a state that get_state gave."},
    {"clone_state", clone_state, METH_NOARGS, "Another generator in the same state."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__setstate__", set_state, METH_O, nullptr},
    {}};
PyGetSetDef properties[] = {
    {"device", get_device, nullptr, "The device that it makes numbers for.", {}}, {}};
PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(GeneratorObject, weakrefs), READONLY, nullptr}, {}};
PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Generator(device='cpu'): a stream of random numbers.")},
    {Py_tp_new, reinterpret_cast<void*>(generator_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {}};
PyType_Spec spec = {"flambeau.Generator", sizeof(GeneratorObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

// Seeds the default generators of all devices.
PyObject* default_manual_seed(PyObject*, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return guarded([&] {
    static const char* const kNames[] = {"seed"};
    PyObject* value = nullptr;
    read_arguments("manual_seed", kNames, 1, args, n, kwnames, &value);
    const uint64_t number = unwrap_seed(value, true);
    const auto reseed = [&](Generator& generator) {
      const std::lock_guard lock(generator.mutex);
      generator.manual_seed(number);
    };
    reseed(default_generator());
    for (int type = 0; type < kDeviceTypes; ++type) {
      const DeviceTable* const table = device_table(static_cast<DeviceType>(type));
      const int count = table && table->generator ? table->count() : 0;
      for (int i = 0; i < count; ++i)
        if (Generator& own = table->generator(i); &own != &default_generator()) reseed(own);
    }
    return Py_NewRef(default_object);
  });
}
PyObject* default_seed(PyObject*, PyObject*) { return seed(default_object, nullptr); }
PyObject* default_initial_seed(PyObject*, PyObject*) {
  return initial_seed(default_object, nullptr);
}
PyObject* get_rng_state(PyObject*, PyObject*) { return get_state(default_object, nullptr); }
PyObject* set_rng_state(PyObject*, PyObject* state) {
  const Object self(set_state(default_object, state));
  return self ? Py_NewRef(Py_None) : nullptr;
}

PyMethodDef functions[] = {
    {"manual_seed", c_function(default_manual_seed), METH_FASTCALL | METH_KEYWORDS,
     "manual_seed(seed)\n--\n\nSeeds the default generator; returns it."},
    {"seed", default_seed, METH_NOARGS,
     "seed()\n--\n\nSeeds the default generator from the system."},
    {"initial_seed", default_initial_seed, METH_NOARGS,
     "initial_seed()\n--\n\nThe default generator's last seed."},
    {"get_rng_state", get_rng_state, METH_NOARGS,
     "get_rng_state()\n--\n\nThe default generator's state."},
    {"set_rng_state", set_rng_state, METH_O,
     "set_rng_state(new_state, /)\n--\n\nSets the default generator's state."},
    {}};

}  // namespace

Generator* unwrap_generator(PyObject* o) {
  if (is_generator(o)) return object(o)->generator;
  raise_python(PyExc_TypeError, "expected a torch.Generator, got %.200s", Py_TYPE(o)->tp_name);
}

// Only the default generators can come from C++ without an object of their own.
PyObject* wrap_generator(Generator* g, Device device) {
  if (!g) return Py_NewRef(Py_None);
  if (g == object(default_object)->generator) return Py_NewRef(default_object);
  return make(generator_type, g, false, device);
}

bool init_generator(PyObject* module) {
  generator_type = make_type(module, &spec, "Generator");
  if (!generator_type) return false;
  default_object = guarded([] { return make(generator_type, &default_generator(), false); });
  return default_object &&
         PyModule_AddObjectRef(module, "default_generator", default_object) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
