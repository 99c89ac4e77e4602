// The time page: it renews itself, and the phone tells its time at the moment the button is pressed.

import { follow } from "./follow.js";

follow(document.getElementById("state"), 5000);

const form = document.getElementById("phone");
form.addEventListener("submit", () => { form.elements.utc.value = new Date().toISOString(); });
