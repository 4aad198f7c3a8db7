// What both pages share: the API with its tokens, elements, numbers.

export const won = (n) => `${Number(n).toLocaleString("ko-KR")}원`;
export const when = (t) => t ? new Date(t).toLocaleString("ko-KR", { dateStyle: "short", timeStyle: "short" }) : "";
export const key = () => crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2) + Date.now();

// el("button.primary", {onclick}, "text", child…)
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return node;
}

export const show = (...children) => {
  const main = document.getElementById("main");
  main.replaceChildren(...children.flat().filter(Boolean));
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
};

let toasting;
export function toast(text, bad = false) {
  const p = document.getElementById("toast");
  p.textContent = text;
  p.className = bad ? "shown bad" : "shown";
  clearTimeout(toasting);
  toasting = setTimeout(() => { p.className = ""; }, 5000);
}

// Problem is an RFC 9457 answer of the API.
export class Problem extends Error {
  constructor(status, body) {
    super([body.detail || body.title || `status ${status}`, ...(body.errors || []).map((e) => `${e.pointer}: ${e.detail}`)].join(" · "));
    this.status = status;
    this.code = body.code;
    this.errors = body.errors || [];
    this.room = body.room; // of who must wait in line, with their place
    this.ticket = body.ticket?.ticket;
  }
}

// session keeps the tokens of one page in this browser, and renews them.
export class Session {
  constructor(name) { this.name = name; }
  get tokens() { return JSON.parse(localStorage.getItem(this.name) || "null"); }
  set tokens(t) { t ? localStorage.setItem(this.name, JSON.stringify(t)) : localStorage.removeItem(this.name); }
  get in() { return this.tokens !== null; }

  async send(method, path, { body, headers = {}, again = true } = {}) {
    const h = { ...headers };
    const file = body instanceof FormData; // the browser says where its parts begin
    if (body !== undefined && !file) h["Content-Type"] = "application/json";
    if (this.tokens) h.Authorization = `Bearer ${this.tokens.access_token}`;
    const response = await fetch(path, { method, headers: h, body: body === undefined || file ? body : JSON.stringify(body) });
    if (response.status === 401 && this.tokens && again && path !== "/v1/sessions") {
      if (await this.renew()) return this.send(method, path, { body, headers, again: false });
    }
    const text = await response.text();
    let json = {};
    try { json = text ? JSON.parse(text) : {}; } catch { json = { detail: text.slice(0, 200) }; }
    if (!response.ok) throw new Problem(response.status, json);
    return { status: response.status, body: json, etag: response.headers.get("ETag") };
  }

  async renew() {
    this.renewing ??= (async () => {
      try {
        const response = await fetch("/v1/sessions/refresh", {
          method: "POST", headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ refresh_token: this.tokens.refresh_token }),
        });
        if (response.ok) this.tokens = await response.json();
        else if (response.status === 401) this.tokens = null;
        return response.ok;
      } finally { this.renewing = undefined; }
    })();
    return this.renewing;
  }

  get = async (path) => (await this.send("GET", path)).body;
  signIn = async (email, password) => { this.tokens = (await this.send("POST", "/v1/sessions", { body: { email, password } })).body; };
  signOut = async () => { try { await this.send("DELETE", "/v1/sessions/current"); } catch { /* it ends here all the same */ } this.tokens = null; };
}

// form builds a labelled form; fields are [name, label, attributes].
export function form(fields, button, onsubmit) {
  const submit = el("button.primary", { type: "submit" }, button);
  const f = el("form.stack", {
    onsubmit: async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try { await onsubmit(Object.fromEntries(new FormData(f))); } catch (e) { toast(e.message, true); }
      submit.disabled = false;
    },
  }, fields.map(([name, label, attributes = {}]) => el("label", {}, label, el("input", { name, required: true, ...attributes }))), submit);
  return f;
}
