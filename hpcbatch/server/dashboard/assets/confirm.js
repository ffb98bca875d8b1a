// Asks before something is done that cannot be taken back.

import { h } from "./words.js";

export function confirm(title, told, yes, no) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "asked", "aria-describedby": "told" },
      h("form", { method: "dialog" },
        h("h2", { id: "asked" }, title),
        h("p", { id: "told" }, told),
        h("div", { class: "actions" },
          h("button", { value: "no", autofocus: true }, no),
          h("button", { value: "yes", class: "strong" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
