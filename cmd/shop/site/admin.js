import { Session, Problem, el, form, key, show, toast, when, won } from "./kit.js";

const session = new Session("sasapick.admin");
const go = (path) => { location.hash = path; };
const guard = (work) => async (...args) => { try { return await work(...args); } catch (e) { fail(e); } };
function fail(e) {
  if (e instanceof Problem && e.status === 401) { session.tokens = null; route(); return; }
  toast(e.code === "auth.forbidden" ? "This needs a higher role." : e.message, true);
}
const send = (method, path, body, headers) => session.send(method, path, { body, headers });
const numbers = ["Total", "Money", "Points", "Price", "On hand", "Reserved", "Pieces", "Each", "Amount", "Refunded", "To publish", "To hear", "Parked", "Partition", "Taken", "Redeemed", "Of", "Left", "Held", "Sold"];
const head = (heads) => el("thead", {}, el("tr", {}, heads.map((h) => el(numbers.includes(h) ? "th.num" : "th", { scope: "col" }, h))));
const table = (heads, rows) => el("div.scroll", {}, el("table", {}, head(heads), el("tbody", {}, rows)));
const badge = (s) => el(`span.state.${s}`, {}, s);
const instant = (v) => new Date(v).toISOString();
const local = (v) => { const d = new Date(v); return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16); };
const ask = (question) => { const answer = prompt(question); return answer && answer.trim() ? answer.trim() : null; };

// pages shows a list that goes on by a cursor.
async function pages(title, path, tools, heads, row) {
  const body = el("tbody");
  const more = el("button", { hidden: true }, "More");
  let cursor = "";
  const load = guard(async () => {
    const page = await session.get(path + (path.includes("?") ? "&" : "?") + "limit=50" + (cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""));
    body.append(...page.items.map(row));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
    if (!body.children.length) body.append(el("tr", {}, el("td.muted", { colSpan: heads.length }, "None.")));
  });
  more.onclick = load;
  show(el("h1", {}, title), tools, el("div.scroll", {}, el("table", {}, head(heads), body)), more);
  await load();
}

// refundForm takes pieces of an order back. A click that is repeated asks for the same refund.
function refundForm(o, again) {
  const back = (id) => o.refunds.filter((r) => r.state !== "refused").flatMap((r) => r.items).reduce((n, i) => n + (i.product_id === id ? i.quantity : 0), 0);
  const left = o.items.map((i) => ({ ...i, left: i.quantity - back(i.product_id) })).filter((i) => i.left > 0);
  const pieces = left.map((i) => el("input", { type: "number", name: i.product_id, min: "0", max: String(i.left), value: String(i.left), required: true }));
  const reason = el("input", { name: "reason", maxlength: "200", required: true });
  const restock = el("input", { type: "checkbox", checked: true });
  const button = el("button.primary", { type: "submit" }, "Refund");
  const refundKey = key();
  return el("form.stack", { onsubmit: guard(async (e) => {
    e.preventDefault();
    button.disabled = true;
    try {
      const items = pieces.map((p) => ({ product_id: p.name, quantity: Number(p.value) })).filter((i) => i.quantity > 0);
      if (!items.length) { toast("Nothing comes back.", true); return; }
      await send("POST", `/admin/orders/${o.id}/refunds`, { items, restock: restock.checked, reason: reason.value }, { "Idempotency-Key": refundKey });
    } catch (problem) {
      if (problem.code !== "ordering.refund_refused") throw problem;
      toast(problem.message, true);
    } finally { button.disabled = false; }
    await again();
  }) }, left.map((i, n) => el("label", {}, `${i.name}, of ${i.left}`, pieces[n])), el("label", {}, "Why (the shopper reads it)", reason),
    el("label.check", {}, restock, "as good as new: back into stock"), button);
}

const every = 2_000; // a room is counted, while it is looked at
const span = 600_000; // that its chart shows
const gap = 3 * every; // between two counts, over which the chart draws no line
let lines = new Map(); // what was counted of each room since this page was loaded

// line is what is known of a room's line.
const line = (name) => ({ name, asking: false, figures: null, trouble: "", points: [] });

// count asks for a room's figures, unless they are being asked for.
async function count(of) {
  if (of.asking) return;
  of.asking = true;
  try {
    of.figures = await session.get(`/admin/rooms/${of.name}/figures`);
    of.trouble = "";
    const at = Date.now();
    of.points = [...of.points, { ...of.figures, capacity: of.figures.slots, at }].filter((p) => p.at > at - span && p.at <= at).slice(-span / every);
  } catch (e) {
    of.figures = null;
    of.trouble = e instanceof Problem ? `There are no figures: ${e.message}.` : "There are no figures: the shop does not answer.";
    if (e.status === 401) throw e;
  } finally { of.asking = false; }
}

// svg makes an element of a drawing. How it looks is in site.css.
function svg(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  if (classes.length) node.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// nice is the least of 1, 2, 5, 10, 20, 50 … that is not less than n.
function nice(n) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 5, 10].find((k) => k * ten >= n) * ten;
}

// runs are the points between which there is no gap.
function runs(points) {
  const all = [];
  points.forEach((p, i) => { i && p.at - points[i - 1].at <= gap ? all.at(-1).push(p) : all.push([p]); });
  return all;
}

