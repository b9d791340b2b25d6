#include "graph/pass_additions.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tenon {

graph_pass::graph_pass(std::string name, const body* b) noexcept : name_(std::move(name)), body_(b) {}
graph_pass::graph_pass(const graph_pass& o) : name_(o.name_), body_(o.body_) {
  if (body_) std::atomic_ref(body_->references).fetch_add(1, std::memory_order_relaxed);
}
graph_pass::graph_pass(graph_pass&& o) noexcept : name_(std::move(o.name_)), body_(std::exchange(o.body_, nullptr)) {}
graph_pass& graph_pass::operator=(graph_pass o) noexcept {
  name_.swap(o.name_);
  std::swap(body_, o.body_);
  return *this;
}
graph_pass::~graph_pass() {
  if (body_ && std::atomic_ref(body_->references).fetch_sub(1, std::memory_order_acq_rel) == 1) delete body_;
}

ir::graph graph_pass::operator()(const ir::graph& g) const { return body_->run(g); }

pass_place after(std::string_view pass) { return {std::string(pass), true}; }
pass_place before(std::string_view pass) { return {std::string(pass), false}; }

pass_additions::pass_additions() noexcept = default;
pass_additions::pass_additions(const pass_additions& o) noexcept : content_(o.content_) {
  if (content_) content_->references.fetch_add(1, std::memory_order_relaxed);
}
pass_additions& pass_additions::operator=(pass_additions o) noexcept {
  std::swap(content_, o.content_);
  return *this;
}
pass_additions::~pass_additions() {
  if (content_ && content_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete content_;
}
pass_additions::content& pass_additions::own() {
  pass_additions mine;
  mine.content_ = content_ ? new content(*content_) : new content;
  *this = mine;
  return *content_;
}

pass_context& pass_context::add(graph_pass pass, pass_place place) {
  auto& content = additions.own();
  if (std::ranges::any_of(content.passes, [&](const auto& p) { return p.pass.name() == pass.name(); }))
    throw argument_error(fmt::format("pass_context: a pass '{}' was added before", pass.name()));
  content.passes.push_back({std::move(pass), std::move(place)});
  return *this;
}
pass_context& pass_context::add(pass_instrument& i) {
  additions.own().instruments.push_back(&i);
  return *this;
}

void pass_instrument::before(std::string_view, const ir::graph&) {}
void pass_instrument::after(std::string_view, const ir::graph&, double) {}

}  // namespace tenon
