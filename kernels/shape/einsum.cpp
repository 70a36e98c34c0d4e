// The parser of einsum's equations.

#include "kernels/shape/einsum.h"

#include <string>

#include "core/tensor/error.h"

namespace flambeau::inline v1::shape {
namespace {

constexpr int64_t kEllipsis = -1;

int64_t label_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  return -2;
}

class Parser {
 public:
  Parser(std::string_view text, size_t operands) : text_(text), operands_(operands) {}

  std::vector<Dims> parse() {
    std::vector<Dims> made;
    made.reserve(operands_ + 1);
    made.push_back(terms(false, 0));
    while (at_ < text_.size() && text_[at_] == ',') {
      ++at_;
      check(made.size() < operands_,
            "einsum: fewer operands were provided than specified in the equation '", text_, "'");
      made.push_back(terms(false, made.size()));
    }
    check(made.size() == operands_,
          "einsum: more operands were provided than specified in the equation '", text_, "'");
    if (at_ < text_.size()) {
      at_ += 2;
      made.push_back(terms(true, 0));
      if (at_ < text_.size()) bad_subscript();
    }
    return made;
  }

 private:
  bool arrow() const { return text_.substr(at_, 2) == "->"; }

  [[noreturn]] void bad_subscript() const {
    raise("einsum: invalid subscript given at index ", at_, " in the equation string '", text_,
          "', subscripts must be in [a-zA-Z]");
  }

  // The labels up to a comma, an arrow or the end.
  Dims terms(bool output, size_t operand) {
    const auto where = [&] { return output ? "the output" : concat("operand ", operand); };
    Dims labels;
    bool ellipsis = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == ' ') continue;
      if (!output && (c == ',' || arrow())) break;
      if (c == '.') {
        if (ellipsis)
          raise("einsum: found '.' for ", where(), " for which an ellipsis was already found");
        if (text_.substr(at_, 3) != "...")
          raise("einsum: found '.' for ", where(), " that is not part of any ellipsis");
        at_ += 2;
        ellipsis = true;
        labels.push_back(kEllipsis);
        continue;
      }
      const int64_t label = label_of(c);
      if (label < 0) bad_subscript();
      labels.push_back(label);
    }
    return labels;
  }

  std::string_view text_;
  size_t operands_, at_ = 0;
};

}  // namespace

std::vector<Dims> einsum_labels(std::string_view equation, int64_t operands) {
  return Parser(equation, static_cast<size_t>(operands)).parse();
}

const char* einsum_label(int64_t label) {
  static constexpr auto kTexts = [] {
    std::array<std::array<char, 2>, 52> texts{};
    for (int i = 0; i < 52; ++i) texts[i][0] = static_cast<char>(i < 26 ? 'A' + i : 'a' + i - 26);
    return texts;
  }();
  return label < 52 ? kTexts[label].data() : "...";
}

}  // namespace flambeau::inline v1::shape
