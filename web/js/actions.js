/*
 * actions.js - what can be done with a finished picture: the buttons under it, and the same by keys.
 */
import { iconButton } from "./dom.js";
import * as jobs from "./jobs.js";
import { fromJob } from "./pictures.js";
import { setError } from "./parts/field.js";
import { get, set } from "./store.js";

export function download(job) {
    const words = (job.request?.prompt ?? "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}]+/gu, "-")
        .replace(/^-+|-+$/g, "")
        .slice(0, 40)
        .replace(/-+$/, "");
    const link = document.createElement("a");
    link.href = job.image.url;
    link.download = `${words || "picture"}-${job.image.seed}.${job.image.format ?? "png"}`;
    link.click();
    set({ notice: { text: "Saved" } });
}

async function copyPicture(job) {
    try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": job.image.blob })]);
        set({ notice: { text: "Picture copied" } });
    } catch {
        set({ notice: { text: "The browser did not allow copying. Use Download instead.", bad: true } });
    }
}

/* Puts a result into the well of a tab and goes there. */
function sendTo(tab, field, job) {
    set({ [`${tab}.${field}`]: fromJob(job), tab });
    setError(tab, field, null);
    document.getElementById(`tab-${tab}`).focus({ preventScroll: true });
    document.querySelector(`#panel-${tab} [data-field="${field}"]`)?.scrollIntoView({ block: "nearest" });
}

const ACTIONS = [
    { icon: "download", words: "Download", key: "D", act: download },
    { icon: "copy", words: "Copy picture", act: copyPicture },
    {
        icon: "recipe",
        words: "Copy recipe",
        act: (job) =>
            set({
                copy: { text: job.image.parameters ?? JSON.stringify(job.image.recipe ?? {}, null, 2), what: "Recipe" },
            }),
    },
    { icon: "control", words: "Use as control", act: (job) => sendTo("control", "control_image", job) },
    { icon: "upscale", words: "Upscale", act: (job) => sendTo("upscale", "image", job) },
    {
        icon: "start",
        words: "Start from this",
        act: (job) => {
            set({ "generate.start": true });
            sendTo("generate", "image", job);
        },
    },
    { icon: "full", words: "Full screen", key: "F", act: () => set({ viewer: true }) },
];

export function actionsFor(job) {
    return ACTIONS.map(({ icon, words, key, act }) => iconButton(icon, words, () => act(job), { key }));
}

export function downloadSelected() {
    const job = jobs.selected();
    if (job?.image) download(job);
}

/* Texts that parts want on the clipboard go through "copy" in the store: { text, what }. */
export async function copyText({ text, what }) {
    try {
        await navigator.clipboard.writeText(text);
        set({ notice: { text: `${what} copied` } });
    } catch {
        set({
            notice: { text: "The browser did not allow copying. Select the text and press Ctrl+C.", bad: true },
            copied: null,
        });
    }
}

export const canAct = () => Boolean(jobs.selected()?.image) && get("dialog") === null;
