/*
 * jobs.js - the jobs of this session: submitting, cancelling, and what the server tells of them.
 *
 * "jobs" in the store is a list, newest first, of
 *     { id, tab, state, request, position, progress, preview, image, before, error, wasAt, at }
 * state: sending, waiting (for the server to come back), queued, running, done, failed, cancelled.
 * image: { url, thumb, blob, width, height, seed, parameters, recipe, seconds } once done; url and thumb are local.
 * preview: an URL of the latest preview; before: URL of what was enlarged; wasAt: the step at
 * which it was cancelled. "selected" is the id on the canvas; it follows the queue as long as
 * nobody picked another picture.
 */
import * as api from "./api.js";
import { get, set, watch } from "./store.js";

const OPEN = ["sending", "waiting", "queued", "running"];
let count = 0;

export const isOpen = (job) => OPEN.includes(job.state);
export const find = (id) => get("jobs").find((job) => job.id === id);
export const selected = () => find(get("selected"));
/* The job that Generate speaks of: the one that runs, else the one that waits longest. */
export const active = (jobs = get("jobs")) => jobs.findLast(isOpen);

function change(id, patch) {
    set({ jobs: get("jobs").map((job) => (job.id === id ? { ...job, ...patch } : job)) });
}

/*
 * Sends a job. request: what is shown of it, with the size of the result; prepare() makes the request: it may upload first, and its error is the job's. Errors
 * of the request itself (a bad value) are thrown after the job was taken off the list again.
 */
export async function submit(tab, request, prepare, { before = null } = {}) {
    const id = `new-${++count}`;
    const job = {
        id,
        tab,
        state: "sending",
        request,
        size: { width: request.width, height: request.height },
        prepare,
        before,
        progress: null,
        preview: null,
        image: null,
        error: null,
        at: Date.now(),
    };
    const follows = !get("selected") || !active() || find(get("selected"))?.id === active()?.id;
    const stays = active() && follows;
    set({ jobs: [job, ...get("jobs")], selected: stays ? get("selected") : id });
    return send(id);
}

async function send(id) {
    const job = find(id);
    if (!job) return;
    if (get("link") === "offline") {
        change(id, { state: "waiting" });
        return;
    }
    change(id, { state: "sending" });
    try {
        const request = await job.prepare();
        if (!find(id)) return; // cancelled meanwhile
        const object = await api.submit({ ...request, session: get("session") });
        if (!find(id)) {
            early.delete(object.id);
            api.cancel(object.id).catch(() => {});
            return;
        }
        rename(id, object.id);
        for (const [type, data] of early.get(object.id) ?? []) tell(type, data);
        early.delete(object.id);
        if (find(object.id).state === "sending")
            change(object.id, { state: "queued", position: object.position, request: object.request ?? request });
    } catch (error) {
        if (error.code === "offline") {
            change(id, { state: "waiting" });
            return;
        }
        remove(id);
        throw error;
    }
}

/* Events may overtake the answer that says which job they are of. */
const early = new Map();

function rename(from, to) {
    set({
        jobs: get("jobs").map((job) => (job.id === from ? { ...job, id: to } : job)),
        selected: get("selected") === from ? to : get("selected"),
    });
}

function remove(id) {
    const jobs = get("jobs").filter((job) => job.id !== id);
    set({ jobs, selected: get("selected") === id ? (active(jobs)?.id ?? jobs[0]?.id ?? null) : get("selected") });
}

export async function cancel(id) {
    const job = find(id);
    if (!job || !isOpen(job) || job.stopping) return;
    if (job.state === "sending" || job.state === "waiting") {
        remove(id);
        return;
    }
    change(id, { stopping: true });
    try {
        await api.cancel(id);
    } catch (error) {
        change(id, { stopping: false });
        throw error;
    }
}

/* Where nobody knows how long a job still takes, the seconds that went by are shown: "tick" counts them. */
export function watchClock() {
    let clock = 0;
    watch(["jobs", "link"], (list, link) => {
        const job = active(list);
        const ticks = link === "online" && job?.state === "running" && (job.progress?.seconds_left ?? null) === null;
        if (ticks && !clock) clock = setInterval(() => set({ tick: Date.now() }), 1000);
        if (!ticks && clock) clock = clearInterval(clock);
    });
}

