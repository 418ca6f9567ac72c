"use strict";
// Texts of people and models go into the page through textContent alone, never as markup.
const at = (id) => document.getElementById(id);
const letters = ["A", "B", "C", "D"];
const abilities = { translation: "Right, complete, fluent", instruction_following: "Does what is asked, only that", multi_turn: "Keeps what was said" };
const state = { panes: [], turns: [], best: {}, revealed: true, voted: false, demand: "", wording: 0, values: {} };
let about;

function element(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = kind;
  return made;
}

function button(text, press) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", press);
  return made;
}

const busy = () => state.panes.some((pane) => pane.waiting);
const ready = () => !busy() && state.panes.every((pane) => pane.answers.length === state.turns.length);
const message = (error) => error?.error?.message ?? String(error);

async function post(place, body, signal) {
  const reply = await fetch(place, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  if (!reply.ok) throw new Error(message(await reply.json()));
  return reply;
}

class Pane {
  constructor(system) {
    Object.assign(this, { system, answers: [], facts: [], failed: "", waiting: null });
    this.part = element("section", "", "pane");
    this.title = element("h2");
    this.seen = button("Prompt", () => this.showPrompt());
    const head = element("header");
    head.append(this.title, this.seen);
    this.talk = element("div", "", "talk");
    this.part.append(head, this.talk);
  }
  messages() {
    const answers = state.turns.map((_, turn) => this.answers[turn]);
    const both = state.turns.flatMap((text, turn) => [{ role: "user", content: text }, { role: "assistant", content: answers[turn] }]);
    return both.slice(0, 2 * this.answers.length + 1);
  }
  body() {
    const number = (id) => (at(id).value === "" ? null : Number(at(id).value));
    const limits = { max_tokens: number("tokens"), temperature: number("temperature"), seed: number("seed"), stop: at("ending").value || null };
    return { model: this.system.name, messages: this.messages(), stream: true, stream_options: { include_usage: true }, ...limits };
  }
  async ask() {
    const stopping = new AbortController();
    const turn = this.answers.length;
    const start = performance.now();
    this.waiting = stopping;
    this.failed = "";
    const body = this.body();
    this.answers.push("");
    show();
    let facts = "stopped";
    try {
      const reply = await post("v1/chat/completions", body, stopping.signal);
      for await (const event of events(reply.body)) {
        if (event.error) throw new Error(message(event));
        const choice = event.choices[0];
        if (choice?.delta.content) this.write(turn, choice.delta.content);
        if (choice?.finish_reason) facts = choice.finish_reason === "length" ? "cut at the limit" : "";
        if (event.usage) facts = [`${event.usage.completion_tokens} tokens, ${((performance.now() - start) / 1000).toFixed(1)} s`, facts].filter(Boolean).join(", ");
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        this.failed = error.message;
        this.answers.pop();
      }
    }
    this.facts[turn] = facts;
    this.waiting = null;
    show();
  }
  write(turn, piece) {
    this.answers[turn] += piece;
    this.last.textContent = this.answers[turn];
    this.talk.scrollTop = this.talk.scrollHeight;
  }
  again() {
    if (busy()) return;
    if (!this.failed) this.answers.pop();
    this.ask();
  }
  async showPrompt() {
    // After an answer the prompt is the one that it answered.
    const messages = this.messages();
    const asked = messages.slice(0, messages.findLastIndex((one) => one.role === "user") + 1);
    if (!asked.length) asked.push({ role: "user", content: at("text").value || "…" });
    at("whose").textContent = this.title.textContent;
    at("prompt").replaceChildren();
    at("size").textContent = "";
    at("dialog").showModal();
    try {
      const found = await (await post("play/prompt", { model: this.system.name, messages: asked, max_tokens: 1 })).json();
      at("size").textContent = `${found.tokens} tokens of ${this.system.context}; marked: special tokens of the ${this.system.template} template`;
      at("prompt").append(...found.runs.map(([text, special]) => (special ? element("mark", text) : text)));
    } catch (error) {
      at("size").textContent = error.message;
    }
  }
  show(place) {
    this.title.textContent = state.revealed ? this.system.name : letters[place];
    this.seen.hidden = !state.revealed;
    this.talk.replaceChildren();
    for (const [turn, text] of state.turns.entries()) {
      this.talk.append(line(text, "user"));
      if (turn >= this.answers.length) continue;
      this.last = line(this.answers[turn], "answer");
      const written = !(this.waiting && turn === this.answers.length - 1);
      this.talk.append(this.last);
      if (written) this.talk.append(this.under(turn));
    }
    if (this.failed) {
      this.talk.append(line(this.failed, "wrong"), button("Try again", () => this.again()));
    }
    this.talk.setAttribute("aria-busy", String(Boolean(this.waiting)));
    this.talk.scrollTop = this.talk.scrollHeight;
  }
  under(turn) {
    const small = element("small", "");
    const copy = button("Copy", async () => {
      const copied = await navigator.clipboard.writeText(this.answers[turn]).then(() => true, () => false);
      copy.textContent = copied ? "Copied" : "The browser does not let pages copy";
    });
    small.append(copy);
    if (turn === state.turns.length - 1 && !state.voted) small.append(button("Regenerate", () => this.again()));
    const facts = state.revealed ? this.facts[turn] : "";
    small.append(this.answers[turn] ? facts : `(empty answer) ${facts}`);
    return small;
  }
}

function line(text, kind) {
  const made = element("p", text, kind);
  made.dir = "auto";
  return made;
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part !== "data: [DONE]") yield JSON.parse(part.slice(6));
  }
}

