// The messages: live, filtered, newest first, each CALL beside its answer. Shown as text only: nothing a backend sends is
// markup here.

import "./fold.js";
import { decimal, LANGUAGE } from "./language.js";
import { connect } from "./socket.js";
import { isToday } from "./times.js";

const KEPT = 1000;
const SHOWN = 500;
const KINDS = {
  2: gettext("asks %(message)s"), 3: gettext("answers %(message)s"), 4: gettext("refuses %(message)s"), 0: gettext("says what is no OCPP message"),
};
// The beginning of a message, for those too long to be shown whole.
const HEAD = /^\s*\[\s*([234])\s*,\s*"((?:[^"\\]|\\.)*)"(?:\s*,\s*"((?:[^"\\]|\\.)*)")?/;
const list = document.getElementById("frames");
const empty = document.getElementById("empty");
const search = document.getElementById("search");
const action = document.getElementById("action");
const direction = document.getElementById("direction");
const kind = document.getElementById("kind");
const pause = document.getElementById("pause");
const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(LANGUAGE, time);
const dated = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", ...time });
let frames = [];               // oldest first
let calls = new Map();         // direction and message id → the newest CALL of that id
let paused = false;

function parsed(text) {
  try {
    const message = JSON.parse(text);
    if (Array.isArray(message)) return message;
  } catch { /* cut, or not JSON at all */ }
  const head = HEAD.exec(text);
  return head ? [Number(head[1]), head[2], head[3]] : [];
}

function read(frame) {
  const message = parsed(frame.text);
  const [type, id] = message;
  const known = { ...frame, type: [2, 3, 4].includes(type) ? type : 0, name: "", partner: null };
  if (type === 2) {
    known.name = String(message[2] ?? "");
    calls.set(`${frame.direction} ${id}`, known);
  } else if (type === 3 || type === 4) {
    const call = calls.get(`${frame.direction === "in" ? "out" : "in"} ${id}`);
    if (call) {
      known.name = call.name;
      known.partner = call;
      if (!call.partner) {
        call.partner = known;
        call.note?.replaceChildren(ending(call));
      }
    }
  }
  return known;
}

function millis(from, to) {
  const ms = Math.max(0, Date.parse(to.at) - Date.parse(from.at));
  return ms < 1000 ? `${ms} ms` : interpolate(gettext("%(seconds)s s"), { seconds: decimal(ms / 1000, 1) }, true);
}

/** How a CALL ended, or how long its answer took. */
function ending(frame) {
  const { partner, type } = frame;
  if (!partner) return type === 2 ? gettext("no answer yet") : "";
  if (type !== 2) return interpolate(gettext("after %(time)s"), { time: millis(partner, frame) }, true);
  const how = partner.type === 4 ? gettext("refused after %(time)s") : gettext("answered after %(time)s");
  return interpolate(how, { time: millis(frame, partner) }, true);
}

/** What a message says, without the type, the id and the name that stand beside it; of one too long its beginning. */
function payload({ text, type }) {
  try {
    const message = JSON.parse(text);
    if (type === 2) return JSON.stringify(message[3]) ?? "";
    if (type === 3) return JSON.stringify(message[2]) ?? "";
    if (type === 4) return message.slice(2, 4).filter(Boolean).join(": ");
  } catch { /* cut, or not JSON at all */ }
  return type ? text.replace(HEAD, "").replace(/^\s*,\s*/, "") : text;
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function row(frame) {
  const item = document.createElement("li");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  frame.note = element("span", "note-of", ending(frame));
  summary.append(
    element("span", "time", (isToday(new Date(frame.at)) ? clock : dated).format(new Date(frame.at))),
    element("span", "who", frame.direction === "out" ? gettext("station") : gettext("backend")),
    element("span", "what", interpolate(KINDS[frame.type], { message: frame.name }, true).trim()),
    frame.note,
    element("span", "text", payload(frame)),
  );
  item.dataset.direction = frame.direction;
  if (frame.type === 4 || frame.type === 0) item.dataset.kind = "fault";
  details.append(summary);
  details.addEventListener("toggle", () => {
    for (const old of [...details.children].slice(1)) old.remove();
    if (!details.open) return;
    details.append(element("pre", "", pretty(frame.text)));
    if (!frame.partner) return;
    details.append(element("p", "hint", frame.type === 2 ? gettext("Its answer") : gettext("What it answers")), element("pre", "", pretty(frame.partner.text)));
  });
  item.append(details);
  return item;
}

function fits(frame) {
  const wanted = search.value.trim().toLowerCase();
  if (direction.value && frame.direction !== direction.value) return false;
  if (kind.value === "error" ? frame.type === 2 || frame.type === 3 : kind.value && frame.type !== Number(kind.value)) return false;
  if (action.value.startsWith("not ") ? frame.name === action.value.slice(4) : action.value && frame.name !== action.value) return false;
  return !wanted || frame.text.toLowerCase().includes(wanted) || frame.name.toLowerCase().includes(wanted);
}

function redraw() {
  list.replaceChildren(...frames.filter(fits).slice(-SHOWN).reverse().map(row));
  tidy();
}

function tidy() {
  while (list.childElementCount > SHOWN) list.lastElementChild.remove();
  empty.hidden = list.childElementCount > 0;
  empty.textContent = frames.length ? gettext("No message fits the filter.") : gettext("No messages yet.");
}

function offerActions(fresh) {
  const offered = new Set([...action.options].map((option) => option.value));
  for (const name of new Set(fresh.map((frame) => frame.name))) {
    if (!name || offered.has(name)) continue;
    const after = [...action.options].find((option) => !option.value.startsWith("not ") && option.value > name);
    action.add(new Option(name, name), after ?? null);
  }
}

connect({
  frames: true,
  onframes(fresh, reset) {
    if (reset) { frames = []; calls = new Map(); }
    const newest = frames.at(-1)?.seq ?? -1;
    const known = fresh.filter((frame) => reset || frame.seq > newest).map(read);
    frames = frames.concat(known).slice(-KEPT);
    if (calls.size > 2 * KEPT) calls = new Map([...calls].slice(-KEPT));
    offerActions(known);
    if (paused) return;
    if (reset) redraw();
    else {
      list.prepend(...known.filter(fits).reverse().map(row));
      tidy();
    }
  },
  stale(text) {
    const banner = document.getElementById("stale");
    banner.hidden = !text;
    banner.textContent = text;
  },
});

search.addEventListener("input", redraw);
for (const choice of [action, direction, kind]) choice.addEventListener("change", redraw);
document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? gettext("Continue") : gettext("Pause");
  if (!paused) redraw();
});
document.getElementById("download").addEventListener("click", () => {
  const lines = frames.filter(fits).map(({ seq, at, direction: way, name, type, partner, text }) => JSON.stringify({
    seq, at, direction: way, kind: ["", "", "CALL", "CALLRESULT", "CALLERROR"][type], action: name,
    answered_ms: type === 2 && partner ? Date.parse(partner.at) - Date.parse(at) : undefined,
    text,
  }));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line}\n`).join("")], { type: "application/jsonl" }));
  link.download = `messages-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
