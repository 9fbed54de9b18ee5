/*
 * recipe.js - settings back from a picture that carries them (ours, A1111's, sd.cpp's), with Undo.
 */
import * as api from "./api.js";
import { setError } from "./parts/field.js";
import { refused } from "./pictures.js";
import { chooseModel, modelNamed, settingsOf } from "./settings.js";
import { get, set } from "./store.js";

/* The recipe of a file, or null when it carries none. */
export async function read(file) {
    try {
        return await api.recipe(file);
    } catch (error) {
        if (error.code === "not_found") return null;
        return refused(error, "The picture", file.name || "The pasted picture");
    }
}

/* Only pictures made under control say how strictly. */
function tabOf(request) {
    if (request.task === "upscale") return "upscale";
    return (request.control_strength ?? null) === null ? "generate" : "control";
}

/* Puts a recipe into its form and goes there; says so, with the way back. */
export function restore(told, name) {
    const { request } = told;
    const tab = tabOf(request);
    const before = { ...settingsOf(tab), tab: get("tab") };
    const patch = {};
    const take = (field, value) => {
        if (value !== undefined && value !== null) patch[`${tab}.${field}`] = value;
    };
    const number = (field) => {
        const range = get("ranges")?.[tab]?.[field];
        const value = Number(request[field]);
        if (!range || request[field] === undefined || request[field] === null || !Number.isFinite(value)) return;
        take(field, Math.min(range.maximum, Math.max(range.minimum, value)));
    };
    if (tab === "generate" && modelNamed(request.model)?.present) chooseModel(request.model);
    take("prompt", request.prompt);
    if (tab === "generate") take("negative_prompt", request.negative_prompt ?? "");
    if (tab === "control") take("preprocess", request.preprocess);
    for (const field of ["steps", "cfg", "width", "height", "strength", "control_strength"])
        if (`${tab}.${field}` in before) number(field);
    if (request.seed !== undefined) {
        take("seed", Number(request.seed) < 0 ? "" : String(request.seed));
        take("advanced", true);
    }
    const lora = request.loras?.[0];
    if ("lora_on" in trimmed(before, tab)) {
        take("lora_on", Boolean(lora));
        if (lora) {
            take("lora", { ref: lora.name, name: lora.name, summary: "" });
            take("lora_strength", lora.strength ?? 0.8);
        }
    }
    set({ ...patch, tab });
    for (const field of ["seed", "lora"]) setError(tab, field, null);
    set({ notice: { text: `Settings restored from ${name}`, action: { words: "Undo", act: () => set(before) } } });
}

const trimmed = (values, tab) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key.slice(tab.length + 1), value]));
