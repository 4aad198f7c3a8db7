import { Session, Problem, el, form, key, show, toast, when, won } from "./kit.js";

const session = new Session("sasapick.shopper");
const ko = navigator.language.startsWith("ko");
const t = (korean, english) => (ko ? korean : english);
document.documentElement.lang = ko ? "ko" : "en";

const states = {
  pending: t("접수 중", "being placed"), awaiting_payment: t("결제 대기", "awaiting payment"), paid: t("결제 완료", "paid"),
  preparing: t("배송 준비", "preparing"), shipping: t("배송 중", "shipping"), delivered: t("배송 완료", "delivered"),
  confirmed: t("구매 확정", "confirmed"), canceling: t("취소 중", "being cancelled"), canceled: t("취소됨", "cancelled"),
  expired: t("기한 만료", "expired"), rejected: t("거절됨", "rejected"), refunded: t("환불됨", "refunded"),
};
const bands = { in_stock: t("재고 있음", "in stock"), low: t("품절 임박", "almost gone"), sold_out: t("품절", "sold out") };

const go = (path) => { location.hash = path; };
const guard = (work) => async (...args) => { try { return await work(...args); } catch (e) { fail(e); } };
function fail(e) {
  if (e instanceof Problem && e.status === 401) { session.tokens = null; nav(); go("/sign-in"); return; }
  if (e instanceof Problem && e.code === "queue.waiting" && e.ticket) { // they come back here with ?in when it is their turn
    location.href = `/wait/${e.room}?${new URLSearchParams({ ticket: e.ticket, return: `/?in${location.hash}`, lang: document.documentElement.lang })}`;
    return;
  }
  toast(e.message, true);
}

function nav() {
  document.getElementById("nav").replaceChildren(
    el("a", { href: "#/coupons" }, t("쿠폰", "Coupons")),
    el("a", { href: "#/cart" }, t("장바구니", "Cart")),
    ...(session.in
      ? [el("a", { href: "#/orders" }, t("주문", "Orders")),
        el("button.plain", { onclick: async () => { await session.signOut(); nav(); go("/"); } }, t("로그아웃", "Sign out"))]
      : [el("a", { href: "#/sign-in" }, t("로그인", "Sign in"))]),
  );
  document.getElementById("q").placeholder = t("브랜드, 상품 검색", "Search brands and products");
  document.getElementById("q").setAttribute("aria-label", t("검색", "Search"));
}

// A picture in the sizes that there are; the browser takes the one that fits.
const picture = (url, alt, sizes) => el("img.tile", { src: url, alt, sizes, loading: "lazy",
  srcset: [160, 320, 640, 1280].map((side) => `${url.replace(/-640\.jpg$/, `-${side}.jpg`)} ${side}w`).join(", ") });

// A product without a picture gets a tile in a colour of its own.
const tile = (p, alt = "", sizes = "(max-width: 44rem) 50vw, 14rem") => {
  if (p.image_url) return picture(p.image_url, alt, sizes);
  const hue = [...p.id].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 360, 7);
  const art = el("div.tile", { "aria-hidden": "true" }, (p.brand || "?").slice(0, 2));
  art.style.setProperty("--hue", hue);
  return art;
};

const card = (p) => el("a.card", { href: `#/products/${p.id}` }, tile(p),
  el("span.brandname", {}, p.brand), el("span.name", {}, p.name),
  el("span.price", {}, p.list_price_won > p.price_won ? el("s", {}, won(p.list_price_won)) : "", " ", el("b", {}, won(p.price_won))),
  p.availability !== "in_stock" ? el(`span.band.${p.availability}`, {}, bands[p.availability]) : "");

// The server's clock, as far as the network lets it be known: what opens at noon opens at its noon.
let ahead = 0;
async function setClock() {
  const asked = Date.now();
  const { now } = await session.get("/v1/time");
  ahead = new Date(now).getTime() - (asked + Date.now()) / 2;
}
const serverNow = () => Date.now() + ahead;

const openings = { scheduled: t("곧 시작", "opens soon"), open: t("진행 중", "open"), sold_out: t("매진", "sold out"), ended: t("종료", "over"), canceled: t("취소됨", "called off") };

