// When elements ran, how many jobs ran at once, how long jobs took and how much memory.

import { ask } from "./api.js";
import { counted, duration, h, number, roughly, size, svg } from "./words.js";

const WIDE = 600; // units of a drawing, which is stretched to its place
const ROW = 7;
const HIGH = 72;

export class Charts {
  constructor(id) {
    this.id = id;
    this.busy = h("div", { class: "chart" });
    this.spans = h("div", { class: "spans", tabindex: "0", role: "region", "aria-label": "Timeline of elements" });
    this.axis = h("div", { class: "axis" });
    this.note = h("small", {});
    this.timeline = h("section", { class: "card", hidden: true },
      h("div", { class: "title" }, h("h2", {}, "Timeline"), this.note), this.busy, this.spans, this.axis);
    this.times = new Histogram("Time of a job", duration);
    this.memory = new Histogram("Memory of a job", size);
    this.nodes = [this.timeline, h("div", { class: "pair" }, this.times.node, this.memory.node)];
  }

  async refresh(task) {
    const key = JSON.stringify([task.counts, task.attempts, task.counts.running ? Date.now() : 0]);
    if (key === this.key) return;
    const told = await ask("/view/figures", { id: this.id });
    this.key = key;
    this.timeline.hidden = !told.busy;
    this.times.show(told.times);
    this.memory.show(told.memory);
    if (told.busy) this.show(told);
  }

  show({ busy, elements, others }) {
    const { start, end } = busy;
    const most = Math.max(...busy.levels, 1e-9);
    const words = `up to ${counted(Math.ceil(most), "job")} at once, over ${duration(end - start)}`;
    this.note.textContent = others
      ? `${words}; the ${number(elements.length)} elements that began last of ${number(elements.length + others)}`
      : `${words}; ${counted(elements.length, "element")}`;
    this.busy.replaceChildren(area(busy.levels, most, words));
    const now = Date.now() / 1000;
    const place = (moment) => (WIDE * (Math.min(moment, end) - start)) / (end - start);
    const rows = elements.map(([attempt, element, from, to, done, failed, host], at) => {
      const wide = Math.max(place(to ?? end) - place(from), 3);
      const bad = failed ? Math.max((wide * failed) / (done + failed), 3) : 0;
      const told = `element ${element} of attempt ${attempt}: ${duration((to ?? now) - from)}`
        + `${to === null ? " so far" : ""}, ${done} done, ${failed} failed${host ? `, on ${host}` : ""}`;
      const box = { y: at * ROW + 1, height: ROW - 2 };
      const row = svg("g", {}, svg("title"),
        svg("rect", { ...box, x: place(from), width: wide, class: `span ${to === null ? "running" : "done"}` }));
      if (bad) row.append(svg("rect", { ...box, x: place(from) + wide - bad, width: bad, class: "span error" }));
      row.firstChild.textContent = told;
      return row;
    });
    const high = elements.length * ROW;
    const told = `${counted(elements.length, "element")}: `
      + `${elements.filter(([, , , to]) => to === null).length} running, `
      + `${elements.filter(([, , , to, , failed]) => to !== null && failed).length} with failed jobs`;
    this.spans.replaceChildren(svg("svg", {
      viewBox: `0 0 ${WIDE} ${high}`, preserveAspectRatio: "none", height: high, role: "img", "aria-label": told,
    }, ...rows));
    this.axis.replaceChildren(
      h("span", {}, new Date(start * 1000).toLocaleTimeString()),
      h("span", {}, `${roughly(end - start)}`),
      h("span", {}, new Date(end * 1000).toLocaleTimeString()));
  }
}

function area(levels, most, words) {
  const step = WIDE / levels.length;
  const points = levels.flatMap((level, at) => {
    const y = HIGH * (1 - level / most);
    return [`${at * step},${y}`, `${(at + 1) * step},${y}`];
  });
  return svg("svg", {
    viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", height: HIGH, role: "img", "aria-label": words,
  }, svg("polygon", { points: `0,${HIGH} ${points.join(" ")} ${WIDE},${HIGH}`, class: "area" }));
}

class Histogram {
  constructor(title, words) {
    this.words = words;
    this.place = h("div", { class: "chart" });
    this.axis = h("div", { class: "axis" });
    this.note = h("small", {});
    this.node = h("section", { class: "card", hidden: true },
      h("div", { class: "title" }, h("h2", {}, title), this.note), this.place, this.axis);
  }

  show(told) {
    this.node.hidden = !told;
    if (!told) return;
    const { edges, counts } = told;
    const most = Math.max(...counts);
    const step = WIDE / counts.length;
    const bars = counts.map((count, at) => {
      const high = count ? Math.max((HIGH * count) / most, 2) : 0;
      const rect = svg("rect", {
        x: at * step + 1, y: HIGH - high, width: Math.max(step - 2, 1), height: high, class: "area",
      }, svg("title"));
      rect.firstChild.textContent = `${this.words(edges[at])} to ${this.words(edges[at + 1])}: ${counted(count, "job")}`;
      return rect;
    });
    const all = counts.reduce((sum, count) => sum + count, 0);
    const told_ = `mean ${this.words(told.mean)}`;
    this.note.textContent = told_;
    this.place.replaceChildren(svg("svg", {
      viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", height: HIGH, role: "img",
      "aria-label": `${counted(all, "job")}, ${this.words(told.low)} to ${this.words(told.high)}, ${told_}`,
    }, ...bars));
    this.axis.replaceChildren(
      h("span", {}, this.words(told.low)),
      ...(counts.length > 1 ? [
        h("span", {}, this.words(edges[counts.length >> 1])),
        h("span", {}, this.words(told.high)),
      ] : []));
  }
}
