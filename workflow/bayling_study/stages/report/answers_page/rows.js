// One prompt: its turns, the answers to each, and what became of the demands.
const LONGEST_MARKED = 400; // words up to which texts are compared; the time grows with the square
const FEWEST_MARKED = 3; // words of a reference, of which an exam's letter has fewer
// Which words of an answer stand in the reference in the same order (longest common subsequence).
function inReference(given, expected) {
  const best = Array.from({ length: given.length + 1 }, () => new Uint16Array(expected.length + 1));
  for (let i = given.length - 1; i >= 0; i -= 1) {
    for (let j = expected.length - 1; j >= 0; j -= 1) {
      best[i][j] = given[i] === expected[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const common = new Set();
  for (let i = 0, j = 0; i < given.length && j < expected.length;) {
    if (given[i] === expected[j]) { common.add(i); i += 1; j += 1; }
    else if (best[i + 1][j] >= best[i][j + 1]) i += 1;
    else j += 1;
  }
  return common;
}
// An answer with the words marked that the reference does not have there.
function marked(answer, reference) {
  const expected = wordsOf(reference);
  const found = [...answer.matchAll(WORD)];
  const plain = expected.length < FEWEST_MARKED || Math.max(found.length, expected.length) > LONGEST_MARKED;
  if (plain || !found.length) return [answer || "(empty)"];
  const common = inReference(found.map((match) => match[0]), expected);
  let end = 0;
  const parts = found.flatMap((match, place) => {
    const between = answer.slice(end, match.index);
    end = match.index + match[0].length;
    return [between, common.has(place) ? match[0] : element("mark", "", match[0])];
  });
  return [...parts, answer.slice(end)];
}
function labelled(label, kind, ...inside) {
  return element("p", kind, element("small", "", label), element("bdi", "", ...inside));
}
function shownTurn(texts, turn, row, chosen, labels) {
  const kind = row.kinds[turn];
  const place = element("div", counts(chosen, row.kinds, turn) ? "turn" : "turn other");
  place.append(labelled(kind ? `user: ${kind}` : "user", "user", texts.user[turn]));
  const reference = texts.references[turn] ?? "";
  if (reference) place.append(labelled("reference", "", reference));
  const answers = Object.entries(labels).map(([system, label]) => {
    const answer = texts.answers[system]?.[turn];
    const text = answer === undefined ? ["(no answer)"] : marked(answer, reference);
    const side = element("div", "", labelled(label, "", ...text));
    const said = (texts.said?.[system]?.[turn] ?? []).map(([step, words]) => labelled(step, "", words));
    if (said.length) side.append(element("details", "", element("summary", "", "also said"), ...said));
    const reasons = texts.reasons?.[system]?.[turn] ?? [];
    if (reasons.length) side.append(reasonList(reasons));
    return side;
  });
  place.append(element("div", answers.length > 2 ? "pair all" : "pair", ...answers));
  return place;
}
// The demand as a whole, then each thing it asks, with a tick, a cross, or neither where nobody looked.
function reasonList(reasons) {
  const kind = (holds) => (holds === null ? "" : holds ? "yes" : "no");
  return element("ul", "reasons", ...reasons.map(([holds, text]) => element("li", kind(holds), text)));
}
async function shownRow(suite, row, chosen, scores) {
  const texts = await textsOf(suite, row.place);
  const both = ` · ${chosen.metric} ${written(row.a)} → ${written(row.b)} `;
  const heads = chosen.metric ? [both, element("b", direction(row.difference), signed(row.difference))] : [];
  const heading = element("h2", "", row.id, ...heads);
  const own = (system) => written(score(scores[system]?.[row.place], chosen, row.kinds));
  const labels = Object.fromEntries(sides(suite, chosen).map((one) => [one, chosen.metric ? `${one} ${own(one)}` : one]));
  return element("article", "answer", heading, ...texts.user.map((_, turn) => shownTurn(texts, turn, row, chosen, labels)));
}