// countdown tells how long it is to an instant, for as long as it is on the page, and then calls done.
function countdown(to, done) {
  const clock = el("b.clock", { role: "timer" });
  const tick = () => {
    const left = Math.max(0, Math.ceil((new Date(to).getTime() - serverNow()) / 1000));
    const [d, h, m, s] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60, left % 60];
    clock.textContent = (d ? `${d}${t("일", "d")} ` : "") + [h, m, s].map((n) => String(n).padStart(2, "0")).join(":");
    if (left > 0) return;
    clearInterval(timer);
    if (clock.isConnected) done();
  };
  const timer = setInterval(() => { clock.isConnected ? tick() : clearInterval(timer); }, 250);
  queueMicrotask(tick);
  return clock;
}

const dropLine = (d) => {
  switch (d.state) {
    case "scheduled": return [t("시작까지 ", "opens in "), countdown(d.starts_at, route)];
    case "open": return [t(`${d.remaining.toLocaleString()}개 남음 · 마감까지 `, `${d.remaining.toLocaleString()} left · closes in `), countdown(d.ends_at, route)];
    case "sold_out": return [t("매진 · 결제하지 않은 수량은 다시 나옵니다", "sold out · what is not paid in time comes back")];
    default: return [openings[d.state]];
  }
};

// strip is what is special today: drops that are open or about to be, and promotion events.
async function strip() {
  const [drops, events] = await Promise.all([session.get("/v1/preorders?limit=20"), session.get("/v1/events?limit=3")]);
  const shown = drops.items.filter((d) => ["scheduled", "open", "sold_out"].includes(d.state)).slice(0, 3);
  return el("section.strip", { hidden: !shown.length && !events.items.length, "aria-label": t("오늘의 특별", "Today") },
    shown.map((d) => el("a.event", { href: `#/drops/${d.id}` }, el(`span.state.${d.state}`, {}, openings[d.state]), el("b", {}, d.title), el("span", {}, dropLine(d)))),
    events.items.map((e) => el("a.event", { href: "#/coupons" }, el("span.state", {}, t("쿠폰", "coupons")), el("b", {}, e.title), el("span.muted", {}, `~ ${when(e.ends_at)}`))));
}

async function drop(id) {
  const d = await session.get(`/v1/preorders/${id}`);
  const p = await session.get(`/v1/products/${d.product_id}`);
  const addresses = session.in ? (await session.get("/v1/me/addresses")).items : [];
  const quantity = el("input", { type: "number", value: "1", min: "1", max: String(d.per_customer), "aria-label": t("수량", "Quantity") });
  const choose = el("select", { "aria-label": t("배송지", "Address") }, addresses.map((a) => el("option", { value: a.id, selected: a.is_default }, `${a.alias} · ${a.recipient} · ${a.line1}`)));
  let orderKey = key(); // one click or ten: one order
  const buy = el("button.primary", { type: "submit", disabled: d.state !== "open" }, d.state === "open" ? t("바로 주문", "Order now") : openings[d.state]);
  show(el("article.product", {}, tile(p), el("div", {},
    el("p", {}, el(`span.state.${d.state}`, {}, openings[d.state])), el("h1", {}, d.title), el("p", {}, el("a", { href: `#/products/${p.id}` }, p.name)),
    el("p.price", {}, el("b", {}, won(p.price_won))), el("p", {}, dropLine(d)),
    el("dl", {}, ...[[t("총 수량", "Pieces"), d.quantity.toLocaleString()], [t("1인당", "Per customer"), d.per_customer], [t("출시", "Shipped from"), when(d.releases_at)]]
      .flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, String(v))])),
    session.in && !addresses.length
      ? el("section", {}, el("h2", {}, t("배송지", "Where to?")), addressForm(() => drop(id)))
      : el("form.row", { onsubmit: guard(async (e) => {
        e.preventDefault();
        if (!session.in) { go("/sign-in"); return; }
        buy.disabled = true;
        try {
          const { body } = await session.send("POST", `/v1/preorders/${id}/orders`, { headers: { "Idempotency-Key": orderKey }, body: { quantity: Number(quantity.value), address_id: choose.value } });
          body.payment ? pay(body) : go(`/orders/${body.id}`);
        } catch (e) {
          orderKey = renewed(e, orderKey);
          throw e;
        } finally { buy.disabled = d.state !== "open"; }
      }) }, quantity, choose, buy),
    el("p.muted", {}, t("5분 안에 결제해야 합니다. 가상계좌로는 결제할 수 없습니다.", "To be paid within five minutes, and not by bank transfer.")))));
}

