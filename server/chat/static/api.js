// Talking to the server that sent this page, and to no other.

import { $, h } from "./dom.js";

/** What the server refused, as its problem document says it. */
export class Problem extends Error {
  constructor(body, status) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.body = body;
    this.status = status;
  }
}

const KEY = "flopwise.key";
const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

function headers(more) {
  const key = stored(KEY);
  return { ...(key ? { Authorization: `Bearer ${key}` } : {}), ...more };
}

/** A request; JSON in (unless `raw`), parsed JSON or text out. Raises Problem. */
export async function call(method, path, body, { raw = false, signal, text = false } = {}) {
  const sent = body === undefined ? undefined : raw ? body : JSON.stringify(body);
  const kind = body === undefined ? {} : { "Content-Type": raw ? "application/octet-stream" : "application/json" };
  const response = await fetch(path, { method, headers: headers(kind), body: sent, signal });
  if (response.status === 401 && await askKey()) return call(method, path, body, { raw, signal, text });
  if (!response.ok) throw new Problem(await response.json().catch(() => ({ title: response.statusText })), response.status);
  if (response.status === 204) return null;
  return text ? response.text() : response.json();
}

export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body, options) => call("POST", path, body, options);

let asking = null;
/** Ask for a key once, however many requests need it. */
function askKey() {
  asking ??= new Promise((resolve) => {
    const field = h("input", { type: "password", id: "key", autocomplete: "off", required: true });
    const dialog = h("dialog", { ariaLabel: "Key" }, h("form", { method: "dialog" },
      h("p", null, "This server asks for a key. ", h("code", null, "flopwise keys create"), " makes one."),
      h("label", { for: "key" }, "Key"), field,
      h("p.row", null, h("button.main", { value: "ok" }, "Use it"), h("button", { value: "", formnovalidate: true }, "Cancel"))));
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "ok") { try { localStorage.setItem(KEY, field.value.trim()); } catch { /* private mode: the key lasts for this page */ } }
      dialog.remove();
      asking = null;
      resolve(dialog.returnValue === "ok");
    });
    $("body").append(dialog);
    dialog.showModal();
  });
  return asking;
}

/** The events of a stream response: { id, name, data }. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const fields = {};
      for (const line of block.split("\n")) {
        const at = line.indexOf(":");
        if (at > 0) fields[line.slice(0, at)] = (fields[line.slice(0, at)] ?? "") + line.slice(at + 1).replace(/^ /, "");
      }
      if (fields.data !== undefined) yield { id: fields.id ?? "", name: fields.event ?? "message", data: JSON.parse(fields.data) };
    }
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Follow a stream to one of its last events, over broken connections: it goes on after the last event seen, so nothing is lost or told twice.
 * `heard(event)` gets every event; `broken(tries)` hears of breaks. Returns the last event. Raises Problem where the stream is not there.
 */
export async function follow(path, last, heard, broken, signal) {
  let seen = "";
  for (let tries = 0; ;) {
    try {
      const response = await fetch(path, { headers: headers({ Accept: "text/event-stream", ...(seen ? { "Last-Event-ID": seen } : {}) }), signal });
      if (!response.ok) throw new Problem(await response.json().catch(() => ({})), response.status);
      for await (const event of eventsOf(response)) {
        tries = 0;
        if (event.id) seen = event.id;
        heard(event);
        if (last.includes(event.name)) return event;
      }
    } catch (error) {
      if (error instanceof Problem || error.name === "AbortError") throw error;
    }
    broken(++tries);
    await pause(Math.min(250 * 2 ** (tries - 1), 5000));
  }
}
