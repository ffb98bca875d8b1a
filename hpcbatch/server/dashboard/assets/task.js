// A task: what it is, how far it got, and what can be done with it.

import { ask, requestWord } from "./api.js";
import { Attempts } from "./attempts.js";
import { Charts } from "./charts.js";
import { confirm } from "./confirm.js";
import { Failures } from "./failures.js";
import { Grid } from "./grid.js";
import { Job } from "./job.js";
import { ago, ALIVE, bar, clock, counted, h, number, onClusters, present, say, share, sign } from "./words.js";

const SOON = 1000; // milliseconds between two looks at the same thing
const LATER = 4000; // for what is dear

export class TaskPage {
  isTask = true;

  constructor(id, tasks) {
    this.id = id;
    this.tasks = tasks;
    this.title = `${id} · hpcbatch`;
    this.head = h("div", { class: "head" });
    this.states = h("div", { class: "states", role: "group", "aria-label": "Jobs by state; one can be picked out" });
    this.facts = h("div", { class: "facts" });
    this.cancelButton = h("button", { type: "button", onclick: () => this.cancel() }, "Cancel");
    this.resubmitButton = h("button", { type: "button", onclick: () => this.resubmit() }, "Resubmit unfinished");
    this.actions = h("div", { class: "actions" }, this.resubmitButton, this.cancelButton);
    this.job = new Job(id);
    this.grid = new Grid(id, (job) => this.job.show(job));
    this.failures = new Failures(id, (job) => this.grid.choose(job));
    this.charts = new Charts(id);
    this.attempts = new Attempts(id);
    this.barPlace = h("div", {});
    this.body = h("div", { hidden: true },
      h("section", { class: "card status" }, this.barPlace, this.states, this.facts),
      h("div", { class: "columns" },
        this.grid.node,
        h("div", { class: "column side" }, this.failures.node, this.job.node),
        h("div", { class: "column" }, this.charts.nodes, this.attempts.node)));
    this.foot = h("p", { class: "empty" }, "Looking for it…");
    this.node = h("div", { class: "page" },
      h("div", { class: "tools" }, h("a", { class: "back", href: "#/" }, "← Tasks"), this.head, this.actions),
      this.body, this.foot);
    this.looks = [
      new Look(() => this.grid.refresh(this.task), SOON),
      new Look(() => this.failures.refresh(this.task), SOON),
      new Look(() => this.charts.refresh(this.task), LATER),
      new Look(() => this.attempts.refresh(this.task), SOON),
      new Look(() => this.job.refresh(this.task), SOON),
    ];
    this.timer = setInterval(() => this.tick(), LATER);
  }

  close() {
    clearInterval(this.timer);
    this.looks.forEach((look) => look.stop());
    this.grid.close();
    this.job.close();
  }

  redraw() { this.grid.draw(); }

  tick() {
    if (!this.task || document.hidden || (this.task.idle && !this.isNews)) return;
    this.isNews = false;
    this.look();
  }

  look() { this.looks.forEach((look) => look.soon()); }

  update(news, isKnown = true) {
    const task = this.tasks.get(this.id);
    if (!task) {
      this.body.hidden = this.actions.hidden = true;
      this.foot.hidden = false;
      this.foot.textContent = isKnown ? "There is no such task, or it was removed." : "Looking for it…";
      return;
    }
    if (task === this.task) return;
    const isFirst = !this.task;
    this.task = task;
    this.isNews = true; // what the server tells of it may be a moment old: there is one more look
    this.body.hidden = this.actions.hidden = false;
    this.foot.hidden = true;
    const done = task.idle ? "" : `${share(task.counts.done, task.njobs)} `;
    document.title = this.title = `${done}${task.name || task.id} · hpcbatch`;
    this.show(task);
    this.look();
    if (isFirst) this.grid.ready.then(() => this.grid.chooseTelling());
  }

