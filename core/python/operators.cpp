// The operators of Tensor: number slots and comparisons that ops fill, as the records say.
#include <cstring>

#include "core/python/call.h"
#include "core/python/numbers.h"

namespace flambeau::python {
namespace {

// What an operator calls: the method of its op, with all overloads. `whole` is the function of the
// op, which may also take a number first. `reflected` is set when the reflection is an op of its
// own (rsub), or a Python function (division by a tensor is a composition).
struct Operator {
  FunctionObject* forward = nullptr;
  FunctionObject* whole = nullptr;
  FunctionObject* reflected = nullptr;
  PyObject* reflected_function = nullptr;
  // What __torch_function__ gets, as an attribute of Tensor; for a reflection with the tensor
  // first. Where that has no name, or a number overrides, it gets the function that will run.
  const char* public_name = nullptr;
  const char* reflected_name = nullptr;
};

constexpr const char* kBinary[] = {"nb_add",          "nb_subtract",    "nb_multiply",
                                   "nb_remainder",    "nb_lshift",      "nb_rshift",
                                   "nb_and",          "nb_xor",         "nb_or",
                                   "nb_floor_divide", "nb_true_divide", "nb_matrix_multiply"};
constexpr int kBinaryIds[] = {Py_nb_add,          Py_nb_subtract,    Py_nb_multiply,
                              Py_nb_remainder,    Py_nb_lshift,      Py_nb_rshift,
                              Py_nb_and,          Py_nb_xor,         Py_nb_or,
                              Py_nb_floor_divide, Py_nb_true_divide, Py_nb_matrix_multiply};
constexpr const char* kInplace[] = {
    "nb_inplace_add",          "nb_inplace_subtract",    "nb_inplace_multiply",
    "nb_inplace_remainder",    "nb_inplace_lshift",      "nb_inplace_rshift",
    "nb_inplace_and",          "nb_inplace_xor",         "nb_inplace_or",
    "nb_inplace_floor_divide", "nb_inplace_true_divide", "nb_inplace_matrix_multiply"};
constexpr int kInplaceIds[] = {
    Py_nb_inplace_add,          Py_nb_inplace_subtract,    Py_nb_inplace_multiply,
    Py_nb_inplace_remainder,    Py_nb_inplace_lshift,      Py_nb_inplace_rshift,
    Py_nb_inplace_and,          Py_nb_inplace_xor,         Py_nb_inplace_or,
    Py_nb_inplace_floor_divide, Py_nb_inplace_true_divide, Py_nb_inplace_matrix_multiply};
constexpr const char* kUnary[] = {"nb_negative", "nb_absolute", "nb_invert"};
constexpr int kUnaryIds[] = {Py_nb_negative, Py_nb_absolute, Py_nb_invert};
constexpr const char* kCompare[] = {"lt", "le", "eq",
                                    "ne", "gt", "ge"};  // in the order of Py_LT...
constexpr const char* kCompareSpecial[] = {"__lt__", "__le__", "__eq__",
                                           "__ne__", "__gt__", "__ge__"};
// Operators that are told by their own name and not by that of their op.
constexpr const char* kSpecial[][2] = {
    {"nb_lshift", "__lshift__"},
    {"nb_rshift", "__rshift__"},
    {"nb_and", "__and__"},
    {"nb_xor", "__xor__"},
    {"nb_or", "__or__"},
    {"nb_floor_divide", "__floordiv__"},
    {"nb_inplace_lshift", "__ilshift__"},
    {"nb_inplace_rshift", "__irshift__"},
    {"nb_inplace_and", "__iand__"},
    {"nb_inplace_xor", "__ixor__"},
    {"nb_inplace_or", "__ior__"},
    {"nb_invert", "__invert__"},
    {"tp_richcompare:eq", "__eq__"},
};
constexpr const char* kReflected[][2] = {
    {"nb_subtract", "__rsub__"},
    {"nb_remainder", "__rmod__"},
    {"nb_lshift", "__rlshift__"},
    {"nb_rshift", "__rrshift__"},
    {"nb_floor_divide", "__rfloordiv__"},
    {"nb_matrix_multiply", "__rmatmul__"},
    {"nb_power", "__rpow__"},
    {"nb_and", "bitwise_and"},
    {"nb_xor", "bitwise_xor"},
    {"nb_or", "bitwise_or"},
};

Operator binary_ops[std::size(kBinary)], inplace_ops[std::size(kInplace)],
    unary_ops[std::size(kUnary)], compare_ops[std::size(kCompare)], power_op, inplace_power_op;

PyObject* not_implemented() { Py_RETURN_NOTIMPLEMENTED; }

// The operator's result; NotImplemented, for Python to try the other operand, when nothing fits.
PyObject* call_operator(FunctionObject* f, const char* public_name, PyObject* const* args,
                        Py_ssize_t n) {
  if (!f) [[unlikely]]
    return not_implemented();
  PyObject* result = call_fitting(f, args, n, nullptr, public_name);
  if (result || PyErr_Occurred()) [[likely]]
    return result;
  return not_implemented();
}

// Reflections that are Python functions come with the module that has them.
bool load_reflections() {
  static std::atomic<bool> loaded{false};
  if (!loaded) loaded = static_cast<bool>(Object(PyImport_ImportModule("flambeau._tensor")));
  return loaded;
}

// Operators leave arrays to NumPy and its promotion, those of no dimensions too, which functions
// take for numbers.
bool is_left_to_numpy(PyObject* o) {
  return !is_tensor(o) && !PyLong_CheckExact(o) && !PyFloat_CheckExact(o) && is_zero_dim_array(o);
}

// `1 + t`. An op of its own gets (t, 1). Else the order of the operands stays, with the number as a
// tensor, unless the operator is commutative: then the tensor comes first, as PyTorch has it.
PyObject* reflect(const Operator& op, bool commutative, PyObject* a, PyObject* b) {
  PyObject* const swapped[] = {b, a};
  if (op.reflected_name && is_tensor(b) && may_override(b)) [[unlikely]] {
    PyObject* answer = nullptr;
    const auto ask = [&] {
      answer = torch_function_on(b, op.reflected_name, swapped, 2);
      return 0;
    };
    if (guarded_int(ask) < 0 || answer) return answer;
  }
  if (is_left_to_numpy(a)) return not_implemented();
  if (is_number(a)) {
    if (!load_reflections()) return nullptr;
    if (op.reflected_function)
      return PyObject_Vectorcall(op.reflected_function, swapped, 2, nullptr);
  }
  if (op.reflected) return call_operator(op.reflected, nullptr, swapped, 2);
  if (commutative) return call_operator(op.forward, op.public_name, swapped, 2);
  PyObject* const args[] = {a, b};
  PyObject* result = call_operator(op.whole, nullptr, args, 2);
  if (result != Py_NotImplemented || !is_number(a)) return result;
  Py_DECREF(result);
  return guarded([&] {
    const Object number(must(wrap(wrapped_number(unwrap_scalar(a)))));
    PyObject* const tensors[] = {number.get(), b};
    return call_operator(op.forward, op.public_name, tensors, 2);
  });
}

// An operator that found nothing that fits. With an array it is Python's: arrays leave to a tensor
// what they could do themselves, and have no comparison with one.
PyObject* or_with_array(PyObject* result, const char* slot, PyObject* a, PyObject* b) {
  if (result != Py_NotImplemented || !(is_ndarray(a) || is_ndarray(b))) [[likely]]
    return result;
  Py_DECREF(result);
  const Object module(PyImport_ImportModule("flambeau._tensor"));
  return module ? PyObject_CallMethod(module.get(), "array_operator", "sOO", slot, a, b) : nullptr;
}

constexpr bool is_commutative(std::string_view slot) {
  return slot == "nb_add" || slot == "nb_multiply" || slot == "nb_and" || slot == "nb_or" ||
         slot == "nb_xor";
}

template <size_t I>
PyObject* binary(PyObject* a, PyObject* b) {
  const Operator& op = binary_ops[I];
  if (!is_tensor(a)) [[unlikely]]
    return or_with_array(reflect(op, is_commutative(kBinary[I]), a, b), kBinary[I], a, b);
  if (is_left_to_numpy(b) && !may_override(a)) [[unlikely]]
    return not_implemented();
  PyObject* const args[] = {a, b};
  return call_operator(op.forward, op.public_name, args, 2);
}

template <size_t I>
PyObject* inplace(PyObject* a, PyObject* b) {
  if (is_left_to_numpy(b) && !may_override(a)) [[unlikely]]
    return not_implemented();
  PyObject* const args[] = {a, b};
  return call_operator(inplace_ops[I].forward, inplace_ops[I].public_name, args, 2);
}

template <size_t I>
PyObject* unary(PyObject* a) {
  PyObject* result = call_operator(unary_ops[I].forward, unary_ops[I].public_name, &a, 1);
  if (kUnaryIds[I] == Py_nb_invert && !result && !is_integral(unwrap(a).dtype(), true) &&
      PyErr_ExceptionMatches(PyExc_NotImplementedError)) [[unlikely]] {
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError,
                 "~ (operator.invert) is only implemented on integer and Boolean-type tensors, not "
                 "on %s: compare first (~(t > 0))",
                 dtype_name(unwrap(a).dtype()));
  }
  if (result != Py_NotImplemented) return result;
  Py_DECREF(result);
  PyErr_Format(PyExc_TypeError, "bad operand type for unary operator %s: 'Tensor'", kUnary[I]);
  return nullptr;
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) return not_implemented();
  if (!is_tensor(a)) return or_with_array(reflect(power_op, false, a, b), "nb_power", a, b);
  if (is_left_to_numpy(b) && !may_override(a)) [[unlikely]]
    return not_implemented();
  PyObject* const args[] = {a, b};
  return call_operator(power_op.forward, power_op.public_name, args, 2);
}

