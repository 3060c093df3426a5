#include "tidewheel/rest/profile_page.h"

#include <string_view>

#include "tidewheel/rest/cluster_json.h"

namespace tidewheel {
namespace {

// Names of functions are full of them, and must end neither the script nor its data.
std::string without_less_than(std::string_view text, std::string_view instead) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += instead;
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Profile</title><style>
body { font: 13px sans-serif; margin: 12px; }
#graph { position: relative; }
#graph div { position: absolute; height: 17px; overflow: hidden; white-space: nowrap;
  font: 11px/17px monospace; border-left: 1px solid #fff; box-sizing: border-box;
  padding-left: 2px; cursor: pointer; }
#graph div.found { background: #c9f !important; }
</style></head><body>
)";

constexpr std::string_view kScript = R"(
<p><input id="search" placeholder="search"> <span id="share"></span>
A click makes a frame as wide as the page.</p>
<div id="graph"></div><p id="detail">&nbsp;</p><script>
const by = (id) => document.getElementById(id);
const data = JSON.parse(by("data").textContent).data;
const interval = Number(by("data").dataset.interval);
const color = (name) => {
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return `hsl(${10 + hash % 45} 85% ${62 + hash % 18}%)`;
};
const link = (node) => node.children.forEach((child) => { child.parent = node; link(child); });
link(data);
const path = (node) => node.parent ? path(node.parent).concat(node) : [node];
let root = data;
const draw = () => {
  by("graph").textContent = "";
  const wanted = by("search").value.toLowerCase();
  let depth = 0, found = 0;
  const box = (node, left, width, level, hit) => {
    const one = document.createElement("div");
    const place = `left:${left}%;width:${width}%;top:${level * 18}px`;
    one.style.cssText = `${place};background:${color(node.name)}`;
    if (hit) one.className = "found";
    one.textContent = node.name;
    const share = (100 * node.value / data.value).toFixed(2);
    const time = `${node.value} samples, ${node.value * interval} ms of threads`;
    one.title = `${node.name}\n${time}, ${share} %`;
    one.onmouseenter = () => { by("detail").textContent = one.title; };
    one.onclick = () => { root = node; draw(); };
    by("graph").append(one);
  };
  const add = (node, left, width, level, counted) => {
    depth = Math.max(depth, level);
    const hit = wanted !== "" && node.name.toLowerCase().includes(wanted);
    if (hit && !counted) found += node.value;
    if (width >= 0.05) box(node, left, width, level, hit);
    let at = left;
    for (const child of node.children) {
      const part = width * child.value / node.value;
      add(child, at, part, level + 1, counted || hit);
      at += part;
    }
  };
  const above = path(root).slice(0, -1);
  above.forEach((node, level) => box(node, 0, 100, level, false));
  if (root.value > 0) add(root, 0, 100, above.length, false);
  by("graph").style.height = `${(depth + 1) * 18}px`;
  const share = root.value > 0 ? (100 * found / root.value).toFixed(2) : "0";
  by("share").textContent = wanted ? `${share} % found.` : "";
};
by("search").oninput = draw;
draw();
</script></body></html>
)";

}  // namespace

std::string profile_page(const std::string& title, const std::vector<SampledStack>& stacks,
                         int64_t interval_ms) {
  std::string page(kHead);
  page += "<h3>" + without_less_than(title, "&lt;") + "</h3>\n";
  page +=
      fmt::format(R"(<script id="data" type="application/json" data-interval="{}">)", interval_ms);
  page += without_less_than(flame_graph_json(stacks, 0), "\\u003c") + "</script>";
  page += kScript;
  return page;
}

}  // namespace tidewheel