// panel draws numbers of people over time into a box: layers, each from one number of a point to another, and a limit.
function panel(box, title, points, now, layers, limit) {
  const highest = Math.max(1, ...points.flatMap((p) => [limit ? limit(p) : 0, ...layers.map((l) => l.to(p))]));
  const step = nice(highest / 3);
  const peak = Math.ceil(highest / step) * step;
  const y = (n) => box.foot - n / peak * (box.foot - box.top);
  const place = (p, n) => `${(box.right - (now - p.at) / span * (box.right - box.left)).toFixed(1)} ${y(n).toFixed(1)}`;
  const edge = (run, of) => run.map((p) => place(p, of(p))).join("L");
  const stroke = (of) => runs(points).map((run) => `M${place(run[0], of(run[0]))}L${edge(run, of)}`).join("");
  const area = (l) => runs(points).map((run) => `M${edge(run, l.to)}L${edge([...run].reverse(), l.from)}Z`).join("");
  const marks = Array.from({ length: peak / step + 1 }, (_, i) => i * step);
  return svg("g", {}, svg("text.title", { x: box.left, y: box.top - 10 }, title),
    ...marks.flatMap((n) => [svg("path.grid", { d: `M${box.left} ${y(n)}H${box.right}` }), svg("text.mark", { x: box.left - 8, y: y(n) + 4, "text-anchor": "end" }, n.toLocaleString("en", { notation: "compact" }))]),
    ...layers.map((l) => svg(`g.${l.kind}`, {}, svg("path.area", { d: area(l) }), svg("path.edge", { d: stroke(l.to) }))),
    ...(limit ? [svg("path.limit", { d: stroke(limit) })] : []));
}

// draw draws the last ten minutes of a room: who waits, and below, to a scale of its own, who has a slot.
function draw(chart, points, now) {
  const [width, height] = [Math.max(chart.clientWidth, 240), 280];
  const [left, right, foot] = [44, width - 12, height - 26];
  const nobody = () => 0;
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren(
    panel({ left, right, top: 26, foot: 118 }, "people who wait", points, now, [{ kind: "waiting", from: nobody, to: (p) => p.waiting }]),
    panel({ left, right, top: 162, foot }, "people who are called and in", points, now, [
      { kind: "called", from: (p) => p.active, to: (p) => p.active + p.called }, { kind: "active", from: nobody, to: (p) => p.active }], (p) => p.capacity),
    ...[["10 min ago", left, "start"], ["5 min ago", (left + right) / 2, "middle"], ["now", right, "end"]].map(([text, x, anchor]) => svg("text.mark", { x, y: height - 6, "text-anchor": anchor }, text)));
}

const clock = (t) => new Date(t).toLocaleTimeString("en-GB");

// summary says in words what the chart shows.
function summary(points) {
  if (!points.length) return "Nothing has been counted yet.";
  const last = points.at(-1);
  const most = (kind) => Math.max(...points.map((p) => p[kind])).toLocaleString("en");
  const said = [["waiting", "waiting"], ["called", "called"], ["active", "in"]].map(([kind, name]) => `${last[kind].toLocaleString("en")} ${name} (at most ${most(kind)})`);
  return `From ${clock(points[0].at)} to ${clock(last.at)}: ${said.join(", ")}, of a capacity of ${last.capacity.toLocaleString("en")}.`;
}

// condition says what keeps people out of a room besides its capacity.
function condition(room, of) {
  const f = of.figures || {};
  const gated = room.mode !== "off";
  return [
    of.trouble,
    gated && f.frozen_until && `Nobody is let in until ${clock(f.frozen_until)}: the line has begun anew, and passes from before may still be good.`,
    gated && room.opens_at && Date.parse(room.opens_at) > Date.now() && `Nobody is let in until it opens, ${when(room.opens_at)}: those who come before are drawn by lot.`,
    f.sold_out && "Nothing is left of its goods at the moment: nobody is called until an order gives something back.",
  ].filter(Boolean).join(" ");
}

// choice is a row of buttons, one of which is pressed, with what that one means.
function choice(label, options, pick) {
  const meaning = el("p.muted");
  const buttons = Object.keys(options).map((o) => el("button", { onclick: () => pick(o) }, o));
  const node = el("div.setting", { role: "group", "aria-label": label }, el("b", {}, label), el("div.choice", {}, buttons), meaning);
  return { node, set(chosen) {
    for (const b of buttons) b.setAttribute("aria-pressed", String(b.textContent === chosen));
    meaning.textContent = options[chosen];
  } };
}

// accountOf finds an account by its whole email.
async function accountOf(email) {
  const { items } = await session.get(`/admin/accounts?email=${encodeURIComponent(email)}`);
  const found = items.find((a) => a.email.toLowerCase() === email.trim().toLowerCase());
  if (!found) throw new Error(`Nobody has the email ${email}.`);
  return found;
}

// entry is a field with a button that saves it. What somebody is writing in it stays when it is set.
function entry(label, attributes, save, ...more) {
  const input = el("input", { required: true, ...attributes });
  const node = el("form.setting", { onsubmit: (e) => { e.preventDefault(); save(input.value); } }, el("label", {}, el("b", {}, label), input), el("div", {}, el("button", { type: "submit", "aria-label": `Save: ${label}` }, "Save"), " ", more));
  return { node, set(value) { input.defaultValue = value; }, reset() { node.reset(); }, get changed() { return input.value !== input.defaultValue; } };
}

