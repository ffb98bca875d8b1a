// Which page is shown, and what all pages share: the tasks, the theme, the session.

import { Live, get, hasToken, leave } from "./api.js";
import { List } from "./list.js";
import { TaskPage } from "./task.js";
import { h, say } from "./words.js";

const main = document.getElementById("main");
const tasks = new Map();
let isKnown = false; // what tasks there are
let session = null;
let page = null;

function show() {
  if (!session) return;
  const [, id] = /^#\/task\/(.+)$/.exec(location.hash) || [];
  page?.close();
  page = id ? new TaskPage(decodeURIComponent(id), tasks) : new List(tasks, session);
  main.replaceChildren(page.node);
  document.title = page.title;
  page.update(null, isKnown);
  window.scrollTo(0, page.scrolled?.() ?? 0);
}

function take(news) {
  if (news.all) tasks.clear();
  news.tasks.forEach((task) => tasks.set(task.id, task));
  news.gone.forEach((id) => tasks.delete(id));
  isKnown = true;
  page?.update(news.all ? null : news, isKnown);
}

function showState(state) {
  const place = document.getElementById("live");
  place.className = `live ${state}`;
  place.textContent = state;
}

function lock() {
  page?.close();
  page = null;
  session = null;
  for (const id of ["live", "who", "place"]) document.getElementById(id).textContent = "";
  document.getElementById("leave").hidden = true;
  document.title = "Log in · hpcbatch";
  main.replaceChildren(h("div", { class: "locked" },
    h("h1", {}, "Not logged in"),
    h("p", {}, "On the machine that has your key, run"),
    h("pre", {}, "hpcbatch dashboard"),
    h("p", {}, "which opens your browser here, logged in. For a server elsewhere: ",
      h("code", {}, "hpcbatch dashboard --site NAME"), ".")));
}

const THEMES = ["", "light", "dark"];

function showTheme() {
  const chosen = document.documentElement.dataset.theme || "";
  const button = document.getElementById("theme");
  button.textContent = { "": "◐ Auto", light: "○ Light", dark: "● Dark" }[chosen];
  button.setAttribute("aria-label", `Theme: ${chosen || "as the system"}; change`);
}

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme || "") + 1) % THEMES.length];
  if (next) {
    root.dataset.theme = next;
    localStorage.setItem("hpcbatch-theme", next);
  } else {
    delete root.dataset.theme;
    localStorage.removeItem("hpcbatch-theme");
  }
  showTheme();
  page?.redraw?.();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page?.redraw?.());

document.getElementById("leave").addEventListener("click", async () => {
  try {
    await leave();
    say("Logged out.");
  } catch (error) {
    say(`Logged out here; the server was not told: ${error.message}`, true);
  }
});
document.getElementById("skip").addEventListener("click", () => main.focus());
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyping) page?.search?.(event);
  if (event.key === "Escape" && !isTyping && !document.querySelector("dialog[open]") && page?.isTask) {
    location.hash = "#/";
  }
});

async function begin() {
  showTheme();
  window.addEventListener("left", lock);
  if (!hasToken()) {
    lock();
    return;
  }
  try {
    session = await get("/dashboard/session");
  } catch (error) {
    if (error.status !== 401) say(`The server does not answer: ${error.message}`, true);
    lock();
    return;
  }
  document.getElementById("place").textContent = session.host;
  document.getElementById("who").textContent = session.user + (session.admin ? " (admin)" : "");
  document.getElementById("leave").hidden = false;
  window.addEventListener("hashchange", show);
  show();
  new Live(take, showState).run();
}

begin();
