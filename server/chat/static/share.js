// Links that show one plan to whoever has them, and taking them back.

import { call, get, post } from "./api.js";
import { $, fresh, h, say } from "./dom.js";

/** The dialog of a plan's links. */
export async function shareDialog(planId) {
  const list = h("ul.lines", null), made = h("div", null);
  const id = fresh("share");
  const dialog = h("dialog.share", { ariaLabelledby: id }, h("h2", { id }, "Share this plan"),
    h("p.dim", null, "Whoever has the link reads this plan, without a key, until you revoke the link. It shows nothing else of yours."),
    h("p", null, h("button.main", { type: "button", onclick: create }, "Make a link")), made, list,
    h("form.row", { method: "dialog" }, h("button", null, "Close")));
  dialog.setAttribute("aria-labelledby", id);
  dialog.addEventListener("close", () => dialog.remove());
  $("body").append(dialog);
  dialog.showModal();
  await fill();

  async function create() {
    const share = await post("/v1/shares", { plan_id: planId });
    const link = `${location.origin}/#/shared/${share.token}`;
    const field = h("input.link", { type: "text", readonly: true, value: link, ariaLabel: "Link", onfocus: (event) => event.target.select() });
    made.replaceChildren(h("p.row", null, field, h("button", { type: "button", onclick: async () => { await navigator.clipboard?.writeText(link); say("Link copied"); } }, "Copy")),
      h("p.dim", null, "The link is shown this once."));
    field.focus();
    await fill();
  }

  async function fill() {
    const { items } = await get("/v1/shares?limit=200");
    const open = items.filter((share) => share.plan_id === planId && !share.revoked);
    list.replaceChildren(...open.map((share) => h("li.row", null, h("span", null, `Link of ${new Date(share.created).toLocaleString()}`),
      h("button", { type: "button", onclick: async () => { await call("DELETE", `/v1/shares/${share.id}`); made.replaceChildren(); say("Link revoked"); await fill(); } }, "Revoke"))));
  }
}
