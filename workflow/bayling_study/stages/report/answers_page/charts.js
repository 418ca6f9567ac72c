// Counts over the chosen prompts: the histogram of differences, and means by group.
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
const compared = (found) => found.filter((row) => row.difference !== null);
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const SIDE = 10; // bins on each side of the one about zero
function histogram(found, chosen) {
  const values = compared(found).map((row) => row.difference);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const step = STEPS.find((one) => largest <= one * (SIDE + 0.5)) ?? Math.ceil(largest / SIDE);
  const bins = new Array(2 * SIDE + 1).fill(0);
  for (const value of values) bins[Math.round(value / step) + SIDE] += 1;
  const most = Math.max(...bins, 1);
  const figure = document.getElementById("histogram");
  figure.firstElementChild.textContent = `Prompts by how much better ${chosen.b} is than ${chosen.a}, in bins of ${step}`;
  figure.children[1].replaceChildren(...bins.map((count, place) => {
    const bar = element("i");
    bar.style.height = `${(80 * count) / most}%`;
    const column = element("div", direction(place - SIDE), count ? `${count}` : "", bar);
    column.title = `${count} prompts at ${signed((place - SIDE) * step)}`;
    return column;
  }));
  figure.children[2]?.remove();
  figure.append(element("div", "ends", ...[-SIDE, 0, SIDE].map((place) => element("span", "", signed(place * step)))));
}
const LENGTHS = [5, 10, 20, 40, 80];
const RARE = [0, 1, 2, 4];
function bucket(value, ends) {
  const place = ends.findIndex((end) => value <= end);
  const from = place === 0 ? 0 : ends.at(place < 0 ? -1 : place - 1) + 1;
  return place < 0 ? `${from} or more` : from === ends[place] ? `${from}` : `${from} to ${ends[place]}`;
}
// A table of prompts, both means and their difference by what a row is labelled with.
function grouped(title, found, label, order) {
  const groups = new Map(order.map((name) => [name, []]));
  for (const row of compared(found)) {
    const name = label(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  const lines = [...groups].filter(([, rows]) => rows.length).map(([name, rows]) => {
    const [a, b, difference] = ["a", "b", "difference"].map((side) => mean(rows.map((row) => row[side])));
    return [name, `${rows.length}`, written(a), written(b), signed(difference)];
  });
  return table([title, "prompts", "A", "B", "B better by"], lines);
}
function table(headings, lines) {
  const row = (kind, cells) => element("tr", "", ...cells.map((cell, place) => element(kind, place ? "number" : "", cell)));
  return element("table", "", element("thead", "", row("th", headings)), element("tbody", "", ...lines.map((cells) => row("td", cells))));
}
// The means of a demand are those of its own turns: `withDemand` gives the prompts so scored.
function groups(found, chosen, withDemand) {
  const tables = [
    grouped("words of the reference", found, (row) => bucket(row.words, LENGTHS), [0, ...LENGTHS.map((end) => end + 1)].map((value) => bucket(value, LENGTHS))),
    grouped("words in no other reference", found, (row) => bucket(row.rare, RARE), [...RARE, RARE.at(-1) + 1].map((value) => bucket(value, RARE))),
    grouped("direction or task", found, (row) => row.item, []),
  ];
  const kinds = [...new Set(found.flatMap((row) => row.kinds.filter((_, turn) => counts(chosen, row.kinds, turn))))].sort();
  const own = kinds.flatMap((kind) => withDemand(kind).map((row) => ({ ...row, kind })));
  if (kinds.length) tables.push(grouped("demand", own, (row) => row.kind, kinds));
  document.getElementById("groups").replaceChildren(...tables);
}
