/*
 * controlmap.js - the map that ControlNet will see, made anew whenever the picture or the preprocessor
 * changes. While it is made, a veil lies over the last one; why it could not be made is said in its place.
 */
import * as api from "../api.js";
import { h, icon } from "../dom.js";
import { PREPROCESSORS } from "../fields.js";
import { ensure } from "../pictures.js";
import { set, watch } from "../store.js";
import { commandLine } from "./command.js";

export function controlMap() {
    const img = h("img", { alt: "", hidden: true, draggable: false });
    const none = h("div", { class: "none" }, "The map appears here.");
    const veil = h("div", { class: "veil", hidden: true }, "Reading the picture");
    const box = h("div", { class: "well", "data-full": true, "data-well": "map" }, img, none, veil);
    const hint = h("p", { class: "hint" }, "\u00a0");
    let asking = null;
    let local = null; // URL that we made and give back

    function show(url) {
        if (local) URL.revokeObjectURL(local);
        local = null;
        img.hidden = !url;
        none.hidden = Boolean(url);
        if (url) img.src = url;
        else img.removeAttribute("src");
    }

    /* Weights that are not here: the server's sentence is one for the command line, and too long for the well. */
    function fail(error, kind) {
        show(null);
        const words = error.fetch
            ? `${PREPROCESSORS[kind]?.label ?? kind} needs weights that are not on this machine.`
            : error.message;
        none.replaceChildren(
            h("div", { class: "error", role: "alert" }, icon("warn"), h("span", {}, words)),
            error.fetch ? commandLine(error.fetch) : "",
        );
        hint.textContent = error.fetch ? "Run this where the server runs, then reload this page." : "\u00a0";
    }

    async function make(picture, kind) {
        asking?.abort();
        asking = null;
        veil.hidden = true;
        hint.textContent = picture ? `What is followed: ${PREPROCESSORS[kind]?.makes ?? kind}.` : "\u00a0";
        none.replaceChildren("The map appears here.");
        if (!picture || kind === "none") {
            show(picture?.url ?? null);
            if (picture) img.alt = "The control picture, used as it is";
            return;
        }
        const mine = (asking = new AbortController());
        veil.hidden = false;
        try {
            const blob = await api.preprocess(kind, await ensure(picture), mine.signal);
            if (asking !== mine) return;
            show(null);
            local = URL.createObjectURL(blob);
            img.src = local;
            img.hidden = false;
            none.hidden = true;
            img.alt = `${PREPROCESSORS[kind]?.label ?? kind} map of the control picture`;
            veil.hidden = true;
        } catch (error) {
            if (error.name === "AbortError" || asking !== mine) return;
            veil.hidden = true;
            fail(error, kind);
        }
    }

    let was = "";
    watch(["control.control_image", "control.preprocess", "link"], (picture, kind, link) => {
        const now = `${picture?.url} ${kind} ${link === "online"}`;
        if (now === was || (link !== "online" && picture && kind !== "none")) return;
        was = now;
        make(picture, kind);
    });
    return h("div", { class: "field" }, h("span", { class: "label" }, "Preprocessor preview"), box, hint);
}

/* The choice of the preprocessor; those whose weights are not here say so. */
export function preprocessorChoice(id) {
    const box = h("select", { class: "box", id, onchange: () => set({ "control.preprocess": box.value }) });
    watch(["models", "defaults", "control.preprocess"], (models, defaults, chosen) => {
        const kinds = defaults?.tabs?.control?.preprocessors ?? Object.keys(PREPROCESSORS);
        box.replaceChildren(
            ...kinds.map((kind) => {
                const there = models?.preprocessors?.find((one) => one.name === kind)?.present ?? true;
                return h(
                    "option",
                    { value: kind, selected: kind === chosen },
                    `${PREPROCESSORS[kind]?.label ?? kind}${there ? "" : " (not here)"}`,
                );
            }),
        );
    });
    return box;
}
