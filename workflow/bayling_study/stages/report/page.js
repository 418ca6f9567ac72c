"use strict";
// Sorts a table by the column whose heading is pressed; numbers as numbers, dashes last.
function sortBy(table, heading, headings) {
  const column = headings.indexOf(heading);
  const down = heading.getAttribute("aria-sort") === "ascending";
  headings.forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => {
    const cell = row.cells[column];
    const text = cell.querySelector("bdi").textContent;
    return cell.classList.contains("number") ? parseFloat(text.replaceAll(",", "")) : text;
  };
  const order = (a, b) => {
    if (typeof a !== "number" || typeof b !== "number") return String(a).localeCompare(String(b));
    return Number.isNaN(a) || Number.isNaN(b) ? 0 : a - b;
  };
  const missing = (v) => typeof v === "number" && Number.isNaN(v);
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return missing(x) - missing(y) || (down ? -order(x, y) : order(x, y));
  });
  table.tBodies[0].append(...rows);
}
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  for (const heading of headings) {
    heading.firstElementChild.addEventListener("click", () => sortBy(table, heading, headings));
  }
}
// Shows a table's LaTeX below its title, selected, and copies it where the browser lets a page do
// so; a second press takes it away.
async function offerLatex(link) {
  const open = link.parentElement.querySelector("textarea");
  if (open) return void open.parentElement.remove();
  const field = document.createElement("textarea");
  const said = document.createElement("span");
  field.value = link.dataset.latex;
  field.readOnly = true;
  field.setAttribute("aria-label", "LaTeX of this table");
  const offered = document.createElement("div");
  offered.className = "latex";
  offered.append(field, said);
  link.parentElement.append(offered);
  field.select();
  const copied = navigator.clipboard?.writeText(field.value) ?? Promise.reject();
  said.textContent = await copied.then(() => "Copied.", () => "Selected: copy it with Ctrl-C.");
}
for (const link of document.querySelectorAll("a[data-latex]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    offerLatex(link);
  });
}
// Paper cannot be unfolded.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
