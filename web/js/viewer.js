/*
 * viewer.js - a picture over the whole screen: wheel and pinch zoom, drag, double click for 1:1, arrows
 * through the strip, Esc back.
 *
 * --pw, --ph: size of the picture when fitted; --z: zoom on top; --x, --y: where its centre is.
 */
import { h, iconButton } from "./dom.js";
import * as jobs from "./jobs.js";
import { walk } from "./strip.js";
import { set, watch } from "./store.js";

const MOST_ZOOM = 16;

export function buildViewer() {
    const img = h("img", { alt: "", draggable: false });
    const percent = h("output", { "aria-label": "Zoom" });
    const surface = h("div", { class: "surface" }, img);
    const bar = h(
        "div",
        { class: "bar", role: "toolbar", "aria-label": "View" },
        iconButton("prev", "Newer", () => walk(-1, { onlyDone: true }), { key: "\u2190" }),
        iconButton("next", "Older", () => walk(1, { onlyDone: true }), { key: "\u2192" }),
        iconButton("out", "Smaller", () => zoomTo(view.z / 1.5), { key: "-" }),
        percent,
        iconButton("in", "Larger", () => zoomTo(view.z * 1.5), { key: "+" }),
        iconButton("close", "Close", () => dialog.close(), { key: "Esc" }),
    );
    const dialog = h("dialog", { class: "viewer", "aria-label": "Picture in full screen" }, surface, bar);
    document.body.append(dialog);

    let size = { width: 1, height: 1 };
    let fit = 1; // CSS pixels of a picture's pixel when fitted
    const view = { z: 1, x: 0, y: 0 };

    function apply() {
        const room = dialog.getBoundingClientRect();
        /* the picture stays within reach: no further than its own edge */
        const reach = (side, all) => Math.max(0, (side * fit * view.z - all) / 2 + 40 * (view.z > 1));
        view.x = Math.max(-reach(size.width, room.width), Math.min(reach(size.width, room.width), view.x));
        view.y = Math.max(-reach(size.height, room.height), Math.min(reach(size.height, room.height), view.y));
        img.style.setProperty("--pw", `${size.width * fit}px`);
        img.style.setProperty("--ph", `${size.height * fit}px`);
        img.style.setProperty("--z", view.z);
        img.style.setProperty("--x", `${view.x}px`);
        img.style.setProperty("--y", `${view.y}px`);
        img.style.imageRendering = fit * view.z > 3 ? "pixelated" : "";
        percent.textContent = `${Math.round(100 * fit * view.z)} %`;
    }
    function fitIn() {
        const room = dialog.getBoundingClientRect();
        fit = Math.min(room.width / size.width, room.height / size.height, 2);
        Object.assign(view, { z: 1, x: 0, y: 0 });
        apply();
    }
    /* Zooms so that the point (x, y) of the window stays where it is. */
    function zoomTo(z, x, y) {
        const room = dialog.getBoundingClientRect();
        const to = Math.max(Math.min(1, 1 / fit), Math.min(MOST_ZOOM / fit, z));
        const dx = (x ?? room.width / 2) - room.width / 2;
        const dy = (y ?? room.height / 2) - room.height / 2;
        view.x = dx - ((dx - view.x) * to) / view.z;
        view.y = dy - ((dy - view.y) * to) / view.z;
        view.z = to;
        apply();
    }

    surface.addEventListener("wheel", (event) => {
        event.preventDefault();
        zoomTo(view.z * Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)), event.clientX, event.clientY);
    });
    surface.addEventListener("dblclick", (event) => {
        if (Math.abs(view.z * fit - 1) < 0.01) fitIn();
        else zoomTo(1 / fit, event.clientX, event.clientY);
    });
    const fingers = new Map();
    let moved = false;
    surface.addEventListener("pointerdown", (event) => {
        surface.setPointerCapture(event.pointerId);
        fingers.set(event.pointerId, event);
        moved = fingers.size > 1;
    });
    surface.addEventListener("pointermove", (event) => {
        const before = fingers.get(event.pointerId);
        if (!before) return;
        const [a, b] = [...fingers.values()];
        if (Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) > 2) moved = true;
        if (b) {
            const still = before === a ? b : a;
            const gap = (one) => Math.hypot(one.clientX - still.clientX, one.clientY - still.clientY);
            zoomTo(
                (view.z * gap(event)) / Math.max(1, gap(before)),
                (event.clientX + still.clientX) / 2,
                (event.clientY + still.clientY) / 2,
            );
        } else {
            view.x += event.clientX - before.clientX;
            view.y += event.clientY - before.clientY;
            apply();
        }
        fingers.set(event.pointerId, event);
    });
    const lift = (event) => {
        fingers.delete(event.pointerId);
        /* a click beside the picture closes */
        if (event.type === "pointerup" && !moved && fingers.size === 0) {
            const box = img.getBoundingClientRect();
            const beside =
                event.clientX < box.left ||
                event.clientX > box.right ||
                event.clientY < box.top ||
                event.clientY > box.bottom;
            if (beside) dialog.close();
        }
    };
    surface.addEventListener("pointerup", lift);
    surface.addEventListener("pointercancel", lift);
    dialog.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const act = {
            ArrowLeft: () => walk(-1, { onlyDone: true }),
            ArrowRight: () => walk(1, { onlyDone: true }),
            "+": () => zoomTo(view.z * 1.5),
            "=": () => zoomTo(view.z * 1.5),
            "-": () => zoomTo(view.z / 1.5),
            0: fitIn,
            1: () => zoomTo(1 / fit),
            f: () => dialog.close(),
        }[event.key];
        event.stopPropagation();
        if (!act) return;
        event.preventDefault();
        act();
    });
    dialog.addEventListener("close", () => set({ viewer: false }));
    addEventListener("resize", () => dialog.open && fitIn());

    watch(["viewer", "selected", "jobs"], (on) => {
        const job = jobs.selected();
        if (!on || !job?.image) {
            if (dialog.open) dialog.close();
            return;
        }
        const isNew = img.src !== job.image.url;
        if (isNew) {
            img.src = job.image.url;
            img.alt = job.request?.prompt || "Result";
            size = job.image;
        }
        if (!dialog.open) {
            dialog.showModal();
            fitIn();
        } else if (isNew) fitIn();
    });
}
