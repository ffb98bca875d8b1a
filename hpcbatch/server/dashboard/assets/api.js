// Requests to the server, and what the server tells by itself.

const TOKEN = "hpcbatch-token";
const HEADER = "X-Hpcbatch-Token";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function headers() {
  return { [HEADER]: localStorage.getItem(TOKEN) || "" };
}

async function check(answer) {
  if (answer.ok) return answer;
  let told = {};
  try { told = await answer.json(); } catch { /* a proxy's page */ }
  if (answer.status === 401) window.dispatchEvent(new Event("left"));
  throw new Refused(told.message || `the server answers ${answer.status}`, answer.status);
}

// Who leaves waits for no answer any more, and asks nothing.
const leaving = new AbortController();
window.addEventListener("left", () => leaving.abort());

async function send(path, options = {}) {
  try {
    return await check(await fetch(path, { headers: headers(), signal: leaving.signal, ...options }));
  } catch (error) {
    throw leaving.signal.aborted ? new Refused("You are logged out.", 401) : error;
  }
}

function posted(body) {
  return {
    method: "POST",
    headers: { ...headers(), "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
}

export async function ask(path, body = {}) {
  const answer = await send(path, posted(body));
  return answer.status === 204 ? null : answer.json();
}

export async function get(path) {
  return (await send(path)).json();
}

export function hasToken() {
  return localStorage.getItem(TOKEN) !== null;
}

export async function leave() {
  window.dispatchEvent(new Event("left"));
  const last = { ...posted({}), keepalive: true }; // the page may be closed at once
  localStorage.removeItem(TOKEN);
  await check(await fetch("/dashboard/leave", last));
}

// Of one request: when it is repeated because no answer came, it is done once.
export function requestWord() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Server-sent events, read by hand: an EventSource cannot send the header. A page that nobody sees
// lets go of its connection, since a browser has few to one server.
export class Live {
  constructor(onTasks, onState) {
    this.onTasks = onTasks;
    this.onState = onState;
    this.since = "";
    this.stopped = false;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.abort?.abort();
      else this.wake?.();
    });
    window.addEventListener("left", () => { this.stopped = true; this.abort?.abort(); });
  }

  async run() {
    let pause = 500;
    while (!this.stopped) {
      if (document.hidden) {
        this.onState("paused");
        await new Promise((resolve) => { this.wake = resolve; });
      }
      try {
        await this.listen(() => { pause = 500; });
      } catch (error) {
        if (error instanceof Refused && error.status === 401) return;
      }
      if (document.hidden || this.stopped) continue;
      this.onState("reconnecting");
      await new Promise((resolve) => { setTimeout(resolve, pause); });
      pause = Math.min(pause * 2, 15000);
    }
  }

  async listen(onNews) {
    this.abort = new AbortController();
    const answer = await check(await fetch(`/events?since=${encodeURIComponent(this.since)}`, {
      headers: headers(), signal: this.abort.signal,
    }));
    this.onState("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onNews();
      const messages = (held + value).split("\n\n");
      held = messages.pop();
      messages.forEach((message) => this.take(message));
    }
  }

  take(message) {
    const fields = {};
    for (const line of message.split("\n")) {
      const [, name, value] = /^(\w*): ?(.*)$/.exec(line) || [];
      if (name) fields[name] = value;
    }
    if (fields.data) this.onTasks(JSON.parse(fields.data));
    if (fields.id) this.since = fields.id;
  }
}