const off = (d) => (d.percent ? `${d.percent}%${d.cap_won ? t(` (최대 ${won(d.cap_won)})`, ` (${won(d.cap_won)} at most)`) : ""}` : won(d.amount_won)) +
  (d.minimum_won ? t(` · ${won(d.minimum_won)} 이상`, ` · from ${won(d.minimum_won)}`) : "");
const couponStates = { usable: t("사용 가능", "usable"), held: t("주문에 사용 중", "an order has it"), used: t("사용함", "used"), expired: t("만료", "expired"),
  scheduled: t("곧 시작", "opens soon"), open: t("받기", "open"), sold_out: t("소진", "sold out"), ended: t("종료", "over") };

const entries = { earn: t("적립", "earned"), use: t("사용", "spent"), return: t("환급", "back"), grant: t("지급", "granted"), revoke: t("회수", "revoked"), take_back: t("환불 차감", "taken back"), undo_take_back: t("차감 취소", "given back") };

async function coupons() {
  const { items: events } = await session.get("/v1/events?limit=20");
  const have = async (work) => { await work(); toast(t("쿠폰을 받았습니다.", "The coupon is yours.")); await coupons(); };
  const claim = (c) => guard(async () => {
    if (!session.in) { go("/sign-in"); return; }
    await have(() => session.send("POST", `/v1/coupons/${c.id}/claims`));
  });
  const mine = session.in ? (await session.get("/v1/me/coupons?limit=100")).items : [];
  const points = session.in ? await session.get("/v1/me/points?limit=20") : null;
  const holds = new Set(mine.map((c) => c.coupon_id));
  show(el("h1", {}, t("쿠폰", "Coupons")),
    events.length ? events.map((e) => el("section", {}, el("h2", {}, e.title), el("p.muted", {}, `${e.description} ${when(e.starts_at)} – ${when(e.ends_at)}`),
      el("table", {}, el("tbody", {}, e.coupons.map((c) => el("tr", {}, el("td", {}, el("b", {}, c.name), el("div.muted", {}, off(c.discount))),
        el("td.num", {}, t(`${c.remaining.toLocaleString()}장 남음`, `${c.remaining.toLocaleString()} left`)),
        el("td.num", {}, holds.has(c.id) ? el("span.muted", {}, t("보유", "yours"))
          : c.state === "scheduled" ? countdown(c.starts_at, route)
            : el("button.primary", { disabled: c.state !== "open" || c.kind === "code" || c.kind === "welcome", onclick: claim(c) }, c.state === "open" ? t("받기", "Claim") : couponStates[c.state])))))))) : el("p.muted", {}, t("진행 중인 행사가 없습니다.", "No event just now.")),
    session.in && el("section", {}, el("h2", {}, t("코드 입력", "A code?")), form([["code", t("쿠폰 코드", "Coupon code"), { maxlength: "40", autocomplete: "off" }]], t("받기", "Claim"),
      guard((v) => have(() => session.send("POST", "/v1/me/coupons", { body: { code: v.code } }))))),
    session.in && el("section", {}, el("h2", {}, t("내 쿠폰", "Mine")), mine.length ? el("table", {}, el("tbody", {}, mine.map((c) => el("tr", { class: c.state === "usable" ? "" : "dim" },
      el("td", {}, c.name, el("div.muted", {}, off(c.discount))), el("td", {}, couponStates[c.state]), el("td.muted", {}, `~ ${when(c.usable_until)}`))))) : el("p.muted", {}, t("아직 없습니다.", "None yet."))),
    points && el("section", {}, el("h2", {}, t("포인트", "Points")), el("p", {}, el("b", {}, points.spendable.toLocaleString()), points.held ? el("span.muted", {}, t(` (주문에 ${points.held.toLocaleString()})`, ` (${points.held.toLocaleString()} held by orders)`)) : ""),
      points.items.length > 0 && el("table", {}, el("tbody", {}, points.items.map((i) => el("tr", {}, el("td.muted", {}, when(i.at)), el("td", {}, entries[i.kind] || i.kind), el("td.num", {}, i.points.toLocaleString())))))));
}

