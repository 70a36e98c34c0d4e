// Sums of products over named dimensions.

#include <algorithm>
#include <array>

#include "core/dispatch/op.h"
#include "flambeau/kernels/composite.h"
#include "flambeau/kernels/rearrange.h"
#include "flambeau/ops/bmm.h"
#include "flambeau/ops/diagonal.h"
#include "flambeau/ops/mm.h"
#include "flambeau/ops/movedim.h"
#include "flambeau/ops/mul.h"
#include "flambeau/ops/permute.h"
#include "flambeau/ops/reshape.h"
#include "flambeau/ops/sum.h"
#include "flambeau/ops/t.h"
#include "flambeau/ops/unsqueeze.h"

namespace flambeau::inline v1::native {
namespace {

// Note [Labels of einsum]
// A dimension's label is a number: letters come first, in the order in which an output that is not
// written out has them; behind them the dimensions that an ellipsis stands for, from the left.
constexpr int kLetters = 52;
constexpr int kEllipsis = -1;  // in what is parsed, before its dimensions are counted
using Labels = std::vector<int>;

char letter(int label) { return static_cast<char>(label < 26 ? 'A' + label : 'a' + label - 26); }

int label_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  return -2;
}

struct Equation {
  std::vector<Labels> inputs;
  std::optional<Labels> output;
};

class Parser {
 public:
  Parser(std::string_view text, size_t operands) : text_(text), operands_(operands) {}

  Equation parse() {
    Equation e;
    e.inputs.push_back(terms(false, 0));
    while (at_ < text_.size() && text_[at_] == ',') {
      ++at_;
      check(e.inputs.size() < operands_,
            "einsum: fewer operands were provided than specified in the equation '", text_, "'");
      e.inputs.push_back(terms(false, e.inputs.size()));
    }
    check(e.inputs.size() == operands_,
          "einsum: more operands were provided than specified in the equation '", text_, "'");
    if (at_ < text_.size()) {
      at_ += 2;
      e.output = terms(true, 0);
      if (at_ < text_.size()) bad_subscript();
    }
    return e;
  }

 private:
  bool arrow() const { return text_.substr(at_, 2) == "->"; }

  [[noreturn]] void bad_subscript() const {
    raise("einsum: invalid subscript given at index ", at_, " in the equation string '", text_,
          "', subscripts must be in [a-zA-Z]");
  }

  // The labels up to a comma, an arrow or the end.
  Labels terms(bool output, size_t operand) {
    const std::string where = output ? "the output" : concat("operand ", operand);
    Labels labels;
    bool ellipsis = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == ' ') continue;
      if (!output && (c == ',' || arrow())) break;
      if (c == '.') {
        check(!ellipsis, "einsum: found '.' for ", where,
              " for which an ellipsis was already found");
        check(text_.substr(at_, 3) == "...", "einsum: found '.' for ", where,
              " that is not part of any ellipsis");
        at_ += 2;
        ellipsis = true;
        labels.push_back(kEllipsis);
        continue;
      }
      const int label = label_of(c);
      if (label < 0) bad_subscript();
      labels.push_back(label);
    }
    return labels;
  }

  std::string_view text_;
  size_t operands_, at_ = 0;
};

