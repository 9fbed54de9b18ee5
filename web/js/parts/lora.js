/*
 * lora.js - the LoRA row: a switch, the file (one of the server's, or one from this machine), its
 * strength; after the check what it matches, or why it does not fit.
 *
 * "TAB.lora" holds null or { ref, name, summary }; files that were sent stay in the list of this page.
 */
import * as api from "../api.js";
import { h, iconButton, newId } from "../dom.js";
import { isBase, modelOf } from "../settings.js";
import { get, set, watch } from "../store.js";
import { shortName } from "../words.js";
import { errorLine, fold, setError } from "./field.js";
import { slider } from "./slider.js";

/* Checks again with the tab's model; false when the file does not fit (and the row says why). */
export async function checkLora(tab) {
    const file = get(`${tab}.lora`);
    if (!get(`${tab}.lora_on`) || !file) return true;
    try {
        take(tab, file, await api.checkLora(file.ref, modelOf(tab)));
        return true;
    } catch (error) {
        if (error.code === "offline") return true;
        setError(tab, "lora", error);
        return false;
    }
}

function take(tab, file, told) {
    const ref = file.ref ?? told.ref;
    const now = { ref, name: file.name, summary: told.summary, warning: told.warning, leftOver: told.left_over ?? [] };
    const sent = get("sentLoras");
    set({
        [`${tab}.lora`]: now,
        sentLoras: ref.startsWith("upload:") && !sent.some((one) => one.ref === ref) ? [...sent, now] : sent,
    });
    setError(tab, "lora", null);
}

async function send(tab, file) {
    setError(tab, "lora", null);
    set({ [`${tab}.lora`]: { ref: "", name: file.name, summary: "Checking" } });
    try {
        take(tab, { name: file.name }, await api.uploadLora(file, file.name));
        await checkLora(tab);
    } catch (error) {
        set({ [`${tab}.lora`]: null });
        setError(tab, "lora", error);
    }
}

export function lora(tab) {
    const key = `${tab}.lora`;
    const id = newId("lora");
    const on = h("input", {
        type: "checkbox",
        role: "switch",
        onchange: () => set({ [`${tab}.lora_on`]: on.checked }),
    });
    const label = h("span", {});
    const box = h("select", {
        class: "box",
        id,
        "aria-describedby": `${id}-hint`,
        onchange: () => {
            setError(tab, "lora", null);
            set({
                [key]: box.value ? { ref: box.value, name: box.selectedOptions[0].dataset.name, summary: "" } : null,
            });
            checkLora(tab);
        },
    });
    const chooser = h("input", {
        type: "file",
        accept: ".safetensors",
        hidden: true,
        onchange: () => {
            if (chooser.files[0]) send(tab, chooser.files[0]);
            chooser.value = "";
        },
    });
    const choose = iconButton("file", "Use a file of this computer", () => chooser.click(), { quiet: false });
    choose.querySelector(".tip").classList.add("left");
    const hint = h("p", { class: "hint", id: `${id}-hint` });

    watch([key, "models", "sentLoras"], (file, models, sent) => {
        const listed = (models?.loras ?? [])
            .filter((one) => one.present !== false)
            .map((one) => ({ ref: one.name, name: one.name }));
        const all = [...listed, ...sent];
        if (file && !all.some((one) => one.ref === file.ref)) all.push(file);
        box.replaceChildren(
            h("option", { value: "" }, all.length ? "None" : "None is here yet"),
            ...all.map((one) =>
                h(
                    "option",
                    { value: one.ref, "data-name": one.name, title: one.name, selected: one.ref === file?.ref },
                    shortName(one.name),
                ),
            ),
        );
        const keys =
            file?.warning && file.leftOver?.length
                ? ` Left over: ${file.leftOver.slice(0, 3).join(", ")}${file.leftOver.length > 3 ? " ..." : ""}`
                : "";
        hint.textContent = file?.warning
            ? `${api.sentence(file.warning)}${keys}`
            : (file?.summary && api.sentence(file.summary)) || "A .safetensors file made for this model.";
    });
    watch([`${tab}.lora_on`], (value) => (on.checked = value));
    watch(["generate.model", "models"], () => {
        label.textContent = `Use a LoRA (compatible with ${tab === "generate" && isBase(get("generate.model")) ? "Z-Image" : "Z-Image-Turbo"})`;
        if (get("link") === "online" && get(key)?.ref) checkLora(tab);
    });

    return [
        h("label", { class: "switch" }, on, label),
        fold(
            [`${tab}.lora_on`],
            Boolean,
            h(
                "div",
                { class: "field", "data-field": "lora" },
                h("label", { for: id }, "LoRA file"),
                h("div", { class: "row" }, box, choose, chooser),
                hint,
                errorLine(tab, "lora", box, hint),
            ),
            slider(tab, "lora_strength"),
        ),
    ];
}
