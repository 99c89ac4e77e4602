// Lists of the Django admin on a phone: each cell knows the title of its column, so that a row can be a card.

const titles = [...document.querySelectorAll("#result_list>thead>tr>th")].map((title) => title.querySelector(".text")?.textContent.trim() ?? "");
for (const row of document.querySelectorAll("#result_list>tbody>tr")) {
  [...row.cells].forEach((cell, index) => { cell.dataset.label = titles[index]; });
}