/* An event of the session's stream. */
export function tell(type, data) {
    const job = find(data.job);
    if (!job) {
        if (!get("jobs").some((one) => one.state === "sending")) return;
        early.set(data.job, [...(early.get(data.job) ?? []), [type, data]]);
        return;
    }
    if (!isOpen(job)) return; // told twice
    switch (type) {
        case "queued":
            change(job.id, { state: "queued", position: data.position });
            break;
        case "started":
            change(job.id, { state: "running", request: data.request ?? job.request, startedAt: Date.now() });
            follow(job.id);
            break;
        case "progress":
            change(job.id, { state: "running", progress: data });
            break;
        case "preview":
            change(job.id, { state: "running", preview: data.image });
            break;
        case "done":
        case "failed":
        case "cancelled":
            finish(job, data.object ?? { state: type, error: data.error });
            break;
    }
}

/* The next job takes the canvas when the last one that had it is over and nobody looks elsewhere. */
function follow(id) {
    const shown = selected();
    if (!shown || (get("following") && !isOpen(shown))) set({ selected: id });
}

/* What the strip shows: a session may have hundreds, and a picture of 2048x2048 is 16 MB when shown. */
const THUMB = 144;

async function thumbnail(blob) {
    const whole = await createImageBitmap(blob);
    const scale = Math.min(1, THUMB / Math.min(whole.width, whole.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.min(4 * THUMB, Math.round(whole.width * scale)));
    canvas.height = Math.max(1, Math.min(4 * THUMB, Math.round(whole.height * scale)));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(whole, 0, 0, canvas.width, canvas.height);
    whole.close();
    return new Promise((resolve) => canvas.toBlob((small) => resolve(URL.createObjectURL(small)), "image/webp", 0.9));
}

async function finish(job, object) {
    if (find(job.id)?.ending) return; // told by the stream and by an answer
    change(job.id, { ending: true });
    if (object.state === "done") {
        const image = object.images[0];
        let blob = null;
        try {
            blob = await api.picture(image.url);
        } catch (error) {
            change(job.id, { state: "failed", error: { code: error.code, message: error.message } });
            return;
        }
        const url = URL.createObjectURL(blob);
        const thumb = await thumbnail(blob).catch(() => url);
        change(job.id, {
            state: "done",
            image: {
                ...image,
                url,
                thumb,
                blob,
                ref: `job:${job.id}/${image.index}`,
                boot: get("boot"),
            },
            model: object.model,
            device: object.device,
            took: object.seconds?.total ?? null,
            warnings: object.warnings ?? [],
            preview: null,
            progress: null,
            request: object.request ?? job.request,
            prepare: null,
        });
    } else if (object.state === "cancelled") {
        change(job.id, { state: "cancelled", wasAt: job.progress, progress: null, prepare: null });
    } else {
        const message = api.sentence(object.error?.message ?? "It failed, and the server did not say why");
        change(job.id, { state: "failed", error: { ...object.error, message }, progress: null, prepare: null });
    }
}

/* After a connect: what waited is sent, what the server lost says so, what we missed is asked for. */
export async function reconcile(hello, isNewServer) {
    const there = new Set(hello.jobs ?? []);
    for (const job of get("jobs").filter(isOpen)) {
        if (job.state === "waiting") continue;
        if (job.state !== "sending" && !there.has(job.id)) {
            change(job.id, {
                state: "failed",
                progress: null,
                error: {
                    code: isNewServer ? "restarted" : "not_found",
                    message: isNewServer
                        ? "The server was restarted and this picture was lost. Press Generate to make it again."
                        : "The server no longer knows this picture. Press Generate to make it again.",
                },
            });
        } else if (job.state !== "sending") {
            api.job(job.id)
                .then((object) => adopt(object))
                .catch(() => {});
        }
    }
    for (const job of get("jobs")
        .filter((one) => one.state === "waiting")
        .reverse()) {
        try {
            await send(job.id);
        } catch (error) {
            set({ notice: { text: error.message, bad: true } });
        }
    }
}

/* A job as the server describes it: brings one of ours up to date, or takes in one from before a reload. */
export function adopt(object) {
    let job = find(object.id);
    if (!job) {
        const tab = object.task === "upscale" ? "upscale" : object.request?.control_image ? "control" : "generate";
        job = {
            id: object.id,
            tab,
            state: "queued",
            request: object.request ?? {},
            position: object.position,
            progress: null,
            preview: null,
            image: null,
            before: null,
            error: null,
            at: object.created * 1000,
        };
        set({ jobs: [...get("jobs"), job].sort((a, b) => b.at - a.at) });
    }
    if (!isOpen(job)) return;
    if (object.state === "queued") change(job.id, { state: "queued", position: object.position });
    else if (object.state === "running")
        change(job.id, { state: "running", progress: object.progress, startedAt: job.startedAt ?? Date.now() });
    else finish(job, object);
}
