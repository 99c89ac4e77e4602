"use strict";
const byId = (id) => document.getElementById(id);
const LINK_MODES = ["ok", "unplugged", "mute", "late", "drop", "corrupt", "garbage", "split", "echo", "duplicate", "boot_text"];
const BYTES_SHOWN = 200;
let newest = 0, held = false;

async function call(path, body) {
  try {
    const answer = await fetch(path, body && { method: "POST", body: JSON.stringify(body) });
    const content = await answer.json();
    byId("error").textContent = content.error || "";
    return answer.ok ? content : null;
  } catch {
    byId("error").textContent = "The simulator does not answer.";
    return null;
  }
}

const FACTS = [
  ["Station connected", (s) => (s.ready ? "yes" : "no")],
  ["Car", (s) => (s.plugged ? `plugged, ${s.soc.toFixed(1)} %` : "not plugged")],
  ["Pilot", (s) => `${s.cp}, offers ${s.offered_a.toFixed(1)} A`],
  ["Contactor", (s) => (s.relay ? "closed" : "open")],
  ["Current", (s) => `${s.current_a.toFixed(2)} A`],
  ["Power", (s) => `${(s.power_w / 1000).toFixed(2)} kW`],
  ["Voltage", (s) => `${s.voltage_v.toFixed(1)} V`],
  ["Meter register", (s) => `${s.energy_wh} Wh`],
  ["Temperature", (s) => `${s.temperature_c.toFixed(1)} °C`],
  ["Board", (s) => `${s.board_state} (${[s.board.state, s.board.vflags].filter(Boolean).join(" ")})`],
  ["Card", (s) => s.reader.card || "–"],
];
// command of the car → what it is for people, and whether the state shows it
const HABITS = {
  ignore_pwm_off: ["ignores the end of the offer", (ev) => ev.ignore_pwm_off],
  slow_react: ["follows slowly", (ev) => ev.react_delay_s > 5],
  overdraw: ["draws too much", (ev) => ev.overdraw_a > 0],
  sleep_no_wake: ["sleeps after a pause", (ev) => ev.sleep_no_wake],
  simplified: ["does not wait for the pilot", (ev) => ev.simplified],
  weird_limit: ["nothing below 8 A", (ev) => ev.weird_limit_a > 0],
  ventilate: ["wants ventilation", (ev) => ev.ventilate],
  diode_short: ["no diode", (ev) => ev.diode_short],
  cp_bounce: ["contact bounces now", () => false],
};