PyObject* inplace_power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) return not_implemented();
  if (is_left_to_numpy(b) && !may_override(a)) [[unlikely]]
    return not_implemented();
  PyObject* const args[] = {a, b};
  return call_operator(inplace_power_op.forward, inplace_power_op.public_name, args, 2);
}

PyObject* compare(PyObject* a, PyObject* b, int how) {
  PyObject* const args[] = {a, b};
  PyObject* result = call_operator(compare_ops[how].forward, compare_ops[how].public_name, args, 2);
  return or_with_array(result, kCompareSpecial[how], a, b);
}

template <size_t... I>
void binary_slots(PyType_Slot* out, std::index_sequence<I...>) {
  ((out[I] = {kBinaryIds[I], reinterpret_cast<void*>(binary<I>)}), ...);
}
template <size_t... I>
void inplace_slots(PyType_Slot* out, std::index_sequence<I...>) {
  ((out[I] = {kInplaceIds[I], reinterpret_cast<void*>(inplace<I>)}), ...);
}
template <size_t... I>
void unary_slots(PyType_Slot* out, std::index_sequence<I...>) {
  ((out[I] = {kUnaryIds[I], reinterpret_cast<void*>(unary<I>)}), ...);
}

template <size_t N>
Operator* find_slot(const char* const (&names)[N], Operator (&table)[N], std::string_view slot) {
  for (size_t i = 0; i < N; ++i)
    if (slot == names[i]) return &table[i];
  return nullptr;
}

