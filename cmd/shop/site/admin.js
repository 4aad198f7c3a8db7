import { Session, Problem, el, form, key, show, toast, when, won } from "./kit.js";

const session = new Session("sasapick.admin");
const go = (path) => { location.hash = path; };
const guard = (work) => async (...args) => { try { return await work(...args); } catch (e) { fail(e); } };
function fail(e) {
  if (e instanceof Problem && e.status === 401) { session.tokens = null; route(); return; }
  toast(e.code === "auth.forbidden" ? "This needs a higher role." : e.message, true);
}
const send = (method, path, body, headers) => session.send(method, path, { body, headers });
const numbers = ["Total", "Price", "On hand", "Reserved", "Pieces", "Each", "Amount", "Refunded"];
const head = (heads) => el("thead", {}, el("tr", {}, heads.map((h) => el(numbers.includes(h) ? "th.num" : "th", { scope: "col" }, h))));
const table = (heads, rows) => el("div.scroll", {}, el("table", {}, head(heads), el("tbody", {}, rows)));
const badge = (s) => el(`span.state.${s}`, {}, s);
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
        el("h2", {}, "Stock"), el("form.row", { onsubmit: guard(async (e) => {
          e.preventDefault();
          await send("POST", `/admin/products/${id}/stock-movements`, { kind: kind.value, quantity: Number(quantity.value), reason: reason.value }, { "Idempotency-Key": moveKey });
          await again();
        }) }, kind, quantity, reason, el("button.primary", { type: "submit" }, "Move")),
        table(["When", "Kind", "Pieces", "Reason"], stock.items.map((m) => el("tr", {}, el("td.muted", {}, when(m.at)), el("td", {}, m.kind), el("td.num", {}, String(m.quantity)), el("td", {}, m.reason || (m.order_id ? el("a", { href: `#/orders/${m.order_id}` }, "order") : ""))))));
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
      const parts = [];
      for (const m of bus.items) {
        if (!m.parked) continue;
        const { items } = await session.get(`/admin/bus/${m.module}/parked`);
        parts.push(el("h2", {}, `Parked in ${m.module}`), table(["Event", "Key", "Why", ""], items.map((p) => el("tr", {}, el("td", {}, p.type), el("td.muted", {}, p.key), el("td", {}, p.reason),
          el("td", {}, el("button", { onclick: guard(async () => { await send("POST", `/admin/bus/${m.module}/parked/${p.event_id}/replay`); await again(); }) }, "Replay"))))));
      }
      const lag = (m) => m.positions_error || String(m.positions.reduce((n, p) => n + p.lag, 0));
      show(el("h1", {}, "Bus"), table(["Module", "To publish", "Oldest", "To hear", "Parked"], bus.items.map((m) => el("tr", {},
        el("td", {}, m.module), el("td", {}, String(m.unpublished)), el("td.muted", {}, m.unpublished ? `${m.unpublished_age_ms} ms` : ""), el("td", {}, lag(m)), el("td", {}, String(m.parked))))), parts);
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
