// The list of tasks: filter, search, sort; a row is made anew only when its task has changed.

import { ago, bar, clock, counted, FROM_THE_LEFT, h, number, onClusters, present, share, sign } from "./words.js";

const STEP = 200; // rows that are shown at once
const SORTS = {
  "newest first": (a, b) => b.created - a.created,
  "oldest first": (a, b) => a.created - b.created,
  "by name": (a, b) => a.name.localeCompare(b.name),
  "most failed first": (a, b) => failed(b) - failed(a) || b.created - a.created,
  "least done first": (a, b) => a.counts.done / a.njobs - b.counts.done / b.njobs,
};
const failed = (task) => task.counts.error + task.counts.expired;
const FILTERS = { all: () => true, "going on": (task) => !task.idle };
for (const state of FROM_THE_LEFT) FILTERS[state] = (task) => task.counts[state] > 0;

const chosen = { filter: "all", text: "", sort: "newest first", scrolled: 0 }; // between pages

export class List {
  title = "Tasks · hpcbatch";

  constructor(tasks, session) {
    this.tasks = tasks;
    this.session = session;
    this.rows = new Map();
    this.most = STEP;
    this.filters = h("div", { class: "filters", role: "group", "aria-label": "Filter by state" });
    this.input = h("input", {
      type: "search", placeholder: "Search  ( / )", "aria-label": "Search by name, id, cluster or user",
      value: chosen.text, oninput: () => { chosen.text = this.input.value; this.update(); },
    });
    this.order = h("select", {
      "aria-label": "Sort", onchange: () => { chosen.sort = this.order.value; this.update(); },
    }, Object.keys(SORTS).map((name) => h("option", { selected: name === chosen.sort }, name)));
    this.list = h("ul", { class: "tasks", role: "list", onkeydown: (event) => this.move(event) });
    this.foot = h("p", { class: "empty", role: "status" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => { this.most += STEP; this.update(); } });
    this.node = h("div", { class: "page" },
      h("div", { class: "tools" }, h("h1", {}, "Tasks"), this.input, this.order),
      this.filters, this.list, this.more, this.foot);
    this.timer = setInterval(() => this.tick(), 30000);
  }

  close() {
    chosen.scrolled = window.scrollY;
    clearInterval(this.timer);
  }

  scrolled() { return chosen.scrolled; }

  search(event) {
    event.preventDefault();
    this.input.focus();
  }

  tick() {
    for (const place of this.list.querySelectorAll("[data-since]")) {
      place.textContent = ago(Number(place.dataset.since));
    }
  }

  update(news = null, isKnown = true) {
    news?.gone.forEach((id) => this.rows.delete(id));
    const all = [...this.tasks.values()];
    this.showFilters(all);
    const words = chosen.text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = all.filter((task) => FILTERS[chosen.filter](task) && matches(task, words));
    found.sort(SORTS[chosen.sort]);
    this.place(found.slice(0, this.most).map((task) => this.row(task)));
    this.more.hidden = found.length <= this.most;
    this.more.textContent = `Show more of ${number(found.length)}`;
    this.foot.textContent = found.length ? "" : nothing(isKnown, all.length);
  }

  showFilters(all) {
    const shown = Object.keys(FILTERS)
      .map((name) => [name, all.filter(FILTERS[name]).length])
      .filter(([name, count]) => count || name === "all" || name === chosen.filter);
    const told = JSON.stringify([shown, chosen.filter]);
    if (told === this.told) return;
    this.told = told;
    const focused = document.activeElement?.dataset?.filter;
    this.filters.replaceChildren(...shown.map(([name, count]) => h("button", {
      type: "button", class: "filter", "aria-pressed": String(name === chosen.filter), "data-filter": name,
      onclick: () => { chosen.filter = name; this.update(); },
    }, FROM_THE_LEFT.includes(name) ? sign(name) : null, `${name} `, h("b", {}, number(count)))));
    if (focused) this.filters.querySelector(`[data-filter="${focused}"]`)?.focus();
  }

  row(task) {
    const known = this.rows.get(task.id);
    if (known?.task === task) return known.node;
    const link = known?.node.firstChild || h("a", { href: `#/task/${encodeURIComponent(task.id)}` });
    link.replaceChildren(...cells(task, this.session?.admin));
    const node = known?.node || h("li", {}, link);
    node.classList.toggle("idle", task.idle);
    this.rows.set(task.id, { task, node });
    return node;
  }

  // Nodes that stay where they are keep the focus.
  place(nodes) {
    const now = this.list.children;
    if (nodes.length === now.length && nodes.every((node, at) => node === now[at])) return;
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    this.list.replaceChildren(...nodes);
    if (focused && this.list.contains(focused)) focused.focus();
  }

  move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const here = event.target.closest("li");
    if (!step || !here) return;
    event.preventDefault();
    const next = step > 0 ? here.nextElementSibling : here.previousElementSibling;
    next?.firstChild.focus();
  }
}

function matches(task, words) {
  const text = [task.name, task.id, ...task.clusters, task.user, task.function].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function nothing(isKnown, count) {
  if (!isKnown) return "Looking at the tasks…";
  return count ? "No task is like that." : "There is no task yet: hpcbatch map --site … makes one.";
}

function cells(task, withUser) {
  const counts = present(task).map((state) =>
    h("span", { class: "count" }, sign(state), `${number(task.counts[state])} ${state}`));
  const where = onClusters(task) || (task.unreleased ? "in the queue" : "not submitted");
  const note = task.notes[0];
  return [
    h("span", { class: "name" }, h("strong", {}, task.name || task.id),
      h("small", {}, h("code", {}, task.id.slice(0, 8)), ` · ${where}`, withUser ? ` · by ${task.user}` : "")),
    h("span", { class: "progress" }, bar(task), h("span", { class: "counts" }, counts)),
    h("span", { class: "figure" }, h("strong", {}, share(task.counts.done, task.njobs)),
      h("small", {}, task.pace && !task.idle ? task.pace.replace(/^.*, about /, "") : counted(task.njobs, "job"))),
    h("span", { class: "when" },
      h("span", { "data-since": task.created, title: clock(task.created) }, ago(task.created))),
    note ? h("small", { class: "note" }, note) : null,
  ].filter(Boolean);
}
