// Keeps the duty desk up to date, and says so when it cannot. Without it the page still reads and acts.
// What is new is fetched when the stream says so, and never on a timer: a tab in the background has its timers slowed.
const line = document.getElementById("live");
const part = document.getElementById("part");
const SILENT_TOO_LONG = 5000; // the stream speaks every second
const title = document.title;
let shown = null; // the version on the screen
let heard = Date.now();
let ahead = 0; // the server's clock minus ours, in ms

function say(live, words) {
  if (line.textContent !== words) line.textContent = words;
  line.classList.toggle("on", live);
  line.classList.toggle("off", !live);
  line.setAttribute("role", live ? "presentation" : "alert");
}

function notLive() {
  say(false, "Not live: what you see may be old. Trying again. Texts still come to your phone.");
}

function lasted(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${s} s`;
}

function moveClocks() {
  for (const clock of part.querySelectorAll("[data-since]")) {
    clock.textContent = lasted((Date.now() + ahead) / 1000 - Number(clock.dataset.since));
  }
}

async function refresh(version) {
  const answer = await fetch(line.dataset.part, { redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") {
    location.assign("/sign-in");
    return;
  }
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.id;
  part.replaceChildren(...fresh.body.childNodes);
  if (focused) document.getElementById(focused)?.focus();
  const unanswered = Number(part.querySelector("[data-unanswered]")?.dataset.unanswered ?? 0);
  document.title = unanswered ? `(${unanswered}) ${title}` : title;
  shown = version;
}

const stream = new EventSource(line.dataset.stream);
stream.addEventListener("tick", async (event) => {
  const tick = JSON.parse(event.data);
  ahead = tick.now * 1000 - Date.now();
  try {
    if (tick.version !== shown) await refresh(tick.version);
    heard = Date.now();
    say(true, `Live ${tick.at}`);
    moveClocks();
  } catch {
    if (Date.now() - heard > SILENT_TOO_LONG) notLive();
  }
});
stream.addEventListener("end", () => location.assign("/sign-in"));
setInterval(() => {
  if (Date.now() - heard > SILENT_TOO_LONG) notLive();
}, 1000);
