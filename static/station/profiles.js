// Charging profiles: the chart, renewed every minute and at once when the profiles change; the limit sentence, live.

import { connect } from "./socket.js";
import { recent } from "./recent.js";
import { localSentence, localTimes } from "./times.js";
import { timeplot } from "./timeplot.js";

const RENEW_MS = 60000;
const UNITS = { A: { name: "A", factor: 1, digits: 1 }, W: { name: "kW", factor: 0.001, digits: 2 } };
const place = document.getElementById("plot");
const sentence = document.getElementById("sentence");
const note = document.getElementById("chart-note");
const trouble = document.getElementById("chart-trouble");
const plot = timeplot(place, document.getElementById("legend"));
const chosen = { hours: "24", unit: "A" };
let changes = null;            // of the profiles, as the station counts them
const newest = recent();
let told = null;               // the picture as the station told it
let drawing = 0;
let listing = 0;               // … of two answers the one to the newer question counts

async function draw() {
  const mine = drawing += 1;
  try {
    const answer = await fetch(`${place.dataset.url}?hours=${chosen.hours}&unit=${chosen.unit}`, { redirect: "error" });
    if (!answer.ok) throw new Error(answer.statusText);
    const picture = await answer.json();
    if (mine !== drawing) return;
    told = picture;
    paint();
    note.hidden = false;
    trouble.hidden = true;
  } catch {
    note.hidden = true;
    trouble.hidden = false;
  }
}

/** Draw it, with the minutes that are not written yet and what this page has seen since. */
function paint() {
  const curves = told.curves.map((curve) => ({ ...curve, x: [...curve.x], y: [...curve.y] }));
  const picture = { ...told, curves };
  const measured = curves.find((curve) => curve.kind === "measured");
  const value = (watt, milliampere) => {
    const number = picture.unit === "A" ? milliampere : watt;
    return number === null ? null : picture.unit === "A" ? number / 1000 : number;
  };
  newest.append(measured, picture.from, value);
  picture.now = Math.max(picture.now, measured.x.at(-1) ?? 0);
  plot.show(picture, UNITS[picture.unit]);
}

async function renewLists() {
  const mine = listing += 1;
  try {
    const answer = await fetch(location.pathname, { redirect: "error" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== listing) return;
    const open = document.getElementById("table").open;
    for (const id of ["installed", "table"]) {
      const section = fresh.getElementById(id);
      document.getElementById(id).replaceWith(section);
      localTimes(section);
    }
    document.getElementById("table").open = open;
  } catch { /* with the next change, or in a minute */ }
}

function renew() {
  if (document.hidden) return;
  draw();
  renewLists();
}

for (const button of document.querySelectorAll(".switch button")) {
  button.addEventListener("click", () => {
    Object.assign(chosen, button.dataset);
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
    draw();
  });
}

connect({
  snapshot(snapshot) {
    if (snapshot.limit.sentence) sentence.textContent = localSentence(snapshot.limit.sentence);
    if (newest.take(snapshot) && told && !document.hidden) paint();
    if (changes !== snapshot.profile_changes) renew(); // the first time as well: since this page was written they may have changed
    changes = snapshot.profile_changes;
  },
  stale(text) {
    const banner = document.getElementById("stale");
    banner.hidden = !text;
    banner.textContent = text;
  },
});
draw();
setInterval(renew, RENEW_MS);
document.addEventListener("visibilitychange", renew);
