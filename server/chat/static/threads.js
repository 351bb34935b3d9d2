// The list of threads: search, rename, delete.

import { call, get } from "./api.js";
import { $, h, say } from "./dom.js";

let all = [], here = "";

/** Read the threads anew and draw the list. */
export async function refresh() {
  const found = [];
  let cursor = "";
  do {
    const page = await get(`/v1/threads?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    found.push(...page.items);
    cursor = page.next ?? "";
  } while (cursor && found.length < 2000);
  all = found.sort((a, b) => a.updated < b.updated ? 1 : -1);
  draw();
}

/** Mark the thread that is shown. */
export function mark(id) { here = id; draw(); }

export const titleOf = (id) => all.find((thread) => thread.id === id)?.title ?? "";

export function draw() {
  const words = $("#thread-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = all.filter((thread) => words.every((word) => thread.title.toLowerCase().includes(word)));
  $("#threads").replaceChildren(...fitting.map(line));
  if (words.length && !fitting.length) $("#threads").append(h("li.dim", null, "No thread has these words."));
}

function line(thread) {
  const title = thread.title || "Untitled";
  const row = h("li.thread", null, h("a", { href: `#/t/${thread.id}`, "aria-current": thread.id === here ? "page" : null, title }, title),
    h("button.icon", { type: "button", ariaLabel: `Rename ${title}`, title: "Rename", onclick: () => rename(thread, row) }, "✎"),
    h("button.icon", { type: "button", ariaLabel: `Delete ${title}`, title: "Delete", onclick: () => remove(thread, row) }, "×"));
  return row;
}

function rename(thread, row) {
  const field = h("input", { type: "text", value: thread.title, maxlength: 200, ariaLabel: "New title" });
  const form = h("form.rename", null, field);
  let closed = false;
  const close = async (keep) => {
    if (closed) return;
    closed = true;
    if (keep && field.value.trim() && field.value !== thread.title) {
      await call("PATCH", `/v1/threads/${thread.id}`, { title: field.value.trim() });
      thread.title = field.value.trim();
      say("Renamed");
    }
    draw();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); close(true); });
  field.addEventListener("blur", () => close(true));
  field.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); close(false); } });
  row.replaceChildren(form);
  field.select();
}

function remove(thread, row) {
  const sure = h("button.danger", { type: "button", onclick: async () => {
    await call("DELETE", `/v1/threads/${thread.id}`);
    all = all.filter((item) => item !== thread);
    say("Deleted");
    draw();
    if (thread.id === here) location.hash = "#/";
  } }, "Delete");
  row.replaceChildren(h("span.ask", null, "Delete this thread?"), sure, h("button", { type: "button", onclick: draw }, "Keep"));
  sure.focus();
}
