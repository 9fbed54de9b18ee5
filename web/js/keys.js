/*
 * keys.js - the shortcuts. Letters and digits count only outside of fields and without modifiers, so
 * they collide with nothing; dialogs have their own.
 */
import { canAct, downloadSelected } from "./actions.js";
import { isTyping } from "./dom.js";
import { TAB_NAMES } from "./fields.js";
import * as jobs from "./jobs.js";
import { cancelActive, generate } from "./parts/generate.js";
import { keepSeed } from "./parts/seed.js";
import { walk } from "./strip.js";
import { get, set } from "./store.js";

const LETTERS = {
    g: () => document.querySelector(`#panel-${get("tab")} .prompt textarea`).focus(),
    d: () => canAct() && downloadSelected(),
    f: () => canAct() && set({ viewer: true }),
    r: () => {
        set({ [`${get("tab")}.seed`]: "" });
        set({ notice: { text: "The next seed is random" } });
    },
    k: () => {
        const seed = keepSeed(get("tab"));
        set({
            notice: {
                text: seed === null ? "There is no picture yet whose seed could be kept" : `Seed ${seed} is kept`,
            },
        });
    },
    "?": () => set({ dialog: "keys" }),
    1: () => set({ tab: TAB_NAMES[0] }),
    2: () => set({ tab: TAB_NAMES[1] }),
    3: () => set({ tab: TAB_NAMES[2] }),
    ArrowLeft: () => walk(-1),
    ArrowRight: () => walk(1),
};

/* A key that is held down asks once. */
function once(event, act) {
    event.preventDefault();
    if (event.repeat) return;
    settle(event.target);
    act();
}

/* What was typed into a number counts from now on, as if the box had been left. */
function settle(target) {
    if (target.matches?.(".number")) target.dispatchEvent(new Event("change"));
}

export function listenKeys() {
    addEventListener("keydown", (event) => {
        if (document.querySelector("dialog[open]") || event.defaultPrevented || event.isComposing) return;
        const { key } = event;
        if (key === "Enter" && (event.ctrlKey || event.metaKey)) {
            once(event, generate);
        } else if (
            key === "Enter" &&
            event.shiftKey &&
            jobs.active() &&
            !event.target.closest?.("button, a, summary")
        ) {
            once(event, generate);
        } else if (key === "Escape" && !event.ctrlKey) {
            if (jobs.active()) once(event, cancelActive);
            else if (isTyping(event.target)) event.target.blur();
        } else if (!event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
            if (key.startsWith("Arrow") && event.target.closest?.("[role=tablist], [role=toolbar], input")) return;
            const act = LETTERS[key.length === 1 ? key.toLowerCase() : key];
            if (!act) return;
            event.preventDefault();
            act();
        }
    });
}
