// What a person looks for is in sight: the open page in the side bar, which is longer than many screens, and what was refused or tried.

const bar = document.querySelector(".bar");
const open = bar?.querySelector("[aria-current]");
if (open) bar.scrollTop = open.offsetTop - bar.clientHeight / 2;

document.querySelector("main .wrong, main .device > .note")?.scrollIntoView({ block: "center" });
