// Power over the last hour, day or week: the rows of the database, renewed every minute, continued with what comes live.

import { recent } from "./recent.js";
import { timeplot } from "./timeplot.js";

const RENEW_MS = 60000;
const KILOWATT = { name: "kW", factor: 0.001, digits: 2 };

/** @returns {{take: (snapshot: object) => void}} */
export function chart(place, legend, buttons, trouble) {
  const plot = timeplot(place, legend);
  const newest = recent();
  let hours = "1";
  let told = null;             // the picture as the station told it
  let asking = 0;

  async function renew() {
    if (document.hidden) return;
    const mine = asking += 1;
    try {
      const answer = await fetch(`${place.dataset.url}?hours=${hours}`, { redirect: "error" });
      if (!answer.ok) throw new Error(answer.statusText);
      const picture = await answer.json();
      if (mine !== asking) return;
      told = picture;
      trouble.hidden = true;
      paint();
    } catch {
      if (mine === asking) trouble.hidden = false;
    }
  }

  function paint() {
    if (!told || document.hidden) return;
    const [power] = told.curves.map((curve) => ({ ...curve, x: [...curve.x], y: [...curve.y] }));
    newest.append(power, told.from, (watt) => watt);
    const now = Math.max(told.now, power.x.at(-1) ?? 0);
    place.dataset.newest = String(power.y.at(-1) ?? "");
    plot.show({ now: 0, from: now - hours * 3600, to: now, curves: [power] }, KILOWATT);
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      ({ hours } = button.dataset);
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      renew();
    });
  }
  renew();
  setInterval(renew, RENEW_MS);
  document.addEventListener("visibilitychange", renew);
  return { take(snapshot) { if (newest.take(snapshot)) paint(); } };
}
