// A step of the wizard: its proof while it changes by itself, and what only the phone knows.

import { follow } from "./follow.js";

follow(document.getElementById("proof"), 1000);

const form = document.getElementById("step");
const zone = document.getElementById("id_time_zone");
const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone?.value === "UTC" && [...zone.options].some((option) => option.value === mine)) zone.value = mine;

const phone = document.getElementById("phone");
if (phone) form.addEventListener("submit", () => { phone.value = new Date().toISOString(); });
