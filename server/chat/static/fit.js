// A table of runs: uploaded, fitted as a job with progress, judged; the law can then answer questions.

import { call, follow, get, post, Problem } from "./api.js";
import { $, fresh, h, say, table } from "./dom.js";
import { figure } from "./figure.js";
import { significant } from "./format.js";
import { cardView } from "./laws.js";

const TEXT = /\.(csv|tsv|jsonl)$/i;

/** The page: choose a table, fit, and the fits of before. */
export async function fitPage(choose) {
  const [forms, before] = await Promise.all([get("/v1/fit-forms"), get("/v1/fits?limit=20")]);
  const file = h("input", { type: "file", id: "runs", accept: ".csv,.tsv,.jsonl,.parquet" });
  const form = h("select", { id: "fit-form" }, forms.map((item) => h("option", { value: item.name, title: item.title }, item.name)));
  const about = h("p.dim", null), draws = h("input", { type: "number", id: "fit-draws", min: 0, max: 10000, step: 100, value: "1000" });
  const start = h("button.main", { type: "submit", disabled: true }, "Fit"), look = h("div", null), out = h("div", { id: "fit-out" });
  const drop = h("label.drop", { for: "runs" }, h("b", null, "Choose a table of runs"), h("span.dim", null, " or drop it here: CSV, TSV, JSONL or Parquet with columns such as params, tokens, loss"), file);
  const tell = () => { const item = forms.find((entry) => entry.name === form.value); about.textContent = `${item.title}. Columns: ${item.columns.join(", ")}.`; };
  form.addEventListener("change", tell);
  tell();
  const chosen = async () => {
    start.disabled = !file.files.length;
    look.replaceChildren(...(file.files.length ? [await glance(file.files[0])] : []));
  };
  file.addEventListener("change", chosen);
  for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", over);
      if (name === "drop" && event.dataTransfer.files.length) { file.files = event.dataTransfer.files; chosen(); }
    });
  }
  const controls = h("form.fit", { ariaLabel: "Fit a law" }, drop, look, h("div.fields", null,
    h("div.field", null, h("label", { for: "fit-form" }, "Law"), form), h("div.field", null, h("label", { for: "fit-draws" }, "Bootstrap draws"), draws), start), about);
  controls.addEventListener("submit", async (event) => {
    event.preventDefault();
    start.disabled = true;
    try { await run(file.files[0], form.value, Number(draws.value), out, choose); }
    catch (error) {
      out.replaceChildren(h("p.problem", { role: "alert" }, error.message));
      if (!(error instanceof Problem)) throw error;
    } finally { start.disabled = false; }
  });
  return h("div.page", null, h("h1", null, "Fit runs"), h("p.dim", null, "A law of your own runs is used everywhere a published one is. The table stays on this server."), controls, out,
    before.items.length ? h("section", null, h("h2", null, "Fits so far"), h("ul.lines", null, before.items.map((item) => h("li", null,
      h("a", { href: `#/fit/${item.id}` }, item.form), h("span.dim", null, ` ${new Date(item.created).toLocaleString()}`))))) : null);
}

/** The first rows, as text. */
async function glance(file) {
  const size = h("p.dim", null, `${file.name}, ${significant(file.size / 1000)} KB`);
  if (!TEXT.test(file.name)) return size;
  const rows = (await file.slice(0, 20_000).text()).split(/\r?\n/).filter(Boolean).slice(0, 5);
  const split = (row) => row.split(/\.tsv$/i.test(file.name) ? "\t" : ",").slice(0, 12);
  return h("div", null, size, /\.jsonl$/i.test(file.name) ? h("pre.scroll", { tabindex: 0 }, rows.join("\n")) : table("First rows", split(rows[0] ?? ""), rows.slice(1).map(split), { heads: false }));
}

