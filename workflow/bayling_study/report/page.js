"use strict";
// Sorts a table by the column whose heading is pressed; numbers as numbers.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.firstElementChild.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => {
        const cell = row.cells[column];
        const text = cell.querySelector("bdi").textContent;
        return cell.classList.contains("number") ? parseFloat(text.replaceAll(",", "")) : text;
      };
      const order = (a, b) => {
        if (typeof a === "number") return (Number.isNaN(a) ? -Infinity : a) - (Number.isNaN(b) ? -Infinity : b);
        return a.localeCompare(b);
      };
      const rows = [...body.rows].sort((a, b) => order(value(a), value(b)));
      if (down) rows.reverse();
      body.append(...rows);
    });
  });
}
