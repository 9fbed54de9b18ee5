/*
 * slider.js - a range and a number box that share one value.
 *
 * Arrows move by the step, with Shift by ten; a double click, or the mark at the default under the
 * track, goes back to the default. What is typed is taken on Enter or when the box is left, and
 * brought into the range.
 */
import { h, newId } from "../dom.js";
import { FIELDS } from "../fields.js";
import { get, set, watch } from "../store.js";

/* The slider of a field of a tab; its range follows the store. */
export function slider(tab, name, { hint } = {}) {
    const field = FIELDS[tab][name];
    const key = `${tab}.${name}`;
    const id = newId(name);
    const help = hint ?? field.hint;
    let range = field;

    const bar = h("input", {
        type: "range",
        id,
        "aria-describedby": help ? `${id}-hint` : null,
        oninput: () => take(Number(bar.value)),
        ondblclick: () => take(range.default),
        onkeydown: (event) => jump(event, Number(bar.value)),
    });
    const box = h("input", {
        type: "text",
        class: "box number",
        inputMode: "decimal",
        autocomplete: "off",
        "aria-label": `${field.label}, as a number`,
        onchange: () => typed(),
        onfocus: () => box.select(),
        onkeydown: (event) => {
            if (event.key === "ArrowUp" || event.key === "ArrowDown") jump(event, read() ?? get(key), true);
            else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) typed();
        },
    });
    const home = h("button", {
        type: "button",
        class: "home",
        tabIndex: -1,
        "aria-hidden": "true",
        onclick: () => take(range.default),
    });

    const digits = () => (String(range.step).split(".")[1] ?? "").length;
    const read = () => {
        const value = Number(box.value.trim().replace(",", "."));
        return box.value.trim() === "" || !Number.isFinite(value) ? null : value;
    };

    function take(value) {
        const steps = Math.round((value - range.minimum) / range.step);
        const near = Number((range.minimum + steps * range.step).toFixed(6));
        set({ [key]: Math.min(range.maximum, Math.max(range.minimum, near)) });
    }
    function typed() {
        const value = read();
        if (value !== null) take(value);
        box.value = get(key).toFixed(digits());
    }
    /* Shift makes ten steps of one; the number box has arrows only by us. */
    function jump(event, from, always = false) {
        const way = { ArrowUp: 1, ArrowRight: always ? 0 : 1, ArrowDown: -1, ArrowLeft: always ? 0 : -1 }[event.key];
        if (!way || (!event.shiftKey && !always)) return;
        event.preventDefault();
        take(from + way * range.step * (event.shiftKey ? 10 : 1));
    }

    const root = h(
        "div",
        { class: "field slider", "data-field": name },
        h("div", { class: "top" }, h("label", { for: id }, field.label), box),
        h("div", { class: "track" }, bar, home),
        help && h("p", { class: "hint", id: `${id}-hint` }, help),
    );

    watch([key, "ranges"], (value, ranges) => {
        range = ranges?.[tab]?.[name] ?? { ...field, default: field.default ?? field.first };
        Object.assign(bar, { min: range.minimum, max: range.maximum, step: range.step });
        const at = (v) => (range.maximum > range.minimum ? (v - range.minimum) / (range.maximum - range.minimum) : 0);
        const shown = Math.min(1, Math.max(0, at(value)));
        bar.value = value;
        /* the thumb's centre does not reach the ends: the fill follows it */
        bar.style.setProperty("--at", `calc(8px + (100% - 16px) * ${shown})`);
        const track = root.querySelector(".track");
        track.style.setProperty("--home", at(range.default));
        track.toggleAttribute("data-away", Math.abs(value - range.default) > 1e-9);
        home.title = `Default: ${range.default}`;
        if (document.activeElement !== box || read() !== value) box.value = Number(value).toFixed(digits());
    });
    return root;
}