async function listing(query) {
  const grid = el("div.grid");
  const count = el("span.muted");
  const more = el("button", { hidden: true }, t("더 보기", "More"));
  let cursor = "";
  const load = guard(async () => {
    const q = new URLSearchParams(query);
    q.set("limit", "24");
    if (cursor) q.set("cursor", cursor);
    const page = await session.get(`/v1/products?${q}`);
    grid.append(...page.items.map(card));
    count.textContent = t(`${page.total.toLocaleString()}개 상품`, `${page.total.toLocaleString()} products`);
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
    if (!page.items.length && !grid.children.length) grid.append(el("p", {}, t("찾는 상품이 없습니다.", "Nothing found.")));
  });
  more.onclick = load;
  const set = (name, value) => { const q = new URLSearchParams(query); value ? q.set(name, value) : q.delete(name); go(`/?${q}`); };
  const sorts = [["", t("관련도순", "Best match")], ["newest", t("신상품순", "Newest")], ["price_asc", t("낮은 가격순", "Price: low first")],
    ["price_desc", t("높은 가격순", "Price: high first")], ["sales", t("판매순", "Best selling")]];
  const categories = el("select", { "aria-label": t("카테고리", "Category"), onchange: (e) => set("category", e.target.value) }, el("option", { value: "" }, t("모든 카테고리", "All categories")));
  const walk = (items, depth) => items.forEach((c) => {
    categories.append(el("option", { value: c.id, selected: query.get("category") === c.id }, " ".repeat(depth * 2) + c.name));
    walk(c.children || [], depth + 1);
  });
  show(el("div.tools", {}, categories,
    el("select", { "aria-label": t("정렬", "Sort"), onchange: (e) => set("sort", e.target.value) }, sorts.map(([v, l]) => el("option", { value: v, selected: (query.get("sort") || "") === v }, l))),
    el("label.check", {}, el("input", { type: "checkbox", checked: query.get("in_stock") === "true", onchange: (e) => set("in_stock", e.target.checked ? "true" : "") }), t("품절 제외", "In stock only")),
    count), grid, more);
  load();
  if (![...query.keys()].length) strip().then((s) => document.getElementById("main").prepend(s)).catch(() => { /* the shelves stand without it */ });
  session.get("/v1/categories").then((tree) => walk(tree.items, 0)).catch(fail);
}

// gallery shows the main picture, and another one when it is chosen below.
function gallery(p) {
  const sizes = "(max-width: 44rem) 100vw, 26rem";
  const main = el("div", {}, tile(p, p.name, sizes));
  const others = p.image_urls.length > 1 ? p.image_urls : [];
  return el("div", {}, main, el("div.row", {}, others.map((url, i) => el("button.plain.chip", {
    "aria-label": t(`${i + 1}번째 사진`, `Picture ${i + 1}`), onclick: () => main.replaceChildren(picture(url, p.name, sizes)),
  }, picture(url, "", "4rem")))));
}

async function product(id) {
  const p = await session.get(`/v1/products/${id}`);
  const quantity = el("input", { type: "number", value: "1", min: "1", max: "999", "aria-label": t("수량", "Quantity") });
  const can = p.availability !== "sold_out" && p.on_sale;
  show(el("article.product", {}, gallery(p), el("div", {},
    el("p.brandname", {}, p.brand), el("h1", {}, p.name),
    el("p.price", {}, p.list_price_won > p.price_won ? el("s", {}, won(p.list_price_won)) : "", " ", el("b", {}, won(p.price_won))),
    el(`p.band.${p.availability}`, {}, bands[p.availability]),
    el("dl", {}, ...[[t("색상", "Colour"), p.color], [t("사이즈", "Size"), p.size], [t("1인당", "Per customer"), p.limit_per_customer || ""]]
      .filter(([, v]) => v).flatMap(([k, v]) => [el("dt", {}, k), el("dd", {}, String(v))])),
    el("form.row", { onsubmit: guard(async (e) => {
      e.preventDefault();
      if (!session.in) { go("/sign-in"); return; }
      await session.send("PUT", `/v1/cart/items/${id}`, { body: { quantity: Number(quantity.value) } });
      toast(t("장바구니에 담았습니다.", "It is in your cart."));
      go("/cart");
    }) }, quantity, el("button.primary", { type: "submit", disabled: !can }, can ? t("장바구니 담기", "Add to cart") : p.on_sale ? bands.sold_out : t("판매 중지", "not on sale"))),
    p.availability === "sold_out" && el("button", { onclick: guard(async () => {
      if (!session.in) { go("/sign-in"); return; }
      await session.send("POST", `/v1/products/${id}/restock-alerts`);
      toast(t("다시 들어오면 알려 드립니다.", "You will be told when it is back."));
    }) }, t("재입고 알림 받기", "Tell me when it is back")),
    el("p.description", {}, p.description),
    el("p.muted", {}, (p.tags || []).map((tag) => `#${tag}`).join(" ")))));
}

