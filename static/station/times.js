// Times in the language of the page and the zone of the person who looks; the exact moment is in the title.

import { LANGUAGE } from "./language.js";

const near = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit" });
const far = new Intl.DateTimeFormat(LANGUAGE, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "full", timeStyle: "long" });

const isToday = (moment) => moment.toDateString() === new Date().toDateString();

/** Rewrite every <time datetime> below `root`. */
export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.textContent = dayTime(moment);
    element.title = full.format(moment);
  }
}

/** "today 07:08", "6 May, 07:08" */
export function dayTime(moment) {
  return isToday(moment) ? interpolate(gettext("today %(time)s"), { time: near.format(moment) }, true) : far.format(moment);
}

/** A moment as hour and minute; of another day with its date. */
export function clockTime(text) {
  const moment = new Date(text);
  return isToday(moment) ? near.format(moment) : far.format(moment);
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

localTimes(document);
