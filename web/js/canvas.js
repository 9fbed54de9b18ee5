/*
 * canvas.js - the picture, the line of progress above it and the words below it.
 *
 * Shows the job that is selected, in each of its states. Previews arrive in two images in turn, so
 * that one fades into the next; the frame keeps the size of the result from the first moment on.
 */
import * as jobs from "./jobs.js";
import { actionsFor } from "./actions.js";
import { compare } from "./compare.js";
import { h, icon, says } from "./dom.js";
import { PICTURE_OF } from "./fields.js";
import { generate } from "./parts/generate.js";
import { get, set, watch } from "./store.js";
import { jobWords, queueWords, seconds, stepNow } from "./words.js";

const WELCOME = {
    generate: "Describe a picture and press Generate. Ctrl+Enter works too.",
    control: "Add a control picture: its edges, depth or pose guide the new one.",
    upscale: "Add a picture: it is enlarged to twice its size and its details are drawn anew.",
};

const READY = "Press Generate. Ctrl+Enter works too.";

const stage = document.getElementById("stage");
const words = document.getElementById("words");
const bar = document.getElementById("progress");
const says_ = document.getElementById("says");
const alerts = document.getElementById("alerts");

const layers = [h("img", { alt: "", draggable: false }), h("img", { alt: "", draggable: false })];
const note = h("div", { class: "says" });
const frame = h("div", { class: "frame" }, ...layers, h("div", { class: "edge" }), note);
let top = 0; // the layer that shows
let shown = { id: null, url: null };

/* Puts a picture into the frame: into the layer behind, which then comes to the front. */
async function show(id, url, alt) {
    if (shown.id === id && shown.url === url) return;
    const isNew = shown.id !== id;
    shown = { id, url };
    if (!url) {
        for (const img of layers) {
            img.classList.remove("on");
            img.removeAttribute("src");
            img.alt = "";
        }
        return;
    }
    const next = layers[1 - top];
    if (isNew) for (const img of layers) img.classList.remove("on");
    next.src = url;
    try {
        await next.decode();
    } catch {
        return; // overtaken by the next one
    }
    if (shown.url !== url) return;
    next.alt = alt;
    next.classList.add("on");
    frame.append(note); // words stay on top
    layers[top].before(next);
    layers[top].after(next);
    layers[top].classList.remove("on");
    layers[top].alt = "";
    top = 1 - top;
}

/* The size that the result will have, from the request until it is known. */
function sizeOf(job) {
    if (job.image) return job.image;
    const { width, height } = job.size ?? job.request ?? {};
    return width && height ? { width, height } : { width: 1, height: 1 };
}

function trouble(job) {
    const { error } = job;
    const details = () =>
        JSON.stringify({ error, job: job.id, request: { ...job.request, prompt: undefined } }, null, 2);
    return h(
        "div",
        { class: "trouble" },
        icon("warn"),
        h("p", {}, error.message),
        h(
            "div",
            { class: "row" },
            error.fetch &&
                h(
                    "button",
                    { type: "button", class: "plain", onclick: () => set({ dialog: { missing: error } }) },
                    "How to get it",
                ),
            h("button", { type: "button", class: "plain", onclick: () => generate(job.tab) }, "Try again"),
            h(
                "button",
                { type: "button", class: "quiet", onclick: () => set({ copy: { text: details(), what: "Details" } }) },
                "Copy details",
            ),
        ),
    );
}

function doneWords(job) {
    const { seed, width, height } = job.image;
    const copySeed = h(
        "button",
        { type: "button", class: "quiet", onclick: () => set({ copy: { text: String(seed), what: "Seed" } }) },
        `Seed ${seed}`,
        h("span", { class: "tip", "aria-hidden": "true" }, "Copy the seed"),
    );
    const warnings = (job.warnings ?? []).map((text) => h("span", {}, text));
    return [
        copySeed,
        h("span", {}, "\u00b7"),
        h("span", {}, `${width}x${height}`),
        job.took !== null && h("span", {}, "\u00b7"),
        job.took !== null && h("span", {}, seconds(job.took)),
        ...warnings.flatMap((one) => [h("span", {}, "\u00b7"), one]),
    ].filter(Boolean);
}

