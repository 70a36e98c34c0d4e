#include "kernels/cpu/linalg/batch.h"

#include <string>
#include <string_view>

#include "kernels/cpu/linalg/linalg.h"
#include "kernels/cpu/pointwise/pointwise.h"

namespace flambeau::inline v1::cpu {

Dims column_strides(IntSpan sizes) {
  Dims strides = contiguous_strides(sizes);
  const size_t n = sizes.size();
  if (n >= 2) {
    strides[n - 2] = 1;
    strides[n - 1] = std::max<int64_t>(1, sizes[n - 2]);
  }
  return strides;
}

bool by_columns(const Tensor& t) {
  const Dims wanted = column_strides(t.sizes());
  for (size_t d = 0; d < wanted.size(); ++d)
    if (t.sizes()[d] > 1 && t.strides()[d] != wanted[d]) return false;
  return true;
}

Tensor columns_of(const Tensor& t, IntSpan sizes) {
  const Tensor made = empty_strided(sizes, column_strides(sizes), t.options());
  copy(made, t);
  return made;
}

Tensor read_columns(const Tensor& t) { return by_columns(t) ? t : columns_of(t); }

Tensor read_rows(const Tensor& t) {
  if (t.is_contiguous()) return t;
  const Tensor made = empty(t.sizes(), t.options());
  copy(made, t);
  return made;
}

Result::Result(const Tensor& out, bool fits, IntSpan strides)
    : out_(out), work_(fits ? out : empty_strided(out.sizes(), strides, out.options())) {}

Result Result::columns(const Tensor& out) {
  return {out, by_columns(out), column_strides(out.sizes())};
}

Result Result::rows(const Tensor& out) {
  return {out, out.is_contiguous(), contiguous_strides(out.sizes())};
}

void Result::store() const {
  if (!work_.is(out_)) copy(out_, work_);
}

void fill_diagonals(const Tensor& t) {
  const int64_t last = t.dim() - 1;
  fill(t, Scalar(int64_t{0}));
  Dims sizes(batch_of(t)), strides(t.strides().first(t.strides().size() - 2));
  sizes.push_back(std::min(t.size(last), t.size(last - 1)));
  strides.push_back(t.stride(last) + t.stride(last - 1));
  fill(Tensor::alias(t, sizes, strides, t.offset()), Scalar(int64_t{1}));
}

Shape::Shape(const Tensor& t) {
  const IntSpan sizes = t.sizes();
  for (const int64_t n : batch_of(t)) count *= n;
  rows = lapack::size(sizes[sizes.size() - 2]);
  columns = lapack::size(sizes[sizes.size() - 1]);
}

std::vector<int64_t> places_in(IntSpan batch, IntSpan own) {
  std::vector<int64_t> places{0};
  int64_t step = 1;
  Dims steps(batch.size(), 0);
  for (size_t i = 0; i < own.size(); ++i) {
    const size_t d = own.size() - 1 - i;
    if (own[d] != 1) steps[batch.size() - 1 - i] = step;
    step *= own[d];
  }
  for (size_t d = 0; d < batch.size(); ++d) {
    std::vector<int64_t> next;
    next.reserve(places.size() * static_cast<size_t>(batch[d]));
    for (const int64_t place : places)
      for (int64_t k = 0; k < batch[d]; ++k) next.push_back(place + k * steps[d]);
    places = std::move(next);
  }
  return places;
}

namespace {

// What a positive info says, around its number.
struct Failure {
  const char *before, *after;
};

Failure failure_of(std::string_view op) {
  const auto is = [&](std::string_view part) { return op.find(part) != op.npos; };
  if (is("cholesky_inverse") || is("inv") || is(".solve") || is("_solve_ex"))
    return {"the matrix is singular: element ", " of the diagonal of a factor is zero"};
  if (is("cholesky"))
    return {"the matrix is not positive-definite: its leading minor of order ", " is not positive"};
  if (is("lu"))
    return {"U is singular: element ", " of its diagonal is zero, by which lu_solve would divide"};
  if (is("lstsq"))
    return {"the matrix does not have full rank: element ", " of the diagonal of R is zero"};
  if (is("ldl")) return {"D is singular: its block ", " is zero"};
  return {
      "the algorithm did not converge, since the matrix is ill-conditioned or has too many "
      "repeated eigenvalues or singular values (error code ",
      ")"};
}

}  // namespace

void check_info(const char* op, const int* info, int64_t count, bool is_matrix) {
  for (int64_t i = 0; i < count; ++i) {
    if (info[i] == 0) continue;
    const std::string where = is_matrix ? std::string() : concat("(Batch element ", i, "): ");
    if (info[i] < 0)
      raise<LinAlgError>(op, ": ", where, "the matrix has elements that LAPACK does not take, ",
                         "such as NaN (argument ", -info[i], ")");
    const Failure failure = failure_of(op);
    raise<LinAlgError>(op, ": ", where, failure.before, info[i], failure.after);
  }
}

void linalg_check_errors(const Tensor& info, std::string_view op, bool is_matrix) {
  const Tensor codes = empty(info.sizes(), {DType::int32, info.device()});
  copy(codes, info);
  check_info(std::string(op).c_str(), codes.data<int>(), codes.numel(), is_matrix);
}

}  // namespace flambeau::inline v1::cpu
