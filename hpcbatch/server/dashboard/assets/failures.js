// What failed, by message.

import { ask } from "./api.js";
import { FAILED, counted, h, number, sign } from "./words.js";

const NONE = { groups: [], others: 0, jobs: 0, compared: 0 };

export class Failures {
  constructor(id, onChoose) {
    this.id = id;
    this.onChoose = onChoose;
    this.list = h("div", { class: "failures" });
    this.note = h("small", {});
    this.node = h("section", { class: "card", hidden: true },
      h("div", { class: "title" }, h("h2", {}, "Errors"), this.note), this.list);
    this.opened = new Set();
  }

  async refresh(task) {
    const failed = FAILED.reduce((sum, state) => sum + task.counts[state], 0);
    const key = FAILED.map((state) => task.counts[state]).join();
    if (key === this.key) return;
    const told = failed ? await ask("/view/failures", { id: this.id }) : NONE;
    this.key = told.jobs === Math.min(failed, told.compared) ? key : "";
    this.node.hidden = told.groups.length === 0;
    const groups = told.others ? `, and ${counted(told.others, "other message")}` : "";
    const most = told.compared < failed ? ` of the first ${number(told.jobs)} of ${number(failed)} jobs` : "";
    this.note.textContent = `${counted(told.groups.length, "message")}${groups}${most}`;
    this.list.replaceChildren(...told.groups.map((group) => this.group(group)));
  }

  group(group) {
    const name = `${group.state} ${group.told}`;
    const jobs = group.jobs.length > 60 ? `${group.jobs.slice(0, 60)}…` : group.jobs;
    return h("details", {
      open: this.opened.has(name),
      ontoggle: (event) => this.opened[event.target.open ? "add" : "delete"](name),
    },
    h("summary", {}, h("b", {}, sign(group.state), number(group.count)),
      h("span", {}, group.state === "error" ? group.told : `${group.state}: ${group.told}`)),
    h("p", {}, `${group.count === 1 ? "job" : "jobs"} ${jobs} `,
      h("button", { type: "button", onclick: () => this.onChoose(group.job) }, `Show job ${group.job}`)),
    group.traceback ? h("pre", { class: "log", tabindex: "0", "aria-label": "Traceback" }, group.traceback) : null);
  }
}
