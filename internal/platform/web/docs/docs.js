"use strict";

// The documentation page: it reads /openapi.json and shows it. Everything from the document becomes text, never markup.

const $ = (id) => document.getElementById(id);
const METHODS = ["get", "post", "put", "patch", "delete"];
let doc;

// el makes an element: el("a", {href: "#x"}, "text", child).
function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === true) e.setAttribute(key, "");
    else if (value !== undefined && value !== false) e.setAttribute(key, value);
  }
  e.append(...children.filter((c) => c !== undefined && c !== null));
  return e;
}

const json = (value) => JSON.stringify(value, null, 2);

function resolve(schema) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? { ...doc.components.schemas[name], name } : schema || {};
}

// typeOf says a schema's type in a few words.
function typeOf(schema) {
  const s = resolve(schema);
  if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(" | ");
  const types = [].concat(s.type || "any");
  return types.map((t) => {
    if (t === "array") return "list of " + typeOf(s.items);
    if (t === "object") return s.name || (s.additionalProperties && s.additionalProperties.type ? "map of " + typeOf(s.additionalProperties) : "object");
    return s.format && t !== "null" ? `${t} (${s.format})` : t;
  }).join(" or ");
}

function limitsOf(s) {
  const words = [];
  const range = (least, most, unit) => {
    if (least === undefined && most === undefined) return;
    words.push((least === most ? least : `${least ?? "…"} to ${most ?? "…"}`) + unit);
  };
  range(s.minimum, s.maximum, "");
  range(s.minLength ?? (s.maxLength === undefined ? undefined : 0), s.maxLength, " characters");
  range(s.minItems ?? (s.maxItems === undefined ? undefined : 0), s.maxItems, " items");
  if (s.pattern) words.push("matches " + s.pattern);
  if (s.default !== undefined) words.push("default " + JSON.stringify(s.default));
  return words.join(", ");
}

function table(heads, rows) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, cell)))))));
}

// rowsOf lists a schema's fields, those of objects inside it too.
function rowsOf(schema, prefix, seen) {
  const s = resolve(schema);
  if (s.type === "array" || (Array.isArray(s.type) && s.type.includes("array"))) return rowsOf(s.items, prefix + "[]", seen);
  if (!s.properties || (s.name && seen.includes(s.name))) return [];
  const within = s.name ? [...seen, s.name] : seen;
  return Object.entries(s.properties).flatMap(([name, property]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    const full = { ...resolve(property), ...property };
    const label = el("span", {}, el("code", {}, path), (s.required || []).includes(name) ? el("span", { class: "need" }, " required") : undefined);
    return [[label, typeOf(property), [full.description, limitsOf(full)].filter(Boolean).join(" — ")], ...rowsOf(property, path, within)];
  });
}

function bodySection(title, content) {
  const section = el("section", {}, el("h3", {}, title));
  for (const [mediaType, media] of Object.entries(content || {})) {
    section.append(el("p", {}, el("code", {}, mediaType)));
    const rows = rowsOf(media.schema, "", []);
    if (rows.length) section.append(table(["field", "type", "about"], rows));
    if (media.example !== undefined) section.append(el("h4", {}, "example"), el("pre", { tabindex: "0" }, json(media.example)));
  }
  return section;
}

function problemSection(responses) {
  const rows = [];
  for (const [status, response] of Object.entries(responses)) {
    const media = (response.content || {})["application/problem+json"];
    for (const [code, example] of Object.entries((media && media.examples) || {})) {
      rows.push([status, el("code", {}, code), example.summary || ""]);
    }
  }
  return rows.length ? el("details", {}, el("summary", {}, `Problems (${rows.length})`), table(["status", "code", "what it means"], rows)) : undefined;
}

