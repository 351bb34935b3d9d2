// The law browser: search, and a card with formulas, coefficients, figures and checks.

import { get } from "./api.js";
import { h, say, table } from "./dom.js";
import { figure } from "./figure.js";
import { significant } from "./format.js";

const FIRST = 3; // relations and figures shown before the rest is asked for
let known = null;
const laws = async () => known ??= await get("/v1/laws");

/** The list of laws, narrowed by words and area. */
export async function lawList(words) {
  const all = await laws();
  const areas = [...new Set(all.map((law) => law.area))].sort();
  const search = h("input", { type: "search", id: "law-search", value: words, placeholder: "Search laws: words, authors, formulas", autocomplete: "off" });
  const area = h("select", { id: "law-area" }, h("option", { value: "" }, "every area"), areas.map((name) => h("option", { value: name }, name)));
  const count = h("p.dim", { role: "status" }), list = h("ul.laws", null);
  let asked = 0;
  const fill = async () => {
    const mine = ++asked, text = search.value.trim();
    const hits = text ? await get(`/v1/search?limit=200&q=${encodeURIComponent(text.slice(0, 400))}`) : all;
    if (mine !== asked) return;
    const fitting = hits.filter((hit) => !area.value || hit.area === area.value);
    list.replaceChildren(...fitting.map((hit) => line(hit)));
    count.textContent = `${fitting.length} of ${all.length} laws and findings`;
    history.replaceState(null, "", text ? `#/laws?q=${encodeURIComponent(text)}` : "#/laws");
  };
  let wait = 0;
  search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(fill, 120); });
  area.addEventListener("change", fill);
  await fill();
  return h("div.page", null, h("h1", null, "Laws"), h("form.filters", { role: "search", onsubmit: (event) => event.preventDefault() },
    h("label.sr", { for: "law-search" }, "Search laws"), search, h("label.sr", { for: "law-area" }, "Area"), area), count, list);
}

function line(hit) {
  const id = hit.law ?? hit.id;
  const title = id ? h("a", { href: `#/laws/${encodeURIComponent(id)}` }, hit.title) : h("span", null, hit.title);
  return h("li", null, h("div", null, title, " ", h("span.dim", null, [hit.area, hit.kind, hit.year].filter(Boolean).join(" · "))), h("p", null, hit.summary || hit.reason || ""));
}

/** A law of the base, whole. `choose(law)` asks questions under it. */
export async function lawCard(id, choose) {
  return cardView(await get(`/v1/laws/${encodeURIComponent(id)}/view`), () => choose(id));
}

/** A card drawn: also that of a fit. */
export function cardView({ card, formulas, figures, checks }, use) {
  const numeric = Object.keys(card.relations ?? {}).length > 0;
  return h("div.page.law", null,
    h("p", null, h("a", { href: "#/laws" }, "All laws")), h("h1", null, card.title),
    h("p.dim", null, [card.authors, card.year || null].filter(Boolean).join(" "), card.arxiv ? [" · ", h("a", { href: `https://arxiv.org/abs/${encodeURIComponent(card.arxiv)}`, rel: "noreferrer" }, `arXiv:${card.arxiv}`)] : null,
      ` · ${card.area} · ${card.kind} · `, h("code", null, card.id)),
    h("p.lead", null, card.summary),
    numeric && use ? h("p", null, h("button", { type: "button", onclick: () => { use(); say(`Questions are now answered by ${card.id}`); } }, "Ask with this law")) : null,
    facts(card), numeric ? relations(card, formulas) : null, curves(figures), coefficients(card),
    checkList(checks), lines("When it matters", (card.advice ?? []).map((item) => item.say)), lines("Caveats", card.caveats), card.missing ? lines("Missing from the base", [card.missing]) : null,
    lines("Sources", (card.sources ?? []).map((item) => item.confirms ? `${item.source} (${item.confirms})` : item.source)));
}

