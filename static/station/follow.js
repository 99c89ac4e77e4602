// A piece of a page that is asked for again while it says that something goes on (data-busy="yes").

import { localTimes } from "./times.js";

/** Ask for `element.dataset.url` every `ms`, as long as the piece says so. */
export function follow(element, ms) {
  const busy = () => element.querySelector("[data-busy]")?.dataset.busy === "yes";
  async function refresh() {
    if (element.contains(document.activeElement)) return watch();  // somebody is about to press something in it
    try {
      const answer = await fetch(element.dataset.url, { redirect: "error" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes;
        element.replaceChildren(...fresh);
        localTimes(element);
      }
    } catch { /* the next time tries again */ }
    watch();
  }
  function watch() { if (busy()) setTimeout(refresh, ms); }
  localTimes(document);
  watch();
}
