// Words in a row of the references that one system has more often than the other, as in compare-mt
// (Neubig et al. 2019): the share of matches that are B's, each count raised by one.
const LONGEST = 4;
const SHOWN = 15;
const AT_ONCE = 500; // prompts counted before the page may answer the user again
const ALONE = "\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmr}\\p{sc=Mymr}\\p{sc=Tibt}";
const WORD = new RegExp(`[${ALONE}]\\p{M}*|(?:(?![${ALONE}])[\\p{L}\\p{N}]\\p{M}*)+`, "gu");
const wordsOf = (text) => text.match(WORD) ?? [];
// Counts a text's n-grams; of those that begin with an unknown one nothing longer can be known.
function ngrams(text, known) {
  const words = wordsOf(text);
  const found = new Map();
  for (let start = 0; start < words.length; start += 1) {
    let key = "";
    for (const word of words.slice(start, start + LONGEST)) {
      key += key ? ` ${word}` : word;
      if (known && !known.has(key)) break;
      found.set(key, (found.get(key) ?? 0) + 1);
    }
  }
  return found;
}
// Adds for each n-gram of a reference how often each of two answers has it, at most as often as that.
function addMatches(matches, reference, answers) {
  const known = ngrams(reference);
  answers.forEach((answer, side) => {
    for (const [key, count] of ngrams(answer, known)) {
      const sums = matches.get(key) ?? [0, 0];
      sums[side] += Math.min(count, known.get(key));
      matches.set(key, sums);
    }
  });
}
async function wonAndLost(suite, found, chosen, outdated) {
  const place = document.getElementById("ngrams").lastElementChild;
  const matches = new Map();
  for (const [done, row] of found.entries()) {
    if (done % AT_ONCE === 0) {
      place.textContent = `${done} of ${found.length} prompts counted`;
      await new Promise((resume) => setTimeout(resume));
    }
    const { references, answers } = await textsOf(suite, row.place);
    if (outdated()) return;
    const sides = [chosen.a, chosen.b].map((system) => answers[system]);
    references.forEach((reference, turn) => {
      if (!counts(chosen, row.kinds, turn) || sides.some((side) => side?.[turn] === undefined)) return;
      addMatches(matches, reference, sides.map((side) => side[turn]));
    });
  }
  const share = ([a, b]) => (b + 1) / (a + b + 2);
  const order = [...matches].sort((x, y) => share(y[1]) - share(x[1]) || y[0].length - x[0].length);
  const lines = (ngrams) => ngrams.map(([key, [a, b]]) => [key, `${a}`, `${b}`]);
  const won = order.slice(0, SHOWN).filter(([, [a, b]]) => b > a);
  const lost = order.slice(-SHOWN).reverse().filter(([, [a, b]]) => a > b);
  place.replaceChildren(table(["won by B", "in A", "in B"], lines(won)), table(["lost by B", "in A", "in B"], lines(lost)));
}
