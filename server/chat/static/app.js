// Which page is shown, the composer, the theme and the keys.

import { answerView, pastSteps } from "./answer.js";
import { get, Problem } from "./api.js";
import { ask, busy, empty, load, stop } from "./chat.js";
import { $, h, say } from "./dom.js";
import * as threads from "./threads.js";

let showing = 0;

async function route() {
  const mine = ++showing;
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, id] = path.split("/").map(decodeURIComponent);
  const shared = page === "shared";
  document.body.classList.toggle("read-only", shared);
  document.body.classList.toggle("plain-page", ["laws", "fit"].includes(page));
  for (const link of document.querySelectorAll("[data-page]")) link.toggleAttribute("aria-current", link.dataset.page === (page || "chat"));
  sideMenu(false);
  try {
    const view = await viewOf(page, id, new URLSearchParams(query));
    if (mine !== showing) return;
    $("#main").replaceChildren(view);
    if (page === "t") view.lastElementChild?.scrollIntoView({ block: "start" }); else scrollTo(0, 0);
    document.title = page === "t" ? `${threads.titleOf(id) || "Thread"} · flopwise` : `${$("h1", view)?.textContent ?? "Plan"} · flopwise`;
  } catch (error) {
    if (mine !== showing) return;
    $("#main").replaceChildren(h("div.page", null, h("h1", null, "Not shown"), h("p.problem", null, error.message), h("p", null, h("a", { href: "#/" }, "Start anew"))));
    if (!(error instanceof Problem)) throw error;
  }
}

async function viewOf(page, id, query) {
  if (page !== "t") threads.mark("");
  if (page === "t") return load(id);
  if (page === "shared") return sharedView(id);
  if (page === "laws") {
    const laws = await import("./laws.js");
    return id ? laws.lawCard(id, (law) => chooseLaw(law, law)) : laws.lawList(query.get("q") ?? "");
  }
  if (page === "fit") {
    const fit = await import("./fit.js");
    return id ? h("div.page", null, h("p", null, h("a", { href: "#/fit" }, "Fit runs")), h("h1", null, "Fit"), await fit.fitReport(id, chooseLaw)) : fit.fitPage(chooseLaw);
  }
  return empty();
}

async function sharedView(token) {
  const plan = await get(`/v1/shared/${encodeURIComponent(token)}`);
  return h("div.log", null, h("p.banner", null, "A shared plan, read only. ", h("a", { href: "#/" }, "Ask your own")), h("h1.sr", null, "Shared plan"),
    h("article.turn", { ariaLabel: "Shared plan" }, plan.answer.question ? h("header.q", null, h("p", null, plan.answer.question)) : null, pastSteps(plan), answerView(plan, { token })));
}

// ------------------------------------------------------------ composer

function chooseLaw(id, name) {
  const select = $("#law");
  if (![...select.options].some((option) => option.value === id)) select.append(h("option", { value: id }, name));
  select.value = id;
  location.hash = "#/";
  $("#question").focus();
}

let lawsRead = false;
async function fillLaws() {
  if (lawsRead) return;
  lawsRead = true;
  const select = $("#law"), [fits, ...published] = await Promise.all([get("/v1/fits?limit=50"), get("/v1/laws?area=pretraining-loss"), get("/v1/laws?area=allocation")]);
  const group = (name, options) => options.length ? h("optgroup", { label: name }, options.filter(([id]) => ![...select.options].some((option) => option.value === id)).map(([id, text]) => h("option", { value: id }, text))) : "";
  select.append(group("Your fits", fits.items.map((fit) => [fit.id, `${fit.form}, ${new Date(fit.created).toLocaleString()}`])), group("Published", published.flat().filter((law) => law.kind === "numeric").map((law) => [law.id, law.id])));
}

function composer() {
  const form = $("#composer"), field = $("#question");
  const grow = () => { field.style.height = "auto"; field.style.height = `${Math.min(field.scrollHeight, 220)}px`; };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy()) { stop(); return; }
    const text = field.value.trim();
    if (!text) { field.focus(); return; }
    field.value = "";
    grow();
    ask(text);
  });
  field.addEventListener("input", grow);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); if (!busy()) form.requestSubmit(); }
  });
  for (const name of ["pointerdown", "focus"]) $("#law").addEventListener(name, fillLaws);
}

// ------------------------------------------------------------ keys, side, theme

function keys() {
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); $("#question").focus(); }
    if (event.key === "Escape") { if ($("#side").classList.contains("open")) { sideMenu(false); $("#menu").focus(); } else if (busy()) stop(); }
  });
}

function sideMenu(open) {
  $("#side").classList.toggle("open", open);
  $("#menu").setAttribute("aria-expanded", String(open));
  if (open) $("#side a").focus();
}

const THEMES = { "": "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };

function theme() {
  const button = $("#theme"), root = document.documentElement;
  const tell = () => { button.textContent = THEMES[root.dataset.theme ?? ""]; };
  const redraw = async () => (await import("./figure.js")).redrawAll();
  button.addEventListener("click", () => {
    const order = Object.keys(THEMES), next = order[(order.indexOf(root.dataset.theme ?? "") + 1) % order.length];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    try { localStorage.setItem("flopwise.theme", next); } catch { /* private mode: the choice lasts for this page */ }
    tell();
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  tell();
}

function fresh(event) {
  event.preventDefault();
  if (location.hash && location.hash !== "#/") location.hash = "#/"; else route();
  $("#question").focus();
}

composer();
keys();
theme();
$("#menu").addEventListener("click", () => sideMenu(!$("#side").classList.contains("open")));
$("#new").addEventListener("click", fresh);
$("#new-small").addEventListener("click", fresh);
$("#thread-search").addEventListener("input", threads.draw);
addEventListener("hashchange", route);
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError") { event.preventDefault(); return; }
  say(event.reason?.message ?? "Something went wrong", true);
});
route();
if (!location.hash.startsWith("#/shared/")) {
  threads.refresh().catch((error) => say(error.message, true));
  get("/health/live").then((health) => { $("#version").textContent = `law base ${health.versions.law_base}`; });
}
