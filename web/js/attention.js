/*
 * attention.js - the title of the window while a job runs, and a mark on title and icon when a picture
 * was finished while nobody looked.
 */
import * as jobs from "./jobs.js";
import { watch } from "./store.js";
import { stepNow } from "./words.js";

const NAME = "Z-Image Studio";
/* with its data, so that it is here when the server is not */
const DONE_ICON =
    "data:image/svg+xml," +
    encodeURIComponent(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#FFB02E"/>' +
            '<path d="M9 16.5l5 5 9.5-11" fill="none" stroke="#1A1208" stroke-width="3.4" stroke-linecap="round" stroke-linejoin="round"/></svg>',
    );
let done = null; // how many were done when the window was left

export function watchAttention() {
    const link = document.querySelector('link[rel="icon"]');
    const mark = (on) => {
        const href = on ? DONE_ICON : "favicon.svg";
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
            document.title = `${stepNow(progress)}/${progress.of} \u00b7 ${NAME}`;
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