async function cart() {
  if (!session.in) { go("/sign-in"); return; }
  const { items } = await session.get("/v1/cart");
  if (!items.length) { show(el("h1", {}, t("장바구니", "Cart")), el("p", {}, t("비어 있습니다.", "It is empty."), " ", el("a", { href: "#/" }, t("둘러보기", "Have a look")))); return; }
  const { body: quote } = await session.send("POST", "/v1/cart/quote");
  const { items: addresses } = await session.get("/v1/me/addresses");
  let orderKey = key(); // one click or ten: one order
  const buyable = items.filter((i) => i.buyable);
  const points = el("input", { type: "number", value: "0", min: "0", max: String(Math.min(quote.points, quote.total_won)), "aria-label": t("포인트", "Points") });
  const order = async (address) => {
    const { body } = await session.send("POST", "/v1/orders", {
      headers: { "Idempotency-Key": orderKey },
      body: {
        items: buyable.map((i) => ({ product_id: i.product_id, quantity: i.quantity, expected_price_won: i.price_won })), address_id: address,
        expected_total_won: quote.total_won, points_won: Number(points.value), ...(quote.coupon ? { coupon_id: quote.coupon.id } : {}),
      },
    });
    body.payment ? pay(body) : go(`/orders/${body.id}`);
  };
  const tryOrder = (address) => order(address).catch((e) => { orderKey = renewed(e, orderKey); fail(e); });
  const choose = el("select", { "aria-label": t("배송지", "Address") }, addresses.map((a) => el("option", { value: a.id, selected: a.is_default }, `${a.alias} · ${a.recipient} · ${a.line1}`)));
  show(el("h1", {}, t("장바구니", "Cart")),
    el("table", {}, el("tbody", {}, items.map((i) => el("tr", { class: i.buyable ? "" : "dim" },
      el("td", {}, el("a", { href: `#/products/${i.product_id}` }, i.name || t("판매 종료", "no longer sold")), el("div.muted", {}, i.changed.join(", "))),
      el("td", {}, el("input", { type: "number", value: String(i.quantity), min: "1", max: "999", "aria-label": t("수량", "Quantity"), onchange: guard(async (e) => { await session.send("PUT", `/v1/cart/items/${i.product_id}`, { body: { quantity: Number(e.target.value) } }); await cart(); }) })),
      el("td.num", {}, won(i.amount_won)),
      el("td", {}, el("button.plain", { "aria-label": t("삭제", "Remove"), onclick: guard(async () => { await session.send("DELETE", `/v1/cart/items/${i.product_id}`); await cart(); }) }, "✕")))))),
    el("dl.sum", {}, el("dt", {}, t("상품", "Products")), el("dd", {}, won(quote.subtotal_won)),
      quote.coupon && [el("dt", {}, quote.coupon.name), el("dd", {}, `−${won(quote.discount_won)}`)],
      el("dt", {}, t("배송비", "Shipping")), el("dd", {}, won(quote.shipping_won)),
      quote.points > 0 && [el("dt", {}, t(`포인트 (보유 ${quote.points.toLocaleString()})`, `Points (you have ${quote.points.toLocaleString()})`)), el("dd", {}, points)],
      el("dt", {}, t("합계", "Total")), el("dd", {}, el("b", {}, won(quote.total_won)))),
    addresses.length
      ? el("div.row", {}, choose, el("button.primary", { disabled: !buyable.length, onclick: (e) => { e.target.disabled = true; tryOrder(choose.value).finally(() => { e.target.disabled = false; }); } }, t("주문하기", "Order")))
      : el("section", {}, el("h2", {}, t("배송지", "Where to?")), addressForm(cart)));
}

const addressForm = (then) => form([
  ["alias", t("이름", "Name of the address"), { value: t("집", "Home"), maxlength: "30" }], ["recipient", t("받는 분", "Recipient"), { autocomplete: "name", maxlength: "50" }],
  ["phone", t("전화번호", "Phone"), { type: "tel", placeholder: "010-1234-5678", autocomplete: "tel" }], ["zipcode", t("우편번호", "Postcode"), { pattern: "[0-9]{5}", placeholder: "04524", autocomplete: "postal-code" }],
  ["line1", t("주소", "Address"), { autocomplete: "address-line1", maxlength: "200" }],
], t("저장", "Save"), async (a) => { await session.send("POST", "/v1/me/addresses", { body: { ...a, is_default: true } }); await then(); });

