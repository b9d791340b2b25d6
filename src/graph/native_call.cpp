#include "graph/native_call.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tenon/runtime/memory.hpp"

namespace tenon::ir {
namespace {

std::vector<dtype> operand_types(const node& n) {
  std::vector<dtype> t;
  for (const node_ref& o : n.operands) t.push_back(o->type.element);
  return t;
}
native_fn function_of(const node& n) {
  const std::vector<dtype> t = operand_types(n);
  return n.op->native ? n.op->native(n.attrs.get(), {t.data(), static_cast<int>(t.size())}) : nullptr;
}
native_operand described(const value_type& t, const extent_t* strides) {
  native_operand o{nullptr, t.element, t.shape, {}};
  extent_t s = 1;
  for (int d = t.shape.rank - 1; d >= 0; --d) {
    o.strides[d] = strides ? strides[d] : s;
    s *= t.shape[d];
  }
  return o;
}

}  // namespace

bool has_native(const node& n) { return function_of(n) != nullptr; }

native_plan plan_native(const node& n, const std::function<const extent_t*(const node&)>& strides_of) {
  native_plan p;
  p.keep = node_ref(&n);
  p.run = function_of(n);
  if (!p.run) {
    std::string types;
    for (const node_ref& o : n.operands) types += (types.empty() ? "" : ", ") + to_string(o->type);
    throw type_error(fmt::format("{}: no definition for these types; {}; at {}:{}", n.op->name, types, n.where.file(),
                                 n.where.line()));
  }
  for (const node_ref& o : n.operands) p.in.push_back(described(o->type, strides_of ? strides_of(*o) : nullptr));
  p.out.push_back(described(n.type, nullptr));
  for (const value_type& t : n.more) p.out.push_back(described(t, nullptr));
  return p;
}

void native_plan::operator()(void* const* buffers) const {
  constexpr std::size_t most = 16;  // operands on the stack; a concatenation may have more
  native_operand few[most];
  std::vector<native_operand> many;
  native_operand* all = few;
  if (in.size() + out.size() > most) {
    many.resize(in.size() + out.size());
    all = many.data();
  }
  std::copy(out.begin(), out.end(), std::copy(in.begin(), in.end(), all));
  for (std::size_t i = 0; i < in.size() + out.size(); ++i) all[i].data = buffers[i];
  run({keep->attrs.get(), all, static_cast<int>(in.size()), all + in.size(), static_cast<int>(out.size())});
}

std::vector<constant_value> evaluate_native(const node& n) {
  const native_plan plan = plan_native(n);
  std::vector<void*> buffers;
  for (const node_ref& o : n.operands) buffers.push_back(const_cast<void*>(constant_of(*o).data()));
  std::vector<constant_value> results;
  std::vector<std::shared_ptr<const void>> made;
  for (int i = 0; i < n.results(); ++i) {
    const value_type& t = i == 0 ? n.type : n.more[i - 1];
    const auto bytes = static_cast<std::size_t>(std::max<std::int64_t>(t.shape.count() * size_of(t.element), 1));
    void* p = detail::allocate(nullptr, bytes);
    made.emplace_back(p, [bytes](const void* q) { detail::deallocate(nullptr, const_cast<void*>(q), bytes); });
    buffers.push_back(p);
  }
  plan(buffers.data());
  for (int i = 0; i < n.results(); ++i) {
    const value_type& t = i == 0 ? n.type : n.more[i - 1];
    results.emplace_back(t.element, t.shape, made[i]);
  }
  return results;
}

}  // namespace tenon::ir
