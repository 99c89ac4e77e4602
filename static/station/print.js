// Pages that are made for paper.

document.getElementById("print").addEventListener("click", () => print());
