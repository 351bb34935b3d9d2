// Elements made by code alone: text is always a text node, so nothing that comes from a law, a table or a model is ever read as markup.

const SAFE_LINK = /^(https?:\/\/|#|\/(?!\/))/;

/** An element: h("a.link", { href, onclick, ariaLabel }, children...). Null and false children are left out. */
export function h(spec, props, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props ?? {})) set(element, key, value);
  add(element, children);
  return element;
}

function set(element, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith("on")) { element.addEventListener(key.slice(2), value); return; }
  if (key === "dataset") { Object.assign(element.dataset, value); return; }
  if (key === "value" || key === "checked" || key === "disabled" || key === "open" || key === "hidden") { element[key] = value; return; }
  if (key === "href" && !SAFE_LINK.test(value)) return;
  const name = /^aria[A-Z]/.test(key) ? `aria-${key.slice(4).toLowerCase()}` : key;
  element.setAttribute(name, value === true ? "" : String(value));
}

export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export const $ = (selector, root = document) => root.querySelector(selector);

let number = 0;
/** An id no other element has. */
export const fresh = (stem = "x") => `${stem}-${++number}`;

/** Tell a screen reader, without moving the focus. */
export function say(text, urgent = false) {
  const region = $(urgent ? "#alert" : "#live");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

const LONG = 24; // characters of a cell that needs some width to be read

/** A table in a box of its own that scrolls sideways, also by keyboard. */
export function table(label, header, rows, { heads = true, numeric = true } = {}) {
  const cell = (text, column) => column === 0 && heads
    ? h("th", { scope: "row" }, text)
    : h(numeric && typeof text === "string" && /^[\s$€<>~±+-]*\d/.test(text) ? "td.n" : typeof text === "string" && text.length > LONG ? "td.text" : "td", null, text);
  return h("div.scroll", { tabindex: 0, role: "region", ariaLabel: label },
    h("table", null,
      header ? h("thead", null, h("tr", null, header.map((text) => text ? h("th", { scope: "col" }, text) : h("td", null)))) : null,
      h("tbody", null, rows.map((row) => h("tr", null, row.map(cell))))));
}

/** A menu behind a button: closes on Escape, on a choice and on a click elsewhere. */
export function menu(label, items) {
  const box = h("details.menu", null, h("summary", null, label),
    h("div.items", null, items.map(([text, act]) => h("button", { type: "button", onclick: () => { box.open = false; act(); } }, text))));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { box.open = false; $("summary", box).focus(); event.stopPropagation(); }
  });
  box.addEventListener("focusout", (event) => { if (!box.contains(event.relatedTarget)) box.open = false; });
  return box;
}

/** Offer text or a blob as a file. */
export function download(name, content, kind = "text/plain") {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: kind }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
