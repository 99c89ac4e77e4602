// The report of the self-test, asked for every second while it runs.

import { localTimes } from "./times.js";

const report = document.getElementById("report");
const begin = document.getElementById("begin");

function isOpen() {
  return report.querySelector("[data-open]")?.dataset.open === "yes";
}

async function refresh() {
  try {
    const answer = await fetch(report.dataset.url, { redirect: "error" });
    if (answer.ok) {
      report.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
      localTimes(report);
    }
  } catch { /* the next second tries again */ }
  watch();
}

function watch() {
  begin.disabled = isOpen();
  if (isOpen()) setTimeout(refresh, 1000);
}

watch();
