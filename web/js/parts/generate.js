/*
 * generate.js - the button that draws. While a job runs it cancels, with the step and the time left
 * in it, and a second button beside it queues another.
 */
import { h, iconButton, says } from "../dom.js";
import { PICTURE_OF } from "../fields.js";
import * as jobs from "../jobs.js";
import { ensure, forget, tellError } from "../pictures.js";
import { lacks, modelNamed, modelOf, requestOf } from "../settings.js";
import { get, set, watch } from "../store.js";
import { jobWords } from "../words.js";
import { setError } from "./field.js";
import { checkLora } from "./lora.js";
import { remember } from "./prompt.js";

/* Fields of the API that a form shows under another name. */
const FIELD_OF = { loras: "lora", control_image: "control_image", image: "image", mask: "image" };

/* Draws what the form of the tab says; errors appear at the field that is to blame. */
export async function generate(tab = get("tab")) {
    set({ [`${tab}.errors`]: {} });
    const lack = lacks(tab);
    if (lack) {
        setError(tab, lack.field, lack);
        if (lack.field === "seed") set({ [`${tab}.advanced`]: true });
        document.querySelector(`#panel-${tab} [data-field="${lack.field}"] :is(.drop, input)`)?.focus();
        return;
    }
    const model = modelNamed(modelOf(tab));
    if (model && !model.present) {
        set({ dialog: { missing: model } });
        return;
    }
    const request = requestOf(tab);
    const pictures = picturesOf(tab);
    remember(request.prompt);
    /* on a phone the canvas is above the form */
    if (matchMedia("(max-width: 839px)").matches) scrollTo({ top: 0 });
    try {
        await jobs.submit(
            tab,
            { ...request, ...resultSize(tab, request) },
            async () => {
                if (!(await checkLora(tab)))
                    throw Object.assign(new Error(get(`${tab}.errors`).lora.message), { said: true });
                const refs = {};
                for (const [name, picture] of Object.entries(pictures)) refs[name] = await ensure(picture);
                return { ...request, ...refs };
            },
            { before: tab === "upscale" ? pictures.image.url : null },
        );
    } catch (error) {
        if (error.said) return;
        if (error.code === "not_found") Object.values(pictures).forEach(forget);
        blame(tab, error);
    }
}

/* The size of the result, for the frame on the canvas. */
function resultSize(tab, request) {
    const picture = get(`${tab}.${PICTURE_OF[tab]}`);
    if (tab === "upscale") return { width: picture.width * 2, height: picture.height * 2 };
    return { width: request.width ?? picture.width, height: request.height ?? picture.height };
}

function picturesOf(tab) {
    const name = PICTURE_OF[tab];
    const out = {};
    if (get(`${tab}.${name}`)) out[name] = get(`${tab}.${name}`);
    if (tab === "generate" && out.image && get("generate.mask")) out.mask = get("generate.mask");
    return out;
}

/* An error of the request, at its field where the page has one, else as a toast. */
function blame(tab, error) {
    const field = FIELD_OF[error.param] ?? error.param;
    const there = field && document.querySelector(`#panel-${tab} [data-field="${field}"] .error`);
    if (error.fetch) set({ dialog: { missing: error } });
    else if (there) {
        if (/^(seed|width|height)$/.test(field)) set({ [`${tab}.advanced`]: true });
        setError(tab, field, error);
    } else tellError(error);
}

export async function cancelActive() {
    const job = jobs.active();
    if (!job) return;
    try {
        await jobs.cancel(job.id);
    } catch (error) {
        tellError(error);
    }
}

export function generateBar(tab) {
    const bold = h("b", {}, "Generate");
    const rest = h("span", {});
    const button = h(
        "button",
        {
            type: "submit",
            class: "generate",
            "aria-keyshortcuts": "Control+Enter",
            /* the second half of a double click, or a key held down, must not undo what the first half did */
            onclick: (event) => event.detail === 2 && event.preventDefault(),
            onkeydown: (event) => event.repeat && event.preventDefault(),
        },
        bold,
        rest,
    );
    const another = iconButton("plus", "Queue another", () => generate(tab), {
        key: "Shift+Enter",
        quiet: false,
        hidden: true,
    });
    another.querySelector(".tip").classList.add("left");

    watch(["jobs", "link", "tick"], (list, link) => {
        const job = jobs.active(list);
        button.toggleAttribute("data-busy", Boolean(job));
        button.disabled = Boolean(job?.stopping);
        another.hidden = !job;
        says(bold, job ? (job.stopping ? "Stopping" : "Cancel") : "Generate");
        says(rest, job && !job.stopping ? jobWords(job, link === "online") : "");
    });
    const form = h("div", { class: "go" }, h("div", { class: "row" }, button, another));
    form.press = () => (jobs.active() ? cancelActive() : generate(tab));
    return form;
}
