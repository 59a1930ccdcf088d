// One key for what is often done, and a page that says which.

import { el } from "./dom.js";

/**
 * @param {Record<string, [string, () => void]>} keys by key: what it does, in words and in deed
 */
export function listen(keys) {
  const dialog = el("dialog", { class: "keys", "aria-label": "Keys" });
  const all = { ...keys, "?": ["this list", () => (dialog.open ? dialog.close() : dialog.showModal())] };
  const close = el("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.append(
    el("h2", {}, "Keys"),
    el("dl", {}, ...Object.entries(all).flatMap(([key, [words]]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, words)])),
    close);
  document.body.append(dialog);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea")) return;
    const deed = all[event.key]?.[1];
    if (deed && (event.key === "?" || event.key === "h" || !document.querySelector("dialog[open]"))) {
      event.preventDefault();
      deed();
    }
  });
}
