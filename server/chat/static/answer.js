// One answer: what was understood, the numbers with where each comes from, figures, other laws, what to watch, and the knobs.

import { get, post, Problem } from "./api.js";
import { $, add, download, fresh, h, menu, say, table } from "./dom.js";
import { FIELDS, interval, label, quantity, shown, speaker } from "./format.js";
import { figure } from "./figure.js";
import { knobs } from "./knobs.js";
import { shareDialog } from "./share.js";

const HIDDEN = new Set(["language", "missing", "details", "runs"]);
const OWN = new Set(["summary", "notices", "assumptions", "sources", "reasons", "conflicts"]);

/** Read what a person typed for a field; raises Problem. */
export const amount = (field, text, language) => post("/v1/amounts", { field, text, language: language ?? "en" });

/** A brief without its empty fields. */
export const stated = (brief) => Object.fromEntries(Object.entries(brief).filter(([, value]) => value !== null && value !== undefined));

/** Everything about one plan. `ask(text, brief)` begins another turn; without it the answer is read only. */
export function answerView(plan, { ask = null, token = null } = {}) {
  const { answer } = plan, t = speaker(plan.labels);
  const body = h("div.answer", { lang: answer.brief.language });
  if (answer.brief.task !== "out_of_scope") body.append(chips(answer.brief, ask, t));
  const conflicts = answer.notices.filter((notice) => notice.level === "conflict");
  const headline = h("h2.headline", null, answer.needs.length && ask ? t("A little more is needed.") : answer.headline);
  add(body, [conflicts.map((notice) => h("p.conflict", null, h("strong", null, `${t("What does not fit together")}: `), t(notice.text))), headline]);
  if (answer.needs.length) body.append(ask ? needsForm(answer.needs, answer.needs_any_of, answer.brief, ask, t) : h("p", null, `${t("Enough is")}: `, ways(answer.needs_any_of, t)));
  const [main, further] = split(answer);
  const numbers = h("div.numbers", null, numbersTable(main, t));
  const why = [...new Set(main.flatMap((result) => result.reasons))].slice(0, 3).map(t);
  const figures = answer.figures.map(figure);
  const rest = h("div.rest", null, sections(answer.sections));
  const after = groups(main, further, t);
  const followed = h("details.section.followed", { open: true }, h("summary", null, h("h3", null, t("What follows from it"))), after.length ? valuesTable(t("What follows from it"), after, t) : null);
  const show = (view) => {
    headline.textContent = view.headline;
    numbers.replaceChildren(numbersTable([view.result], speaker({ ...plan.labels, ...view.labels })));
    followed.hidden = true; // the further steps belong to the plan as asked
    rest.replaceChildren(...sections(view.sections, true));
  };
  const restore = () => {
    headline.textContent = answer.headline;
    numbers.replaceChildren(numbersTable(main, t));
    followed.hidden = false;
    rest.replaceChildren(...sections(answer.sections));
  };
  const panel = ask ? knobs(answer, t, { show, restore, figures, keep: (text, brief) => ask(text, brief) }) : null;
  if (answer.results.length) body.append(h(panel ? "div.card.two" : "div.card", null, h("div.left", null, numbers, why.length ? h("p.why", null, why.join(" ")) : null), panel));
  if (figures.length) body.append(h("div.figures", null, figures));
  add(body, [after.length ? followed : null, rest, notices(answer, t), assumptions(answer, t), sources(answer, t)]);
  body.append(actions(plan, ask !== null, token));
  return body;
}

/** The results that were asked for, and those that follow from them. */
function split(answer) {
  const tasks = [answer.brief.task, ...(answer.brief.also ?? [])];
  const main = answer.results.filter((result) => tasks.includes(result.task) || tasks.includes(result.tool));
  return main.length ? [main, answer.results.filter((result) => !main.includes(result))] : [answer.results, []];
}

// ------------------------------------------------------------ what was understood

