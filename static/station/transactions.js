// Sessions: local times and days, and sending a given-up message again.

import "./fold.js";
import "./print.js";
import { connect } from "./socket.js";
import "./times.js";

const zone = document.getElementById("zone");
if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
for (const link of document.querySelectorAll("a[data-zoned]")) {
  const url = new URL(link.href);
  url.searchParams.set("zone", zone.value);
  link.href = url;
}

const buttons = document.querySelectorAll("[data-resend]");
if (buttons.length) {
  const live = connect({});
  const reply = document.getElementById("reply");
  for (const button of buttons) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      const { ok, text } = await live.command("resend", Number(button.dataset.resend));
      reply.hidden = false;
      reply.textContent = text;
      reply.classList.toggle("fault", !ok);
      reply.scrollIntoView({ block: "nearest" });
      if (!ok) button.disabled = false;
    });
  }
}
