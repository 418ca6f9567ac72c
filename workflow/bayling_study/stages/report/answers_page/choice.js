// What is chosen, which prompts that leaves, and in which order.
const form = document.getElementById("choice");
const ORDERS = [
  ["gain", "B better first"], ["loss", "A better first"], ["long", "long first"], ["short", "short first"],
  ["low", "B worst first"], ["given", "as in the suite"],
];
const LATER = "later"; // all turns but the first, the only ones that a plain translation cannot meet
const ALL = ["", "all"];
const same = (names) => [...new Set(names)].map((name) => [name, name]);
function offer(name, choices, wanted) {
  const field = form.elements.namedItem(name);
  const known = choices.map(([value]) => value);
  field.replaceChildren(...choices.map(([value, label]) => new Option(label, value)));
  field.value = known.includes(wanted) ? wanted : known[0];
  field.parentElement.hidden = known.length < 2;
}
// Fills the fields with what the suite has; what was chosen before stays where it can.
function offerAll(index, suite, rows, before) {
  const { systems } = suite;
  const base = systems.includes(index.baseline) ? index.baseline : systems[0];
  const turns = Array.from({ length: Math.max(...rows.turns) }, (_, turn) => [`${turn + 1}`, `turn ${turn + 1}`]);
  offer("suite", same(index.suites.map((one) => one.name)), suite.name);
  offer("a", same(systems), before.a ?? base);
  offer("b", same(systems), before.b ?? systems.find((name) => name !== base));
  const all = suite.compared.length ? "of all compared" : "of all systems";
  offer("shown", [["", "of A and B"], ["all", all]].slice(0, systems.length - 1 || 1), before.shown ?? (suite.compared.length ? "all" : ""));
  offer("metric", suite.metrics.length ? same(suite.metrics) : [["", "none"]], before.metric);
  offer("item", [ALL, ...same(rows.item)], before.item);
  offer("turn", turns.length > 1 ? [[LATER, "follow-ups"], ALL, ...turns] : [ALL], before.turn);
  offer("kind", [ALL, ...same(rows.kinds.flat()).sort()], before.kind);
  offer("order", ORDERS, before.order);
  form.elements.namedItem("find").value = before.find ?? "";
}
// The systems whose answers are shown, A and B first.
const sides = (suite, { a, b, shown }) => [...new Set([a, b, ...(shown ? (suite.compared.length ? suite.compared : suite.systems) : [])])];
// Whether a turn of a prompt, counted from 0, is among those chosen.
function counts(chosen, kinds, turn) {
  const inTurn = !chosen.turn || (chosen.turn === LATER ? turn > 0 : turn === chosen.turn - 1);
  return inTurn && (!chosen.kind || kinds[turn] === chosen.kind);
}
// A prompt's score: its own, or the mean over the chosen turns that have one.
function score(value, chosen, kinds) {
  if (!Array.isArray(value)) return value ?? null;
  const known = value.filter((one, turn) => one !== null && counts(chosen, kinds, turn));
  return known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
}
// The chosen prompts with both scores and their difference, which is positive where B is better.
function choose(rows, scores, chosen, lower) {
  const found = [];
  rows.id.forEach((id, place) => {
    const kinds = rows.kinds[place];
    const turns = Array.from({ length: rows.turns[place] }, (_, turn) => turn);
    if (chosen.item && rows.item[place] !== chosen.item) return;
    if (!turns.some((turn) => counts(chosen, kinds, turn))) return;
    const [a, b] = [chosen.a, chosen.b].map((system) => score(scores[system]?.[place], chosen, kinds));
    const difference = a === null || b === null ? null : (b - a) * (lower ? -1 : 1);
    found.push({ place, id, kinds, item: rows.item[place], words: rows.words[place], rare: rows.rare[place], a, b, difference });
  });
  return found;
}
function sorted(found, order, lower) {
  const key = {
    gain: (row) => row.difference && -row.difference, loss: (row) => row.difference,
    long: (row) => -row.words, short: (row) => row.words,
    low: (row) => row.b && row.b * (lower ? -1 : 1), given: (row) => row.place,
  }[order];
  const missing = (row) => key(row) === null;
  return found.sort((x, y) => missing(x) - missing(y) || key(x) - key(y) || x.place - y.place);
}
// Leaves the prompts whose texts hold what is sought, in any letter case; stops when that is outdated.
async function search(suite, found, chosen, outdated) {
  const sought = chosen.find.trim().toLowerCase();
  if (!sought) return found;
  const kept = [];
  for (const row of found) {
    const texts = await textsOf(suite, row.place);
    if (outdated()) return kept;
    const { user, references, answers, said } = texts;
    const every = sides(suite, chosen).flatMap((system) => [...(answers[system] ?? []), ...(said?.[system] ?? []).flat(2)]);
    const all = [row.id, ...user, ...references, ...every];
    if (all.some((text) => text.toLowerCase().includes(sought))) kept.push(row);
  }
  return kept;
}
