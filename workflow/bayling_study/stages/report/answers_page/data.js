"use strict";
// The data: JSON, compressed by gzip, in base64; each block is unpacked once, when it is first asked for.
const unpacked = new Map();
function block(name) {
  if (!unpacked.has(name)) unpacked.set(name, unpack(document.getElementById(name).textContent));
  return unpacked.get(name);
}
async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
// The texts of one prompt of a suite, by its place there.
async function textsOf(suite, place) {
  let number = 0;
  for (; place >= suite.sizes[number]; number += 1) place -= suite.sizes[number];
  return (await block(`texts ${suite.name} ${number}`))[place];
}
// An element with text and children: never markup, whatever the text is.
function element(name, kind, ...inside) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...inside);
  return made;
}
const written = (value) => (value === null ? "–" : value.toFixed(1));
function signed(value) {
  const text = written(value).replace(/^-/, "−");
  return text === "−0.0" ? "0.0" : value > 0 && text !== "0.0" ? `+${text}` : text;
}
const direction = (value) => (value > 0 ? "up" : value < 0 ? "down" : "");