// renewed is the key of the next try: a refusal is bound to its key, an outage is not.
const renewed = (e, last) => (e instanceof Problem && e.status < 500 && e.status !== 429 && e.code !== "idempotency.in_progress" ? key() : last);

const pay = (order) => { location.href = order.payment.checkout_url; };

const refundStates = { requested: t("처리 중", "under way"), sent: t("처리 중", "under way"), done: t("환불 완료", "done"), refused: t("확인 중", "a person looks into it") };

async function orders() {
  if (!session.in) { go("/sign-in"); return; }
  const { items } = await session.get("/v1/orders?limit=50");
  show(el("h1", {}, t("주문", "Orders")), items.length ? el("table", {}, el("tbody", {}, items.map((o) => el("tr", {},
    el("td", {}, el("a", { href: `#/orders/${o.id}` }, o.items[0].name + (o.items.length > 1 ? t(` 외 ${o.items.length - 1}건`, ` and ${o.items.length - 1} more`) : ""))),
    el("td", {}, el(`span.state.${o.state}`, {}, states[o.state])), el("td.num", {}, won(o.total_won)), el("td.muted", {}, when(o.created_at)))))) : el("p", {}, t("아직 없습니다.", "None yet.")));
}

async function order(id) {
  if (!session.in) { go("/sign-in"); return; }
  const o = await session.get(`/v1/orders/${id}`);
  const cancelable = ["awaiting_payment", "paid", "preparing"].includes(o.state);
  const cancelKey = key();
  show(el("h1", {}, `${t("주문", "Order")} ${o.number}`), el("p", {}, el(`span.state.${o.state}`, {}, states[o.state]),
    o.state === "awaiting_payment" ? el("span.muted", {}, ` ${when(o.expires_at)}${t("까지 결제", " is the last moment to pay")}`) : ""),
    el("table", {}, el("tbody", {}, o.items.map((i) => el("tr", {}, el("td", {}, i.name), el("td.num", {}, `× ${i.quantity}`), el("td.num", {}, won(i.amount_won)))))),
    el("dl.sum", {}, o.discount_won > 0 && [el("dt", {}, t("쿠폰", "Coupon")), el("dd", {}, `−${won(o.discount_won)}`)],
      el("dt", {}, t("배송비", "Shipping")), el("dd", {}, won(o.shipping_won)), el("dt", {}, t("합계", "Total")), el("dd", {}, el("b", {}, won(o.total_won))),
      o.points_won > 0 && [el("dt", {}, t("포인트", "Points")), el("dd", {}, `−${won(o.points_won)}`), el("dt", {}, t("결제 금액", "To pay")), el("dd", {}, el("b", {}, won(o.due_won)))]),
    el("div.row", {},
      o.payment && el("button.primary", { onclick: () => pay(o) }, t("결제하기", "Pay")),
      ["shipping", "delivered"].includes(o.state) && el("button.primary", { onclick: guard(async () => { await session.send("POST", `/v1/orders/${id}/receipt`); await order(id); }) }, t("구매 확정", "I have it")),
      cancelable && el("button", { onclick: guard(async () => { await session.send("POST", `/v1/orders/${id}/cancel`, { headers: { "Idempotency-Key": cancelKey }, body: { reason: t("단순 변심", "changed my mind") } }); await order(id); }) }, t("주문 취소", "Cancel"))),
    o.refunds.length > 0 && el("h2", {}, t("환불", "Refunds")), o.refunds.length > 0 && el("table", {}, el("tbody", {}, o.refunds.map((r) => el("tr", {},
      el("td", {}, r.items.map((i) => `${o.items.find((l) => l.product_id === i.product_id).name} × ${i.quantity}`).join(", "), el("div.muted", {}, r.reason)),
      el("td", {}, el(`span.state.${r.state}`, {}, refundStates[r.state])),
      el("td.num", {}, won(r.money_won), r.points_won > 0 && el("div.muted", {}, t(`포인트 ${r.points_won.toLocaleString()}`, `${r.points_won.toLocaleString()} points`)),
        r.kept_won > 0 && el("div.muted", {}, t(`사용한 적립 포인트 ${won(r.kept_won)} 차감`, `less ${won(r.kept_won)} for earned points that are spent`))), el("td.muted", {}, when(r.requested_at)))))),
    el("h2", {}, t("배송지", "Address")), el("p", {}, `${o.address.recipient} · ${o.address.phone} · (${o.address.zipcode}) ${o.address.line1} ${o.address.line2 || ""}`),
    o.shipment && el("p", {}, `${o.shipment.carrier} ${o.shipment.invoice_number}`),
    el("h2", {}, t("진행", "So far")), el("ol.timeline", {}, o.timeline.map((m) => el("li", {}, el("time", {}, when(m.at)), " ", states[m.to] || m.to, m.note ? el("span.muted", {}, ` ${m.note}`) : ""))));
}

