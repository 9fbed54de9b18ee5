/*
 * attention.js - the title of the window while a job runs, and a mark on title and icon when a picture
 * was finished while nobody looked.
 */
import * as jobs from "./jobs.js";
import { watch } from "./store.js";

const NAME = "Z-Image Studio";
let done = null; // how many were done when the window was left

export function watchAttention() {
    const link = document.querySelector('link[rel="icon"]');
    const mark = (on) => {
        const href = on ? "favicon-done.svg" : "favicon.svg";
        if (link.getAttribute("href") !== href) link.setAttribute("href", href);
    };
    const count = (list) => list.filter((job) => job.state === "done").length;
    watch(["jobs"], (list) => {
        const job = jobs.active(list);
        const progress = job?.progress;
        const finished = document.hidden && done !== null && count(list) > done;
        mark(finished);
        if (finished && !job) document.title = `\u25cf Done \u00b7 ${NAME}`;
        else if (progress?.stage === "denoise" && progress.of)
            document.title = `${Math.max(1, progress.step)}/${progress.of} \u00b7 ${NAME}`;
        else if (job) document.title = `${Math.round(100 * (progress?.overall ?? 0))} % \u00b7 ${NAME}`;
        else document.title = NAME;
    });
    let last = [];
    watch(["jobs"], (list) => (last = list));
    document.addEventListener("visibilitychange", () => {
        done = document.hidden ? count(last) : null;
        if (document.hidden) return;
        mark(false);
        if (!jobs.active(last)) document.title = NAME;
    });
}
