// The side bar is longer than many screens: the page that is open is in sight.

const bar = document.querySelector(".bar");
const open = bar?.querySelector("[aria-current]");
if (open) bar.scrollTop = open.offsetTop - bar.clientHeight / 2;
