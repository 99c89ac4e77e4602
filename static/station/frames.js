// The frame log: live, searchable, newest first. Frames are shown as text only: nothing a backend sends is markup here.

import { connect } from "./socket.js";

const KEPT = 500;
const KINDS = { 2: "asks", 3: "answers", 4: "refuses" };
const list = document.getElementById("frames");
const empty = document.getElementById("empty");
const search = document.getElementById("search");
const heartbeats = document.getElementById("heartbeats");
const pause = document.getElementById("pause");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });
let frames = [];               // oldest first
let actions = new Map();       // message id → action of the CALL
let paused = false;

function read(frame) {
  let message = null;
  try { message = JSON.parse(frame.text); } catch { /* cut, or not JSON at all */ }
  if (!Array.isArray(message)) message = [];
  const [type, id, action] = message;
  if (type === 2) actions.set(id, action);
  const name = type === 2 ? action : actions.get(id) ?? "";
  return { ...frame, type, name: String(name ?? ""), pretty: message.length ? JSON.stringify(message, null, 2) : frame.text };
}

function row(frame) {
  const item = document.createElement("li");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const cells = [
    ["time", clock.format(new Date(frame.at))],
    ["who", frame.direction === "out" ? "station" : "backend"],
    ["what", `${KINDS[frame.type] ?? "says"} ${frame.name}`.trim()],
    ["text", frame.text],
  ];
  summary.append(...cells.map(([name, text]) => {
    const cell = document.createElement("span");
    cell.className = name;
    cell.textContent = text;
    return cell;
  }));
  item.dataset.direction = frame.direction;
  if (frame.type === 4) item.dataset.kind = "fault";
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) {
      const whole = document.createElement("pre");
      whole.textContent = frame.pretty;
      details.append(whole);
    }
  });
  item.append(details);
  return item;
}

function fits(frame) {
  const wanted = search.value.trim().toLowerCase();
  if (heartbeats.checked && frame.name === "Heartbeat") return false;
  return !wanted || frame.text.toLowerCase().includes(wanted) || frame.name.toLowerCase().includes(wanted);
}

function redraw() {
  list.replaceChildren(...frames.filter(fits).reverse().map(row));
  tidy();
}

function tidy() {
  while (list.childElementCount > KEPT) list.lastElementChild.remove();
  empty.hidden = list.childElementCount > 0;
  empty.textContent = frames.length ? "No message fits the search." : "No messages yet.";
}

connect({
  frames: true,
  onframes(fresh, reset) {
    if (reset) { frames = []; actions = new Map(); }
    const newest = frames.at(-1)?.seq ?? -1;
    const read_ = fresh.filter((frame) => reset || frame.seq > newest).map(read);
    frames = frames.concat(read_).slice(-KEPT);
    if (paused) return;
    if (reset) redraw();
    else {
      list.prepend(...read_.filter(fits).reverse().map(row));
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
heartbeats.addEventListener("change", redraw);
document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Continue" : "Pause";
  if (!paused) redraw();
});
document.getElementById("download").addEventListener("click", () => {
  const text = frames.map((frame) => `${frame.at} ${frame.direction === "out" ? "station → backend" : "backend → station"} ${frame.text}\n`).join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = "messages.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
