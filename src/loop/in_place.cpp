#include "loop/in_place.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tenon/core/error.hpp"

namespace tenon::ir {

// Before: y[i] = f(x[i], b[i])
// After:  y[i] = f(y[i], b[i])
void compute_in_place(computation& c, const node& operand) {
  const auto gone = std::ranges::find(c.parameters, &operand, &computation::parameter::value) - c.parameters.begin();
  const auto now = [&](std::int64_t id) { return (id == gone ? c.output : id) - (id > gone || id == gone); };
  expr_arena& a = c.kernel.make();
  c.value = a.rewrite(c.value, [&](expr_ref e) -> expr_ref {
    if (!e->is(expr_kind::load) || e->payload < gone) return nullptr;
    return a.load(e->type, now(e->payload), e->indices(), e->mask());
  });
  c.parameters.erase(c.parameters.begin() + gone);
  c.kernel.buffers.erase(c.kernel.buffers.begin() + gone);
  for (std::size_t i = 0; i < c.kernel.buffers.size(); ++i) c.kernel.buffers[i].id = static_cast<std::int64_t>(i);
  --c.output;
}

void check_in_place(const kernel& k, std::int64_t result) {
  const auto fail = [&](const stmt& s, const char* what) {
    throw compile_error(fmt::format("kernel {}: {}, which is made in place, {}\n{}", k.name,
                                    k.buffers[static_cast<std::size_t>(result)].name, what, to_string(k, s)));
  };
  const auto is_bounded = [](expr_ref e) {
    return contains(e, [](expr_ref x) { return x->is(prim::min) || x->is(prim::max); });
  };
  visit(k.body, [&](const stmt& s) {
    if (const auto* l = std::get_if<loop>(&s.v); l && is_bounded(l->begin))
      fail(s, "may be stored twice: a loop begins at a min or max");
    const auto* w = std::get_if<store>(&s.v);
    const bool stores = w && w->buffer == result;
    if (stores && std::ranges::any_of(w->indices, is_bounded))
      fail(s, "may be stored twice: at a min or max of indices");
    visit_operands(s, [&](expr_ref e) {
      for (expr_ref x : post_order(std::span(&e, 1))) {
        if (!x->is(expr_kind::load) || x->payload != result) continue;
        if (!stores) fail(s, "is read by a statement that does not store it");
        if (!x->mask()->is_true() || !std::ranges::equal(x->indices(), w->indices))
          fail(s, "is read elsewhere than where it is stored");
      }
    });
  });
}

}  // namespace tenon::ir
