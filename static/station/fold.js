// Tools above a list: a phone shows the list first, they are one touch away; unless they hold what is chosen (data-needed).

const fold = document.querySelector(".fold");
if (fold && !("needed" in fold.dataset) && matchMedia("(max-width: 47.99rem)").matches) fold.open = false;
