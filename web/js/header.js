/*
 * header.js - tabs (arrow keys, the hash of the URL), and at the right model and device in words with
 * the state of the server.
 */
import { iconButton, says } from "./dom.js";
import { TABS, TAB_NAMES } from "./fields.js";
import * as jobs from "./jobs.js";
import { modelOf } from "./settings.js";
import { set, watch } from "./store.js";
import { deviceName, modelName, plural } from "./words.js";

const STATES = { connecting: "Connecting", offline: "Offline", ready: "Ready", working: "Working" };

const tabOfHash = () => TAB_NAMES.find((name) => TABS[name].hash === location.hash.slice(1));

export function buildHeader() {
    const buttons = Object.fromEntries(TAB_NAMES.map((name) => [name, document.getElementById(`tab-${name}`)]));
    for (const [name, button] of Object.entries(buttons)) {
        button.setAttribute("aria-keyshortcuts", String(TAB_NAMES.indexOf(name) + 1));
        button.title = `${TABS[name].label} (${TAB_NAMES.indexOf(name) + 1})`;
        button.addEventListener("click", () => set({ tab: name }));
        button.addEventListener("keydown", (event) => {
            const at = TAB_NAMES.indexOf(name);
            const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: TAB_NAMES.length - 1 }[event.key];
            if (to === undefined) return;
            event.preventDefault();
            const next = TAB_NAMES[(to + TAB_NAMES.length) % TAB_NAMES.length];
            set({ tab: next });
            buttons[next].focus();
        });
    }
    addEventListener("hashchange", () => tabOfHash() && set({ tab: tabOfHash() }));
    if (tabOfHash()) set({ tab: tabOfHash() });

    watch(["tab"], (tab) => {
        for (const [name, button] of Object.entries(buttons)) {
            button.setAttribute("aria-selected", String(name === tab));
            button.tabIndex = name === tab ? 0 : -1;
            document.getElementById(`panel-${name}`).hidden = name !== tab;
        }
        if (location.hash.slice(1) !== TABS[tab].hash && (location.hash || tab !== TAB_NAMES[0]))
            history.replaceState(null, "", `#${TABS[tab].hash}`);
    });

    const keys = iconButton("keys", "Keys", () => set({ dialog: "keys" }), { key: "?" });
    keys.classList.add("keys-button");
    document.querySelector(".where").append(keys);

    const status = document.getElementById("status");
    watch(["link", "jobs"], (link, list) => {
        const state = link === "online" ? (jobs.active(list) ? "working" : "ready") : link;
        status.dataset.state = state;
        says(status.lastElementChild, STATES[state]);
    });
    const device = document.getElementById("device");
    watch(["server", "tab", "models", "defaults", "generate.model"], (server, tab) => {
        if (!server) return;
        says(
            device,
            `${modelName(modelOf(tab))} on ${deviceName(server.device)}${server.threads ? `, ${plural(server.threads, "thread")}` : ""}`,
        );
    });
}