function chips(brief, ask, t) {
  const list = h("ul.chips", { ariaLabel: "What was understood" });
  const change = (field, value, text) => {
    const next = { ...stated(brief), missing: undefined };
    if (value === null) delete next[field]; else next[field] = value;
    ask(text, JSON.parse(JSON.stringify(next)));
  };
  for (const [field, value] of Object.entries(stated(brief))) {
    if (!HIDDEN.has(field)) list.append(h("li", null, chip(field, value, brief, ask && change, t)));
  }
  for (const [field, value] of Object.entries(brief.details ?? {})) list.append(h("li", null, h("span.chip.still", null, h("span", null, t(field.replaceAll("_", " "))), h("b", null, quantity(value)))));
  if (ask) list.append(h("li", null, adder(brief, change)));
  return list;
}

function chip(field, value, brief, change, t) {
  const text = [h("span", null, label(field, t)), h("b", null, shown(field, value, t))];
  if (!change) return h("span.chip.still", null, text);
  const button = h("button.chip", { type: "button", ariaLabel: `${label(field, t)}: ${shown(field, value, t)}. Change` }, text);
  button.addEventListener("click", () => {
    const form = editor(field, shown(field, value), brief.language, (found) => change(field, found.value, `${label(field)}: ${shown(field, found.value)}`),
      () => { form.replaceWith(button); button.focus(); }, field === "task" ? null : () => change(field, null, `without ${label(field)}`));
    button.replaceWith(form);
    $("input", form).select();
  });
  return button;
}

function editor(field, start, language, done, cancel, remove) {
  const input = h("input", { type: "text", value: start, ariaLabel: label(field), autocomplete: "off", size: Math.max(8, Math.min(start.length + 1, 28)), maxlength: 200 });
  const fault = h("span.fault", { id: fresh("fault"), role: "alert" });
  const form = h("form.chip.edit", { ariaLabel: `Change ${label(field)}` }, h("span", null, label(field)), input, h("button.main", { type: "submit" }, "Set"),
    remove && h("button.plain", { type: "button", onclick: remove, ariaLabel: `Leave out ${label(field)}` }, "Leave out"), fault);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input.value.trim() === start) { cancel(); return; }
    try { done(await amount(field, input.value, language)); } catch (error) { mark(input, fault, error); }
  });
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); cancel(); } });
  return form;
}

function mark(input, fault, error) {
  if (!(error instanceof Problem)) throw error;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", fault.id);
  fault.textContent = error.message;
  input.focus();
}

function adder(brief, change) {
  const button = h("button.chip.add", { type: "button" }, "+ add");
  button.addEventListener("click", () => {
    const open = Object.keys(FIELDS).filter((field) => !HIDDEN.has(field) && field !== "also" && (brief[field] === null || brief[field] === undefined));
    const field = h("select", { ariaLabel: "What to add" }, open.map((name) => h("option", { value: name }, label(name))));
    const input = h("input", { type: "text", ariaLabel: "Value", placeholder: "value", size: 12, maxlength: 200, autocomplete: "off" });
    const fault = h("span.fault", { id: fresh("fault"), role: "alert" });
    const form = h("form.chip.edit", { ariaLabel: "Add a statement" }, field, input, h("button.main", { type: "submit" }, "Add"), fault);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const found = await amount(field.value, input.value, brief.language);
        change(field.value, found.value, `${label(field.value)}: ${shown(field.value, found.value)}`);
      } catch (error) { mark(input, fault, error); }
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); form.replaceWith(button); button.focus(); } });
    button.replaceWith(form);
    field.focus();
  });
  return button;
}

// ------------------------------------------------------------ asking back

const PLAIN = new Set(["count", "s", "id", "file", "fraction"]); // units that say nothing beside an example
const ways = (any, t) => any.map((way) => way.map((field) => label(field, t)).join(` ${t("and")} `)).join(`, ${t("or")} `);