function curves(figures) {
  if (!figures.length) return null;
  const more = figures.slice(2);
  return h("section", null, h("h2", null, "Over the range it was fitted on"), h("div.figures", null, figures.slice(0, 2).map(figure)),
    more.length ? h("details.section", null, h("summary", null, h("h3", null, `${more.length} more figures`)), h("div.figures", null, more.map(figure))) : null);
}

const lines = (title, items) => items?.length ? h("section", null, h("h2", null, title), h("ul.lines", null, items.map((text) => h("li", null, text)))) : null;

function facts(card) {
  const rows = [["Answers", (card.answers ?? []).join("; ")], ["Fitted on", card.setting], ["Uncertainty", card.uncertainty]].filter(([, text]) => text);
  return rows.length ? h("dl.why", null, rows.map(([name, text]) => [h("dt", null, name), h("dd", null, text)])) : null;
}

const bound = (value) => value === null || value === undefined ? "open" : significant(value);

function relations(card, formulas) {
  const variable = ([name, item]) => `${name}: ${item.quantity.replaceAll("_", " ")}${card.symbols?.[name] ? ` (${card.symbols[name]})` : ""}`;
  const region = (relation) => Object.entries({ ...card.region, ...relation.region }).filter(([name]) => name in relation.inputs)
    .map(([name, [low, high]]) => `${name} ${bound(low)} to ${bound(high)}`).join("; ");
  const all = Object.entries(card.relations).map(([name, relation]) => h("div.relation", null,
    h("h3", null, relation.title || name), h("p", null, h("code.formula", null, formulas[name])),
    h("p.dim", null, `from ${Object.entries(relation.inputs).map(variable).join(", ")} to ${Object.entries(relation.outputs).map(variable).join(", ")}`),
    region(relation) ? h("p.dim", null, `fitted for ${region(relation)}`) : null, relation.note ? h("p.dim", null, relation.note) : null));
  return h("section", null, h("h2", null, "Relations"), all.slice(0, FIRST), all.length > FIRST ? h("details.section", null, h("summary", null, h("h3", null, `${all.length - FIRST} more relations`)), all.slice(FIRST)) : null);
}

function coefficients(card) {
  const variants = Object.entries(card.variants ?? {}).filter(([, variant]) => Object.keys(variant.values).length);
  if (!variants.length) return null;
  const cell = (value) => Array.isArray(value) ? value.map((item) => significant(item, 5)).join(", ") : significant(value, 6);
  const spread = (variant, name) => variant.interval?.bounds?.[name] ? `${significant(variant.interval.bounds[name][0], 4)} to ${significant(variant.interval.bounds[name][1], 4)}` : variant.stderr?.[name] ? `± ${significant(variant.stderr[name], 2)}` : "";
  return h("section", null, h("h2", null, "Coefficients"), variants.map(([key, variant], place) => h("details.section", { open: place === 0 || key === card.default_variant },
    h("summary", null, h("h3", null, variant.label || key), " ", h(`span.badge.${variant.status}`, null, variant.status), key === card.default_variant ? h("span.dim", null, " default") : null),
    table(`Coefficients ${key}`, ["", "value", "interval or error"], Object.entries(variant.values).map(([name, value]) => [name, cell(value), spread(variant, name)])),
    h("p.dim", null, variant.source, variant.note ? ` · ${variant.note}` : ""))));
}

function checkList(checks) {
  if (!checks.length) return null;
  const passed = checks.filter((check) => check.pass).length;
  const pairs = (item) => Object.entries(item ?? {}).map(([name, value]) => `${name} = ${typeof value === "number" ? significant(value, 5) : value}`).join(", ");
  return h("section", null, h("h2", null, "Checks"), h("p.dim", null, `${passed} of ${checks.length} published or derived numbers are reproduced`),
    table("Checks", ["", "relation", "given", "expected", "computed", "source"], checks.map((check) => [check.pass ? "pass" : "FAIL", [check.relation, check.variant].filter(Boolean).join(" · "),
      pairs(check.given), pairs(check.expected), check.problem || pairs(check.got), check.source]), { numeric: false }));
}
