// The network page: the trial of a change counts down, and asking for it on the new path is its proof.

import { follow } from "./follow.js";

const state = document.getElementById("state");
if (state) follow(state, 2000);

// A typed name is what counts, also after a name from the list was chosen: only that one may be no text.
const form = document.getElementById("wifi");
form?.elements.ssid.addEventListener("input", () => { form.elements.ssid_hex.value = ""; });
