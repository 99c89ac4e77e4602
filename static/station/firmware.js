// The firmware page: how far the update is, while one goes on.

import { follow } from "./follow.js";

follow(document.getElementById("state"), 1000);