// roomView is a room on the page: its figures, its chart and its settings.
function roomView(room, of) {
  let saving = false;
  const put = guard(async (change, done) => {
    if (saving) return;
    saving = true;
    try {
      const { mode, away, capacity, opens_at, target_ms, etag } = room;
      fill((await send("PUT", `/admin/rooms/${room.name}`, { mode, away, capacity, opens_at, target_ms, ...change }, { "If-Match": etag })).body);
      if (done) done.reset();
      toast("Saved.");
    } catch (e) {
      if (e.status !== 412) throw e;
      fill((await session.get("/admin/rooms")).items.find((r) => r.name === room.name));
      entries.forEach((one) => one.reset());
      toast(`Somebody else has changed ${room.name}: here it is as it is now.`, true);
    } finally { saving = false; }
  });
  const mode = choice("Mode", { off: "Everyone goes through.", on: "As many go through as there is capacity for; the others wait.", auto: "As many go through as the shop can serve in time, up to the capacity.", paused: "Nobody new goes through; who is in stays in." }, (chosen) => {
    if (chosen !== room.mode && (chosen !== "off" || confirm(`Everyone goes through ${room.name} at once, those who wait too. Turn it off?`))) put({ mode: chosen });
  });
  const away = choice("While the line is away", { open: "Some go through: as many as would in the long run.", closed: "Nobody without a pass goes through." }, (chosen) => { if (chosen !== room.away) put({ away: chosen }); });
  const capacity = entry("Capacity", { type: "number", min: "0", max: "10000000" }, (v) => put({ capacity: Number(v) }, capacity));
  const target = entry("In time is within (ms)", { type: "number", min: "10", max: "60000" }, (v) => put({ target_ms: Number(v) }, target));
  const clear = el("button", { type: "button", onclick: () => put({ opens_at: undefined }, opening) }, "Clear");
  const opening = entry("Opens at", { type: "datetime-local" }, (v) => {
    if (Date.parse(v) <= Date.now()) { toast("That is over. Clear it, and the room is open.", true); return; }
    put({ opens_at: instant(v) }, opening);
  }, clear);
  const entries = [capacity, target, opening];
  const end = el("button", { type: "button", onclick: guard(async () => {
    if (!confirm(`The room ${room.name} is gone then. Remove it?`)) return;
    await send("DELETE", `/admin/rooms/${room.name}`, undefined, { "If-Match": room.etag });
    await areas.rooms.list();
    toast("Removed.");
  }) }, "Remove the room");
  const whose = el("input", { type: "email", required: true, autocomplete: "off", placeholder: "Email of the account" });
  const removal = el("form.setting", { onsubmit: guard(async (e) => {
    e.preventDefault();
    const account = await accountOf(whose.value);
    if (!confirm(`${account.email} loses their place in ${room.name}, and a pass within a minute. They may come again, at the end of the line. Take it away?`)) return;
    await send("DELETE", `/admin/rooms/${room.name}/places/${account.id}`);
    removal.reset();
    toast("Taken away.");
  }) }, el("label", {}, el("b", {}, "Take a place away"), whose), el("div", {}, el("button", { type: "submit" }, "Take it away")));

  const shown = Object.fromEntries(["waiting", "called", "active", "capacity", "pace_per_s"].map((kind) => [kind, el("dd")]));
  const figure = (kind, label, drawn = true) => el("div", {}, el("dt", {}, drawn && el(`i.${kind}`), label), shown[kind]);
  const said = el("p.condition", { role: "status" });
  const chart = svg("svg.chart", { role: "img", "aria-label": `People in ${room.name} in the last ten minutes`, "aria-describedby": `chart-${room.name}` });
  const words = el("figcaption.muted", { id: `chart-${room.name}` });
  const goods = !room.goods ? "in front of all that has no room of its own" : ["in front of ", room.goods.kind === "drop" ? el("a", { href: `#/drops/${room.goods.id}` }, "its drop") : el("a", { href: "#/coupons" }, "its coupon")];
  const node = el("section.room", { "aria-label": room.name }, el("h2", {}, room.name, " ", el("span.muted", {}, goods)), said,
    el("dl.figures", {}, figure("waiting", "Waiting"), figure("called", "Called"), figure("active", "In"), figure("capacity", "Slots"), figure("pace_per_s", "Called in a second", false)),
    el("figure.drawn", {}, chart, words), el("div.settings", {}, mode.node, capacity.node, target.node, away.node, opening.node, removal, room.goods && el("div.setting", {}, el("b", {}, "The end of the room"), el("p.muted", {}, "Once it has been off for some minutes and nobody waits in it."), el("div", {}, end))));

  function fill(settings) {
    room = settings;
    mode.set(room.mode);
    away.set(room.away);
    capacity.set(String(room.capacity));
    target.set(String(room.target_ms));
    opening.set(room.opens_at ? local(room.opens_at) : "");
    clear.hidden = !room.opens_at;
    tell();
  }
  function tell() {
    const text = condition(room, of);
    if (said.textContent !== text) said.textContent = text; // or it would be read out again
    for (const [kind, dd] of Object.entries(shown)) dd.textContent = { ...of.figures, capacity: of.figures?.slots }[kind]?.toLocaleString("en") ?? "?";
    draw(chart, of.points, Date.now());
    words.textContent = summary(of.points);
  }
  fill(room);
  return {
    node, name: room.name,
    look: guard(async () => { await count(of); tell(); }),
    // follow shows what others have set, unless somebody is changing it here.
    follow(settings) { if (settings && settings.version > room.version && !saving && !entries.some((one) => one.changed)) fill(settings); },
  };
}

