// The demo's page: asks what is so three times a second, and shows it. Everything it writes is text, never HTML.
"use strict";

const EVERY = 300;
const byId = (id) => document.getElementById(id);
let shown = {};
let followed = "";

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text ?? "";
  for (const [key, value] of Object.entries(attributes)) if (value) made.setAttribute(key, value);
  return made;
}

// Touches the page only where something has changed, so that a focus or a selection stays.
function fill(id, value, make) {
  const now = JSON.stringify(value);
  if (shown[id] === now) return false;
  shown[id] = now;
  byId(id).replaceChildren(...value.map(make));
  return true;
}

function row(cells, kind) {
  const made = element("tr", "", { class: kind });
  cells.forEach((cell, place) => made.append(element(place ? "td" : "th", cell, place ? {} : { scope: "row" })));
  return made;
}

function text(message) {
  const made = element("li", "", { class: message.mine ? "mine" : "" });
  for (const part of message.words.split(/(https?:\/\/\S+)/)) {
    const link = /^https?:/.test(part);
    made.append(link ? element("a", part, { href: part, target: "_blank", rel: "noopener" }) : part);
  }
  made.append(element("time", message.note));
  return made;
}

function option(choice) {
  const made = element("option", choice.label);
  made.value = choice.value;
  return made;
}

function show(state) {
  byId("live").textContent = `Live ${state.clock}`;
  byId("headline").textContent = state.headline;
  fill("stages", state.stages, (stage) => row([stage.name, stage.clock, stage.took, stage.since, stage.what], stage.kind));
  byId("ending").className = state.ending.kind;
  if (byId("ending").textContent !== state.ending.words) byId("ending").textContent = state.ending.words;
  fill("earlier", state.earlier, (cells) => row(cells));
  fill("feeds", state.feeds, (feed) => element("li", feed.words, { class: feed.bad ? "bad" : "" }));
  fill("workers", state.workers, (worker) => element("li", worker.words, { class: worker.bad ? "bad" : "" }));
  const child = byId("child").value;
  if (fill("child", state.children, option)) byId("child").value = child;
  showPhone(state);
  byId("sign-in").textContent = state.sign_in;
  for (const id of ["desk", "docs", "metrics"]) byId(id).href = state.links[id];
}

function showPhone(state) {
  const chosen = byId("whose").value;
  if (fill("whose", state.phones.map(({ value, label }) => ({ value, label })), option)) byId("whose").value = chosen;
  // A text has come for somebody: that phone is picked up. Between texts the newcomer may look at any.
  if (state.rang && state.rang.id !== followed) {
    followed = state.rang.id;
    byId("whose").value = state.rang.phone;
  }
  if (!byId("whose").value && state.phones.length) byId("whose").value = state.phones[0].value;
  const phone = state.phones.find(({ value }) => value === byId("whose").value);
  if (phone && fill("texts", phone.texts, text)) byId("texts").parentElement.scrollTop = byId("texts").scrollHeight;
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) byId("live").textContent = (await answer.json()).detail ?? "That did not work: see the terminal.";
}

async function look() {
  try {
    show(await (await fetch("/demo/state.json", { cache: "no-store" })).json());
  } catch {
    byId("live").textContent = "Not live: the demo has stopped, or is starting.";
  }
  setTimeout(look, EVERY);
}

document.addEventListener("click", (click) => {
  const button = click.target.closest("button");
  if (!button) return;
  const { play, watched, reply, wrong } = button.dataset;
  if (play) post("/demo/play", { kind: play, watched: watched === "yes", child: byId("child").value || null });
  if (reply) post("/demo/reply", { phone: byId("whose").value, words: reply });
  if (wrong) post("/demo/wrong", { what: wrong });
});

byId("reply").addEventListener("submit", (submit) => {
  submit.preventDefault();
  const words = byId("words").value.trim();
  if (words) post("/demo/reply", { phone: byId("whose").value, words });
  byId("words").value = "";
});

look();