function tryIt(op) {
  const form = el("form", { class: "try" });
  const fields = (op.parameters || []).map((p) => {
    const id = `${op.operationId}-${p.in}-${p.name}`;
    const fresh = p.name === "Idempotency-Key" ? newID() : "";
    const input = el("input", { id, autocomplete: "off", spellcheck: "false", required: p.required, value: fresh });
    form.append(el("label", { for: id }, `${p.name} (${p.in})`), input);
    return { ...p, input };
  });
  const media = op.requestBody && Object.entries(op.requestBody.content)[0];
  let body, file;
  if (media) {
    const id = op.operationId + "-body";
    form.append(el("label", { for: id }, `body (${media[0]})`));
    if (media[0] === "multipart/form-data") {
      file = Object.keys(resolve(media[1].schema).properties || {}).map((name) => {
        const binary = resolve(media[1].schema).properties[name].format === "binary";
        const input = el("input", { id: `${id}-${name}`, type: binary ? "file" : "text", "aria-label": name, placeholder: name });
        form.append(input);
        return { name, binary, input };
      });
    } else {
      body = el("textarea", { id, spellcheck: "false" });
      body.value = media[1].example === undefined ? "" : json(media[1].example);
      form.append(body);
    }
  }
  const answer = el("div", { role: "status", "aria-live": "polite" });
  form.append(el("button", { class: "go" }, "Send"), answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let path = op.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const f of fields) {
      const value = f.input.value;
      if (f.in === "path") path = path.replace(`{${f.name}}`, encodeURIComponent(value));
      else if (value && f.in === "query") query.set(f.name, value);
      else if (value && f.in === "header") headers[f.name] = value;
    }
    if ($("token").value) headers.Authorization = "Bearer " + $("token").value.trim();
    let sent;
    if (file) {
      sent = new FormData();
      for (const f of file) {
        if (!f.binary) sent.set(f.name, f.input.value);
        else if (f.input.files[0]) sent.set(f.name, f.input.files[0]);
      }
    } else if (body) {
      sent = body.value;
      headers["Content-Type"] = media[0];
    }
    const target = path + (query.size ? "?" + query : "");
    answer.replaceChildren(el("p", {}, "Sending…"));
    const start = performance.now();
    try {
      const response = await fetch(target, { method: op.method.toUpperCase(), headers, body: sent });
      const text = await response.text();
      const shown = [...response.headers].map(([k, v]) => `${k}: ${v}`).join("\n");
      answer.replaceChildren(
        el("p", {}, el("strong", {}, `${response.status} ${response.statusText}`), ` in ${Math.round(performance.now() - start)} ms`),
        el("pre", { tabindex: "0" }, pretty(text) || "(no body)"),
        el("details", {}, el("summary", {}, "Headers"), el("pre", { tabindex: "0" }, shown)));
    } catch (error) {
      answer.replaceChildren(el("p", {}, "No answer: " + error.message));
    }
  });
  return el("section", {}, el("h3", {}, "Try it"), form);
}

function pretty(text) {
  try {
    return json(JSON.parse(text));
  } catch {
    return text.length > 20000 ? text.slice(0, 20000) + "…" : text;
  }
}

function newID() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(b, (n) => n.toString(16).padStart(2, "0")).join("");
}

// content is what an operation shows once it is opened; it is made then, not before.
function contentOf(op) {
  const parts = [];
  if (op.description) parts.push(...op.description.split("\n\n").map((text) => el("p", {}, text)));
  if ((op.parameters || []).length) {
    parts.push(el("h3", {}, "Parameters"), table(["name", "in", "type", "about"], op.parameters.map((p) => [
      el("span", {}, el("code", {}, p.name), p.required ? el("span", { class: "need" }, " required") : undefined),
      p.in, typeOf(p.schema), [p.description, limitsOf(resolve(p.schema))].filter(Boolean).join(" — "),
    ])));
  }
  if (op.requestBody) parts.push(bodySection("Request", op.requestBody.content));
  for (const [status, response] of Object.entries(op.responses)) {
    if (status < "400") parts.push(bodySection(`Answer ${status} ${response.description || ""}`, response.content));
  }
  parts.push(problemSection(op.responses), tryIt(op));
  return parts.filter(Boolean);
}