function signIn() {
  const then = () => { nav(); go("/"); };
  show(el("div.columns", {},
    el("section", {}, el("h1", {}, t("로그인", "Sign in")), form([["email", t("이메일", "Email"), { type: "email", autocomplete: "email" }], ["password", t("비밀번호", "Password"), { type: "password", autocomplete: "current-password" }]],
      t("로그인", "Sign in"), async (v) => { await session.signIn(v.email, v.password); then(); })),
    el("section", {}, el("h1", {}, t("회원가입", "Sign up")), form([["name", t("이름", "Name"), { autocomplete: "name", maxlength: "50" }], ["email", t("이메일", "Email"), { type: "email", autocomplete: "email" }], ["password", t("비밀번호 (8자 이상)", "Password (8 or more)"), { type: "password", minlength: "8", autocomplete: "new-password" }]],
      t("가입하기", "Sign up"), async (v) => { await session.send("POST", "/v1/users", { body: v }); await session.signIn(v.email, v.password); then(); }))));
}

// Toss sends the shopper back here with what they have authorised; confirming it takes the money.
async function paid(query) {
  const body = { payment_key: query.get("paymentKey"), order_number: query.get("orderId"), amount_won: Number(query.get("amount")) };
  show(el("h1", {}, t("결제를 확인하고 있습니다…", "Confirming your payment…")));
  try {
    const { body: done, status } = await session.send("POST", "/v1/payments/confirm", { headers: { "Idempotency-Key": body.payment_key.slice(0, 255) }, body });
    history.replaceState(null, "", "/");
    toast(status === 202 ? t("결제를 확인 중입니다. 다시 결제하지 마세요.", "Your payment is being confirmed. Do not pay again.") : t("결제되었습니다.", "Paid. Thank you."));
    go(`/orders/${done.order_id}`);
  } catch (e) {
    history.replaceState(null, "", "/");
    fail(e);
    if (e.status !== 401) go("/orders");
  }
}

const route = guard(async () => {
  if (location.pathname === "/paid" && location.search) { await paid(new URLSearchParams(location.search)); return; }
  if (location.pathname === "/unpaid") {
    const why = new URLSearchParams(location.search).get("message");
    history.replaceState(null, "", "/#/orders");
    toast(why || t("결제하지 않았습니다.", "Nothing was paid."), true);
  }
  if (location.pathname === "/" && new URLSearchParams(location.search).has("in")) { // from the waiting room
    history.replaceState(null, "", `/${location.hash}`);
    toast(t("들어오셨습니다. 1분 안에 주문하거나 쿠폰을 받으세요.", "You are in: place your order, or claim the coupon, within a minute."));
  }
  const [path, search = ""] = location.hash.slice(1).split("?");
  const [, where, id] = path.split("/");
  switch (where) {
    case "products": return product(id);
    case "drops": return drop(id);
    case "coupons": return coupons();
    case "cart": return cart();
    case "orders": return id ? order(id) : orders();
    case "sign-in": return signIn();
    default: return listing(new URLSearchParams(search));
  }
});

const q = document.getElementById("q");
document.getElementById("search").addEventListener("submit", (e) => { e.preventDefault(); go(`/?${new URLSearchParams(q.value ? { q: q.value } : {})}`); });
let typing;
q.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    if (!q.value.trim()) return;
    try {
      const { items } = await session.get(`/v1/products/suggest?q=${encodeURIComponent(q.value)}`);
      document.getElementById("suggestions").replaceChildren(...items.map((s) => el("option", { value: s.text ?? s })));
    } catch { /* suggestions are a nicety */ }
  }, 150);
});
addEventListener("hashchange", route);
nav();
setClock().catch(() => { /* then it is this machine's */ }).finally(route);
