// Figures: Vega-Lite specs drawn by the library this server bundles, loaded when the first figure comes near the screen.

import { download, h, table } from "./dom.js";
import { significant } from "./format.js";

let loading = null;
const drawn = new Map(); // element -> redraw, for a change of theme

function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/vega.js";
    script.onload = () => resolve(globalThis.vegaEmbed);
    script.onerror = () => { loading = null; reject(new Error("the drawing library is not installed on the server")); };
    document.head.append(script);
  });
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function config() {
  const dim = colour("--dim"), line = colour("--line"), text = colour("--text");
  return {
    background: "transparent", font: "system-ui, sans-serif", view: { stroke: "transparent" },
    axis: { labelColor: dim, titleColor: dim, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 400, labelFontSize: 11, titleFontSize: 11, gridOpacity: 0.6, labelSeparation: 8 },
    legend: { labelColor: dim, titleColor: dim, titleFontWeight: 400, orient: "bottom" }, title: { color: text, fontSize: 12, fontWeight: 600, anchor: "start" }, text: { color: text },
    line: { color: colour("--accent"), strokeWidth: 2 }, area: { color: colour("--accent") }, point: { color: colour("--accent") }, range: { category: [colour("--accent"), colour("--warn"), colour("--good"), dim] },
  };
}

async function draw(place, spec) {
  const embed = await library();
  const { title, $schema, ...plain } = spec; // the version in a schema's name is not the library's, and it would say so
  const fitted = { ...plain, width: "container", height: 240, autosize: { type: "fit", contains: "padding" } };
  // The expression interpreter in place of generated code: the page's policy allows no eval.
  const view = await embed(place, fitted, { ast: true, actions: false, renderer: "svg", defaultStyle: false, config: config(), tooltip: { disableDefaultStyle: true } });
  place.querySelector("svg")?.setAttribute("aria-label", spec.description ?? title ?? "figure");
  return view;
}

const columns = (rows) => [...new Set(rows.flatMap((row) => Object.keys(row)))];

/** The data of a spec as CSV. */
export function csv(rows) {
  const quote = (cell) => /[",\n\r]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell ?? "");
  const names = columns(rows);
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
}

function asTable(spec) {
  const rows = spec.data?.values ?? [];
  const names = columns(rows);
  const cell = (value) => typeof value === "number" ? significant(value, 4) : String(value ?? "");
  return table(`Data of ${spec.title ?? "the figure"}`, names, rows.map((row) => names.map((name) => cell(row[name]))), { heads: false });
}

/** A figure with its data. `element.update(spec)` draws another in its place. */
export function figure(first) {
  let spec = first, view = null, shown = false, queue = Promise.resolve();
  const place = h("div.drawing", null);
  const data = h("details.data", null, h("summary", null, "Data"));
  const fill = () => { if (data.open) data.replaceChildren(data.firstChild, asTable(spec)); };
  data.addEventListener("toggle", fill);
  const caption = h("figcaption", null, first.title ?? "");
  const name = () => (spec.title ?? "figure").toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
  const element = h("figure.fig", null, caption, place,
    h("div.row", null,
      h("button.plain", { type: "button", onclick: () => download(`${name()}.csv`, csv(spec.data?.values ?? []), "text/csv") }, "CSV"),
      h("button.plain", { type: "button", onclick: async () => view && download(`${name()}.svg`, await view.view.toSVG(), "image/svg+xml") }, "SVG")), data);
  const redraw = () => {
    queue = queue.then(async () => {
      if (!shown) return;
      try {
        view?.finalize();
        view = await draw(place, spec);
      } catch (error) {
        data.open = true;
        place.replaceChildren(h("p.dim", null, `Not drawn: ${error.message}. The data is below.`));
      }
    });
    return queue;
  };
  element.update = (next) => { spec = next; caption.textContent = next.title ?? ""; fill(); return redraw(); };
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    shown = true;
    drawn.set(element, redraw);
    redraw();
  }, { rootMargin: "300px" }).observe(place);
  return element;
}

/** Draw every figure again, in the colours of the theme now chosen. */
export function redrawAll() {
  for (const [element, redraw] of drawn) element.isConnected ? redraw() : drawn.delete(element);
}
