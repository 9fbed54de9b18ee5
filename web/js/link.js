/*
 * link.js - the one open line to the server: an EventSource for all jobs of this session.
 *
 * Keeps "link" in the store: connecting, online, offline. The browser reconnects by itself and
 * tells the server the last event it saw; only where it gives up (an answer that is no stream)
 * do we try again, ever more slowly. A server that was restarted says so by another "boot".
 */
import * as api from "./api.js";
import { get, set } from "./store.js";

const EVENTS = ["queued", "started", "progress", "preview", "picture", "done", "failed", "cancelled"];
const AGAIN_MS = [1000, 2000, 4000, 8000];

/*
 * Opens the line for good. onHello(hello, isNewServer) after each connect; onEvent(type, data)
 * for each event of a job; onLocked() when the server wants a key.
 */
export function openLink(session, { onHello, onEvent, onLocked }) {
    let boot = null;
    let tries = 0;

    function connect() {
        const source = new EventSource(api.eventsUrl(session));
        source.addEventListener("hello", (event) => {
            const hello = JSON.parse(event.data);
            const isNew = boot !== null && hello.boot !== boot;
            boot = hello.boot;
            tries = 0;
            set({ link: "online", boot });
            onHello(hello, isNew);
        });
        for (const type of EVENTS) source.addEventListener(type, (event) => onEvent(type, JSON.parse(event.data)));
        source.onerror = () => {
            if (get("link") !== "offline") set({ link: get("link") === "online" || tries ? "offline" : get("link") });
            if (source.readyState !== EventSource.CLOSED) {
                tries++;
                return;
            }
            source.close();
            refused();
        };
    }

    /* The browser gave up: either the server wants a key, or something stands in between. */
    async function refused() {
        const door = await api.session().catch(() => null);
        if (door?.required && !door.open) {
            onLocked(connect);
            return;
        }
        set({ link: "offline" });
        setTimeout(connect, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)]);
    }

    connect();
}
