/*
 * dom.js - building elements: h for HTML, icon for the pictures of buttons, ids, and the buttons
 * that are an icon with words on hover and focus.
 */
import { ICONS } from "./icons.js";

const SVG = "http://www.w3.org/2000/svg";
let last = 0;

/* An id that no other element has, for labels and descriptions. */
export function newId(stem) {
    return `${stem}-${++last}`;
}

/*
 * An element. Properties: "on..." are listeners, "class" and everything with a dash, "role",
 * "for", "list", "form" are attributes, what else exists on the element is set there. null and false leave out.
 */
export function h(tag, props, ...children) {
    const el = document.createElement(tag);
    for (const [name, value] of Object.entries(props ?? {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
        else if (name === "class") el.className = value;
        else if (name in el && !name.includes("-") && name !== "list" && name !== "form") el[name] = value;
        else el.setAttribute(name, value === true ? "" : value);
    }
    el.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return el;
}

export function svg(tag, attributes, ...children) {
    const el = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
    el.append(...children);
    return el;
}

export function icon(name) {
    return svg(
        "svg",
        { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
        ...ICONS[name].map(([tag, attributes]) => svg(tag, attributes)),
    );
}

/* Shows one child list instead of another, but touches nothing when the words are the same. */
export function says(el, text) {
    if (el.textContent !== text) el.textContent = text;
}

/*
 * A square button: an icon, whose words are its name for a screen reader and a tip for the eyes.
 * key: the shortcut shown beside them.
 */
export function iconButton(name, words, onclick, { key, quiet = true, ...props } = {}) {
    return h(
        "button",
        {
            type: "button",
            class: quiet ? "quiet square" : "plain square",
            "aria-label": words,
            "aria-keyshortcuts":
                key?.replace("Ctrl", "Control").replace("\u2190", "ArrowLeft").replace("\u2192", "ArrowRight") ?? null,
            onclick,
            ...props,
        },
        icon(name),
        h("span", { class: "tip", "aria-hidden": "true" }, words, key && h("kbd", {}, key)),
    );
}

/* True when keys typed now belong to something that takes text or picks values. */
export function isTyping(target) {
    return Boolean(
        target?.closest?.("input:not([type=checkbox], [type=radio], [type=file]), textarea, select, [contenteditable]"),
    );
}
