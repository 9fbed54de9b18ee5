/*
 * compare.js - before and after in one frame: the picture as it was lies over the result, cut at a line
 * that is drawn with the pointer or moved with the arrow keys.
 */
import { h } from "./dom.js";

export function compare(before) {
    const bar = h("input", {
        type: "range",
        min: 0,
        max: 100,
        value: 50,
        step: 1,
        "aria-label": "Before and after: how much of the picture before is shown",
        oninput: () => root.style.setProperty("--cut", `${bar.value}%`),
    });
    const root = h(
        "div",
        { class: "compare" },
        h("img", { src: before, alt: "Before", draggable: false }),
        h("div", { class: "line" }),
        h("span", {}, "Before"),
        h("span", {}, "After"),
        bar,
    );
    return root;
}
