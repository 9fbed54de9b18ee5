/*
 * settings.js - the values of the forms in the store, and what depends on what: a model's
 * defaults, the sizes it draws, the request that a form stands for.
 *
 * "TAB.FIELD" holds a value; "ranges" holds { TAB: { FIELD: {minimum, maximum, step, default} } }
 * as they are now, with defaults filled in from the model.
 */
import { FIELDS, PICTURE_OF, TAB_NAMES } from "./fields.js";
import { get, set, snapshot, watch } from "./store.js";

/* The values a form starts with. */
export function initialValues() {
    const out = {};
    for (const tab of TAB_NAMES)
        for (const [name, field] of Object.entries(FIELDS[tab]))
            out[`${tab}.${name}`] = field.default ?? field.first ?? null;
    return out;
}

export const modelNamed = (name) => (get("models")?.models ?? []).find((model) => model.name === name);

/* Turbo and Base, in pairs of one family, those that are here and those that are not. */
export function modelChoices() {
    return (get("models")?.models ?? []).filter((model) => model.family === "turbo" || model.family === "base");
}

/* The model that a tab draws with. ControlNet and Upscale always run on the Turbo of the family that is chosen. */
export function modelOf(tab) {
    const chosen = get("generate.model");
    if (tab === "generate") return chosen;
    const pair = (get("defaults")?.pairs ?? []).find(({ turbo, base }) => turbo === chosen || base === chosen);
    const turbo = pair?.turbo;
    return turbo && modelNamed(turbo)?.present ? turbo : (get("defaults")?.tabs?.[tab]?.model ?? null);
}

export function modelDefaults(name) {
    const told = get("defaults")?.models?.[name] ?? {};
    const model = modelNamed(name);
    return {
        ...told,
        ...model?.defaults,
        sizes: model?.sizes ?? told.sizes ?? [384, 2048],
        example: model?.example ?? told.example ?? null,
    };
}

export const isBase = (name) => modelNamed(name)?.family === "base";

/* Smallest and largest side a tab's model draws. */
export const sizesOf = (tab) => modelDefaults(modelOf(tab)).sizes;

/* Ranges and defaults as they are with the model chosen now. */
function rangesNow() {
    const out = {};
    for (const tab of TAB_NAMES) {
        const told = get("defaults")?.tabs?.[tab]?.fields ?? {};
        const model = modelDefaults(modelOf(tab));
        out[tab] = {};
        for (const [name, field] of Object.entries(FIELDS[tab])) {
            if (field.minimum === undefined) continue;
            const { minimum, maximum, step, default: standard, first } = { ...field, ...told[name] };
            const range = { minimum, maximum, step, default: standard ?? model[name] ?? first };
            if (name === "width" || name === "height") [range.minimum, range.maximum] = model.sizes;
            out[tab][name] = range;
        }
    }
    return out;
}

/* A model brings its steps and guidance; another family its sizes, too. */
export function chooseModel(name) {
    const before = sizesOf("generate").join();
    set({ "generate.model": name });
    const ranges = rangesNow();
    const patch = {
        ranges,
        "generate.steps": ranges.generate.steps.default,
        "generate.cfg": ranges.generate.cfg.default,
    };
    if (sizesOf("generate").join() !== before) {
        patch["generate.width"] = ranges.generate.width.default;
        patch["generate.height"] = ranges.generate.height.default;
    }
    set(patch);
}

/* After the server told its defaults: values that nobody touched take them. */
export function takeDefaults() {
    const first = !get("ranges");
    const patch = {};
    if (!get("generate.model") || !modelNamed(get("generate.model"))?.present)
        patch["generate.model"] = get("defaults")?.default_model ?? null;
    set(patch);
    const ranges = rangesNow();
    const untouched = first && !get("kept");
    const values = {};
    for (const tab of TAB_NAMES)
        for (const [name, range] of Object.entries(ranges[tab])) {
            const key = `${tab}.${name}`;
            if (
                untouched ||
                ((name === "width" || name === "height") && (get(key) < range.minimum || get(key) > range.maximum))
            )
                values[key] = range.default;
        }
    if (untouched) {
        const tabs = get("defaults")?.tabs ?? {};
        if (tabs.upscale?.prompt) values["upscale.prompt"] = tabs.upscale.prompt;
        if (tabs.control?.preprocess) values["control.preprocess"] = tabs.control.preprocess;
    }
    set({ ...values, ranges });
}

