// The station's state for everybody, on the driver's page and beside the login: asked for again every few seconds while
// somebody looks.

const RENEW_MS = 5000;
const note = document.getElementById("renewed");  // the driver's page has one

function tell(words) { if (note) note.textContent = words; }

async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { redirect: "error" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("driver");
    const shown = document.getElementById("driver");
    if (fresh && fresh.outerHTML !== shown.outerHTML) shown.replaceWith(fresh);
    document.body.classList.remove("is-stale");
    tell(gettext("This page renews itself."));
  } catch {
    document.body.classList.add("is-stale");
    tell(gettext("No connection to the station; these numbers are old. The page tries again by itself."));
  }
}

setInterval(renew, RENEW_MS);
document.addEventListener("visibilitychange", renew);
