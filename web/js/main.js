/*
 * main.js - start-up: the state, then what shows it, then the line to the server.
 *
 * The page stands before the server answered; what depends on it (models, ranges, counts) comes when
 * it does. A reload within the same tab keeps the session: its pictures, and what was typed.
 */
import { copyText } from "./actions.js";
import * as api from "./api.js";
import { watchAttention } from "./attention.js";
import { buildCanvas } from "./canvas.js";
import { buildDialogs } from "./dialogs.js";
import { listenDrops } from "./drop.js";
import { buildForms } from "./forms.js";
import { TAB_NAMES } from "./fields.js";
import { buildHeader } from "./header.js";
import * as jobs from "./jobs.js";
import { listenKeys } from "./keys.js";
import { openLink } from "./link.js";
import { initialValues, watchSettings } from "./settings.js";
import { get, set, snapshot, watch } from "./store.js";
import { buildStrip } from "./strip.js";
import { buildToasts } from "./toasts.js";
import { buildViewer } from "./viewer.js";

/* What is not a field of a form. */
const INITIAL = {
    tab: "generate", // which form shows
    link: "connecting", // connecting, online, offline
    boot: null, // which run of the server
    session: null, // our name at the server
    server: null, // GET status
    models: null, // GET models
    defaults: null, // GET defaults
    ranges: null, // of sliders, see settings.js
    kept: false, // values come from before a reload
    jobs: [],
    selected: null, // id of the job on the canvas
    following: true, // the canvas goes to the next job when its own is over
    sentLoras: [], // files of this page
    dialog: null,
    viewer: false,
    notice: null,
    copy: null, // a text for the clipboard
    dragging: false,
    tick: 0, // the time, while seconds are counted
};

const KEPT = "z-image-studio";

/* Plain values only: pictures and files do not outlive a reload. */
function keep() {
    const values = {};
    for (const tab of TAB_NAMES)
        for (const [key, value] of Object.entries(snapshot(`${tab}.`)))
            if (value !== null && typeof value !== "object") values[key] = value;
    sessionStorage.setItem(KEPT, JSON.stringify({ session: get("session"), tab: get("tab"), values }));
}

function recall() {
    try {
        return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
    } catch {
        return {};
    }
}

async function learn() {
    try {
        const [defaults, models, server] = await Promise.all([api.defaults(), api.models(), api.status()]);
        set({ defaults, models, server });
    } catch (error) {
        if (error.code !== "offline" && error.code !== "unauthorized")
            set({ notice: { text: error.message, bad: true } });
    }
}

async function listJobs() {
    const told = await api.jobs(get("session")).catch(() => null);
    for (const object of told?.jobs ?? []) jobs.adopt(object);
    if (!get("selected") && get("jobs").length) set({ selected: (jobs.active() ?? get("jobs")[0]).id });
}

function start() {
    const kept = recall();
    const session =
        kept.session ?? crypto.getRandomValues(new Uint32Array(3)).reduce((all, n) => all + n.toString(16), "");
    set({
        ...INITIAL,
        ...initialValues(),
        ...kept.values,
        session,
        tab: kept.tab ?? "generate",
        kept: Boolean(kept.values),
    });

    buildToasts();
    buildHeader();
    buildForms();
    buildCanvas();
    buildStrip();
    buildViewer();
    buildDialogs();
    listenDrops();
    listenKeys();
    jobs.watchClock();
    watchAttention();
    watchSettings();
    watch(["copy"], (what) => {
        if (!what) return;
        set({ copy: null });
        copyText(what);
    });
    addEventListener("pagehide", keep);

    let first = true;
    openLink(session, {
        onHello: async (hello, isNewServer) => {
            if (!get("defaults") || isNewServer) await learn();
            if (first && kept.session) await listJobs();
            if (!first)
                set({
                    notice: { text: isNewServer ? "The server was restarted" : "The server is back", kind: "link" },
                });
            first = false;
            jobs.reconcile(hello, isNewServer);
        },
        onEvent: jobs.tell,
        onLocked: (again) => set({ dialog: { locked: again } }),
    });
    learn();
    watch(["link"], (link) => {
        if (link === "offline")
            set({
                notice: {
                    text: "The server does not answer. This page goes on when it is back.",
                    bad: true,
                    kind: "link",
                },
            });
    });
}

start();
