"use strict";
const facts = JSON.parse(document.getElementById("facts").textContent);
const drawings = [...document.querySelectorAll(".drawing")];
const byId = name => document.getElementById(name);
const panel = byId("panel"), stage = byId("stage"), slider = byId("slider");
let now = -1, chosen = null, zoom = null;

const element = (tag, text, className) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const drawing = () => drawings[facts.moments[now].drawing];
const vertex = key => drawing().querySelector(`.vertex[data-key="${key}"]`);

function show(moment) {
  moment = Math.max(0, Math.min(facts.moments.length - 1, moment));
  if (moment === now) return;
  const kept = chosen === null ? null : facts.moments[now].nodes[chosen].id;
  now = moment;
  slider.value = now;
  const { name, nodes, gone } = facts.moments[now], fresh = facts.moments[now].new;
  const ops = nodes.filter(node => node.kind === "op").length;
  const text = byId("moment");
  text.replaceChildren(element("b", name), ` ${now + 1}/${facts.moments.length}: ${ops} ops`);
  if (now) text.append(fresh.length || gone ? `, ${fresh.length} new, ${gone} gone` : ", the same ops");
  drawings.forEach((each, number) => { each.hidden = number !== facts.moments[now].drawing; });
  drawing().querySelectorAll(".new").forEach(each => each.classList.remove("new"));
  fresh.forEach(key => vertex(key)?.classList.add("new"));
  byId("back").disabled = now === 0;
  byId("on").disabled = now === facts.moments.length - 1;
  scale();
  const key = kept === null ? -1 : nodes.findIndex(node => node.id === kept);
  choose(key < 0 ? null : key, false);
}

function scale() {
  const svg = drawing().querySelector("svg"), width = svg.viewBox.baseVal.width, height = svg.viewBox.baseVal.height;
  const factor = zoom ?? Math.min(1, (stage.clientWidth - 18) / width);
  svg.setAttribute("width", width * factor);
  svg.setAttribute("height", height * factor);
}

function zoomBy(factor) {
  const svg = drawing().querySelector("svg");
  zoom = Math.max(0.05, Math.min(4, svg.width.baseVal.value / svg.viewBox.baseVal.width * factor));
  scale();
}

function choose(key, scroll = true) {
  document.querySelectorAll(".chosen, .near").forEach(each => each.classList.remove("chosen", "near"));
  chosen = key;
  if (key === null) {
    panel.replaceChildren(element("p", "Choose a vertex to see what it is. ← → step through the passes, + − 0 zoom, " +
      "Tab goes from vertex to vertex, Enter opens one, Escape closes it. " +
      "Vertices that a pass has made have a dashed border.", "hint"));
    return;
  }
  const { nodes } = facts.moments[now], node = nodes[key];
  vertex(key)?.classList.add("chosen");
  drawing().querySelectorAll(`[data-value="${key}"]`).forEach(each => each.classList.add("chosen"));
  (node.inputs ?? []).forEach(each => vertex(each)?.classList.add("near"));
  if (scroll) vertex(key)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  const list = element("dl");
  const row = (label, ...content) => { const dd = element("dd"); dd.append(...content); list.append(element("dt", label), dd); };
  const links = keys => keys.map(each => {
    const button = element("button", nodes[each].name);
    button.addEventListener("click", () => choose(each));
    return button;
  });
  row(node.kind === "op" ? "op" : "is", node.op ?? node.kind);
  row("value", element("code", node.spec));
  if (node.settings) row("settings", element("code", node.settings));
  if (node.inputs) row("reads", ...links(node.inputs));
  const readers = nodes.map((_, number) => number).filter(number => nodes[number].inputs?.includes(key));
  if (readers.length) row("read by", ...links(readers));
  if (node.phase) row("phase", node.phase);
  if (node.module) row("module", node.module);
  if (node.where) row("line", node.where, element("br"), element("code", node.line ?? ""));
  if (node.memory) row("memory", node.memory);
  if (node.statistics) row("numbers", node.statistics);
  (node.rewrites ?? []).forEach(each => row("rewrite", each));
  panel.replaceChildren(element("h2", node.name), list);
  if (node.op) panel.append(element("pre", facts.cards[node.op]));
}

drawings.forEach(each => each.querySelectorAll(".vertex").forEach(g => {
  g.setAttribute("tabindex", "0");
  g.setAttribute("role", "button");
  g.addEventListener("click", () => choose(Number(g.dataset.key), false));
}));
slider.max = facts.moments.length - 1;
slider.addEventListener("input", () => show(Number(slider.value)));
byId("back").addEventListener("click", () => show(now - 1));
byId("on").addEventListener("click", () => show(now + 1));
byId("in").addEventListener("click", () => zoomBy(1.25));
byId("out").addEventListener("click", () => zoomBy(0.8));
byId("fit").addEventListener("click", () => { zoom = null; scale(); });
window.addEventListener("resize", scale);
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const open = event.target.closest?.(".vertex");
  if (event.key === "ArrowLeft" && event.target !== slider) show(now - 1);
  else if (event.key === "ArrowRight" && event.target !== slider) show(now + 1);
  else if (event.key === "+") zoomBy(1.25);
  else if (event.key === "-") zoomBy(0.8);
  else if (event.key === "0") { zoom = null; scale(); }
  else if (event.key === "Escape") choose(null);
  else if (open && (event.key === "Enter" || event.key === " ")) choose(Number(open.dataset.key), false);
  else return;
  event.preventDefault();
});
show(facts.moments.length - 1);