/** The form of what is missing. The fields that are filled in join the brief. */
export function needsForm(needs, any, brief, ask, t = speaker()) {
  if (needs.some((need) => need.field === "runs")) return h("p", null, "Attach the table on the page ", h("a", { href: "#/fit" }, "Fit runs"), ".");
  const rows = needs.map((need) => {
    const id = fresh("need");
    const input = h("input", { id, type: "text", name: need.field, placeholder: need.example ? `e.g. ${need.example}` : "", autocomplete: "off", maxlength: 200 });
    const fault = h("span.fault", { id: `${id}-fault`, role: "alert" });
    return { need, input, fault, row: h("div.field", null, h("label", { for: id }, label(need.field, t), need.unit && !PLAIN.has(need.unit) && !label(need.field).includes(need.unit) ? h("span.dim", null, ` ${need.unit}`) : null), input, fault) };
  });
  const form = h("form.needs", { ariaLabel: "What is missing" }, h("p", null, `${t("Enough is")}: `, h("b", null, ways(any, t)), "."),
    h("div.fields", null, rows.map((item) => item.row)), h("button.main", { type: "submit" }, "Go on"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const next = { ...stated(brief) };
    delete next.missing;
    const said = [];
    for (const { need, input, fault } of rows) {
      fault.textContent = "";
      if (!input.value.trim()) continue;
      try {
        const found = await amount(need.field, input.value, brief.language);
        next[need.field] = found.value;
        said.push(`${label(need.field)}: ${shown(need.field, found.value)}`);
      } catch (error) { mark(input, fault, error); return; }
    }
    if (said.length) ask(said.join(", "), next);
    else mark(rows[0].input, rows[0].fault, new Problem({ detail: "Fill in at least one." }, 422));
  });
  return form;
}

// ------------------------------------------------------------ numbers

const caseOf = (result, t) => Object.entries(result.case ?? {}).map(([key, value]) => shown(key, value, t)).join(", ");

/** The headline values of every result; each opens to its formula, inputs and source. */
function numbersTable(results, t) {
  const lines = results.flatMap((result) => headed(result, t)).filter(fresher());
  const tables = results.some((result) => result.feasible === false) && !lines.length ? results.flatMap((result) => result.tables) : [];
  if (!lines.length) return h("div", null, tables.map((item) => plainTable(item, t)));
  return valuesTable(t("The numbers"), lines, t);
}

const headed = (result, t) => result.headline.filter((key) => result.values[key]).map((key) => [key, result.values[key], caseOf(result, t)]);

/** Whether a line says what none before it said. */
function fresher() {
  const seen = new Set();
  return ([key, value, which]) => { const mark = `${value.label || key}|${which}|${quantity(value.value, value.unit)}`; return !seen.has(mark) && seen.add(mark); };
}

/** Lines of further results, each under the name of its step; what the main ones said is not said again. */
function groups(main, further, t) {
  const fresh = fresher();
  main.flatMap((result) => headed(result, t)).forEach(fresh);
  return further.flatMap((result) => {
    const lines = headed(result, t).filter(fresh);
    return lines.length ? [[t(result.tool.replaceAll("_", " ")), null], ...lines] : [];
  });
}

function plainTable(item, t) {
  return h("div", null, h("h3", null, t(item.title)), table(t(item.title), item.columns.map((column) => t(column.label || column.name)),
    item.rows.map((row) => row.map((cell, i) => t(quantity(cell, item.columns[i].unit))))));
}

function valuesTable(name, lines, t) {
  const level = Math.min(...lines.map(([, value]) => value?.level ?? 2));
  const bodies = lines.map(([key, value, which]) => value === null ? h("tr.group", null, h("th", { colspan: 4, scope: "rowgroup" }, key)) : valueRows(key, value, which, t));
  return h("div.scroll", { tabindex: 0, role: "region", ariaLabel: name }, h("table.values", null,
    h("thead", null, h("tr", null, h("td", null), h("th", { scope: "col" }, t("value")), h("th", { scope: "col" }, level <= 1 ? `${Math.round(level * 100)}% ${t("interval")}` : t("interval")), h("th", { scope: "col" }, t("from")))),
    bodies.map((rows) => h("tbody", null, rows))));
}

