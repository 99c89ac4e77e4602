"use strict";
const byId = (id) => document.getElementById(id);
const LINK_MODES = ["ok", "unplugged", "mute", "late", "drop", "corrupt", "garbage", "split", "echo", "duplicate"];

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
  ["Speed", (s) => `${s.speed} ×`],
];

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
  byId("display").textContent = state.board.display.join("\n");
  for (const button of byId("faults").children) button.classList.toggle("on", state.faults.includes(button.textContent));
  for (const select of byId("links").querySelectorAll("select")) select.value = state.links[select.name].mode;
}

function addLinks() {
  for (const port of ["board", "meter", "reader"]) {
    const row = document.createElement("label"), select = document.createElement("select");
    row.className = "row";
    select.name = port;
    select.append(...LINK_MODES.map((mode) => new Option(mode)));
    select.addEventListener("change", async () => show(await call("/link", { port, mode: select.value })));
    row.append(`${port} `, select);
    byId("links").append(row);
  }
}

async function addFaults() {
  for (const [name, kind] of Object.entries(await call("/faults") || {})) {
    const button = document.createElement("button");
    button.textContent = name;
    button.title = kind.meaning;
    button.addEventListener("click", async () =>
      show(await call("/fault", { name, active: !button.classList.contains("on") })));
    byId("faults").append(button);
  }
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
    show(await call(form.dataset.call, body));
  });
}

const refresh = async () => show(await call("/state"));
addLinks();
addFaults().then(refresh);
setInterval(refresh, 1000);
