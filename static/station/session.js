// One session: its power over time.

import { timeplot } from "./timeplot.js";

const place = document.getElementById("plot");
const plot = timeplot(place, document.getElementById("legend"));
const none = document.getElementById("chart-none");

try {
  const answer = await fetch(place.dataset.url, { redirect: "error" });
  if (!answer.ok) throw new Error(answer.statusText);
  const picture = await answer.json();
  const empty = picture.curves.every((curve) => curve.x.length < 2);
  place.hidden = empty;
  none.hidden = !empty;
  if (!empty) plot.show(picture, { name: "kW", factor: 0.001, digits: 2 });
} catch {
  place.hidden = true;
  none.hidden = false;
  none.textContent = gettext("The chart could not be loaded. Load the page again.");
}
