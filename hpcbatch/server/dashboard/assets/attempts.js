// Each submission of the task, and the script that was submitted.

import { ask } from "./api.js";
import { ago, clock, h, number } from "./words.js";

export class Attempts {
  constructor(id) {
    this.id = id;
    this.rows = h("tbody", {});
    this.script = h("pre", { class: "log script", tabindex: "0", hidden: true, "aria-label": "Script" });
    this.about = h("h3", { hidden: true });
    const headings = ["#", "cluster", "submitted", "jobs", "elements", "", "asked for"];
    this.node = h("section", { class: "card", hidden: true },
      h("div", { class: "title" }, h("h2", {}, "Attempts")),
      h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Attempts" },
        h("table", {}, h("thead", {}, h("tr", {}, headings.map((name) => name
          ? h("th", { scope: "col" }, name) : h("td", {})))), this.rows)),
      this.about, this.script);
  }

  async refresh(task) {
    const key = `${task.attempts} ${task.held_back} ${task.counts.canceled} ${task.notes.length}`;
    if (key === this.key) return;
    const { attempts } = await ask("/view/attempts", { id: this.id });
    this.key = key;
    this.node.hidden = attempts.length === 0;
    this.rows.replaceChildren(...attempts.reverse().map((attempt) => this.row(attempt)));
  }

  row(attempt) {
    const asked = Object.entries(attempt.resources)
      .filter(([, value]) => value !== 0 && value !== null && String(value) !== "")
      .map(([name, value]) => `${name} ${value}`).join(", ");
    const told = [
      attempt.retry ? `retry ${attempt.retry}` : "",
      attempt.part_of ? `part of ${attempt.part_of}` : "",
      attempt.canceled ? "canceled" : "",
      attempt.given_up || attempt.setback,
    ].filter(Boolean).join(", ");
    return h("tr", {},
      h("th", { scope: "row" }, attempt.number),
      h("td", {}, attempt.cluster, told ? h("small", {}, ` ${told}`) : null),
      h("td", { title: clock(attempt.created) }, ago(attempt.created)),
      h("td", {}, number(attempt.jobs)),
      h("td", { title: attempt.ids.length ? `ids ${attempt.ids.join(", ")}` : null }, number(attempt.elements)),
      h("td", {}, attempt.scripts ? h("button", {
        type: "button", "aria-label": `Script of attempt ${attempt.number}`, onclick: () => this.read(attempt),
      }, "Script") : null),
      h("td", {}, asked));
  }

  async read(attempt) {
    const told = await ask("/view/script", { id: this.id, attempt: attempt.number });
    const first = attempt.scripts > 1 ? `, the first of ${attempt.scripts} arrays` : "";
    this.about.textContent = `Script of attempt ${attempt.number}${first}`;
    this.script.textContent = told.script;
    this.script.hidden = this.about.hidden = false;
    this.script.focus();
  }
}