// newRoom is a form that makes a room.
async function newRoom() {
  const [drops, coupons] = await Promise.all([session.get("/admin/preorders?limit=100"), session.get("/admin/coupons?limit=100")]);
  const group = (label, kind, items, name) => items.length > 0 && el("optgroup", { label }, items.map((i) => el("option", { value: `${kind}:${i.id}` }, name(i))));
  const goods = el("select", { required: true }, el("option", { value: "" }, "Choose…"),
    group("Drops", "drop", drops.items.filter((d) => !["ended", "canceled"].includes(d.state)), (d) => `${d.title}, from ${when(d.starts_at)}`),
    group("Coupons", "coupon", coupons.items.filter((c) => c.state !== "ended"), (c) => `${c.name}, from ${when(c.starts_at)}`));
  const name = el("input", { required: true, maxlength: "50", pattern: "[a-z0-9]+(-[a-z0-9]+)*", title: "Small letters, digits and single hyphens between them", autocomplete: "off" });
  const capacity = el("input", { required: true, type: "number", min: "0", max: "10000000", value: "1000" });
  const button = el("button.primary", { type: "submit" }, "Make it");
  return el("form.stack", { onsubmit: guard(async (e) => {
    e.preventDefault();
    const [kind, id] = goods.value.split(":");
    button.disabled = true;
    try { await send("POST", "/admin/rooms", { name: name.value, capacity: Number(capacity.value), goods: { kind, id } }); } finally { button.disabled = false; }
    go("/rooms");
  }) }, el("label", {}, "Name (small letters, digits, hyphens)", name), el("label", {}, "Capacity", capacity), el("label", {}, "In front of", goods), button);
}

