// Numbers as text, the same as agent/format.py writes them (a test compares the two).

const SCALES = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
const COUNTED = new Set(["params", "tokens", "tokens/step", "samples", "samples/step", "sequences", "characters"]);
const LARGEST = 1e15; // from here on counts are powers of ten
const PLURALS = new Set(["bits", "steps", "tokens", "params", "sequences", "samples", "epochs", "experts", "attempts", "examples", "layers", "atoms"]);
const TIMES = [[365 * 86400, "years"], [86400, "days"], [3600, "hours"], [60, "min"], [1, "s"], [1e-3, "ms"]];
const BYTES = [[1e15, "PB"], [1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "KB"]];

const fixed = (number, digits) => number.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Plain decimal with so many significant digits (whole numbers in full); scientific outside 1e-4..1e7. */
export function significant(number, digits = 3) {
  if (number === 0) return "0";
  let exponent = Math.floor(Math.log10(Math.abs(number)));
  if (exponent < -4 || exponent >= 7) {
    const [mantissa, power] = number.toExponential(digits - 1).split("e");
    return `${mantissa}e${Number(power)}`;
  }
  if (!Number.isInteger(number)) {
    number = Number(number.toPrecision(digits));
    exponent = Math.floor(Math.log10(Math.abs(number)));
  }
  const decimals = Math.max(0, digits - 1 - exponent);
  const text = fixed(number, decimals);
  return text.includes(".") && decimals > 2 ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

function scaled(number, scales, gap) {
  for (const [scale, suffix] of scales) if (Math.abs(number) >= scale * 0.9995) return `${significant(number / scale)}${gap}${suffix}`;
  return significant(number);
}

function money(value) {
  if (Math.abs(value) >= 0.9995e6) return `$${scaled(value, SCALES, "")}`;
  return Math.abs(value) >= 100 ? `$${significant(value)}` : Math.abs(value) >= 0.1 ? `$${fixed(value, 2)}` : `$${significant(value, 2)}`;
}

function scientific(value) {
  const [mantissa, power] = value.toExponential(2).split("e");
  return `${mantissa.replace(/0+$/, "").replace(/\.$/, "")}e${Number(power)}`;
}

const singular = (unit, value) => value === 1 && PLURALS.has(unit) ? unit.slice(0, -1) : unit;

/** A number with its unit, in the form people of the field write it. */
export function quantity(number, unit = "") {
  if (Array.isArray(number)) return number.map((item) => quantity(item, unit)).join(", ");
  if (typeof number === "boolean") return number ? "yes" : "no";
  if (number === null || number === undefined) return "-";
  if (typeof number !== "number") return String(number);
  if (unit === "USD" || unit.startsWith("USD/")) return money(number) + unit.slice(3);
  if (COUNTED.has(unit) && Number.isInteger(number) && Math.abs(number) < 1e5) return `${number.toLocaleString("en-US")} ${singular(unit, number)}`;
  if (COUNTED.has(unit) && Math.abs(number) >= LARGEST) return `${scientific(number)} ${unit}`;
  if (COUNTED.has(unit)) return `${scaled(number, SCALES, "")} ${unit}`;
  if (unit === "h" || unit === "kWh") return `${number >= 1e6 ? scaled(number, SCALES, "") : significant(number)} ${unit === "h" ? "accelerator-hours" : unit}`;
  if (unit === "s") return number >= 1e-3 ? scaled(number, TIMES, " ") : `${significant(number)} s`;
  if (unit === "ms" && number >= 1e3) return `${significant(number / 1e3)} s`;
  if (unit === "bytes") return scaled(number, BYTES, " ") + (Math.abs(number) >= 1e3 ? "" : " bytes");
  if (unit === "FLOP" || unit.startsWith("FLOP/")) return `${scientific(number)} ${unit}`;
  if (Number.isInteger(number) && Math.abs(number) < 1e7) return number.toLocaleString("en-US") + (unit ? ` ${singular(unit, number)}` : "");
  return significant(number) + (unit ? ` ${unit}` : "");
}

/** `low to high`, the unit said once; empty where there is no interval. */
export function interval(value) {
  if (value.low === undefined || value.low === null || value.high === undefined || value.high === null || value.low === value.high) return "";
  const low = quantity(value.low, value.unit), high = quantity(value.high, value.unit);
  const after = (text) => text.includes(" ") ? text.slice(text.indexOf(" ") + 1) : "";
  return after(low) && after(low) === after(high) ? `${low.slice(0, low.indexOf(" "))} to ${high}` : `${low} to ${high}`;
}

/** Names and units of a brief's fields. */
export const FIELDS = {
  task: ["task", ""], also: ["also", ""], compute_flops: ["compute", "FLOP"], budget_usd: ["budget", "USD"], accelerator_hours: ["accelerator-hours", "h"],
  duration_seconds: ["time", "s"], accelerator: ["accelerator", ""], n_accelerators: ["accelerators", ""], price_per_accelerator_hour_usd: ["price per hour", "USD"],
  mfu: ["MFU", ""], params_total: ["params", "params"], params_active: ["active params", "params"], tokens: ["training tokens", "tokens"],
  unique_tokens: ["unique tokens", "tokens"], tokens_per_param: ["tokens per param", "tokens/param"], architecture: ["architecture", ""], n_experts: ["experts", ""],
  experts_per_token: ["experts per token", ""], weight_bits: ["weight bits", "bits"], memory_bytes: ["memory", "bytes"], inference_tokens: ["tokens to serve", "tokens"],
  inference_tokens_per_second: ["served per second", "tokens/s"], price_per_million_tokens_usd: ["price per million tokens", "USD"],
  latency_ms_per_token: ["latency", "ms/token"], input_tokens: ["input", "tokens"], output_tokens: ["output", "tokens"], concurrency: ["requests at once", ""],
  sequence_length: ["context", "tokens"], batch_tokens: ["batch", "tokens/step"], vocab_size: ["vocabulary", ""], target_loss: ["target loss", "nats/token"],
  observed_loss: ["observed loss", "nats/token"], samples: ["samples", ""], pass_rate: ["pass rate", ""], laws: ["law", ""], models: ["model", ""], runs: ["runs", ""],
};

/** What says an English text of an answer in the language of its question, by the labels that come with a plan. */
export function speaker(labels) {
  const said = new Map(Object.entries(labels ?? {}));
  return (text) => said.get(text) ?? text;
}

const itself = (text) => text;

/** A field's value as a chip shows it. */
export function shown(field, value, t = itself) {
  const words = (item) => t(typeof item === "string" && ["task", "also"].includes(field) ? item.replaceAll("_", " ") : quantity(item, FIELDS[field]?.[1] ?? ""));
  return Array.isArray(value) ? value.map(words).join(` ${t("or")} `) : words(value);
}

/** A field's name: in another language the server's word for it, in English a short one. */
export function label(field, t = itself) {
  const plain = field.replaceAll("_", " "), said = t(plain);
  return said === plain ? FIELDS[field]?.[0] ?? plain : said;
}
