// The dashboard: writes the newest snapshot into the page, and lets ages and durations tick in between.

import { chart } from "./chart.js";
import { decimal } from "./language.js";
import { connect } from "./socket.js";
import { ago, clockTime, dayTime, duration, localSentence, localTimes } from "./times.js";

const slots = new Map([...document.querySelectorAll("[data-t]")].map((element) => [element.dataset.t, element]));
const power = chart(
  document.getElementById("plot"), document.getElementById("legend"), document.querySelectorAll("[data-hours]"),
  document.getElementById("chart-trouble"),
);
const attention = document.getElementById("attention");
const icons = document.getElementById("state-icon").getAttribute("href").split("#")[0];
const stop = document.getElementById("stop");
const acknowledge = document.getElementById("acknowledge");
const chargeNow = document.getElementById("charge-now");
const start = document.getElementById("start");
const reply = document.getElementById("reply");
const confirmation = document.getElementById("confirm");
let now = null;                // the newest snapshot
let receivedAt = 0;
let latestKey = null;

function set(name, text) {
  const element = slots.get(name);
  if (element.textContent !== text) element.textContent = text;
}

function note(name, text) {
  set(name, text ?? "");
  slots.get(name).closest(".note").hidden = !text;
}

const number = (value, digits) => (value === null || value === undefined ? "–" : decimal(value, digits));

function show(snapshot) {
  now = snapshot;
  receivedAt = performance.now();
  const { state, limit, meter, session, backend, box, clock } = snapshot;
  document.body.classList.remove("loading");
  document.getElementById("state").dataset.kind = state.kind;
  document.getElementById("state-icon").setAttribute("href", `${icons}#${state.kind}`);
  set("word", state.word);
  set("sentence", localSentence(state.sentence));
  set("power", meter.power_w === null ? "–" : number(meter.power_w / 1000, 1));
  set("session_energy", session ? number(session.energy_wh / 1000, 2) : "–");
  set("current", number(meter.current_a, 1));
  set("voltage", number(meter.voltage_v, 0));
  set("offered", number(limit.offered_a, Number.isInteger(limit.offered_a) ? 0 : 1));
  for (const fact of document.querySelectorAll("[data-session]")) fact.hidden = !session;
  set("id_tag", session ? session.id_tag : "–");
  set("started", session ? clockTime(session.started_at) : "–");
  set("transaction_id", session?.transaction_id ?? "–");
  set("meter", meter.energy_wh === null ? "–" : number(meter.energy_wh / 1000, 1));
  set("limit_sentence", limit.sentence === state.sentence ? "" : localSentence(limit.sentence)); // told already
  showReservation(snapshot.reservation);
  stop.hidden = !session?.running;
  chargeNow.hidden = snapshot.role === "viewer" || !limit.waiting;
  start.hidden = snapshot.role === "viewer" || Boolean(session?.running) || state.kind === "fault" || state.kind === "unavailable";

  document.getElementById("backend").dataset.kind = backend.kind;
  set("link_word", backend.word);
  set("registration", backend.state === "off" ? "–" : backend.registration_words);
  set("queue", backend.queue_depth ? interpolate(ngettext("%(count)s message", "%(count)s messages", backend.queue_depth), { count: backend.queue_depth }, true) : gettext("nothing"));
  set("url", backend.url || gettext("none set"));
  note("link_trouble", backend.state === "waiting" ? gettext("The backend is not reached. What it has to know waits in the station.")
    : backend.state === "connected" && backend.registration !== "accepted" ? interpolate(gettext("Backend: %(state)s"), { state: backend.registration_words }, true) : "");
  note("link_error", backend.state === "connected" ? "" : backend.last_error);
  note("link_warning", backend.warning);
  note("parked", backend.parked ? interpolate(ngettext(
    "%(count)s message was not accepted by the backend.", "%(count)s messages were not accepted by the backend.", backend.parked,
  ), { count: backend.parked }, true) : "");
  note("message_error", backend.message_error ? interpolate(gettext("Last problem with a message: %(error)s"), { error: backend.message_error }, true) : "");
  note("clock", clock.confirmed ? "" : clock.synchronised ? gettext("Nobody has confirmed the clock since the start.") : gettext("The time is a guess until the backend or the network gives it."));

  set("cable", box.ready ? (box.ev_connected ? gettext("plugged in") : gettext("not plugged in")) : gettext("not known yet"));
  set("contactor", box.ready ? (box.contactor_closed ? gettext("closed: the car has mains") : gettext("open")) : gettext("not known yet"));
  document.getElementById("temperature-row").hidden = meter.temperature_c === null;
  set("temperature", meter.temperature_c === null ? "" : `${decimal(meter.temperature_c, Number.isInteger(meter.temperature_c) ? 0 : 1)} °C`);
  acknowledge.hidden = now.role === "viewer" || !box.faults.some((fault) => ["estop", "tamper", "relay_stuck"].includes(fault.code));
  lines("faults", box.faults.map((fault) => [
    fault.blocking ? "fault" : "waiting", fault.words, [fault.info, fault.cure].filter(Boolean).join(". "), "",
  ]));
  lines("ports", box.ports.map((port) => [
    port.kind, port.device || port.name, [port.error || port.word, quality(port)].filter(Boolean).join(" · "), port,
  ]));

  document.getElementById("simulated").hidden = !snapshot.simulator;
  if (/^https?:/.test(snapshot.simulator)) document.getElementById("simulator").href = snapshot.simulator;
  power.take(snapshot);
  refreshLatest(session);
  showAttention();
  tick();
}