// The equation with sizes: which label has which, and which labels the output has.
class Plan {
 public:
  Plan(const Equation& e, TensorSpan tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) count_ellipsis(e.inputs[i], tensors[i], i);
    sizes_.assign(kLetters + ellipsis_, 0);
    uses_.assign(kLetters + ellipsis_, 0);
    for (size_t i = 0; i < tensors.size(); ++i) {
      inputs_.push_back(expanded(e.inputs[i], tensors[i].dim()));
      check_repeated(inputs_[i], tensors[i], i);
      for (int64_t d = 0; d < tensors[i].dim(); ++d) see(inputs_[i][d], tensors[i].sizes()[d], i);
    }
    e.output ? explicit_output(*e.output) : implicit_output();
    outputs_ = order_.size();
    for (size_t label = 0; label < sizes_.size(); ++label)
      if (uses_[label] && std::find(order_.begin(), order_.end(), label) == order_.end())
        order_.push_back(static_cast<int>(label));
  }

  size_t outputs() const { return outputs_; }  // dimensions of the output; the others are summed
  size_t dims() const { return order_.size(); }

  // The operand with all dimensions of the plan, in its order: diagonals for repeated labels,
  // dimensions of size 1 for those that it lacks.
  Tensor aligned(Tensor t, size_t operand) const {
    Labels labels = inputs_[operand];
    for (size_t a = 0; a < labels.size(); ++a)
      for (size_t b = labels.size() - 1; b > a; --b) {
        if (labels[b] != labels[a]) continue;
        t = entry::movedim_int(
            entry::diagonal(t, 0, static_cast<int64_t>(a), static_cast<int64_t>(b)), -1,
            static_cast<int64_t>(a));
        labels.erase(labels.begin() + static_cast<int64_t>(b));
      }
    Dims order;
    for (const int label : order_) {
      const auto found = std::find(labels.begin(), labels.end(), label);
      order.push_back(found - labels.begin());
      if (found != labels.end()) continue;
      t = entry::unsqueeze(t, -1);
      labels.push_back(label);
    }
    return entry::permute(t, order);
  }

 private:
  static std::string shown(int label) {
    return label < kLetters ? std::string(1, letter(label)) : std::string("...");
  }

  void count_ellipsis(const Labels& labels, const Tensor& t, size_t operand) {
    const bool has = std::find(labels.begin(), labels.end(), kEllipsis) != labels.end();
    const int64_t named = static_cast<int64_t>(labels.size()) - has;
    check(has ? named <= t.dim() : named == t.dim(),
          "einsum: the number of subscripts in the equation (", named, ") ",
          has ? "is more than the number of dimensions ("
              : "does not match the number of dimensions (",
          t.dim(), ") for operand ", operand, has ? "" : " and no ellipsis was given");
    if (has) ellipsis_ = std::max(ellipsis_, static_cast<int>(t.dim() - named));
  }

  // An ellipsis as its dimensions: `dims` says how many a tensor has in all. They are counted from
  // the right, as in broadcasting.
  Labels expanded(const Labels& labels, int64_t dims) const {
    Labels out;
    const int covered = static_cast<int>(dims) - static_cast<int>(labels.size()) + 1;
    for (const int label : labels) {
      if (label != kEllipsis) {
        out.push_back(label);
        continue;
      }
      for (int k = ellipsis_ - covered; k < ellipsis_; ++k) out.push_back(kLetters + k);
    }
    return out;
  }

  static void check_repeated(const Labels& labels, const Tensor& t, size_t operand) {
    for (size_t b = 0; b < labels.size(); ++b) {
      const size_t a = std::find(labels.begin(), labels.end(), labels[b]) - labels.begin();
      check(t.sizes()[a] == t.sizes()[b], "einsum: subscript ", shown(labels[b]),
            " is repeated for operand ", operand, " but the sizes don't match, ", t.sizes()[b],
            " != ", t.sizes()[a]);
    }
  }

  void see(int label, int64_t size, size_t operand) {
    ++uses_[label];
    int64_t& known = sizes_[label];
    if (uses_[label] == 1 || known == 1) {
      known = size;
      return;
    }
    check(size == 1 || size == known, "einsum: subscript ", shown(label), " has size ", size,
          " for operand ", operand, " which does not broadcast with previously seen size ", known);
  }

  void explicit_output(const Labels& output) {
    const bool has = std::find(output.begin(), output.end(), kEllipsis) != output.end();
    const int64_t dims = static_cast<int64_t>(output.size()) - has + (has ? ellipsis_ : 0);
    for (const int label : expanded(output, dims)) {
      check(std::find(order_.begin(), order_.end(), label) == order_.end(),
            "einsum: output subscript ", shown(label), " appears more than once in the output");
      check(uses_[label] > 0, "einsum: output subscript ", shown(label),
            " does not appear in the equation for any input operand");
      order_.push_back(label);
    }
  }

  void implicit_output() {
    for (int k = 0; k < ellipsis_; ++k) order_.push_back(kLetters + k);
    for (int label = 0; label < kLetters; ++label)
      if (uses_[label] == 1) order_.push_back(label);
  }

  int ellipsis_ = 0;
  std::vector<int64_t> sizes_;
  std::vector<int> uses_;
  std::vector<Labels> inputs_;
  Labels order_;
  size_t outputs_ = 0;
};

// One matrix product in place of `a * b` summed over dimensions that both have.
Tensor product_summed(const Tensor& a, const Tensor& b, const std::vector<bool>& summed) {
  Dims batch, left, inner, right;  // dimensions by their part in the product
  Dims ones;
  for (int64_t d = 0; d < a.dim(); ++d) {
    const bool in_a = a.sizes()[d] != 1, in_b = b.sizes()[d] != 1;
    (!in_a && !in_b ? ones
     : in_a && in_b ? (summed[d] ? inner : batch)
     : in_a         ? left
                    : right)
        .push_back(d);
  }
  const auto matrices = [](const Tensor& t, std::array<const Dims*, 3> parts, const Dims& rest) {
    Dims order, shape;
    for (const Dims* part : parts) {
      int64_t size = 1;
      for (const int64_t d : *part) {
        order.push_back(d);
        size *= t.sizes()[d];
      }
      shape.push_back(size);
    }
    for (const int64_t d : rest) order.push_back(d);
    return entry::reshape(entry::permute(t, order), shape);
  };
  Dims rest_a(right), rest_b(left);
  for (const int64_t d : ones) {
    rest_a.push_back(d);
    rest_b.push_back(d);
  }
  const Tensor product = entry::bmm(matrices(a, {&batch, &left, &inner}, rest_a),
                                    matrices(b, {&batch, &inner, &right}, rest_b));
  Dims sizes, place(a.dim(), 0);
  const auto take = [&](const Dims& part, const Tensor* from) {
    for (const int64_t d : part) {
      place[d] = static_cast<int64_t>(sizes.size());
      sizes.push_back(from ? from->sizes()[d] : 1);
    }
  };
  take(batch, &a);
  take(left, &a);
  take(right, &b);
  take(inner, nullptr);
  take(ones, nullptr);
  return entry::permute(entry::reshape(product, sizes), place);
}