function operation(op) {
  const block = el("details", { class: "operation", id: op.operationId },
    el("summary", {},
      el("span", { class: "method " + op.method }, op.method.toUpperCase()),
      el("span", { class: "path" }, op.path),
      el("span", { class: "summary" }, op.summary),
      el("span", { class: "badge" }, op["x-role"] || "public"),
      op["x-idempotent"] ? el("span", { class: "badge" }, "idempotent") : undefined));
  block.addEventListener("toggle", () => {
    if (block.open && !block.dataset.filled) {
      block.dataset.filled = "yes";
      block.append(el("div", {}, ...contentOf(op)));
    }
  });
  return block;
}

function show() {
  document.title = doc.info.title + " API";
  $("title").textContent = doc.info.title;
  $("version").textContent = doc.info.version;
  $("about").textContent = doc.info.description || "";
  const all = [];
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of METHODS) if (item[method]) all.push({ ...item[method], path, method });
  }
  const main = $("operations");
  const contents = $("contents");
  for (const tag of (doc.tags || []).map((t) => t.name)) {
    const ops = all.filter((op) => (op.tags || []).includes(tag));
    const group = el("section", { "aria-labelledby": "tag-" + tag }, el("h2", { id: "tag-" + tag }, tag));
    const list = el("ul", {});
    for (const op of ops) {
      const block = operation(op);
      const link = el("li", {}, el("a", { href: "#" + op.operationId }, op.summary));
      const codes = Object.values(op.responses).flatMap((r) => Object.keys(((r.content || {})["application/problem+json"] || {}).examples || {}));
      const words = [op.operationId, op.method, op.path, op.summary, op.description, ...codes].join(" ").toLowerCase();
      entries.push({ words, role: op["x-role"] || "public", block, link, group });
      group.append(block);
      list.append(link);
    }
    main.append(group);
    contents.append(el("h2", {}, tag), list);
  }
  $("status").textContent = `${all.length} operations`;
  openTarget();
}

const entries = [];

function filter() {
  const wanted = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const role = $("role").value;
  let shown = 0;
  for (const e of entries) {
    const fits = wanted.every((w) => e.words.includes(w)) && (!role || e.role === role);
    e.block.classList.toggle("hidden", !fits);
    e.link.classList.toggle("hidden", !fits);
    if (fits) shown++;
  }
  for (const group of new Set(entries.map((e) => e.group))) {
    group.classList.toggle("hidden", !entries.some((e) => e.group === group && !e.block.classList.contains("hidden")));
  }
  $("status").textContent = `${shown} operations`;
}

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.classList.contains("operation")) {
    target.open = true;
    target.scrollIntoView();
  }
}

// The token stays in this tab only.
function remember(token, words) {
  $("token").value = token;
  if (token) sessionStorage.setItem("token", token);
  else sessionStorage.removeItem("token");
  $("who").textContent = token ? "✓" : "";
  $("session").textContent = words;
}

$("signin").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const response = await fetch("/v1/sessions", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: $("email").value, password: $("password").value }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.title);
    $("password").value = "";
    remember(answer.access_token, "Signed in.");
  } catch (error) {
    remember("", "Not signed in: " + error.message);
  }
});
$("token").addEventListener("change", () => remember($("token").value.trim(), ""));
$("signout").addEventListener("click", () => remember("", "Forgotten."));
$("search").addEventListener("input", filter);
$("role").addEventListener("change", filter);
addEventListener("hashchange", openTarget);

remember(sessionStorage.getItem("token") || "", "");
fetch("/openapi.json")
  .then((response) => response.json())
  .then((read) => {
    doc = read;
    show();
  })
  .catch((error) => { $("status").textContent = "The document cannot be read: " + error.message; });