/** Shown only while something needs attention. */
function showAttention() {
  attention.hidden = [...attention.querySelectorAll(".note, #faults > li")].every((line) => line.hidden);
}

/** Ask for a piece of the page again; a page that has no such piece does not ask. */
async function refresh(id) {
  const place = document.getElementById(id);
  if (!place || document.hidden) return;
  try {
    const answer = await fetch(place.dataset.url, { redirect: "error" });
    if (!answer.ok) return;
    place.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
    localTimes(place);
    showAttention();
  } catch { /* the next time tries again */ }
}

function showReservation(reservation) {
  if (!reservation) {
    note("reservation", "");
    return;
  }
  const sentence = reservation.group
    ? gettext("Reservation %(id)s: for card %(card)s and its group, until %(time)s")
    : gettext("Reservation %(id)s: for card %(card)s, until %(time)s");
  const { id, id_tag: card, until } = reservation;
  note("reservation", interpolate(sentence, { id, card, time: dayTime(new Date(until)) }, true));
}

/** What went wrong on a serial line since the station started, empty when nothing did. */
function quality(port) {
  return [
    port.checksum_errors && interpolate(gettext("%(count)s damaged"), { count: port.checksum_errors }, true),
    port.timeouts && interpolate(gettext("%(count)s without answer"), { count: port.timeouts }, true),
    port.reconnects && interpolate(ngettext("%(count)s reconnect", "%(count)s reconnects", port.reconnects), { count: port.reconnects }, true),
  ].filter(Boolean).join(", ");
}

function lines(id, rows) {
  const list = document.getElementById(id);
  list.replaceChildren(...rows.map(([kind, title, text, port]) => {
    const item = document.createElement("li");
    const chip = document.createElement("span");
    chip.className = "dot";
    chip.dataset.kind = kind;
    const words = document.createElement("span");
    const small = document.createElement("small");
    small.textContent = text;
    words.append(title, small);
    item.append(chip, words);
    if (port) {
      const age = document.createElement("b");
      age.dataset.age = port.last_frame_age_s ?? "";
      age.title = interpolate(ngettext("%(path)s: %(count)s answer", "%(path)s: %(count)s answers", port.frames), { path: port.path, count: port.frames }, true);
      item.append(age);
    }
    return item;
  }));
}

function tick() {
  if (!now) return;
  const passed = (performance.now() - receivedAt) / 1000;
  const { session, backend } = now;
  set("elapsed", session ? duration(session.elapsed_s + (session.running ? passed : 0)) : "–");
  set("since", backend.since_s === null || backend.state === "off" ? "–" : ago(backend.since_s + passed));
  set("uptime", duration(now.uptime_s + passed));
  set("last_byte", backend.last_byte_age_s === null ? (backend.state === "off" ? "–" : gettext("never")) : ago(backend.last_byte_age_s + passed));
  set("in_flight", backend.in_flight ? interpolate(gettext("%(message)s, for %(time)s"), { message: backend.in_flight, time: duration(backend.in_flight_s + passed) }, true) : gettext("nothing"));
  if (backend.state === "waiting" && backend.next_attempt_in_s !== null) {
    const left = Math.max(0, Math.round(backend.next_attempt_in_s - passed));
    set("link_word", interpolate(gettext("Not connected, next try in %(seconds)s s"), { seconds: left }, true));
  }
  for (const age of document.querySelectorAll("[data-age]")) {
    age.textContent = age.dataset.age === "" ? gettext("never") : ago(Number(age.dataset.age) + passed);
  }
}

async function refreshLatest(session) {
  const key = session ? `${session.uid} ${session.running} ${session.acknowledged} ${now.backend.parked}` : "";
  if (latestKey === null) latestKey = key;
  if (key === latestKey) return;
  latestKey = key;
  await refresh("latest");
}

const live = connect({
  snapshot: show,
  stale(text) {
    const banner = document.getElementById("stale");
    banner.hidden = !text;
    banner.textContent = text;
    document.body.classList.toggle("is-stale", Boolean(text));
    stop.disabled = Boolean(text);
  },
});

acknowledge.addEventListener("click", () => order(acknowledge, "acknowledge"));
chargeNow.addEventListener("click", () => order(chargeNow, "charge_now"));
stop.addEventListener("click", () => confirmation.showModal());
confirmation.addEventListener("close", async () => {
  if (confirmation.returnValue !== "stop") return;
  confirmation.returnValue = "";
  order(stop, "stop");
});
start.addEventListener("submit", (event) => {
  event.preventDefault();
  order(start.querySelector("button"), "swipe", document.getElementById("card").value.trim());
});

async function order(button, command, argument) {
  button.disabled = true;
  const { ok, text } = await live.command(command, argument);
  button.disabled = false;
  reply.hidden = false;
  reply.textContent = text;
  reply.classList.toggle("fault", !ok);
  clearTimeout(order.timer);
  order.timer = setTimeout(() => { reply.hidden = true; }, 10000);
}

setInterval(tick, 1000);
refresh("alerts");             // with what the page did not wait for
refresh("uplinks");
setInterval(() => refresh("alerts"), 60000);
setInterval(() => refresh("uplinks"), 15000);
