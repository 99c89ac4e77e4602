// A button that prints the page.

import "./times.js";

document.getElementById("print")?.addEventListener("click", () => print());
