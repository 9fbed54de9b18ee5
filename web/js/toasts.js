/*
 * toasts.js - short messages that have no place of their own: "notice" in the store, { text, bad,
 * kind, action: { words, act } }; one of a kind takes the place of the one before. They go after a while,
 * later when they have a button or are pointed at.
 */
import { h, icon } from "./dom.js";
import { set, watch } from "./store.js";

const STAY_MS = 4000;
const STAY_WITH_ACTION_MS = 10000;
const MOST = 3;
const root = document.getElementById("toasts");

function toast({ text, bad, kind, action }) {
    let timer = 0;
    const gone = () => {
        one.remove();
        if (!root.children.length && root.matches(":popover-open")) root.hidePopover();
    };
    const wait = () => (timer = setTimeout(gone, action || bad ? STAY_WITH_ACTION_MS : STAY_MS));
    const one = h(
        "div",
        {
            class: bad ? "toast bad" : "toast",
            "data-kind": kind ?? null,
            role: bad ? "alert" : null,
            onpointerenter: () => clearTimeout(timer),
            onpointerleave: wait,
        },
        bad && icon("warn"),
        h("span", {}, text),
        action && h("button", { type: "button", class: "plain", onclick: () => (gone(), action.act()) }, action.words),
    );
    if (kind) for (const old of root.querySelectorAll(`[data-kind="${kind}"]`)) old.remove();
    while (root.children.length >= MOST) root.firstChild.remove();
    /* shown anew, so that it lies over a dialog that was opened meanwhile */
    if (root.matches(":popover-open")) root.hidePopover();
    root.showPopover();
    root.append(one);
    wait();
}

export function buildToasts() {
    watch(["notice"], (notice) => {
        if (!notice) return;
        toast(notice);
        set({ notice: null });
    });
}