function show() {
  state.panes.forEach((pane, place) => pane.show(place));
  at("panes").replaceChildren(...state.panes.map((pane) => pane.part));
  const hidden = !state.revealed && state.turns.length > 0;
  at("vote").hidden = !hidden;
  at("panes").classList.toggle("voting", hidden);
  const able = hidden && ready() && state.turns.length > 1;
  at("early").hidden = state.turns.length > 1;
  for (const choice of at("abilities").querySelectorAll("button")) {
    choice.disabled = !able;
    choice.setAttribute("aria-pressed", String(state.best[choice.dataset.ability] === Number(choice.value)));
  }
  at("cast").disabled = !able || Object.keys(state.best).length < Object.keys(abilities).length;
  at("send").disabled = !ready() || state.voted;
  at("stop").disabled = !busy();
  at("swap").disabled = busy();
}

function fresh() {
  state.panes.forEach((pane) => pane.waiting?.abort());
  state.panes = about.systems.map((system) => new Pane(system));
  state.revealed = !at("blind").checked;
  if (!state.revealed) {
    const drawn = new Map(state.panes.map((pane) => [pane, crypto.getRandomValues(new Uint32Array(1))[0]]));
    state.panes.sort((one, other) => drawn.get(one) - drawn.get(other));
  }
  Object.assign(state, { turns: [], best: {}, voted: false });
  show();
}

function swap() {
  // A vote is for a place, which now has another system.
  state.panes.reverse();
  state.best = {};
  show();
}

async function cast() {
  at("cast").disabled = true;
  const vote = { turns: state.turns, order: state.panes.map((pane) => pane.system.name), answers: state.panes.map((pane) => pane.answers), best: state.best };
  try {
    const found = await (await post("play/votes", vote)).json();
    const shares = found.shares.map(([ability, system, value]) => `${ability.replaceAll("-", " ")}: ${system} ${value.toFixed(0)} %`);
    at("tally").textContent = `This conversation is over; begin a new one. First places after ${found.votes} vote(s): ${shares.join("; ")}`;
    Object.assign(state, { revealed: true, voted: true });
  } catch (error) {
    at("tally").textContent = error.message;
  }
  show();
}

function send(event) {
  event?.preventDefault();
  const text = at("text").value;
  if (at("send").disabled || !text.trim()) return;
  state.turns.push(text);
  at("text").value = "";
  at("fields").replaceChildren();
  state.panes.forEach((pane) => pane.ask());
}

function demand(kind) {
  const wordings = about.demands[at("user").value][kind];
  state.wording = state.demand === kind ? (state.wording + 1) % wordings.length : 0;
  state.demand = kind;
  const wording = wordings[state.wording];
  const names = [...wording.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
  const chosen = getSelection().toString().trim();
  const fill = () => {
    at("text").value = wording.replace(/\{(\w+)\}/g, (_, name) => state.values[name] || "…");
  };
  if (chosen && names[0] && names[0] !== "language") state.values[names[0]] = chosen;
  at("fields").replaceChildren(...names.map((name) => field(name, fill)));
  fill();
  (at("fields").querySelector("textarea, select") ?? at("text")).focus();
}

function field(name, fill) {
  const label = element("label", `${name} `);
  const input = element(name === "language" ? "select" : "textarea");
  const languages = about.languages[at("user").value];
  if (name === "language") input.append(...languages.map((one) => element("option", one)));
  else Object.assign(input, { rows: 1, dir: "auto" });
  if (name === "language" && !languages.includes(state.values.language)) state.values.language = languages[0];
  input.value = state.values[name] ?? "";
  input.addEventListener("input", () => {
    state.values[name] = input.value;
    fill();
  });
  label.append(input);
  return label;
}

function build() {
  at("study").textContent = about.study;
  at("user").append(...Object.keys(about.demands).map((user) => element("option", user)));
  Object.entries(about.labels).forEach(([kind, label], place) => {
    at(place < about.first ? "demands" : "more").append(button(label, () => demand(kind)));
  });
  at("abilities").append(...Object.entries(abilities).map(([ability, label]) => {
    const row = element("div", "", "choice");
    const choices = [...about.systems.map((_, place) => [letters[place], place]), ["alike", -1]];
    row.append(element("span", label), ...choices.map(([text, place]) => {
      const made = button(text, () => { state.best[ability] = place; show(); });
      Object.assign(made, { value: place });
      made.dataset.ability = ability;
      return made;
    }));
    return row;
  }));
  at("example").hidden = !about.examples.length;
}

const presses = {
  new: fresh, swap, cast,
  stop: () => state.panes.forEach((pane) => pane.waiting?.abort()),
  close: () => at("dialog").close(),
  example: () => { at("text").value = about.examples[Math.floor(Math.random() * about.examples.length)]; },
};
for (const [id, press] of Object.entries(presses)) at(id).addEventListener("click", press);
at("blind").addEventListener("change", fresh);
at("ask").addEventListener("submit", send);
at("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event); });

fetch("play/about").then((reply) => reply.json()).then((found) => {
  about = found;
  build();
  fresh();
});