Operator* find_operator(std::string_view slot) {
  constexpr std::string_view kRich = "tp_richcompare:";
  if (slot == "nb_power") return &power_op;
  if (slot == "nb_inplace_power") return &inplace_power_op;
  if (slot.starts_with(kRich)) return find_slot(kCompare, compare_ops, slot.substr(kRich.size()));
  if (Operator* op = find_slot(kBinary, binary_ops, slot)) return op;
  if (Operator* op = find_slot(kInplace, inplace_ops, slot)) return op;
  return find_slot(kUnary, unary_ops, slot);
}

bool is_reflection(std::string_view name, std::string_view slot) {
  return name.starts_with("__r") && slot.starts_with("nb_") && name != "__rshift__" &&
         name != "__round__";
}

bool same_ops(const PythonName& a, const PythonName& b) {
  return std::strcmp(builtin_ops()[a.ops[0]]->name, builtin_ops()[b.ops[0]]->name) == 0;
}

const PythonName* find_name(PythonName::Where where, const char* name) {
  for (const PythonName& n : python_names())
    if (n.where == where && !*n.module && std::strcmp(n.name, name) == 0) return &n;
  return nullptr;
}

FunctionObject* function_of(const PythonName& name) {
  return as_function(must(make_function(name)));
}

template <size_t N>
const char* told_as(const char* const (&table)[N][2], std::string_view slot) {
  for (const auto& [known, told] : table)
    if (slot == known) return told;
  return nullptr;
}

