/*
 * prompt.js - a text that grows from its first lines to twelve, with its token count below.
 *
 * Under the text lies a shadow with the same words: it gives the height, and where the prompt is
 * longer than the model reads, it shows the words instead of the text above it, the part that is
 * cut dimmed. Alt+Up and Alt+Down walk through the prompts of this session.
 */
import * as api from "../api.js";
import { h, newId, says } from "../dom.js";
import { FIELDS } from "../fields.js";
import { modelDefaults, modelOf } from "../settings.js";
import { get, set, watch } from "../store.js";
import { plural } from "../words.js";

const COUNT_AFTER_MS = 150;
const past = [];

/* Remembers a prompt that was drawn, for Alt+Up. */
export function remember(text) {
    if (text && past.at(-1) !== text) past.push(text);
}

export function prompt(tab, name, { counts = true } = {}) {
    const field = FIELDS[tab][name];
    const key = `${tab}.${name}`;
    const id = newId(name);
    let at = null; // place in the past while walking
    let draft = "";

    const text = h("textarea", {
        id,
        rows: field.rows,
        spellcheck: true,
        placeholder: field.placeholder ?? "",
        "aria-describedby": `${id}-below`,
        oninput: () => {
            at = null;
            set({ [key]: text.value });
        },
        onscroll: () => (shadow.scrollTop = text.scrollTop),
        onkeydown: walk,
    });
    const shadow = h("div", { class: "shadow", "aria-hidden": "true" });
    shadow.style.setProperty("--rows", field.rows);
    const box = h("div", { class: "prompt" }, shadow, text);
    const count = h("span", { class: "hint" });
    const cut = h("span", { class: "hint" });
    const root = h(
        "div",
        { class: "field", "data-field": name },
        h("label", { for: id }, field.label),
        box,
        h(
            "div",
            { class: "below", id: `${id}-below` },
            counts ? cut : h("span", { class: "hint" }, field.hint),
            counts && count,
        ),
    );

    function walk(event) {
        if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown") || !past.length) return;
        event.preventDefault();
        if (at === null) {
            if (event.key === "ArrowDown") return;
            draft = text.value;
            at = past.length;
        }
        at = Math.max(0, Math.min(past.length, at + (event.key === "ArrowUp" ? -1 : 1)));
        set({ [key]: at === past.length ? draft : past[at] });
        if (at === past.length) at = null;
    }

    function paint(cutAt) {
        const value = text.value;
        box.toggleAttribute("data-cut", cutAt !== null && cutAt < value.length);
        /* a last empty line has height only when something stands in it */
        if (cutAt === null) says(shadow, `${value || text.placeholder}\u200b`);
        else shadow.replaceChildren(value.slice(0, cutAt), h("del", {}, value.slice(cutAt)), "\u200b");
        shadow.scrollTop = text.scrollTop;
    }

    /* Counting is the server's: it knows the tokenizer. The newest question wins. */
    let timer = 0;
    let asking = null;
    function recount() {
        clearTimeout(timer);
        timer = setTimeout(async () => {
            asking?.abort();
            asking = new AbortController();
            try {
                const told = await api.tokens(text.value, modelOf(tab) ?? undefined, asking.signal);
                /* the frame around a prompt has tokens, too: of an empty one that would be puzzling */
                count.textContent = text.value ? `${told.tokens} of ${told.limit} tokens` : "";
                const lost = told.cut_at === null ? "" : text.value.slice(told.cut_at).trim();
                const words = lost ? lost.split(/\s+/).length : 0;
                says(
                    cut,
                    words ? (words === 1 ? "The last word is cut." : `The last ${plural(words, "word")} are cut.`) : "",
                );
                paint(words ? told.cut_at : null);
            } catch (error) {
                if (error.name !== "AbortError") count.textContent = "";
            }
        }, COUNT_AFTER_MS);
    }

    watch([key], (value) => {
        if (text.value !== value) text.value = value;
        paint(null);
        if (counts && get("link") === "online") recount();
    });
    if (counts) watch(["link", "generate.model"], (link) => link === "online" && recount());
    if (!field.placeholder)
        watch(["models", "defaults", "generate.model"], () => {
            text.placeholder =
                tab === "upscale"
                    ? "masterpiece, 8k"
                    : (modelDefaults(modelOf(tab)).example ?? "A lighthouse in a storm, oil painting");
            paint(null);
        });
    return root;
}
