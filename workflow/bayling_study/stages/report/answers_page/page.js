// The page: reads what is chosen, shows what that gives; an address's end (#…) keeps the choice.
const PAGE = 20; // prompts shown at once
let round = 0; // of showing; what an earlier one still reads is outdated
let shownNow = { suite: null, found: [], chosen: {}, scores: {}, count: 0 };
async function show(before) {
  const mine = (round += 1);
  const outdated = () => mine !== round;
  const index = await block("index");
  const suite = index.suites.find((one) => one.name === before.suite) ?? index.suites[0];
  const summary = document.getElementById("summary");
  if (!suite) return void (summary.textContent = "No system has answers to show.");
  const rows = await block(`rows ${suite.name}`);
  if (outdated()) return;
  offerAll(index, suite, rows, before);
  const chosen = Object.fromEntries(new FormData(form));
  const scores = chosen.metric ? await block(`scores ${suite.name} ${chosen.metric}`) : {};
  if (outdated()) return;
  location.replace(`#${new URLSearchParams(chosen)}`);
  const lower = index.lower.includes(chosen.metric);
  summary.textContent = "Searching …";
  const found = await search(suite, choose(rows, scores, chosen, lower), chosen, outdated);
  if (outdated()) return;
  summary.textContent = summaryOf(found, rows.id.length, chosen);
  histogram(found, chosen);
  const places = new Set(found.map((row) => row.place));
  const withDemand = (kind) => choose(rows, scores, { ...chosen, kind }, lower).filter((row) => places.has(row.place));
  groups(found, chosen, withDemand);
  for (const part of [form, document.getElementById("overview")]) part.hidden = false;
  shownNow = { suite, found: sorted(found, chosen.order, lower), chosen, scores, count: 0 };
  document.getElementById("rows").replaceChildren();
  await more();
  if (!outdated() && document.getElementById("ngrams").open) await wonAndLost(suite, found, chosen, outdated);
}
function summaryOf(found, all, { a, b, metric }) {
  const both = compared(found);
  const count = (test) => both.filter((row) => test(row.difference)).length;
  const [first, second, difference] = ["a", "b", "difference"].map((name) => mean(both.map((row) => row[name])));
  const prompts = `${found.length} of ${all} prompts`;
  if (!both.length) return `${prompts}; no score of both systems.`;
  const sides = `B better in ${count((d) => d > 0)}, A in ${count((d) => d < 0)}, equal in ${count((d) => d === 0)}`;
  return `${prompts}. Mean ${metric} of single prompts: A (${a}) ${written(first)}, B (${b}) ${written(second)}; ${difference < 0 ? "A" : "B"} better by ${signed(Math.abs(difference))}. ${sides}. Nothing here is tested: the report has the tests.`;
}
async function more() {
  const { suite, found, chosen, scores, count } = shownNow;
  const next = found.slice(count, count + PAGE);
  shownNow.count += next.length;
  const made = await Promise.all(next.map((row) => shownRow(suite, row, chosen, scores)));
  if (shownNow.found !== found) return;
  document.getElementById("rows").append(...made);
  document.getElementById("more").hidden = shownNow.count >= found.length;
}
const given = () => Object.fromEntries(new FormData(form));
form.addEventListener("submit", (event) => event.preventDefault());
// A browser that cannot unpack the data says so instead of showing nothing.
function refresh(before) {
  return show(before).catch((fault) => {
    document.getElementById("summary").textContent = `The answers cannot be read (${fault}). The page needs DecompressionStream, which browsers have had since 2023.`;
  });
}
form.addEventListener("input", () => refresh(given()));
document.getElementById("more").addEventListener("click", () => more());
document.getElementById("ngrams").addEventListener("toggle", (event) => {
  if (event.target.open) refresh(given());
});
refresh(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