const runningWords = (job) => jobWords(job, get("link") === "online");

let drawn = ""; // what the words and actions were made for

function render(job) {
    const state = job ? job.state : "empty";
    const busy = job && jobs.isOpen(job);
    frame.dataset.state = busy ? "working" : state;
    const size = job ? sizeOf(job) : { width: 1, height: 1 };
    frame.style.setProperty("--w", size.width);
    frame.style.setProperty("--h", size.height);

    show(
        job?.id ?? null,
        job ? (job.image?.url ?? job.preview) : null,
        job?.image ? (job.request?.prompt ? `Result: ${job.request.prompt}` : "Result") : "Preview",
    );

    let inside = "";
    if (!job)
        inside =
            get("tab") !== "generate" && get(`${get("tab")}.${PICTURE_OF[get("tab")]}`) ? READY : WELCOME[get("tab")];
    /* before the first step there is nothing to look at but the words; then they stand below */ else if (
        busy &&
        !job.preview &&
        job.progress?.stage !== "denoise"
    )
        inside = runningWords(job);
    says(note, inside);
    note.hidden = !inside;
    /* a slim picture has no room for words */
    const slim = job && Math.min(size.width / size.height, size.height / size.width) < 0.25;
    if (slim && note.parentNode !== stage) stage.append(note);
    else if (!slim && note.parentNode !== frame) frame.append(note);
    note.classList.toggle("outside", Boolean(slim));

    const fraction = busy ? (job.progress?.overall ?? 0) : 0;
    bar.toggleAttribute("data-idle", !busy);
    bar.firstElementChild.style.setProperty("--done", fraction);

    if (busy) says(words, inside ? "" : runningWords(job));
    const now = `${job?.id} ${state} ${Boolean(job?.image)}`;
    if (now === drawn) return;
    drawn = now;
    stage.querySelector(".trouble")?.remove();
    frame.querySelector(".compare")?.remove();
    frame.toggleAttribute("data-open", state === "done");
    if (!job) words.replaceChildren();
    else if (state === "done") words.replaceChildren(...doneWords(job));
    else if (state === "cancelled")
        words.replaceChildren(
            job.wasAt?.stage === "denoise" ? `Cancelled at step ${stepNow(job.wasAt)} of ${job.wasAt.of}` : "Cancelled",
        );
    else if (state === "failed") words.replaceChildren("Failed");
    if (state === "failed") stage.append(trouble(job));
    if (state === "done" && job.before) frame.append(compare(job.before));
    document.getElementById("actions").replaceChildren(...(state === "done" ? actionsFor(job) : []));
}

/* What a screen reader is told: beginnings and ends, not every step. */
const told = new Map();
function tell(list) {
    for (const job of list) {
        const before = told.get(job.at);
        if (before === job.state) continue;
        told.set(job.at, job.state);
        if (before === undefined && !jobs.isOpen(job)) continue;
        if (job.state === "running") says_.textContent = "Drawing";
        else if (job.state === "queued" && job.position > 0) says_.textContent = queueWords(job.position);
        else if (job.state === "done")
            says_.textContent = `Done${job.took === null ? "" : ` in ${seconds(job.took)}`}, seed ${job.image.seed}`;
        else if (job.state === "cancelled") says_.textContent = "Cancelled";
        else if (job.state === "failed") alerts.textContent = job.error?.message ?? "Failed";
    }
}

export function buildCanvas() {
    stage.append(frame);
    frame.addEventListener("click", (event) => {
        if (frame.hasAttribute("data-open") && !event.target.closest(".compare")) set({ viewer: true });
    });
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", "Progress");
    bar.setAttribute("aria-valuemin", "0");
    bar.setAttribute("aria-valuemax", "100");
    watch(["jobs", "selected", "tab", "control.control_image", "upscale.image", "link", "tick"], (list) => {
        const job = jobs.selected() ?? null;
        render(job);
        tell(list);
        const running = jobs.active(list);
        bar.setAttribute("aria-valuenow", Math.round(100 * (running?.progress?.overall ?? 0)));
        bar.setAttribute("aria-valuetext", running ? runningWords(running) : "Nothing runs");
    });
}