/*
 * A size of the same shape as w x h that the tab's model draws: the picture's own where it can,
 * else scaled into the range. Multiples of 16 only when asked (sliders want them).
 */
export function fitSize(w, h, [least, most], multiple = 1) {
    const scale = Math.min(1, most / Math.max(w, h));
    const up = Math.max(1, least / Math.min(w * scale, h * scale));
    const side = (v) => Math.min(most, Math.max(least, Math.round((v * scale * up) / multiple) * multiple));
    return { width: side(w), height: side(h) };
}

/* What a control picture is used as: { send: what the request says, used: with the padding }. */
export function controlSize(picture) {
    const [, most] = sizesOf("control");
    const fits = Math.max(picture.width, picture.height) <= most;
    const size = fits
        ? { width: picture.width, height: picture.height }
        : fitSize(picture.width, picture.height, [16, most], 16);
    const pad = (v) => Math.ceil(v / 16) * 16;
    return { send: fits ? {} : size, used: { width: pad(size.width), height: pad(size.height) } };
}

/* Every setting of a tab, to put back later (set takes it). */
export const settingsOf = (tab) => snapshot(`${tab}.`);

function seedNow(tab) {
    const text = String(get(`${tab}.seed`)).trim();
    return text === "" ? -1 : text;
}

function lorasNow(tab) {
    const file = get(`${tab}.lora`);
    return get(`${tab}.lora_on`) && file?.ref
        ? { loras: [{ name: file.ref, strength: get(`${tab}.lora_strength`) }] }
        : {};
}

/* The request of a tab, without its pictures: those are added when they are uploaded. */
export function requestOf(tab) {
    const value = (name) => get(`${tab}.${name}`);
    const common = {
        model: modelOf(tab),
        prompt: value("prompt"),
        steps: value("steps"),
        seed: seedNow(tab),
        ...lorasNow(tab),
    };
    if (tab === "upscale") return { task: "upscale", ...common, strength: value("strength") };
    if (tab === "control") {
        return {
            task: "generate",
            ...common,
            preprocess: value("preprocess"),
            control_strength: value("control_strength"),
            ...controlSize(value("control_image")).send,
        };
    }
    const request = { task: "generate", ...common, width: value("width"), height: value("height") };
    if (isBase(request.model))
        Object.assign(
            request,
            { cfg: value("cfg") },
            value("negative_prompt") && { negative_prompt: value("negative_prompt") },
        );
    if (value("image")) request.strength = value("strength");
    return request;
}

/* Why a tab cannot draw yet: { field, message }, or null. Said before anything is sent. */
export function lacks(tab) {
    const picture = PICTURE_OF[tab];
    if (tab !== "generate" && !get(`${tab}.${picture}`)) {
        const what = tab === "control" ? "control picture" : "picture to enlarge";
        return { field: picture, message: `A ${what} is missing. Drop one here, paste it, or click to choose a file.` };
    }
    const seed = String(get(`${tab}.seed`)).trim();
    if (!/^\d*$/.test(seed) || BigInt(seed || 0) >= 2n ** 63n) {
        return {
            field: "seed",
            message: `The seed must be a whole number from 0 to 9223372036854775807. Leave it empty for a random one.`,
        };
    }
    return null;
}

/* Keep the ranges true as the model changes, by whatever hand: an Undo sets it, too. */
export function watchSettings() {
    watch(["models", "defaults"], (models, defaults) => models && defaults && takeDefaults());
    watch(["generate.model"], () => get("ranges") && set({ ranges: rangesNow() }));
}