async function run(file, form, bootstrap, out, choose) {
  const id = fresh("progress");
  const bar = h("progress", { id, max: 100 }), line = h("label", { for: id }, "Uploading"), cancel = h("button", { type: "button" }, "Cancel");
  out.replaceChildren(h("div.progress", { role: "group", ariaLabel: "Progress" }, line, bar, cancel));
  const control = new AbortController();
  cancel.addEventListener("click", () => control.abort());
  let job = null;
  try {
    const runs = await call("POST", `/v1/runs?name=${encodeURIComponent(file.name)}`, file, { raw: true, signal: control.signal });
    job = await post("/v1/fits", { runs: runs.id, form, bootstrap });
    line.textContent = "Waiting for a worker";
    const end = await follow(`/v1/jobs/${job.id}/events`, ["end"], (event) => {
      const { status, done, total } = event.data;
      line.textContent = status === "running" ? `Fitting, ${done} of ${total} draws` : status;
      if (total) { bar.max = total; bar.value = done; }
    }, () => { line.textContent = "Connection lost; trying again"; }, control.signal);
    if (end.data.status !== "done") throw new Problem(end.data.error ?? { title: `The fit ${end.data.status}` }, 422);
    say("The fit is done");
    out.replaceChildren(...await Promise.all(end.data.result.fits.map((fit) => fitReport(fit.id, choose))));
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    if (job) await post(`/v1/jobs/${job.id}/cancel`);
    out.replaceChildren(h("p.dim", { role: "status" }, "Cancelled."));
  }
}

const number = (value, digits = 5) => value === null || value === undefined ? "-" : significant(value, digits);

/** A fit with its diagnosis and, where the runs determine one, its law. */
export async function fitReport(id, choose) {
  const fit = await get(`/v1/fits/${encodeURIComponent(id)}`);
  const { report } = fit;
  const group = Object.entries(report.group ?? {}).map(([key, value]) => `${key} ${value}`).join(", ");
  const good = report.status === "determined";
  const names = Object.keys(report.params ?? {});
  const body = h("section.report", { ariaLabel: "Fit report" }, h("h2", null, `${report.form}, ${report.runs} runs`, group ? h("span.dim", null, ` ${group}`) : null),
    h("p", null, h(good ? "span.badge.confirmed" : "span.badge.recalled", null, report.status.replaceAll("_", " ")), " ", report.verdict),
    report.formula ? h("p", null, h("code.formula", null, report.formula)) : null,
    names.length ? table("Coefficients", ["", "value", "standard error", "90% interval"], names.map((name) => [name, number(report.params[name]), number(report.se?.[name], 2),
      report.interval90?.[name] ? `${number(report.interval90[name][0], 4)} to ${number(report.interval90[name][1], 4)}` : ""])) : null,
    h("p.dim", null, [report.search ? `${report.search.agree} of ${report.search.starts} starts reach the same optimum` : null,
      report.bootstrap ? `${report.bootstrap.draws} bootstrap draws by ${report.bootstrap.method}, seed ${report.bootstrap.seed}` : null, `objective ${number(report.objective)}`].filter(Boolean).join(" · ")),
    list("Why", report.reasons), list("Rows set aside or doubtful", report.problems),
    report.correlation && names.length ? h("details.section", null, h("summary", null, h("h3", null, "Correlation of the coefficients")),
      table("Correlation", ["", ...names], report.correlation.map((row, place) => [names[place], ...row.map((value) => value.toFixed(2))]))) : null);
  if (fit.card) {
    const view = await get(`/v1/fits/${encodeURIComponent(id)}/view`);
    const use = h("button.main", { type: "button", onclick: () => choose(id, `${report.form} on ${view.card.title}`) }, "Ask with this law");
    const whole = h("details.section", null, h("summary", null, h("h3", null, "The law's card")));
    whole.addEventListener("toggle", () => { if (whole.open && !$(".law", whole)) whole.append(cardView(view, null)); });
    body.append(h("div.figures", null, view.figures.slice(0, 2).map(figure)), h("p", null, use), whole);
  }
  return body;
}

const list = (title, items) => items?.length ? h("div", null, h("h3", null, title), h("ul.lines", null, items.map((text) => h("li", null, text)))) : null;