Tensor summed_over(const Tensor& t, const Dims& dims) {
  return dims.empty() ? t : entry::sum_dim_IntList(t, IntSpan(dims), true, std::nullopt);
}

// a * b, with the dimensions in `summed` brought to size 1.
Tensor contract(Tensor a, Tensor b, const std::vector<bool>& summed) {
  Dims only_a, only_b;
  bool inner = false;
  for (int64_t d = 0; d < a.dim(); ++d) {
    if (!summed[d]) continue;
    const bool in_a = a.sizes()[d] != 1, in_b = b.sizes()[d] != 1;
    inner = inner || (in_a && in_b);
    if (in_a && !in_b) only_a.push_back(d);
    if (in_b && !in_a) only_b.push_back(d);
  }
  a = summed_over(a, only_a);
  b = summed_over(b, only_b);
  return inner ? product_summed(a, b, summed) : entry::mul_Tensor(a, b);
}

// "ij,kj->ik" and its like: one product of matrices, which needs no plan. The result is laid out as
// the general way lays it out. Nothing where a letter is repeated, a size broadcasts, or dimensions
// are summed that only one operand has.
std::optional<Tensor> matrix_product(std::string_view e, TensorSpan t) {
  if (active_keys(~KeySet{0}, t)) return {};  // someone sees the ops: they are to be PyTorch's
  if (t.size() != 2 || e.size() != 9 || e[2] != ',' || e[5] != '-' || e[6] != '>') return {};
  if (t[0].dim() != 2 || t[1].dim() != 2 || !is_floating(t[0].dtype())) return {};
  for (const size_t i : {0, 1, 3, 4, 7, 8})
    if (label_of(e[i]) < 0) return {};
  if (e[0] == e[1] || e[3] == e[4]) return {};
  const bool last = e[1] == e[3] || e[1] == e[4];  // of the first operand: the letter of both
  const char inner = last ? e[1] : e[0], left = last ? e[0] : e[1];
  if (inner != e[3] && inner != e[4]) return {};
  const bool first = inner == e[3];  // of the second operand
  const char right = first ? e[4] : e[3];
  const bool plain = e[7] == left && e[8] == right;
  if (left == right || !(plain || (e[7] == right && e[8] == left))) return {};
  if (t[0].sizes()[last] != t[1].sizes()[!first]) return {};
  const Tensor a = last ? t[0] : entry::t(t[0]), b = first ? t[1] : entry::t(t[1]);
  const Tensor product = entry::mm(a, b);
  return plain ? product : entry::t(product);
}

void check_path(const std::optional<IntSpan>& path, size_t operands) {
  if (!path) return;
  check(path->size() == 2 * (operands - 1), "einsum: path must name two operands for each of the ",
        operands - 1, " contractions, got ", path->size(), " numbers");
}

}  // namespace

Tensor einsum(std::string_view equation, TensorSpan tensors, std::optional<IntSpan> path) {
  check(!tensors.empty(), "einsum: must provide at least one operand");
  for (const Tensor& t : tensors)
    check(t.dtype() == tensors[0].dtype(), "einsum: expected scalar type ",
          dtype_name(tensors[0].dtype()), " but found ", dtype_name(t.dtype()));
  check_path(path, tensors.size());
  if (!path)
    if (std::optional<Tensor> product = matrix_product(equation, tensors)) return *product;
  const Plan plan(Parser(equation, tensors.size()).parse(), tensors);
  TensorVec operands;
  for (size_t i = 0; i < tensors.size(); ++i) operands.push_back(plan.aligned(tensors[i], i));

  for (size_t step = 0; operands.size() > 1; ++step) {
    // Without a path from left to right, the result coming first; with one it comes last.
    int64_t i = path ? (*path)[2 * step] : 0, j = path ? (*path)[2 * step + 1] : 1;
    const int64_t n = static_cast<int64_t>(operands.size());
    check(i >= 0 && i < n && j >= 0 && j < n && i != j, "einsum: path names the operands ", i,
          " and ", j, " of ", n);
    if (i > j) std::swap(i, j);
    const Tensor a = operands[i], b = operands[j];
    operands.erase(operands.begin() + j);
    operands.erase(operands.begin() + i);
    std::vector<bool> summed(plan.dims(), false);
    for (size_t d = plan.outputs(); d < plan.dims(); ++d)
      summed[d] = std::all_of(operands.begin(), operands.end(),
                              [&](const Tensor& t) { return t.sizes()[d] == 1; });
    operands.insert(path ? operands.end() : operands.begin(), contract(a, b, summed));
  }
  Tensor result = operands[0];
  Dims rest;
  for (size_t d = plan.outputs(); d < plan.dims(); ++d) rest.push_back(static_cast<int64_t>(d));
  if (rest.empty()) return result;
  if (tensors.size() == 1)
    return entry::sum_dim_IntList(result, IntSpan(rest), false, std::nullopt);
  return entry::reshape(result, result.sizes().first(plan.outputs()));
}

}  // namespace flambeau::inline v1::native