/** An interval without the unit that stands beside it in the value. */
function bounds(value, t) {
  const text = t(quantity(value.value, value.unit)), range = t(interval(value)), unit = text.includes(" ") ? text.slice(text.indexOf(" ")) : "";
  return unit && range.endsWith(unit) ? range.slice(0, -unit.length) : range;
}

function valueRows(key, value, which, t) {
  const id = fresh("how");
  const long = typeof value.value === "string" && value.value.length > 40;
  const button = h("button.number", { type: "button", ariaExpanded: "false", ariaControls: id, title: "Formula, inputs and source" }, t(quantity(value.value, value.unit)));
  const more = h("tr.how", { id, hidden: true });
  button.addEventListener("click", () => {
    const open = more.hidden;
    if (open && !more.firstChild) more.append(h("td", { colspan: 4 }, how(value, t)));
    more.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  });
  const row = h("tr", null, h("th", { scope: "row" }, t(value.label || key.replaceAll("_", " ")), which ? h("span.dim", null, ` ${which}`) : null),
    h(long ? "td.long" : "td.n", null, button), h("td.n.dim", null, bounds(value, t)), h("td.from", { title: value.law || t(value.source || value.formula) }, origin(value, t)));
  return [row, more];
}

function origin(value, t) {
  const words = t(value.source || value.formula || "");
  return [value.law ? lawLink(value.law) : h("span.clip", null, words), " ", value.outside?.length ? h("span.flag", { title: value.outside.map(t).join(", ") }, t("extrapolated")) : null];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const lawLink = (law) => h("a", { href: `#/laws/${encodeURIComponent(law)}` }, law);

/** Law, formula, inputs and source of one number. */
function how(value, t) {
  const inputs = Object.entries(value.inputs ?? {}).map(([name, item]) => `${name} = ${typeof item === "number" ? shown(name, item) : Array.isArray(item) ? item.join(", ") : item}`);
  const law = value.law ? [lawLink(value.law), value.relation ? ` · ${value.relation}` : "", value.variant ? ` · ${value.variant}` : ""] : null;
  const lines = [["law", law], ["formula", value.formula && h("code", null, t(value.formula))], ["with", inputs.join(", ")], ["source", t(value.source)],
    ["interval", value.interval_basis && `${t(value.interval_basis)}${value.level ? `, ${Math.round(value.level * 100)}%` : ""}`],
    ["outside", value.outside?.length ? value.outside.map(t).join(", ") : null], ["note", t(value.note)]];
  return h("dl.why", null, lines.filter(([, item]) => item).map(([name, item]) => [h("dt", null, capital(t(name))), h("dd", null, item)]));
}

// ------------------------------------------------------------ the rest

function sections(all, whole = false) {
  const here = all.filter((section) => !OWN.has(section.key) && (!section.detail || whole || section.key.includes(".")) && (section.grid || section.lines.length));
  return here.map((section, place) => h("details.section", { open: place < 1 || section.key.endsWith(".dominance") || section.key.endsWith(".relaxations") }, h("summary", null, h("h3", null, section.title)),
    section.grid ? table(section.title, section.grid.header, section.grid.rows) : null,
    section.lines.length ? h("ul.lines", null, section.lines.map((line) => h("li", null, line))) : null));
}

const RANK = { warning: 0, caution: 1, info: 2 };

function notices(answer, t) {
  const all = [...answer.notices.filter((notice) => notice.level !== "conflict"), ...answer.advice].sort((a, b) => RANK[a.level] - RANK[b.level]);
  if (!all.length) return null;
  return h("section.watch", null, h("h3", null, t("What to watch")),
    h("ul.lines", null, all.map((notice) => h(`li.${notice.level}`, null, notice.level === "warning" ? h("b", null, `${t("Warning")}: `) : null, t(notice.text), notice.source ? h("span.dim", null, ` ${notice.source}`) : null))));
}

function assumptions(answer, t) {
  if (!answer.assumptions.length) return null;
  return h("details.section", null, h("summary", null, h("h3", null, `${t("What was assumed")} (${answer.assumptions.length})`)),
    table(t("What was assumed"), ["", t("value"), t("because")], answer.assumptions.map((item) => [label(item.field, t), t(quantity(item.value, item.unit)), t(item.source)])));
}

function sources(answer, t) {
  if (!answer.sources.length) return null;
  return h("details.section", null, h("summary", null, h("h3", null, `${t("Sources")} (${answer.sources.length})`)),
    h("ul.lines", null, answer.sources.map((item) => h("li", null, lawLink(item.law), ` ${item.title} `, h("span.dim", null, item.cite)))));
}

function actions(plan, mine, token) {
  const name = `flopwise-${plan.id.slice(0, 8)}`;
  const file = async (form, end, kind) => download(`${name}.${end}`, await get(`/v1/plans/${plan.id}/document?form=${form}`, { text: true }), kind);
  const json = () => download(`${name}.json`, JSON.stringify(plan, null, 2), "application/json");
  const markdown = mine ? () => file("markdown", "md", "text/markdown") : () => download(`${name}.md`, plan.text, "text/markdown");
  const items = [["Markdown", markdown], ...(mine ? [["HTML", () => file("html", "html", "text/html")]] : []), ["JSON", json], ["Print or PDF", () => print()]];
  return h("footer.actions", null,
    mine ? h("button.plain", { type: "button", onclick: () => shareDialog(plan.id) }, "Share") : null, menu("Export", items),
    h("button.plain", { type: "button", onclick: async () => { await navigator.clipboard?.writeText(plan.text); say("Copied"); } }, "Copy"),
    h("span.dim.versions", null, Object.entries(plan.answer.versions).map(([key, value]) => `${key.replaceAll("_", " ")} ${value}`).join(" · ")));
}

/** The tool steps of an answer as they run: a line that opens to every step with inputs and values. */
export function stepsView(t = speaker()) {
  const list = h("ol", null), line = h("span.status", null, "Reading the question"), element = h("details.steps", null, h("summary", null, h("span.dot", { ariaHidden: "true" }), line), list);
  const rows = new Map();
  let done = 0;
  const began = performance.now();
  const heard = (step) => {
    const name = step.step.replaceAll("_", " ");
    if (step.status === "started") {
      const row = h("li", null, h("details", null, h("summary", null, h("b", null, t(name)), h("span.dim", null, " at work")), inputsOf(step.fields)));
      rows.set(step.step, row);
      list.append(row);
      line.textContent = `${name} …`;
      say(`Working: ${name}`);
      return;
    }
    const row = rows.get(step.step);
    const note = row && $("summary .dim", row);
    if (!note) return;
    if (step.status === "done") {
      done += 1;
      const { result } = step;
      const first = result.headline.map((key) => result.values[key]).find(Boolean);
      note.textContent = first ? ` ${t(first.label || "")} ${t(quantity(first.value, first.unit))}` : " done";
      $("details", row).append(valuesTable(t(name), Object.entries(result.values).map(([key, value]) => [key, value, caseOf(result, t)]), t));
    } else if (step.status === "needs") note.textContent = " needs more";
  };
  const ended = (words) => {
    element.classList.add("ended");
    line.textContent = words ?? (done === 0 ? "Read" : `${done} ${done === 1 ? "step" : "steps"}, ${((performance.now() - began) / 1000).toFixed(1)} s`);
  };
  return { element, heard, ended, told: (text) => { line.textContent = text; } };
}

function inputsOf(fields) {
  const entries = Object.entries(fields ?? {});
  return entries.length ? h("p.inputs", null, "With ", entries.map(([key, value], place) => [place ? ", " : "", label(key), " ", h("b", null, typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : shown(key, value))])) : null;
}

/** The steps of a finished answer. */
export function pastSteps({ answer, labels }) {
  const t = speaker(labels), view = stepsView(t);
  for (const result of answer.results) {
    view.heard({ step: result.tool, status: "started", fields: result.case });
    view.heard({ step: result.tool, status: "done", result });
  }
  view.ended(`${answer.results.length} ${answer.results.length === 1 ? "step" : t("steps")}`);
  return view.element;
}
