/*
 * field.js - what every field has: an error that takes the hint's place, and parts that open and
 * close.
 */
import { h, icon, newId } from "../dom.js";
import { get, set, watch } from "../store.js";

/*
 * The error of a field of a tab, "TAB.errors" in the store: { FIELD: { message, fetch } }. While there is
 * one, the hint is away, and control is tied to it.
 */
export function errorLine(tab, name, control, hint = null) {
    const id = newId("error");
    const line = h("p", { class: "error", id, hidden: true });
    const described = control?.getAttribute("aria-describedby");
    watch([`${tab}.errors`], (errors) => {
        const error = errors?.[name];
        line.hidden = !error;
        if (hint) hint.hidden = Boolean(error);
        line.replaceChildren(
            ...(error
                ? [
                      icon("warn"),
                      h(
                          "span",
                          {},
                          error.message,
                          error.fetch &&
                              h(
                                  "button",
                                  { type: "button", onclick: () => set({ dialog: { missing: error } }) },
                                  "How to get it",
                              ),
                      ),
                  ]
                : []),
        );
        if (!control) return;
        if (error) {
            control.setAttribute("aria-invalid", "true");
            control.setAttribute("aria-describedby", id);
        } else {
            control.removeAttribute("aria-invalid");
            if (described) control.setAttribute("aria-describedby", described);
            else control.removeAttribute("aria-describedby");
        }
    });
    return line;
}

/* error: { message, fetch } or null to take it away. */
export function setError(tab, name, error) {
    const errors = { ...get(`${tab}.errors`) };
    if (error) errors[name] = error;
    else delete errors[name];
    set({ [`${tab}.errors`]: errors });
}

/* Brings a field, and what is said below it, into view: once the part that it lies in has opened. */
export async function reveal(tab, name) {
    const field = document.querySelector(`#panel-${tab} [data-field="${name}"]`);
    await new Promise(requestAnimationFrame);
    await Promise.allSettled((field.closest(".fold")?.getAnimations() ?? []).map((one) => one.finished));
    field.scrollIntoView({ block: "nearest" });
    field.querySelector(".error:not([hidden])")?.scrollIntoView({ block: "nearest" });
}

/* A part that is open while isOpen(values of keys) says so. */
export function fold(keys, isOpen, ...children) {
    const root = h("div", { class: "fold" }, h("div", {}, h("div", { class: "inner" }, ...children)));
    watch(keys, (...values) => root.classList.toggle("open", Boolean(isOpen(...values))));
    return root;
}

/* A heading that opens and closes what follows; key holds whether. summary(): words shown at its right while closed. */
export function disclosure(key, title, summary, summaryKeys, ...children) {
    const id = newId("fold");
    const words = h("span", {});
    const button = h(
        "button",
        { type: "button", class: "more", "aria-controls": id, onclick: () => set({ [key]: !get(key) }) },
        icon("chevron"),
        title,
        words,
    );
    const body = fold([key], Boolean, ...children);
    body.id = id;
    watch([key, ...summaryKeys], (open, ...values) => {
        button.setAttribute("aria-expanded", String(Boolean(open)));
        words.textContent = open ? "" : summary(...values);
    });
    return [h("div", { class: "rule" }, button), body];
}
