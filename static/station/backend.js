// The backend page: what would be opened while somebody types, and the trial or change while it goes on.

import { follow } from "./follow.js";

follow(document.getElementById("state"), 700);

const form = document.getElementById("backend");
const shown = document.getElementById("full-url");
let waiting;

async function preview() {
  const typed = new FormData(form);
  const query = new URLSearchParams();
  for (const name of ["url", "charge_point_id", "security_profile"]) query.set(name, typed.get(name) ?? "");
  try {
    const answer = await fetch(`${form.dataset.address}?${query}`, { redirect: "error" });
    if (answer.ok) shown.textContent = (await answer.json()).url || "–";
  } catch { /* the next letter tries again */ }
}

form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(preview, 300); });