function show(state) {
  if (!state) return;
  byId("mode").textContent = state.mode.replaceAll("_", " ");
  byId("mode").className = state.mode;
  byId("facts").replaceChildren(...FACTS.flatMap(([name, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value(state);
    return [term, text];
  }));
  byId("display").textContent = (state.board.display || []).join("\n");
  byId("display").hidden = !state.board.display;
  byId("clock").textContent = `${Math.round(state.world_s)} s`;
  for (const lamp of byId("lamps").children) lamp.classList.toggle("lit", Boolean(state.panel?.[lamp.title]));
  for (const row of byId("faults").children) {
    row.querySelector("button").classList.toggle("on", state.faults.includes(row.dataset.name));
  }
  for (const button of byId("habits").children) {
    button.classList.toggle("on", HABITS[button.dataset.command][1](state.ev));
  }
  for (const select of byId("links").querySelectorAll("select")) select.value = state.links[select.name].mode;
  for (const slider of document.querySelectorAll("input[type=range]")) {
    if (slider !== document.activeElement) {
      slider.value = slider.dataset.from ? state[slider.dataset.from][slider.name] : state[slider.dataset.value];
    }
    label(slider);
  }
  const speed = document.querySelector("select[name=factor]");
  if (![...speed.options].some((option) => Number(option.value) === state.speed)) {
    speed.add(new Option(`${state.speed} ×`, state.speed));
  }
  speed.value = state.speed;
}

function label(slider) {
  slider.nextElementSibling.textContent = `${Math.round(slider.value)} ${slider.dataset.unit || "A"}`;
}

function addLamps() {
  const colours = { red: "#e03131", green: "#2f9e44", blue: "#1c7ed6", buzzer: "#f08c00", enable: "#868e96" };
  for (const [name, colour] of Object.entries(colours)) {
    const lamp = document.createElement("i");
    lamp.title = name;
    lamp.style.color = colour;
    byId("lamps").append(lamp);
  }
}

function addLinks() {
  for (const port of ["board", "meter", "reader", "panel"]) {
    const row = document.createElement("label"), select = document.createElement("select");
    row.className = "row";
    select.name = port;
    select.append(...LINK_MODES.map((mode) => new Option(mode)));
    select.addEventListener("change", async () => show(await call("/link", { port, mode: select.value })));
    row.append(`${port} `, select);
    byId("links").append(row);
  }
}

function addHabits() {
  for (const [command, [words]] of Object.entries(HABITS)) {
    const button = document.createElement("button");
    button.textContent = words;
    button.dataset.command = command;
    button.addEventListener("click", async () =>
      show(await call("/ev", { command, active: !button.classList.contains("on") })));
    byId("habits").append(button);
  }
}

async function addFaults() {
  for (const [name, kind] of Object.entries(await call("/faults") || {})) {
    const row = document.createElement("div"), button = document.createElement("button");
    const meaning = document.createElement("small"), value = document.createElement("input");
    row.className = "fault";
    row.dataset.name = name;
    button.textContent = name.replaceAll("_", " ");
    meaning.textContent = kind.meaning;
    value.type = "number";
    value.value = kind.default;
    value.step = "any";
    value.title = kind.unit;
    value.setAttribute("aria-label", `${name}, ${kind.unit}`);
    button.addEventListener("click", async () => show(await call("/fault", {
      name, active: !button.classList.contains("on"), ...(kind.unit && { value: Number(value.value) }),
    })));
    row.append(button, ...(kind.unit ? [value] : []), meaning);
    byId("faults").append(row);
  }
}

async function listen() {
  if (held) return;
  const log = await call(`/log?since=${newest}`);
  if (!log) return;
  if (log.last_seq < newest) byId("bytes").replaceChildren(); // another simulator
  newest = log.last_seq;
  const list = byId("bytes"), atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 20;
  for (const entry of log.entries.slice(-BYTES_SHOWN)) {
    const line = document.createElement("li");
    line.className = entry.from;
    const readable = /^[\x20-\x7e.]*[\x20-\x2d\x2f-\x7e]{3}/.test(entry.text) && entry.port !== "meter";
    line.textContent = `${entry.at_s.toFixed(3).padStart(10)} ${entry.port.padEnd(6)} ${entry.from === "host" ? "→" : "←"} `
      + (readable ? entry.text : entry.hex.replace(/(..)/g, "$1 "));
    list.append(line);
  }
  while (list.children.length > BYTES_SHOWN) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

for (const button of document.querySelectorAll("button[data-call]")) {
  button.addEventListener("click", async () => show(await call(button.dataset.call, JSON.parse(button.dataset.body))));
}
for (const form of document.querySelectorAll("form[data-call]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = Object.fromEntries(new FormData(form));
    const number = form.dataset.number;
    if (number) body[number] = Number(body[number]);
    for (const box of form.querySelectorAll("input[type=checkbox]")) body[box.name] = box.checked;
    show(await call(form.dataset.call, body));
  });
}
for (const slider of document.querySelectorAll("input[type=range]")) {
  slider.addEventListener("input", () => label(slider));
  slider.addEventListener("change", async () => {
    const value = Number(slider.value);
    show(await (slider.dataset.fault
      ? call("/fault", { name: slider.dataset.fault, value })
      : call(slider.dataset.call, { [slider.name]: value })));
    slider.blur();
  });
}
document.querySelector("select[name=factor]").addEventListener("change", async (event) =>
  show(await call("/speed", { factor: Number(event.target.value) })));
byId("random-card").addEventListener("click", async () => {
  const random = crypto.getRandomValues(new Uint8Array(3));
  show(await call("/swipe", { uid: `08${[...random].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`.toUpperCase() }));
});
byId("hold").addEventListener("click", () => {
  held = !held;
  byId("hold").classList.toggle("on", held);
});

const refresh = async () => {
  show(await call("/state"));
  await listen();
};
addLamps();
addLinks();
addHabits();
addFaults().then(refresh);
setInterval(refresh, 1000);
