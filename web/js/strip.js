/*
 * strip.js - the squares under the canvas: results of this session, newest first, and jobs that wait
 * or run, with a ring of progress and a cross to cancel. Arrow keys walk through them.
 */
import { h, icon, says, svg } from "./dom.js";
import * as jobs from "./jobs.js";
import { tellError } from "./pictures.js";
import { get, set, watch } from "./store.js";
import { queueWords, stageWords } from "./words.js";

const nav = document.getElementById("strip");
const list = h("ul", {});
const empty = h("p", {}, "The pictures of this session appear here.");
const squares = new Map(); // by the time of the job, which it keeps when its id changes

function nameOf(job) {
    const prompt = job.request?.prompt || "No prompt";
    const short = prompt.length > 80 ? `${prompt.slice(0, 77)}...` : prompt;
    const state = {
        queued: queueWords(job.position),
        running: stageWords(job.progress),
        waiting: "Waiting for the server",
        sending: "Starting",
        cancelled: "Cancelled",
        failed: "Failed",
    }[job.state];
    return state ? `${short} (${state})` : short;
}

function square(job) {
    const pick = h("button", { type: "button", class: "pick", onclick: () => select(idAt(job.at)) });
    const img = h("img", { alt: "", hidden: true, draggable: false });
    const mark = h("span", { class: "mark", "aria-hidden": "true" });
    const ring = svg(
        "svg",
        { class: "ring", viewBox: "0 0 36 36" },
        svg("circle", { cx: 18, cy: 18, r: 15.915 }),
        svg("circle", { cx: 18, cy: 18, r: 15.915, class: "part" }),
    );
    const name = h("span", { class: "unseen" });
    const stop = h(
        "button",
        {
            type: "button",
            class: "stop",
            "aria-label": "Cancel",
            title: "Cancel",
            onclick: () => jobs.cancel(idAt(job.at)).catch(tellError),
        },
        icon("close"),
    );
    pick.append(img, mark, name);
    return { root: h("li", { class: "square-job" }, pick, stop), pick, img, mark, ring, name, stop };
}

const idAt = (at) => get("jobs").find((job) => job.at === at)?.id;

function update(one, job, chosen) {
    const open = jobs.isOpen(job);
    one.root.dataset.state = job.state;
    one.pick.setAttribute("aria-current", String(chosen));
    one.pick.tabIndex = chosen ? 0 : -1;
    one.stop.hidden = !open;
    one.stop.setAttribute("aria-label", `Cancel ${job.request?.prompt?.slice(0, 40) ?? ""}`.trim());
    const url = job.image?.thumb ?? job.preview;
    one.img.hidden = !url;
    if (url && one.img.src !== url) one.img.src = url;
    one.ring.style.setProperty("--done", job.progress?.overall ?? 0);
    const mark =
        job.state === "running"
            ? one.ring
            : job.state === "queued"
              ? String((job.position ?? 0) + 1)
              : job.state === "waiting" || job.state === "sending"
                ? "..."
                : job.state === "failed"
                  ? icon("warn")
                  : job.state === "cancelled" && !url
                    ? icon("stop")
                    : "";
    if (one.mark.dataset.kind !== `${job.state}${mark === "" ? "" : (job.position ?? "")}${Boolean(url)}`) {
        one.mark.dataset.kind = `${job.state}${mark === "" ? "" : (job.position ?? "")}${Boolean(url)}`;
        one.mark.replaceChildren(mark);
    }
    says(one.name, nameOf(job));
    one.pick.title = nameOf(job);
}

export function select(id) {
    if (!id) return;
    const job = jobs.find(id);
    set({ selected: id, following: Boolean(job && jobs.isOpen(job)) || job === get("jobs")[0] });
}

/* The neighbour of the selected picture; to the left is newer. */
export function walk(way, { onlyDone = false } = {}) {
    const all = get("jobs").filter((job) => !onlyDone || job.image);
    const at = all.findIndex((job) => job.id === get("selected"));
    const next = all[Math.max(0, Math.min(all.length - 1, Math.max(0, at) + way))];
    if (next) select(next.id);
    return next;
}

export function buildStrip() {
    nav.append(empty, list);
    list.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6 }[event.key];
        if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        event.stopPropagation();
        const next = walk(way);
        if (next) queueMicrotask(() => squares.get(next.at)?.pick.focus());
    });
    watch(["jobs", "selected"], (all, selected) => {
        empty.hidden = all.length > 0;
        list.hidden = all.length === 0;
        const chosen = all.some((job) => job.id === selected) ? selected : all[0]?.id;
        for (const job of all) {
            if (!squares.has(job.at)) squares.set(job.at, square(job));
            update(squares.get(job.at), job, job.id === chosen);
        }
        const roots = all.map((job) => squares.get(job.at).root);
        if (roots.length !== list.children.length || roots.some((root, i) => list.children[i] !== root)) {
            const isNew = roots[0] && !roots[0].isConnected;
            list.replaceChildren(...roots);
            if (isNew) nav.scrollLeft = 0;
        }
        for (const at of [...squares.keys()]) if (!all.some((job) => job.at === at)) squares.delete(at);
    });
    watch(["selected"], (id) => {
        const job = jobs.find(id);
        if (job) squares.get(job.at)?.root.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
}