const char* public_name_of(const PythonName& name) {
  const char* special = told_as(kSpecial, name.slot);
  return special ? special : builtin_ops()[name.ops[0]]->name;
}

// set_reflection("nb_true_divide", f): `number / tensor` calls f(tensor, number).
PyObject* set_reflection(PyObject*, PyObject* args) {
  const char* slot;
  PyObject* function;
  if (!PyArg_ParseTuple(args, "sO", &slot, &function)) return nullptr;
  Operator* op = find_operator(slot);
  if (!op) {
    PyErr_Format(PyExc_ValueError, "'%s' is no slot of Tensor", slot);
    return nullptr;
  }
  Py_XSETREF(op->reflected_function, Py_NewRef(function));
  Py_RETURN_NONE;
}
PyMethodDef functions[] = {{"_set_reflection", set_reflection, METH_VARARGS, nullptr}, {}};

}  // namespace

size_t operator_slots(PyType_Slot* out, size_t room) {
  constexpr size_t kNeeded = std::size(kBinary) + std::size(kInplace) + std::size(kUnary) + 3;
  if (room < kNeeded) std::abort();
  binary_slots(out, std::make_index_sequence<std::size(kBinary)>());
  size_t n = std::size(kBinary);
  inplace_slots(out + n, std::make_index_sequence<std::size(kInplace)>());
  n += std::size(kInplace);
  unary_slots(out + n, std::make_index_sequence<std::size(kUnary)>());
  n += std::size(kUnary);
  out[n++] = {Py_nb_power, reinterpret_cast<void*>(power)};
  out[n++] = {Py_nb_inplace_power, reinterpret_cast<void*>(inplace_power)};
  out[n++] = {Py_tp_richcompare, reinterpret_cast<void*>(compare)};
  return n;
}

void set_operator(const PythonName& name) {
  Operator* op = find_operator(name.slot);
  check(op, "no slot of Tensor is called ", name.slot, " (method ", name.name, ")");
  const char* op_name = builtin_ops()[name.ops[0]]->name;
  const PythonName* method = find_name(PythonName::Where::method, op_name);
  const PythonName* function = find_name(PythonName::Where::function, op_name);
  if (is_reflection(name.name, name.slot)) {
    if (!op->forward || !same_ops(*op->forward->name, name))
      op->reflected = function_of(function ? *function : name);  // with all overloads
    return;
  }
  op->forward = function_of(method ? *method : name);
  op->whole = function ? function_of(*function) : op->forward;
  op->public_name = public_name_of(name);
  op->reflected_name = told_as(kReflected, name.slot);
  // The forward op under its reflected name is no op of its own.
  if (op->reflected && same_ops(*op->reflected->name, name)) op->reflected = nullptr;
}

bool add_operator_functions(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace flambeau::python
