// Times in the words and the zone of the person who looks; the exact moment is in the title.

const near = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const far = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** Rewrite every <time datetime> below `root`. */
export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const today = moment.toDateString() === new Date().toDateString();
    element.textContent = today ? `today ${near.format(moment)}` : far.format(moment);
    element.title = full.format(moment);
  }
}

/** A moment as hour and minute; of another day with its date. */
export function clockTime(text) {
  const moment = new Date(text);
  return moment.toDateString() === new Date().toDateString() ? near.format(moment) : far.format(moment);
}

/** 3725 → "1 h 02 min", 1325 → "22 min", 125 → "2:05 min", 5 → "5 s" */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")} min`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(s / 86400)} d`;
}

/** "just now", "12 s ago", "3 min ago", "2 h ago" */
export function ago(seconds) {
  if (seconds < 2) return "just now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

localTimes(document);
