// Numbers, times and states in words, and the one way in which elements of the page are made.

// In the order of a bar. Each state has a sign of its own: colour alone tells nobody anything.
export const FROM_THE_LEFT = [
  "done", "error", "expired", "canceled", "running", "queued", "submitted", "defined",
];
export const SIGNS = {
  defined: "·", submitted: "◦", queued: "○", running: "▸",
  done: "✓", error: "✕", expired: "!", canceled: "–",
};
export const FAILED = ["error", "expired", "canceled"];
export const ALIVE = ["submitted", "queued", "running"];

// Text from elsewhere becomes text, never markup.
export function h(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

export function svg(tag, given = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(given)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const number = (count) => Number(count).toLocaleString("en-US");

export const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

export function share(count, all) {
  const percent = (100 * count) / all;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  if (percent < 100 && percent > 99.9) return ">99.9 %";
  return `${percent.toFixed(percent === 0 || percent === 100 ? 0 : 1)} %`;
}

export function duration(seconds) {
  if (seconds < 0.0009995) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 0.9995) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 59.95) return `${Number(seconds.toPrecision(3))} s`;
  const parted = (whole, size, large, small) => `${Math.floor(whole / size)} ${large} ${whole % size} ${small}`;
  const minutes = Math.round(seconds / 60);
  if (Math.round(seconds) < 3600) return parted(Math.round(seconds), 60, "min", "s");
  return minutes < 1440 ? parted(minutes, 60, "h", "min") : parted(Math.round(seconds / 3600), 24, "d", "h");
}

export function roughly(seconds) {
  const whole = Math.max(Math.round(seconds), 1);
  if (whole < 60) return `${whole} s`;
  if (Math.round(whole / 60) < 60) return `${Math.round(whole / 60)} min`;
  if (Math.round(whole / 3600) < 24) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} d`;
}

export const ago = (moment) => `${roughly(Date.now() / 1000 - moment)} ago`;

export const clock = (moment) => new Date(moment * 1000).toLocaleString();

export function size(bytes) {
  let amount = bytes;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (amount < 1024) return `${Number(amount.toPrecision(3))} ${unit}`;
    amount /= 1024;
  }
  return `${Number(amount.toPrecision(3))} TB`;
}

export const present = (task) => FROM_THE_LEFT.filter((state) => task.counts[state]);

export const inWords = (task) =>
  present(task).map((state) => `${number(task.counts[state])} ${state}`).join(", ");

export const onClusters = (task) => (task.clusters.length ? `on ${task.clusters.join(", ")}` : "");

// A bar with a part for each state that has jobs.
export function bar(task) {
  const parts = present(task).map((state) => {
    const part = h("span", { class: `part ${state}`, title: `${number(task.counts[state])} ${state}` });
    part.style.flexGrow = task.counts[state] / task.njobs;
    return part;
  });
  return h("div", { class: "bar", role: "img", "aria-label": inWords(task) }, parts);
}

export const sign = (state) =>
  h("span", { class: `sign ${state}`, "aria-hidden": "true" }, SIGNS[state]);

// Told to those who hear the page as well.
export function say(text, isBad = false) {
  const place = document.getElementById("say");
  place.textContent = text;
  place.className = isBad ? "bad" : "";
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 8000);
}
