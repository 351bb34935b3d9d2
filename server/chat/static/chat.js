// A thread: questions, their steps as they run, their answers. What is under way survives a reload and a broken connection.

import { answerView, needsForm, pastSteps, stepsView } from "./answer.js";
import { call, follow, get, post, Problem } from "./api.js";
import { $, h, say } from "./dom.js";
import * as threads from "./threads.js";

const WAIT_SECONDS = 30;
const PENDING = "flopwise.turn";
const EXAMPLES = [
  ["Plan", ["best model for 1e22 FLOPs on 8 H100s", "best 4-bit model for $200k on 64 H100s, we will serve 2T tokens", "Größe und Daten für ein Budget von 1,5 Mio. $ auf 512 H100"]],
  ["Predict", ["what loss will a 7B model reach on 2T tokens?", "how much worse is Llama 3 70B at 4-bit?", "what if I repeat 40B unique tokens 8 times for a 3B model?"]],
  ["Run", ["how long for 70B on 15T tokens with 1024 H100s?", "can I train a 13B on 8 A100 40GB?", "Llama 3 70B on 8 H100s: throughput at 2k in, 500 out, batch 64"]],
];

let thread = "", turn = null; // turn: { id, stop } while one is under way

export const busy = () => turn !== null;

/** The empty page: what one can ask. */
export function empty() {
  thread = "";
  threads.mark("");
  return h("div.empty", null, h("h1", null, "What do you plan to train, fit or serve?"),
    h("p.dim", null, "Numbers come from published scaling laws or from your own runs, each with its interval, law and source."),
    h("div.examples", null, EXAMPLES.map(([title, questions]) => h("section", null, h("h2", null, title),
      h("ul", null, questions.map((text) => h("li", null, h("button.example", { type: "button", onclick: () => ask(text) }, text))))))),
    h("p.dim", null, "Or ", h("a", { href: "#/fit" }, "fit a law to a table of your runs"), ", or ", h("a", { href: "#/laws" }, "look through the laws"), "."));
}

/** A kept thread; raises Problem. */
export async function load(id) {
  thread = id;
  threads.mark(id);
  const whole = await get(`/v1/threads/${id}`);
  const messages = [...whole.messages];
  for (let cursor = whole.next; cursor;) {
    const page = await get(`/v1/threads/${id}/messages?limit=200&cursor=${encodeURIComponent(cursor)}`);
    messages.push(...page.items);
    cursor = page.next;
  }
  const plans = await Promise.all(messages.map((message) => message.plan_id ? get(`/v1/plans/${message.plan_id}`).catch(() => null) : null));
  const log = h("div.log", { id: "log" }, h("h1.sr", null, whole.title || "Thread"));
  let article = null;
  messages.forEach((message, place) => {
    if (message.role === "user") { article = turnArticle(message.text, message.id); log.append(article); return; }
    article ??= log.appendChild(turnArticle("", ""));
    if (article.dataset.reply) return;
    article.dataset.reply = message.id;
    if (plans[place]) article.append(pastSteps(plans[place]), answerView(plans[place], { ask: (text, brief) => ask(text, { brief }) }));
    else article.append(h("div.answer", null, h("p", null, message.text), h("p.dim", null, "The plan of this answer was deleted.")));
  });
  resume(id, log);
  return log;
}

function turnArticle(text, id) {
  const edit = h("button.plain.edit-question", { type: "button", ariaLabel: `Edit the question: ${text}` }, "Edit");
  const head = h("header.q", null, h("p", null, text), edit);
  edit.addEventListener("click", () => editQuestion(article, head));
  const article = h("article.turn", { ariaLabel: text.slice(0, 120), dataset: { question: id, text } }, head);
  return article;
}

function editQuestion(article, head) {
  const field = h("textarea", { rows: 2, ariaLabel: "The question", value: article.dataset.text, maxlength: 20000 });
  const close = () => { form.replaceWith(head); $("button", head).focus(); };
  const form = h("form.q.editing", null, field, h("p.row", null, h("button.main", { type: "submit" }, "Ask again"), h("button", { type: "button", onclick: close }, "Cancel")));
  const send = () => { if (field.value.trim() && !busy()) { close(); ask(field.value.trim(), { replaces: article }); } };
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.stopPropagation(); close(); }
    if (event.key === "Enter" && !event.shiftKey && event.target === field) { event.preventDefault(); send(); }
  });
  head.replaceWith(form);
  field.focus();
}

