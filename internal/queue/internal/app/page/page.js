// Follows the place of who waits, tells when it is their turn, and goes in. The page works without it too.

const form = document.querySelector("form");
const trouble = document.getElementById("trouble");
const sound = document.getElementById("sound");
const { name } = document.querySelector("title").dataset;
const start = `wait:${form.action}`; // the place at first, for as long as the tab is there
if (performance.getEntriesByType("navigation")[0]?.type === "navigate") sessionStorage.removeItem(start);

// after is when so many milliseconds are over.
const clock = new Worker("/assets/wait-clock.js");
const waited = new Map();
clock.onmessage = ({ data: id }) => { waited.get(id)?.(); waited.delete(id); };
const after = (ms) => new Promise((over) => {
  const id = crypto.getRandomValues(new Uint32Array(1))[0];
  waited.set(id, over);
  clock.postMessage({ id, ms });
  setTimeout(over, ms);
});

let ahead = 0; // of this machine's clock, the shop's
const now = () => Date.now() + ahead;

// ask looks at the place, or with a form enters by it.
async function ask(method, body) {
  const query = new URLSearchParams(new FormData(form));
  query.set("lang", document.documentElement.lang);
  const response = await fetch(body ? form.action : `${form.action}?${query}`, {
    method, body, headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000),
  });
  const view = await response.json();
  if (response.ok) return view;
  if (view.code === "queue.no_place") return { part: "lost" };
  if (view.code === "queue.no_room") location.reload();
  throw Object.assign(new Error(view.code), { pause: 1000 * Number(response.headers.get("Retry-After")) });
}

let shown; // the view
function show(view) {
  if (view.server_time) ahead = new Date(view.server_time).getTime() - Date.now();
  if (view.ticket) {
    form.elements.ticket.value = view.ticket;
    const here = new URL(location.href);
    here.searchParams.set("ticket", view.ticket);
    history.replaceState(null, "", here); // to come back to
  }
  for (const node of document.querySelectorAll("[data-for]")) node.hidden = !node.dataset.for.split(" ").includes(view.part);
  for (const node of document.querySelectorAll("[data-text]")) {
    const text = view.words?.[node.dataset.text] ?? "";
    if (node.textContent !== text) node.textContent = text; // who hears the page hears what is new
  }
  const heading = [...document.querySelectorAll("h1")].find((h) => !h.parentElement.hidden).textContent;
  if (shown && shown.part !== view.part) document.getElementById("news").textContent = heading;
  const named = view.part === "proceed" ? heading : [view.words?.place, name].filter(Boolean).join(" · ");
  if (document.title !== named) document.title = named;
  if (view.position > 0) {
    const most = Math.max(Number(sessionStorage.getItem(start)), view.position);
    sessionStorage.setItem(start, most);
    const bar = document.getElementById("progress");
    bar.max = most;
    bar.value = most - view.position;
  }
  shown = view;
}

// What counts down does so by the shop's clock.
setInterval(() => {
  const until = shown?.come_before ?? shown?.opens_at;
  if (!until) return;
  const s = Math.max(0, Math.ceil((new Date(until).getTime() - now()) / 1000));
  const text = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60].map((n) => String(n).padStart(2, "0")).join(":");
  for (const node of document.querySelectorAll("[data-text=left]")) if (node.textContent !== text) node.textContent = text;
}, 250);

// Browsers let a page sound only after a click on it.
let audio;
sound.addEventListener("click", () => {
  const on = sound.getAttribute("aria-pressed") !== "true";
  sound.setAttribute("aria-pressed", on);
  if (!on) return;
  audio ??= new AudioContext();
  audio.resume();
  ring([660]);
});
function ring(tones) {
  if (sound.getAttribute("aria-pressed") !== "true") return;
  tones.forEach((hertz, i) => {
    const [tone, volume, at] = [audio.createOscillator(), audio.createGain(), audio.currentTime + i * 0.2];
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.2, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.19);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.2);
  });
}

let press; // ends the wait for the button
const pressed = () => new Promise((yes) => { press = yes; });
form.addEventListener("submit", (event) => { event.preventDefault(); press?.(); });

// called tells those who look for a moment, and those who do not until they do, or until shortly before it is the next one's turn.
async function called(view) {
  const last = new Date(view.come_before).getTime() - 10_000;
  const turn = document.title;
  let over = false;
  const button = pressed().then(() => { over = true; });
  for (let i = 0; !over && (i < 3 || document.hidden && now() < last); i++) {
    document.title = i % 2 ? name : `★ ${turn}`;
    if (i % 10 === 0) ring([660, 880, 1320]);
    await Promise.race([after(1000), button]);
  }
  document.title = turn;
}

// enter goes in, or has a place in line again.
async function enter() {
  const view = await ask("POST", new URLSearchParams(new FormData(form)));
  if (view.part !== "active") return view;
  sessionStorage.removeItem(start);
  location.replace(form.elements.return.value);
  return null;
}

let followed = false; // the line has been asked from here
let again = -Infinity;
async function next(view) {
  switch (view.part) {
    case "proceed":
      if (view.poll_after_ms > 0) { // not at once: the line has begun anew
        await after(view.poll_after_ms);
        return look();
      }
      await called(view);
      return enter();
    case "active":
      return enter();
    case "lost": { // while the page was open: the line has begun anew, or the machine has slept. The old ticket may give the place back.
      if (!followed || performance.now() - again < 60_000) await pressed();
      again = performance.now();
      const back = await enter();
      sessionStorage.removeItem(start);
      document.getElementById("back").hidden = false;
      return back;
    }
    case "entrance":
    case "no_room":
      return null;
    default:
      followed = true;
      await after(view.poll_after_ms || 5000);
      return look();
  }
}
const look = () => ask("GET");

addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
for (const node of document.querySelectorAll("[data-live]")) node.hidden = false;
let view = JSON.parse(document.getElementById("view").textContent);
for (let step = next; view;) {
  show(view);
  try {
    view = await step(view);
    step = next;
    trouble.hidden = true;
  } catch (e) {
    trouble.hidden = false;
    await after((e.pause || 3000) * (1 + Math.random()));
    step = look; // at what has become of the place meanwhile
  }
}
