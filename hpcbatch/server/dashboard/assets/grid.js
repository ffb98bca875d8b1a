// A cell a job, on a canvas: ten are large and carry their signs, a hundred thousand are dots.

import { ask } from "./api.js";
import { decoded } from "./runs.js";
import { counted, FAILED, h, number, SIGNS } from "./words.js";

const LARGEST = 24; // pixels of a cell
const TALLEST = 380; // pixels of all, as long as cells can be seen
const SMALLEST = 2;
const WITH_SIGN = 14; // pixels from which on a cell has its sign
const WITH_GAP = 5;
const FAINT = 0.13;
const CALM = 0.5; // of dots that are done: what is not stands out
// of several jobs that share a cell, the one that a person should know of
const TELLING = ["error", "expired", "running", "canceled", "queued", "submitted", "defined", "done"];

export class Grid {
  picked = "";
  chosen = 0;

  constructor(id, onChoose) {
    this.id = id;
    this.onChoose = onChoose;
    this.ready = new Promise((resolve) => { this.isReady = resolve; });
    this.canvas = h("canvas", {
      class: "grid", tabindex: "0", role: "slider", "aria-label": "Jobs, by number",
      "aria-valuemin": "0", "aria-valuenow": "0", "aria-valuemax": "0", "aria-valuetext": "",
      onkeydown: (event) => this.move(event),
      onpointermove: (event) => this.point(event),
      onpointerleave: () => { this.tip.textContent = ""; },
      onclick: (event) => { const job = this.at(event); if (job !== null) this.choose(job); },
    });
    this.tip = h("span", { class: "tip" });
    this.input = h("input", { type: "number", min: "0", value: "0", "aria-label": "Number of a job" });
    const form = h("form", { class: "goto", onsubmit: (event) => {
      event.preventDefault();
      this.choose(Number(this.input.value));
    } }, h("span", {}, "job"), this.input, h("button", {}, "Show"));
    this.node = h("section", { class: "card" },
      h("div", { class: "title" }, h("h2", {}, "Jobs"), this.tip, form), this.canvas);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.node);
  }

  close() { this.observer.disconnect(); }

  async refresh() {
    const told = await ask("/view/grid", { id: this.id });
    this.names = Object.values(told.letters);
    this.codes = decoded(told.runs, told.jobs);
    this.canvas.setAttribute("aria-valuemax", told.jobs - 1);
    this.input.max = told.jobs - 1;
    this.draw();
    this.tell();
    this.isReady();
  }

  pick(state) {
    this.picked = state;
    this.draw();
  }

  // The first that a person wants to see: one that failed, else one that runs.
  chooseTelling() {
    for (const state of ["error", "expired", "running"]) {
      const found = this.codes.indexOf(this.names.indexOf(state));
      if (found >= 0) {
        this.choose(found);
        return;
      }
    }
    this.choose(0);
  }

  choose(job) {
    if (!this.codes || !Number.isInteger(job)) return;
    this.chosen = Math.min(Math.max(job, 0), this.codes.length - 1);
    this.input.value = this.chosen;
    this.tell();
    this.draw();
    this.onChoose(this.chosen);
  }

  tell() {
    this.canvas.setAttribute("aria-valuenow", this.chosen);
    this.canvas.setAttribute("aria-valuetext", this.words(this.chosen));
  }

  words(job) { return `job ${number(job)}: ${this.names[this.codes[job]]}`; }

  move(event) {
    if (!this.codes) return;
    const row = this.columns * this.each;
    const step = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row, PageUp: -10 * row, PageDown: 10 * row,
      Home: -Infinity, End: Infinity,
    }[event.key];
    if (!step) return;
    event.preventDefault();
    this.choose(Math.min(Math.max(this.chosen + step, 0), this.codes.length - 1));
  }

  point(event) {
    const job = this.at(event);
    this.tip.textContent = job === null ? "" : this.words(job);
  }

  at(event) {
    if (!this.codes) return null;
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / this.cell);
    const row = Math.floor((event.clientY - box.top) / this.cell);
    const job = (row * this.columns + column) * this.each;
    return column < this.columns && job < this.codes.length ? job : null;
  }

  // The largest cells that fit; below the smallest, jobs share one.
  lay(width) {
    const jobs = this.codes.length;
    this.each = 1;
    for (this.cell = LARGEST; this.cell > SMALLEST; this.cell -= 1) {
      this.columns = Math.max(Math.floor(width / this.cell), 1);
      if (Math.ceil(jobs / this.columns) * this.cell <= TALLEST) break;
    }
    this.columns = Math.max(Math.floor(width / this.cell), 1);
    const room = this.columns * Math.floor((1.5 * TALLEST) / this.cell);
    this.each = Math.max(Math.ceil(jobs / room), 1);
    this.cells = Math.ceil(jobs / this.each);
    this.rows = Math.ceil(this.cells / this.columns);
  }

  draw() {
    const width = this.canvas.parentElement.clientWidth - 2 * 14;
    if (!this.codes || width <= 0) return;
    this.lay(width);
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [this.columns * this.cell, this.rows * this.cell];
    this.canvas.width = wide * scale;
    this.canvas.height = high * scale;
    this.canvas.style.width = `${wide}px`;
    this.canvas.style.height = `${high}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    this.paint(pen);
    this.mark(pen);
    this.node.dataset.cells = `${counted(this.codes.length, "job")}, ${this.each} a cell`;
  }

  paint(pen) {
    const shown = this.each === 1 ? this.codes : this.shared();
    if (this.cell >= WITH_GAP) {
      this.paintCells(pen, shown, this.names.map(() => true), 0);
      return;
    }
    const failed = this.names.map((name) => FAILED.includes(name));
    this.paintCells(pen, shown, failed.map((is) => !is), 0);
    this.paintCells(pen, shown, failed, 1);
  }

  // Those in some of the states, larger by so many pixels on each side.
  paintCells(pen, shown, wanted, more) {
    const colours = this.colours();
    const gap = this.cell >= WITH_GAP ? 1 : 0;
    pen.font = `bold ${Math.round(this.cell * 0.6)}px sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let at = 0; at < this.cells;) {
      const [begin, code] = [at, shown[at]];
      const rowEnd = Math.min(at - (at % this.columns) + this.columns, this.cells);
      let stop = at + 1;
      if (!gap) while (stop < rowEnd && shown[stop] === code) stop += 1;
      const [x, y] = [(at % this.columns) * this.cell, Math.floor(at / this.columns) * this.cell];
      at = stop;
      if (!wanted[code]) continue;
      pen.globalAlpha = this.alpha(this.names[code], gap);
      pen.fillStyle = colours[code].fill;
      const wide = (stop - begin) * this.cell - gap;
      pen.fillRect(x - more, y - more, wide + 2 * more, this.cell - gap + 2 * more);
      if (this.cell >= WITH_SIGN) {
        pen.fillStyle = colours[code].ink;
        pen.fillText(SIGNS[this.names[code]], x + this.cell / 2, y + this.cell / 2);
      }
    }
    pen.globalAlpha = 1;
  }

  alpha(state, gap) {
    if (this.picked) return state === this.picked ? 1 : FAINT;
    return state === "done" && !gap ? CALM : 1;
  }

  mark(pen) {
    const at = Math.floor(this.chosen / this.each);
    const [x, y] = [(at % this.columns) * this.cell, Math.floor(at / this.columns) * this.cell];
    const style = getComputedStyle(this.canvas);
    pen.lineWidth = 2;
    pen.strokeStyle = style.color;
    const room = Math.max(this.cell - 2, 4);
    pen.strokeRect(Math.max(x, 1), Math.max(y, 1), room, room);
  }

  shared() {
    const rank = this.names.map((name) => TELLING.indexOf(name));
    const shown = new Uint8Array(this.cells);
    for (let at = 0; at < this.cells; at += 1) {
      let best = this.codes[at * this.each];
      const stop = Math.min((at + 1) * this.each, this.codes.length);
      for (let job = at * this.each; job < stop; job += 1) {
        if (rank[this.codes[job]] < rank[best]) best = this.codes[job];
      }
      shown[at] = best;
    }
    return shown;
  }

  // As the style sheet has them in the theme of this moment.
  colours() {
    const probe = this.tip.cloneNode();
    this.node.append(probe);
    const found = this.names.map((name) => {
      probe.className = `cell ${name}`;
      const style = getComputedStyle(probe);
      return { fill: style.backgroundColor, ink: style.color };
    });
    probe.remove();
    return found;
  }
}