/** Say something in the thread that is shown, or in a new one. */
export async function ask(text, { brief = null, replaces = null } = {}) {
  if (busy()) return;
  turn = { id: "", stop: () => {} };
  working(true);
  const article = turnArticle(text, "");
  const steps = stepsView();
  article.append(steps.element);
  const inThread = $("#log") !== null;
  if (!inThread) $("#main").replaceChildren(h("div.log", { id: "log" }, h("h1.sr", null, text.slice(0, 80))));
  const later = replaces ? [replaces, ...following(replaces)] : [];
  later.forEach((old) => old.classList.add("going"));
  if (replaces) replaces.before(article); else $("#log").append(article);
  article.scrollIntoView({ block: "start", behavior: "auto" });
  try {
    if (!thread || !inThread) {
      thread = (await post("/v1/threads", {})).id;
      history.pushState(null, "", `#/t/${thread}`);
      $("#new").removeAttribute("aria-current");
      threads.mark(thread);
    }
    const law = $("#law").value || null;
    const begun = await post(`/v1/threads/${thread}/turns`, { text, brief, law, replaces: replaces?.dataset.question || null });
    sessionStorage.setItem(PENDING, JSON.stringify({ id: begun.id, thread, text, replaces: replaces?.dataset.question || null }));
    await listen(begun.id, article, steps, later);
  } catch (error) {
    refused(article, steps, error, later);
  } finally {
    turn = null;
    working(false);
    threads.refresh();
  }
}

function* following(article) {
  for (let next = article.nextElementSibling; next; next = next.nextElementSibling) yield next;
}

/** Take up a turn that was under way when the page was left. */
async function resume(id, log) {
  const kept = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  if (!kept || kept.thread !== id || busy()) return;
  turn = { id: kept.id, stop: () => {} };
  working(true);
  const article = turnArticle(kept.text, ""), steps = stepsView();
  article.append(steps.element);
  log.append(article);
  const old = kept.replaces ? log.querySelector(`[data-question="${CSS.escape(kept.replaces)}"]`) : null;
  const later = old ? [old, ...following(old)].filter((item) => item !== article) : [];
  try {
    await listen(kept.id, article, steps, later);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) article.remove(); // forgotten by the server: the thread itself has what was answered
    else refused(article, steps, error, later);
  } finally {
    turn = null;
    working(false);
    threads.refresh();
  }
}

async function listen(id, article, steps, later) {
  const control = new AbortController();
  turn = { id, stop: async () => { control.abort(); await call("DELETE", `/v1/turns/${id}`).catch(() => null); } };
  const last = await followOrFind(`/v1/turns/${id}/events`, ["reply", "problem", "stopped"],
    (event) => { if (event.name === "step") steps.heard(event.data); }, () => steps.told("Connection lost; trying again"), control.signal, article.dataset.text);
  sessionStorage.removeItem(PENDING);
  if (last.name === "problem") throw new Problem(last.data, last.data.status);
  if (last.name === "stopped") { steps.ended("Stopped"); return; }
  const { question, message, plan } = last.data;
  if (document.querySelector(`[data-reply="${CSS.escape(message.id)}"]`)) { article.remove(); return; } // already there, from the thread itself
  later.forEach((old) => old.remove());
  article.dataset.question = question.id;
  article.dataset.reply = message.id;
  steps.ended();
  if (Object.keys(plan.labels ?? {}).length) steps.element.replaceWith(pastSteps(plan)); // now that the answer's language is known
  article.append(answerView(plan, { ask: (text, brief) => ask(text, { brief }) }));
  say(plan.answer.headline);
}

/** Follow a turn; where the server that answers does not know it (another one began it), wait for its reply in the thread. */
async function followOrFind(path, last, heard, broken, signal, text) {
  try {
    return await follow(path, last, heard, broken, signal);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 404)) throw error;
    for (let tries = 0; tries < WAIT_SECONDS && !signal.aborted; tries++) {
      const { messages } = await get(`/v1/threads/${thread}`);
      const [question, message] = messages.slice(-2);
      if (message?.plan_id && question.text === text) return { name: "reply", data: { question, message, plan: await get(`/v1/plans/${message.plan_id}`) } };
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    throw error;
  }
}

function refused(article, steps, error, later) {
  sessionStorage.removeItem(PENDING);
  later.forEach((old) => old.classList.remove("going"));
  if (error.name === "AbortError") { steps.ended("Stopped"); say("Stopped"); return; }
  steps.ended("No answer");
  const problem = error instanceof Problem ? error.body : { title: "The page could not do this", detail: error.message };
  const runs = problem.errors?.some((item) => item.pointer === "/runs");
  article.append(h("div.answer", null, h("p.problem", null, problem.detail || problem.title), runs ? h("p", null, h("a", { href: "#/fit" }, "Attach a table of runs")) : null,
    problem.needs?.length ? needsForm(problem.needs, problem.needs_any_of, { task: "allocate" }, (text, brief) => ask(text, { brief })) : null));
  say(problem.detail || problem.title, true);
  if (!(error instanceof Problem)) throw error;
}

/** Stop what is under way. */
export function stop() { turn?.stop(); }

function working(on) {
  const button = $("#send");
  button.textContent = on ? "Stop" : "Ask";
  button.classList.toggle("stop", on);
  $("#main").setAttribute("aria-busy", String(on));
}