  show(task) {
    const where = onClusters(task) || (task.unreleased ? "in the queue" : "not submitted");
    if (!this.head.firstChild) this.head.append(h("h1", {}, task.name || task.id), h("p", {}));
    this.head.lastChild.replaceChildren(
      h("code", {}, task.id), ` · ${where} · by ${task.user} · `,
      h("span", { title: clock(task.created) }, `made ${ago(task.created)}`),
      " · ", h("span", { title: task.function }, inShort(task.function)));
    this.barPlace.replaceChildren(bar(task));
    this.showStates(task);
    const facts = [
      task.pace && !task.idle ? task.pace : "",
      task.attempts > 1 ? `${task.attempts} attempts` : "",
      task.held_back ? `${number(task.held_back)} held back` : "",
      task.retrying ? `${number(task.retrying)} to be retried` : "",
      task.stuck ? `${number(task.stuck)} stuck` : "",
      ...Object.entries(task.reasons).map(([reason, count]) => `${number(count)} expired: ${reason}`),
    ].filter(Boolean);
    this.facts.replaceChildren(
      ...facts.map((fact) => h("span", {}, fact)),
      ...task.notes.map((note) => h("p", { class: "note" }, note)));
    const alive = ALIVE.reduce((sum, state) => sum + task.counts[state], 0);
    const unfinished = task.njobs - task.counts.done;
    this.cancelButton.disabled = alive === 0 && !task.unreleased;
    this.resubmitButton.disabled = unfinished === 0 || alive > 0 || task.unreleased;
    this.resubmitButton.textContent = task.attempts ? "Resubmit unfinished" : "Submit";
    this.resubmitButton.title = alive ? "Jobs wait or run: cancel them first, or wait" : "";
  }

  showStates(task) {
    const states = present(task);
    const picked = states.includes(this.grid.picked) ? this.grid.picked : "";
    const focused = document.activeElement?.dataset?.state;
    this.states.replaceChildren(...states.map((state) => h("button", {
      type: "button", class: "filter", "data-state": state, "aria-pressed": String(state === picked),
      onclick: () => { this.grid.pick(state === picked ? "" : state); this.showStates(this.task); },
    }, sign(state), `${state} `, h("b", {}, number(task.counts[state])),
    h("small", {}, ` ${share(task.counts[state], task.njobs)}`))),
    h("span", { class: "total" }, counted(task.njobs, "job")));
    if (focused) this.states.querySelector(`[data-state="${focused}"]`)?.focus();
  }

  async cancel() {
    const alive = ALIVE.reduce((sum, state) => sum + this.task.counts[state], 0);
    const told = `${counted(alive, "job")} that wait or run will end. What is done stays, and a resubmit runs only the rest.`;
    if (!await confirm("Cancel this task?", told, "Cancel jobs", "Keep running")) return;
    await this.act(this.cancelButton, async () => {
      const done = await ask("/task/cancel", { id: this.id });
      done.objections.forEach((objection) => say(`Not canceled: ${objection}`, true));
      if (!done.objections.length) say(`${counted(done.canceled, "job")} canceled.`);
    });
  }

  async resubmit() {
    const counts = this.task.counts;
    const left = Object.keys(counts).filter((state) => state !== "done" && counts[state]);
    const what = left.map((state) => `${number(counts[state])} ${state}`).join(", ");
    const isNew = this.task.attempts === 0;
    const isSure = isNew
      ? await confirm("Submit this task?", `${counted(this.task.njobs, "job")}, on the cluster that is this server's default.`, "Submit jobs", "Leave it")
      : await confirm("Resubmit what is unfinished?", `${what}: these run again. What is done stays.`, "Resubmit", "Leave it");
    if (!isSure) return;
    await this.act(this.resubmitButton, async () => {
      const verb = isNew ? "submit" : "resubmit";
      await ask(`/task/${verb}`, { id: this.id, request: requestWord(), options: {} });
      say("It is in the queue.");
    });
  }

  async act(button, action) {
    button.disabled = true;
    try {
      await action();
    } catch (error) {
      say(error.message, true);
      this.show(this.task);
    }
  }
}

// A function's file without its folder.
const inShort = (told) => told.replace(/\((?:[^()]*\/)?([^()/]+)\)$/, "($1)");

// Looks again, but not more often than every so many milliseconds, and one time more in the end.
class Look {
  constructor(action, pause) {
    this.action = action;
    this.pause = pause;
  }

  soon() {
    if (this.timer || this.stopped) {
      this.again = true;
      return;
    }
    this.again = false;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.again) this.soon();
    }, this.pause);
    Promise.resolve(this.action()).catch((error) => {
      if (!this.stopped && error.status !== 401) say(error.message, true);
    });
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}
