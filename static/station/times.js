// Times in the language of the page and the zone of the person who looks; a click or a touch shows the exact moment.

import { LANGUAGE } from "./language.js";

const written = (options) => new Intl.DateTimeFormat(LANGUAGE, options);
const time = { hour: "2-digit", minute: "2-digit" };
const day = { day: "numeric", month: "short" };
const near = written(time);
const far = written({ ...day, ...time });
const farther = written({ ...day, year: "numeric", ...time });
const full = written({ dateStyle: "full", timeStyle: "long" });
// What a page asks for with data-times: on paper "today" is wrong tomorrow; who compares messages needs seconds.
const ASKED = { date: farther, exact: written({ ...day, year: "numeric", ...time, second: "2-digit" }) };

/** Is it a moment of today here? */
export const isToday = (moment) => moment.toDateString() === new Date().toDateString();

const dated = (moment) => (moment.getFullYear() === new Date().getFullYear() ? far : farther).format(moment);

/** Rewrite every <time datetime> and every sentence with data-moments below `root`. */
export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const asked = ASKED[element.closest("[data-times]")?.dataset.times];
    element.textContent = asked ? asked.format(moment) : dayTime(moment);
    element.title = full.format(moment);
  }
  for (const element of root.querySelectorAll("[data-moments]")) element.textContent = localSentence(element.textContent);
}

/** "until 2026-05-06 07:08 UTC", "until 07:08 UTC" (of today) → in the zone of the person who looks. */
export function localSentence(text) {
  return text.replace(/(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d) UTC/g, (whole, date, clock) => {
    const moment = new Date(`${date ?? new Date().toISOString().slice(0, 10)}T${clock}Z`);
    return Number.isNaN(moment.getTime()) ? whole : clockTime(moment);
  });
}

/** "today 07:08", "6 May, 07:08", "6 May 2024, 07:08" */
export function dayTime(moment) {
  return isToday(moment) ? interpolate(gettext("today %(time)s"), { time: near.format(moment) }, true) : dated(moment);
}

/** A moment as hour and minute; of another day with its date. */
export function clockTime(text) {
  const moment = new Date(text);
  return isToday(moment) ? near.format(moment) : dated(moment);
}

/** 3725 → "1 h 02 min", 1325 → "22 min", 125 → "2:05 min", 5 → "5 s" */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  const hours = Math.floor(s / 3600);
  if (s < 60) return interpolate(gettext("%(seconds)s s"), { seconds: s }, true);
  if (s < 600) return interpolate(gettext("%(minutes)s:%(seconds)s min"), { minutes, seconds: two(s % 60) }, true);
  if (s < 3600) return interpolate(gettext("%(minutes)s min"), { minutes }, true);
  if (s < 172800) return interpolate(gettext("%(hours)s h %(minutes)s min"), { hours, minutes: two(minutes % 60) }, true);
  return interpolate(gettext("%(days)s d"), { days: Math.floor(s / 86400) }, true);
}

/** "just now", "12 s ago", "3 min ago", "2 h ago" */
export function ago(seconds) {
  if (seconds < 2) return gettext("just now");
  if (seconds < 90) return interpolate(gettext("%(seconds)s s ago"), { seconds: Math.round(seconds) }, true);
  if (seconds < 5400) return interpolate(gettext("%(minutes)s min ago"), { minutes: Math.round(seconds / 60) }, true);
  return interpolate(gettext("%(hours)s h ago"), { hours: Math.round(seconds / 3600) }, true);
}

document.addEventListener("click", ({ target }) => {
  const element = target.closest("time[title]");
  if (element && !element.closest("a,button,summary")) [element.textContent, element.title] = [element.title, element.textContent];
});
localTimes(document);
