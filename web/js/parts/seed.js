/*
 * seed.js - the seed: empty is random; one button keeps the seed of the picture shown, one goes
 * back to random.
 */
import { h, iconButton, newId } from "../dom.js";
import { FIELDS } from "../fields.js";
import { selected } from "../jobs.js";
import { get, set, watch } from "../store.js";
import { errorLine } from "./field.js";

/* The seed of the picture on the canvas, or of the newest one; null before the first. */
export function lastSeed() {
    const job = selected()?.image ? selected() : get("jobs").find((one) => one.image);
    return job ? String(job.image.seed) : null;
}

export function keepSeed(tab) {
    const seed = lastSeed();
    if (seed !== null) set({ [`${tab}.seed`]: seed, [`${tab}.advanced`]: true });
    return seed;
}

export function seed(tab) {
    const key = `${tab}.seed`;
    const id = newId("seed");
    const box = h("input", {
        type: "text",
        class: "box",
        id,
        inputMode: "numeric",
        autocomplete: "off",
        maxLength: 19,
        placeholder: "random",
        "aria-describedby": `${id}-hint`,
        oninput: () => set({ [key]: box.value.replace(/[^\d]/g, "") }),
    });
    const keep = iconButton("keep", "Keep the seed of this picture", () => keepSeed(tab), { key: "K", quiet: false });
    const random = iconButton("dice", "Random seed", () => set({ [key]: "" }), { key: "R", quiet: false });
    for (const button of [keep, random]) button.querySelector(".tip").classList.add("left");
    const hint = h("p", { class: "hint", id: `${id}-hint` }, FIELDS[tab].seed.hint);
    watch([key], (value) => {
        if (box.value !== value) box.value = value;
        random.disabled = value === "";
    });
    watch(["jobs"], () => (keep.disabled = lastSeed() === null));
    return h(
        "div",
        { class: "field", "data-field": "seed" },
        h("label", { for: id }, "Seed"),
        h("div", { class: "row" }, box, keep, random),
        hint,
        errorLine(tab, "seed", box, hint),
    );
}
