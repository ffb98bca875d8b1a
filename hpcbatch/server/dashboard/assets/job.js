// One job: where it ran, why it has no result, and what it prints.

import { ask } from "./api.js";
import { ALIVE, clock, duration, h, number, sign, size } from "./words.js";

const PAUSE = 1000; // milliseconds between two looks at a log that is followed
const KEPT = 1 << 19; // characters of it

export class Job {
  constructor(id) {
    this.id = id;
    this.number = null;
    this.heading = h("h2", {}, "Job");
    this.facts = h("dl", { class: "pairs" });
    this.trace = h("pre", { class: "log trace", tabindex: "0", hidden: true, "aria-label": "Traceback" });
    this.log = h("pre", { class: "log", tabindex: "0", role: "region", "aria-label": "Log" });
    this.follow = h("input", { type: "checkbox", id: "follow", checked: true });
    this.following = h("label", { for: "follow" }, this.follow, " Follow");
    this.about = h("small", {});
    this.node = h("section", { class: "card job" },
      h("div", { class: "title" }, this.heading),
      this.facts, this.trace,
      h("div", { class: "title" }, h("h3", {}, "Log"), this.about,
        this.following),
      this.log);
    this.timer = setInterval(() => this.tick(), PAUSE);
  }

  close() {
    this.isClosed = true;
    clearInterval(this.timer);
  }

  async show(job) {
    if (job === this.number) return;
    this.number = job;
    this.reset("");
    await this.refresh();
  }

  // Whatever comes back for a job that is shown no more is dropped.
  async refresh() {
    const job = this.number;
    if (job === null) return;
    const [info] = (await ask("/task/jobs", { id: this.id, jobs: String(job) })).jobs;
    if (job !== this.number) return;
    const before = this.info;
    this.info = info;
    this.tell(info);
    this.following.hidden = !ALIVE.includes(info.state);
    const key = `${info.attempt} ${info.element} ${ALIVE.includes(info.state)}`;
    if (before?.index === job && key === this.key) return;
    this.key = key;
    this.trace.hidden = true;
    if (ALIVE.includes(info.state)) {
      this.reset(key);
      this.about.textContent = info.element === null ? "" : "of its element, from the end of it";
      await this.read();
    } else {
      await this.readWhole(job, info);
    }
  }

  async readWhole(job, info) {
    const { log } = await ask("/task/logs", { id: this.id, job });
    if (job !== this.number) return;
    this.reset("");
    this.about.textContent = log ? "what the job printed" : "";
    this.append(log.slice(-KEPT) || "It has printed nothing.\n");
    if (info.state === "error" || info.state === "expired") await this.readTrace(job);
  }

  async readTrace(job) {
    const { groups } = await ask("/view/failures", { id: this.id, job });
    const found = groups[0];
    if (job !== this.number || !found) return;
    this.trace.textContent = found.traceback || found.told;
    this.trace.hidden = false;
  }

  tell(info) {
    this.heading.replaceChildren(sign(info.state), `Job ${number(info.index)} `, h("small", {}, info.state));
    const pairs = {
      reason: info.reason,
      element: info.element === null ? "" : `${info.element} of attempt ${info.attempt}`,
      host: info.host,
      cluster: info.cluster,
      began: info.started ? new Date(info.started * 1000).toLocaleTimeString() : "",
      took: info.elapsed === null ? "" : duration(info.elapsed),
      CPU: info.cpu ? duration(info.cpu) : "",
      memory: info.memory ? size(info.memory) : "",
      "exit status": info.code || "",
      signal: info.signal || "",
    };
    this.facts.replaceChildren(...Object.entries(pairs).filter(([, value]) => value !== "")
      .map(([name, value]) => h("div", {}, h("dt", {}, name),
        h("dd", { title: name === "began" ? clock(info.started) : null }, value))));
  }

  tick() {
    const isAlive = this.info && ALIVE.includes(this.info.state) && this.info.element !== null;
    if (isAlive && this.follow.checked && !document.hidden && !this.isReading) {
      this.read().catch(() => {}); // the next look comes in a second, and the page tells of failures
    }
  }

  reset(key) {
    this.key = key;
    this.place = null;
    this.decoder = new TextDecoder();
    this.log.textContent = "";
    this.about.textContent = "";
  }

  // What was added since the last look.
  async read() {
    const { attempt, element, index } = this.info;
    if (attempt === null || element === null) return;
    this.isReading = true;
    try {
      const begin = this.place ?? -65536;
      const part = await ask("/view/log", { id: this.id, attempt, element, begin });
      if (this.isClosed || index !== this.number || this.info.attempt !== attempt) return;
      const bytes = Uint8Array.from(atob(part.content), (c) => c.charCodeAt(0));
      this.place = part.begin + bytes.length;
      this.append(this.decoder.decode(bytes, { stream: true }));
    } finally {
      this.isReading = false;
    }
  }

  append(text) {
    if (!text) return;
    const kept = this.log.textContent + text;
    this.log.textContent = kept.slice(-KEPT);
    if (this.follow.checked) this.log.scrollTop = this.log.scrollHeight;
  }
}
