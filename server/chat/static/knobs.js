// Sliders on a plan: every change is computed anew by the planner through the API, with no language model; the latest change wins.

import { post, Problem } from "./api.js";
import { $, fresh, h, say } from "./dom.js";
import { label, quantity, shown } from "./format.js";

const DRAWS = 60; // joint draws while a slider moves: the interval is a little rougher than the answer's
const SETTLE_MS = 350; // at rest for so long, curves and nearby choices are computed too
const BITS = [2, 3, 4, 8, 16];
const MONEY = ["compute_flops", "budget_usd", "accelerator_hours"];
// Fields of a brief that the planner takes as they are.
const TAKES = ["compute_flops", "budget_usd", "accelerator_hours", "accelerator", "n_accelerators", "duration_seconds", "price_per_accelerator_hour_usd", "mfu",
  "params_total", "tokens", "tokens_per_param", "unique_tokens", "target_loss", "inference_tokens", "price_per_million_tokens_usd", "latency_ms_per_token", "memory_bytes", "weight_bits", "architecture"];

const LOG = { compute_flops: [1e17, 1e28, 1e22], budget_usd: [1e2, 1e10, 1e5], accelerator_hours: [10, 1e8, 1e4], n_accelerators: [1, 65536, 64], inference_tokens: [1e8, 1e16, 1e12], unique_tokens: [1e8, 1e15, 1e12] };

const first = (value) => Array.isArray(value) ? value[0] : value;
const round = (value) => Number(value.toPrecision(2));

/** The panel of an answer about the best size, or nothing where there is nothing to slide. */
export function knobs(answer, t, { show, restore, figures, keep }) {
  const result = answer.results.find((item) => ["plan", "allocate"].includes(item.tool));
  if (!result || Object.keys(result.case ?? {}).length) return null;
  const brief = Object.fromEntries(Object.entries(answer.brief).filter(([, value]) => value !== null && value !== undefined));
  const base = Object.fromEntries(TAKES.filter((field) => brief[field] !== undefined).map((field) => [field, brief[field]]));
  if (brief.laws) base.law = brief.laws[0];
  const main = MONEY.find((field) => base[field] !== undefined);
  if (!main) return null;
  let fields = { ...base }, busy = false, again = null, later = 0;

  const fault = h("p.fault", { role: "alert" });
  const changedLine = h("p.changed", { hidden: true });
  const compute = async (since) => {
    if (busy) { again = since; return; }
    busy = true;
    try {
      const view = await post("/v1/preview", { tool: "plan", fields: { ...fields, draws: DRAWS, around: false }, language: brief.language });
      fault.textContent = "";
      show(view);
      // From the hand's movement to numbers in the page.
      performance.measure("flopwise.slider", { start: since, end: performance.now() });
      clearTimeout(later);
      later = setTimeout(settle, SETTLE_MS);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      fault.textContent = error.message;
    } finally {
      busy = false;
      if (again !== null) { const next = again; again = null; compute(next); }
    }
  };

  const settle = async () => {
    const now = JSON.stringify(fields);
    const view = await post("/v1/preview", { tool: "plan", fields, language: brief.language });
    if (now !== JSON.stringify(fields) || busy) return;
    show(view);
    view.figures.forEach((spec, place) => figures[place]?.update(spec));
    say(view.headline);
  };

  const difference = () => [...new Set([...Object.keys(fields), ...Object.keys(base)])].filter((field) => fields[field] !== base[field]);
  const words = () => difference().map((field) => fields[field] === undefined ? `without ${label(field)}` : `${label(field)}: ${shown(field, fields[field])}`).join(", ");
  const tell = () => {
    changedLine.hidden = !difference().length;
    $("span", changedLine).textContent = `${words()}. `;
  };
  const reset = () => {
    fields = { ...base };
    clearTimeout(later);
    restore();
    figures.forEach((item, place) => answer.figures[place] && item.update(answer.figures[place]));
    fault.textContent = "";
    rows.forEach((row) => row.read());
    tell();
  };
  changedLine.append(h("span", null), h("button.plain", { type: "button", onclick: () => keep(words(), { ...brief, ...Object.fromEntries(difference().map((field) => [field, fields[field]])), missing: undefined }) }, "Ask with this"),
    " ", h("button.plain", { type: "button", onclick: reset }, "Back"));

  const turn = (field, value, since) => {
    if (value === undefined) delete fields[field]; else fields[field] = value;
    tell();
    compute(since);
  };
  const rows = [main, "n_accelerators", "inference_tokens", "weight_bits", "unique_tokens"].map((field) => knob(field, () => first(fields[field]), brief.language, turn, t));
  return h("form.knobs", { ariaLabel: "Turn the knobs", onsubmit: (event) => event.preventDefault() }, h("h3", null, t("What if")), rows.map((row) => row.element), fault, changedLine);
}

/** One slider with a field to type into, and a button that takes the statement back. */
function knob(field, now, language, turn, t) {
  const id = fresh("knob");
  const bits = field === "weight_bits";
  const range = h("input", { id, type: "range", min: 0, max: bits ? BITS.length - 1 : 1000, step: bits ? 1 : 5 });
  const typed = h("input.typed", { type: "text", ariaLabel: `${label(field)}, typed`, autocomplete: "off", placeholder: t("not set"), maxlength: 60 });
  const clear = h("button.plain.clear", { type: "button", ariaLabel: `Take back ${label(field)}` }, "×");
  let [low, high, middle] = LOG[field] ?? [2, 16, 16];
  if (!bits && now() !== undefined) [low, high] = field === "n_accelerators" ? [1, Math.max(4096, now() * 64)] : [now() / 1000, now() * 1000];
  const place = (value) => bits ? BITS.indexOf(BITS.reduce((a, b) => Math.abs(b - value) < Math.abs(a - value) ? b : a)) : Math.round(1000 * Math.log(value / low) / Math.log(high / low));
  const value = () => {
    if (bits) return BITS[Number(range.value)];
    const at = low * (high / low) ** (Number(range.value) / 1000);
    return field === "n_accelerators" ? Math.max(1, Math.round(at)) : round(at);
  };
  const text = (item) => bits ? `${item} bits` : field === "n_accelerators" ? quantity(item, "") : shown(field, item).replace(/ (tokens|accelerator-hours)$/, "");
  const read = () => {
    const item = now();
    range.value = String(place(item ?? (bits ? 16 : middle)));
    typed.value = item === undefined ? "" : text(item);
    range.setAttribute("aria-valuetext", item === undefined ? t("not set") : shown(field, item));
    element.classList.toggle("unset", item === undefined);
    clear.hidden = item === undefined || MONEY.includes(field);
  };
  range.addEventListener("input", () => { const since = performance.now(); turn(field, value(), since); read(); });
  clear.addEventListener("click", () => { turn(field, undefined, performance.now()); read(); range.focus(); });
  typed.addEventListener("change", async () => {
    const since = performance.now();
    typed.removeAttribute("aria-invalid");
    if (!typed.value.trim()) { if (!MONEY.includes(field)) turn(field, undefined, since); read(); return; }
    try {
      const found = await post("/v1/amounts", { field, text: typed.value, language: language ?? "en" });
      turn(field, first(found.value), since);
      read();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      typed.setAttribute("aria-invalid", "true");
      say(error.message, true);
    }
  });
  typed.addEventListener("keydown", (event) => { if (event.key === "Enter") typed.blur(); });
  const element = h("div.knob", null, h("label", { for: id }, label(field, t)), typed, clear, range);
  read();
  return { element, read };
}