const areas = {
  orders: {
    title: "Orders",
    list(query) {
      const set = (name, value) => { const q = new URLSearchParams(query); value ? q.set(name, value) : q.delete(name); go(`/orders?${q}`); };
      const all = ["", "pending", "awaiting_payment", "paid", "preparing", "shipping", "delivered", "confirmed", "canceling", "canceled", "expired", "rejected", "refunded"];
      return pages("Orders", `/admin/orders?${query}`, el("div.tools", {},
        el("select", { "aria-label": "State", onchange: (e) => set("state", e.target.value) }, all.map((s) => el("option", { value: s, selected: (query.get("state") || "") === s }, s || "every state"))),
        el("input", { type: "search", placeholder: "Order number", "aria-label": "Order number", value: query.get("number") || "", onchange: (e) => set("number", e.target.value.trim()) })),
      ["Number", "State", "Products", "Total", "Placed"], (o) => el("tr", {},
        el("td", {}, el("a", { href: `#/orders/${o.id}` }, o.number)), el("td", {}, badge(o.state)),
        el("td", {}, o.items[0].name + (o.items.length > 1 ? ` and ${o.items.length - 1} more` : "")), el("td.num", {}, won(o.total_won)), el("td.muted", {}, when(o.created_at))));
    },
    async one(id) {
      const o = await session.get(`/admin/orders/${id}`);
      const again = () => areas.orders.one(id);
      const act = (label, work, primary) => el(primary ? "button.primary" : "button", { onclick: guard(async () => { if (await work() !== false) await again(); }) }, label);
      const cancelKey = key();
      const shipped = ["shipping", "delivered", "confirmed"];
      const name = Object.fromEntries(o.items.map((i) => [i.product_id, i.name]));
      show(el("h1", {}, `Order ${o.number}`), el("p", {}, badge(o.state), el("span.muted", {}, ` account ${o.account_id} · placed ${when(o.created_at)}`)),
        el("div.row", {},
          o.state === "paid" && act("Prepare", () => send("POST", `/admin/orders/${id}/prepare`)),
          ["paid", "preparing"].includes(o.state) && act("Ship…", async () => {
            const carrier = ask("Carrier?"); const invoice = carrier && ask("Invoice number?");
            if (!invoice) return false;
            await send("POST", `/admin/orders/${id}/shipments`, { carrier, invoice_number: invoice });
          }, true),
          o.state === "shipping" && act("Delivered", () => send("POST", `/admin/orders/${id}/deliveries`), true),
          ["awaiting_payment", "paid", "preparing"].includes(o.state) && act("Cancel…", async () => {
            const reason = ask("Why?");
            if (!reason) return false;
            await send("POST", `/admin/orders/${id}/cancel`, { reason }, { "Idempotency-Key": cancelKey });
          })),
        table(["Product", "Pieces", "Each", "Amount"], o.items.map((i) => el("tr", {}, el("td", {}, el("a", { href: `#/products/${i.product_id}` }, i.name)), el("td.num", {}, String(i.quantity)), el("td.num", {}, won(i.unit_price_won)), el("td.num", {}, won(i.amount_won))))),
        el("dl.sum", {}, el("dt", {}, "Shipping"), el("dd", {}, won(o.shipping_won)), el("dt", {}, "Total"), el("dd", {}, el("b", {}, won(o.total_won)))),
        (o.refunds.length > 0 || shipped.includes(o.state)) && el("h2", {}, "Refunds"),
        o.refunds.length > 0 && table(["Asked for", "State", "What came back", "Money", "Points", "Why"], o.refunds.map((r) => el("tr", {}, el("td.muted", {}, when(r.requested_at)), el("td", {}, badge(r.state)),
          el("td", {}, r.items.map((i) => `${name[i.product_id]} × ${i.quantity}`).join(", ")), el("td.num", {}, won(r.money_won)), el("td.num", {}, r.points_won.toLocaleString()), el("td", {}, r.reason)))),
        shipped.includes(o.state) && refundForm(o, again),
        el("h2", {}, "To"), el("p", {}, `${o.address.recipient} · ${o.address.phone} · (${o.address.zipcode}) ${o.address.line1} ${o.address.line2 || ""}`),
        o.shipment && el("p", {}, `${o.shipment.carrier} ${o.shipment.invoice_number}`),
        o.money && el("h2", {}, "Money"), o.money && el("p", {}, badge(o.money.state), ` ${won(o.money.amount_won)} · refunded ${won(o.money.refunded_won)} ${o.money.method || ""}`),
        o.money && table(["When", "What", "Amount", ""], o.money.history.map((h) => el("tr", {}, el("td.muted", {}, when(h.at)), el("td", {}, h.kind), el("td.num", {}, won(h.amount_won)), el("td.muted", {}, h.detail || "")))),
        el("h2", {}, "So far"), el("ol.timeline", {}, o.timeline.map((m) => el("li", {}, el("time", {}, when(m.at)), ` ${m.from ? `${m.from} → ` : ""}${m.to} `, el("span.muted", {}, `${m.by} ${m.note || ""}`)))));
    },
  },

  products: {
    title: "Products",
    list(query) {
      return pages("Products", `/admin/products?${query}`, el("div.tools", {},
        el("select", { "aria-label": "State", onchange: (e) => go(`/products${e.target.value ? `?state=${e.target.value}` : ""}`) }, ["", "draft", "published", "hidden"].map((s) => el("option", { value: s, selected: (query.get("state") || "") === s }, s || "every state")))),
      ["Name", "Brand", "State", "Price", "On hand", "Reserved"], (p) => el("tr", {},
        el("td", {}, el("a", { href: `#/products/${p.id}` }, p.name)), el("td", {}, p.brand), el("td", {}, badge(p.state), p.sale_stopped ? badge("sale stopped") : ""), el("td.num", {}, won(p.price_won)),
        el("td.num", {}, String(p.on_hand ?? "")), el("td.num", {}, String(p.reserved ?? ""))));
    },
    async one(id) {
      const { body: p, etag } = await session.send("GET", `/admin/products/${id}`);
      const stock = await session.get(`/admin/products/${id}/stock-movements?limit=20`);
      const { items: pictures } = await session.get(`/admin/products/${id}/images`);
      const upload = (replaces) => el("input", { type: "file", accept: "image/jpeg,image/png,image/webp", "aria-label": replaces ? "Replace by" : "Add a picture", onchange: guard(async (e) => {
        const body = new FormData();
        body.append("file", e.target.files[0]);
        await send("POST", `/admin/products/${id}/images${replaces ? `?replaces=${replaces}` : ""}`, body);
        toast("Uploaded; shoppers see it in a moment."); await again();
      }) });
      const first = (chosen) => guard(async () => {
        await send("PUT", `/admin/products/${id}/images`, { image_ids: [chosen, ...pictures.map((i) => i.id).filter((other) => other !== chosen)] }); await again();
      });
      const again = () => areas.products.one(id);
      const turn = (verb, label) => el("button", { onclick: guard(async () => { await send("POST", `/admin/products/${id}/${verb}`); await again(); }) }, label);
      const moveKey = key();
      const kind = el("select", { name: "kind", "aria-label": "Kind" }, ["receive", "adjust", "damage"].map((k) => el("option", { value: k }, k)));
      const quantity = el("input", { type: "number", value: "1", "aria-label": "Quantity" });
      const reason = el("input", { placeholder: "Reason", "aria-label": "Reason", maxlength: "200", required: true });
      show(el("h1", {}, p.name), el("p", {}, badge(p.state), p.sale_stopped ? badge("sale stopped") : "", el("span.muted", {}, ` ${p.brand} · ${won(p.price_won)} · on hand ${p.on_hand ?? "?"}, reserved ${p.reserved ?? "?"}`)),
        el("div.row", {}, p.state === "published" ? turn("hide", "Hide") : turn("publish", "Publish"), p.sale_stopped ? turn("resume-sale", "Resume sale") : turn("stop-sale", "Stop sale")),
        el("h2", {}, "Price"), form([["price_won", "Price (won)", { type: "number", min: "0", value: String(p.price_won) }], ["list_price_won", "List price (won)", { type: "number", min: "0", value: String(p.list_price_won) }]],
          "Save", async (v) => {
            await send("PATCH", `/admin/products/${id}`, { price_won: Number(v.price_won), list_price_won: Number(v.list_price_won) }, { "If-Match": etag });
            toast("Saved."); await again();
          }),
        el("h2", {}, "Pictures"), el("div.grid", {}, pictures.map((i, n) => el("figure.picture", {}, i.url ? el("img.tile", { src: i.url, alt: "" }) : el("div.tile", {}, "…"),
          el("figcaption.muted", {}, `${n ? "" : "main · "}${i.width} × ${i.height}${i.url ? "" : " · being made"}`),
          el("div.row", {}, n > 0 && el("button", { onclick: first(i.id) }, "Make it the main one"), el("button", { onclick: guard(async () => {
            if (confirm("Remove this picture?")) { await send("DELETE", `/admin/products/${id}/images/${i.id}`); await again(); }
          }) }, "Remove"), el("label.muted", {}, "Replace by ", upload(i.id)))))),
        el("label.row", {}, "Add ", upload(), pictures.some((i) => !i.url) && el("button", { onclick: again }, "Look again")),
        el("h2", {}, "Stock"), el("form.row", { onsubmit: guard(async (e) => {
          e.preventDefault();
          await send("POST", `/admin/products/${id}/stock-movements`, { kind: kind.value, quantity: Number(quantity.value), reason: reason.value }, { "Idempotency-Key": moveKey });
          await again();
        }) }, kind, quantity, reason, el("button.primary", { type: "submit" }, "Move")),
        table(["When", "Kind", "Pieces", "Reason"], stock.items.map((m) => el("tr", {}, el("td.muted", {}, when(m.at)), el("td", {}, m.kind), el("td.num", {}, String(m.quantity)), el("td", {}, m.reason || (m.order_id ? el("a", { href: `#/orders/${m.order_id}` }, "order") : ""))))));
    },
  },

  drops: {
    title: "Drops",
    list() {
      return pages("Drops", "/admin/preorders", el("div.tools", {}, el("a", { href: "#/drops/new" }, "Make one")), ["Title", "State", "Of", "Left", "Held", "Sold", "Opens", "Closes"], (d) => el("tr", {},
        el("td", {}, el("a", { href: `#/drops/${d.id}` }, d.title)), el("td", {}, badge(d.state)), ...[d.quantity, d.remaining, d.held, d.sold].map((n) => el("td.num", {}, n.toLocaleString())), el("td.muted", {}, when(d.starts_at)), el("td.muted", {}, when(d.ends_at))));
    },
    async one(id) {
      const fields = (d) => [["title", "Title", { value: d.title || "", maxlength: "200" }], ["quantity", "Pieces", { type: "number", min: "1", value: String(d.quantity || 100) }], ["per_customer", "Per customer", { type: "number", min: "1", max: "999", value: String(d.per_customer || 1) }],
        ["starts_at", "Opens", { type: "datetime-local", value: d.starts_at ? local(d.starts_at) : "" }], ["ends_at", "Closes", { type: "datetime-local", value: d.ends_at ? local(d.ends_at) : "" }], ["releases_at", "Shipped from", { type: "datetime-local", value: d.releases_at ? local(d.releases_at) : "" }]];
      const body = (v) => ({ title: v.title, quantity: Number(v.quantity), per_customer: Number(v.per_customer), starts_at: instant(v.starts_at), ends_at: instant(v.ends_at), releases_at: instant(v.releases_at) });
      if (id === "new") {
        show(el("h1", {}, "A new drop"), form([["product_id", "Product (its id)", {}], ...fields({})], "Make it", async (v) => {
          const { body: d } = await send("POST", "/admin/preorders", { product_id: v.product_id.trim(), ...body(v) });
          go(`/drops/${d.id}`);
        }));
        return;
      }
      const { body: d, etag } = await session.send("GET", `/admin/preorders/${id}`);
      const again = () => areas.drops.one(id);
      show(el("h1", {}, d.title), el("p", {}, badge(d.state), el("span.muted", {}, ` ${d.remaining} left, ${d.held} held, ${d.sold} sold of ${d.quantity}`), " ", el("a", { href: `#/products/${d.product_id}` }, "its product")),
        d.state === "canceled" ? el("p", {}, `Called off: ${d.cancel_reason}. `, d.wound_up ? "Every order of it was canceled, or a person has to decide; see the orders' timelines." : "Its orders are being canceled…")
          : [form(fields(d), "Save", async (v) => { await send("PATCH", `/admin/preorders/${id}`, body(v), { "If-Match": etag }); toast("Saved."); await again(); }),
            el("div.row", {}, el("button", { onclick: guard(async () => {
              const reason = ask("Every order of it will be canceled, and its money given back. Why?");
              if (!reason) return;
              await send("POST", `/admin/preorders/${id}/cancel`, { reason });
              await again();
            }) }, "Call it off…"))]);
    },
  },

  coupons: {
    title: "Coupons",
    list() {
      const off = (d) => (d.percent ? `${d.percent} %` : won(d.amount_won)) + (d.minimum_won ? ` from ${won(d.minimum_won)}` : "");
      return pages("Coupons", "/admin/coupons", el("div.tools", {}, el("a", { href: "#/coupons/new" }, "Make one")), ["Name", "Kind", "State", "Off", "Taken", "Redeemed", "Of", "Until"], (c) => el("tr", {},
        el("td", {}, c.name), el("td", {}, c.kind), el("td", {}, badge(c.state)), el("td", {}, off(c.discount)), ...[c.taken, c.redeemed, c.quantity].map((n) => el("td.num", {}, n.toLocaleString())), el("td.muted", {}, when(c.ends_at))));
    },
    one() {
      show(el("h1", {}, "A new coupon"), form([["name", "Name", { maxlength: "100" }], ["quantity", "How many", { type: "number", min: "1", value: "1000" }], ["amount_won", "Won off", { type: "number", min: "1", value: "3000" }],
        ["minimum_won", "From a purchase of (won)", { type: "number", min: "0", value: "0" }], ["starts_at", "From", { type: "datetime-local" }], ["ends_at", "Until", { type: "datetime-local" }]], "Make it", async (v) => {
        await send("POST", "/admin/coupons", { name: v.name, quantity: Number(v.quantity), discount: { amount_won: Number(v.amount_won), minimum_won: Number(v.minimum_won) }, starts_at: instant(v.starts_at), ends_at: instant(v.ends_at) });
        go("/coupons");
      }), el("p.muted", {}, "Percentages, categories, products, tags, tiers, codes and welcomes: POST /admin/coupons, see the API docs."));
    },
  },

  rooms: {
    title: "Waiting rooms",
    async list() {
      const { items } = await session.get("/admin/rooms");
      lines = new Map(items.map((r) => [r.name, lines.get(r.name) || line(r.name)]));
      const views = items.map((r) => roomView(r, lines.get(r.name)));
      const page = el("div", {}, views.map((v) => v.node));
      show(el("h1", {}, "Waiting rooms"), el("div.tools", {}, el("a", { href: "#/rooms/new" }, "Make one"), el("button", { onclick: guard(() => areas.rooms.list()) }, "Look again")), page);
      let round = 0;
      const tick = () => {
        if (!page.isConnected) { clearInterval(timer); return; }
        if (document.hidden) return;
        for (const v of views) v.look();
        if (++round % 5 === 0) session.get("/admin/rooms").then((now) => views.forEach((v) => v.follow(now.items.find((r) => r.name === v.name))), () => {}); // the figures say what is wrong
      };
      const timer = setInterval(tick, every);
      tick();
    },
    async one() {
      show(el("h1", {}, "A new waiting room"), await newRoom(), el("p.muted", {}, "It is off at first. Of drops and coupons the newest hundred can be chosen; others: POST /admin/rooms, see the API docs."));
    },
  },

  payments: {
    title: "Payments",
    list(query) {
      return pages("Payments", `/admin/payments?${query}`, "", ["Order", "State", "Amount", "Refunded", "Expires"], (p) => el("tr", {},
        el("td", {}, el("a", { href: `#/orders/${p.order_id}` }, p.order_number)), el("td", {}, badge(p.state)), el("td.num", {}, won(p.amount_won)), el("td.num", {}, won(p.refunded_won)), el("td.muted", {}, when(p.expires_at))));
    },
  },

  accounts: {
    title: "Accounts",
    list(query) {
      return pages("Accounts", `/admin/accounts?${query}`, el("div.tools", {}, el("input", { type: "search", placeholder: "Email begins with", "aria-label": "Email", value: query.get("email") || "", onchange: (e) => go(`/accounts${e.target.value ? `?email=${encodeURIComponent(e.target.value)}` : ""}`) })),
        ["Email", "Name", "Role", "State", "Since"], (a) => el("tr", {}, el("td", {}, a.email), el("td", {}, a.name), el("td", {}, a.role), el("td", {}, badge(a.state)), el("td.muted", {}, when(a.created_at))));
    },
  },

  bus: {
    title: "Bus",
    async list() {
      const bus = await session.get("/admin/bus");
      const again = () => areas.bus.list();
      const minute = 60_000; // what is older than that is late
      const ago = (ms) => [[86_400_000, "d"], [3_600_000, "h"], [minute, "min"], [1000, "s"], [1, "ms"]].reduce((found, [unit, name]) => found || (ms >= unit && `${Math.floor(ms / unit)} ${name}`), "");
      const age = (ms) => ms > minute ? el("span.state.wrong", {}, `late: ${ago(ms)}`) : ago(ms);
      const oldest = (m) => Math.max(0, ...m.positions.map((p) => p.age_ms));
      const left = (m) => m.positions.reduce((n, p) => n + p.lag, 0);
      const count = (n) => n.toLocaleString("en");
      const cell = (...children) => el("td.num", {}, ...children);
      const troubles = bus.items.flatMap((m) => [
        m.unpublished_age_ms > minute && `${m.module} has not published for ${ago(m.unpublished_age_ms)}`,
        oldest(m) > minute && `${m.module} has not heard for ${ago(oldest(m))}`,
        m.positions_error && `how far ${m.module} has heard is not known`,
        m.parked && `${m.module} has parked ${count(m.parked)}`,
      ].filter(Boolean));
      const parked = await Promise.all(bus.items.filter((m) => m.parked).map((m) => areas.bus.parked(m.module, again)));
      const places = (m) => el("details", {}, el("summary", {}, `Positions of ${m.module}`), table(["Topic", "Partition", "Taken", "Of", "Left", "Oldest"], m.positions.map((p) => el("tr", {},
        el("td", {}, p.topic), cell(String(p.partition)), cell(count(p.done)), cell(count(p.end)), cell(count(p.lag)), el("td", {}, age(p.age_ms))))));
      show(el("h1", {}, "Bus"),
        el("p", { role: "status" }, el(`span.state.${troubles.length ? "wrong" : "sound"}`, {}, troubles.length ? "alert" : "well"), ` ${troubles.length ? `${troubles.join(", ")}.` : "Every event is on time, and none is parked."}`),
        el("div.row", {}, el("button", { onclick: guard(again) }, "Look again")),
        table(["Module", "To publish", "Since", "To hear", "Since", "Parked"], bus.items.map((m) => el("tr", {},
          el("td", {}, m.module), cell(count(m.unpublished)), el("td", {}, age(m.unpublished_age_ms)),
          cell(m.positions_error ? el("span.state.wrong", { title: m.positions_error }, "unknown") : count(left(m))), el("td", {}, age(oldest(m))),
          cell(m.parked ? el("span.state.wrong", {}, count(m.parked)) : "0")))),
        parked.flat(),
        el("h2", {}, "Positions"), bus.items.map((m) => m.positions_error ? el("p.muted", {}, `${m.module}: ${m.positions_error}`) : m.positions.length ? places(m) : el("p.muted", {}, `${m.module} hears nothing.`)),
        bus.abandoned.length > 0 && [el("h2", {}, "Abandoned"), el("p.muted", {}, "Nobody reads on from here: what a removed module or subscription has left. Its events are kept for 30 days."),
          table(["Group", "Topic", "Left", "Oldest"], bus.abandoned.map((p) => el("tr", {}, el("td", {}, p.group), el("td", {}, p.topic), cell(count(p.lag)), el("td", {}, age(p.age_ms)))))]);
    },
    // parked is what a module has parked, a page at a time.
    async parked(module, again) {
      const path = `/admin/bus/${module}/parked`;
      const admin = JSON.parse(atob(session.tokens.access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).role === "admin";
      const pretty = (data) => { try { return JSON.stringify(JSON.parse(data), null, 2); } catch { return data; } };
      const replay = (p) => async () => {
        const { body: r } = await send("POST", `${path}/${p.event_id}/replay`);
        const done = `${r.done} ${r.done === 1 ? "event has" : "events have"} taken effect`;
        await again();
        toast(r.failed ? `${done}; the next one failed again: ${r.failed}` : `${done}; nothing of this key is parked any more.`, Boolean(r.failed));
      };
      const drop = (p) => async () => {
        if (!confirm(`Drop ${p.type}, version ${p.aggregate_version} of ${p.key}?\n\n${module} will never see it. Later events of its key stay parked until they are replayed.`)) return;
        await send("DELETE", `${path}/${p.event_id}`);
        await again();
        toast("Dropped.");
      };
      const row = (p) => el("tr", {},
        el("td", {}, p.type, el("br"), el("span.muted", {}, `version ${p.aggregate_version} of `, el("code", {}, p.key)),
          el("div.row", {}, el("button", { onclick: guard(replay(p)), "aria-label": `Replay the key of ${p.event_id}` }, "Replay"), admin && el("button", { onclick: guard(drop(p)), "aria-label": `Drop ${p.event_id}` }, "Drop…"))),
        el("td", {}, p.reason, el("details", {}, el("summary", {}, "Payload"), el("pre", {}, pretty(p.data)), el("p.muted", {}, `event ${p.event_id}, occurred ${when(p.occurred_at)}`))),
        el("td.muted", {}, when(p.parked_at)));
      const body = el("tbody");
      const more = el("button", { hidden: true, onclick: guard(() => load()) }, "More");
      let cursor = "";
      const load = async () => {
        const page = await session.get(`${path}?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
        body.append(...page.items.map(row));
        cursor = page.next_cursor || "";
        more.hidden = !cursor;
      };
      await load();
      return [el("h2", {}, `Parked in ${module}`), el("div.scroll", {}, el("table", {}, head(["Event", "Why", "Parked since"]), body)), more];
    },
  },

  switches: {
    title: "Switches",
    async list() {
      const { items } = await session.get("/admin/switches");
      show(el("h1", {}, "Switches"), table(["Switch", "State", "Why", "Since", ""], items.map((s) => el("tr", {}, el("td", {}, s.name), el("td", {}, badge(s.enabled ? "on" : "off")), el("td", {}, s.reason), el("td.muted", {}, when(s.updated_at)),
        el("td", {}, el("button", { onclick: guard(async () => {
          const reason = ask("Why?");
          if (!reason) return;
          await send("PUT", `/admin/switches/${s.name}`, { enabled: !s.enabled, reason });
          await areas.switches.list();
        }) }, s.enabled ? "Turn off" : "Turn on"))))));
    },
  },

  books: {
    title: "Books",
    async list() {
      show(el("h1", {}, "Books"), el("p.muted", {}, "Looking at them…"));
      const report = await session.get("/admin/audit");
      const sentence = (says) => `${says[0].toUpperCase()}${says.slice(1)}.`;
      const figures = (i) => `${i.looked.toLocaleString("en")} looked at · ${i.took_ms} ms · ${i.since ? `what changed since ${when(i.since)}` : "everything"}`;
      const line = (i) => el("tr", {}, el("td", {}, badge(i.state)), el("td", {}, sentence(i.says), el("br"), el("span.muted", {}, `${i.id} · ${figures(i)}`),
        i.reason && el("p", {}, `It is not known: ${i.reason}.`), i.wrong.length > 0 && el("ul", {}, i.wrong.map((m) => el("li", {}, el("code", {}, m.subject), ` ${m.detail}`)))));
      const part = (title, items) => items.length > 0 && [el("h2", {}, title), el("table", {}, el("tbody", {}, items.map(line)))];
      const bad = report.items.filter((i) => i.state !== "sound");
      const modules = [...new Set(report.items.map((i) => i.module))];
      const count = (s) => report.items.filter((i) => i.state === s).length;
      const said = report.balanced ? `The books balance: all ${report.items.length} invariants hold.`
        : count("wrong") ? `The books do not balance: ${count("wrong")} of ${report.items.length} invariants do not hold.` : "It is not known whether the books balance.";
      show(el("h1", {}, "Books"), el("p", { role: "status" }, badge(report.balanced ? "sound" : count("wrong") ? "wrong" : "unknown"), ` ${said}`),
        el("div.row", {}, el("button", { onclick: guard(() => areas.books.list()) }, "Look again"), el("span.muted", {}, `${when(report.at)} · took ${report.took_ms} ms`)),
        part("To look into", bad), modules.map((m) => part(m, report.items.filter((i) => i.module === m && i.state === "sound"))).flat());
    },
  },

  audit: {
    title: "Audit log",
    list() {
      return pages("Audit log", "/admin/audit-log", "", ["When", "Who", "What", "Of what", "Change"], (a) => el("tr", {}, el("td.muted", {}, when(a.at)), el("td.muted", {}, `${a.actor_role} ${a.actor_id.slice(-8)}`), el("td", {}, a.action), el("td.muted", {}, a.subject),
        el("td", {}, el("details", {}, el("summary", {}, "show"), el("pre", {}, JSON.stringify({ before: a.before, after: a.after }, null, 2))))));
    },
  },
};

const route = guard(async () => {
  const [path, search = ""] = location.hash.slice(1).split("?");
  const [, area = "orders", id] = path.split("/");
  document.getElementById("nav").replaceChildren(...(session.in ? [
    ...Object.entries(areas).map(([name, a]) => el("a", { href: `#/${name}`, "aria-current": name === (area || "orders") ? "page" : undefined }, a.title)),
    el("button.plain", { onclick: async () => { await session.signOut(); route(); } }, "Sign out"),
  ] : []));
  if (!session.in) {
    show(el("h1", {}, "Sign in"), form([["email", "Email", { type: "email", autocomplete: "email" }], ["password", "Password", { type: "password", autocomplete: "current-password" }]], "Sign in", async (v) => { await session.signIn(v.email, v.password); await route(); }));
    return;
  }
  const a = areas[area] || areas.orders;
  await (id && a.one ? a.one(id) : a.list(new URLSearchParams(search)));
});

addEventListener("hashchange", route);
route();
