/*
 * brush.js - the dialog in which the mask is painted over the picture.
 *
 * Brush and eraser, size by slider and [ ], Shift draws a straight line from the last point, E erases,
 * I inverts, Ctrl+Z takes back. Fill all, Invert and Clear work by keyboard alone. What was painted
 * counts when the dialog is left by Done; Esc leaves the mask as it was.
 */
import { h, iconButton } from "../dom.js";
import { covered, play, playAll, toBlob } from "../mask.js";

/* Most pixels of a mask: it is scaled with the picture, so more would bring nothing. */
const MOST_SIDE = 2048;

/*
 * Opens over picture, with the deeds of last time. Answers null when left by Esc, else { deeds, share,
 * blob, canvas }; deeds is empty where nothing is painted.
 */
export function paintMask(picture, before = []) {
    const scale = Math.min(1, MOST_SIDE / Math.max(picture.width, picture.height));
    const width = Math.max(1, Math.round(picture.width * scale));
    const height = Math.max(1, Math.round(picture.height * scale));
    const mask = h("canvas", { width, height });
    const context = mask.getContext("2d", { willReadFrequently: true });
    const paint = h("canvas", { class: "paint", width, height });
    const painted = paint.getContext("2d");
    const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    const deeds = [...before];
    let erasing = false;
    let size = Math.max(2, Math.round(Math.max(width, height) / 12));
    let stroke = null;
    let last = null;

    const ring = h("div", { class: "cursor", hidden: true });
    const paper = h(
        "div",
        { class: "sheet-of-paint" },
        h("img", { src: picture.url, alt: "The picture to start from", draggable: false }),
        paint,
        ring,
    );
    paper.style.setProperty("--w", width);
    paper.style.setProperty("--h", height);
    const told = h("p", { class: "hint", role: "status" });
    const most = Math.round(Math.max(width, height) / 2);
    const bar = h("input", {
        type: "range",
        min: 2,
        max: most,
        value: size,
        "aria-label": "Brush size",
        oninput: () => resize(Number(bar.value)),
    });
    const number = h("output", {});
    const brush = tool("brush", "Brush", () => erase(false), "B");
    const eraser = tool("erase", "Erase", () => erase(true), "E");
    const undo = tool("undo", "Undo", takeBack, "Ctrl+Z");

    function tool(name, words, act, key) {
        const button = iconButton(name, words, act, { key });
        const tip = button.querySelector(".tip");
        Object.assign(tip.style, { bottom: "auto", top: "calc(100% + 6px)" });
        return button;
    }
    function resize(to) {
        size = Math.min(most, Math.max(2, Math.round(to)));
        bar.value = size;
        bar.style.setProperty("--at", `calc(8px + (100% - 16px) * ${(size - 2) / (most - 2 || 1)})`);
        number.textContent = `${size} px`;
        const shown = (paper.clientWidth / width) * size;
        ring.style.width = ring.style.height = `${shown}px`;
    }
    function erase(on) {
        erasing = on;
        brush.setAttribute("aria-pressed", String(!on));
        eraser.setAttribute("aria-pressed", String(on));
    }
    function show() {
        painted.globalCompositeOperation = "copy";
        painted.drawImage(mask, 0, 0);
        painted.globalCompositeOperation = "source-in";
        painted.fillStyle = accent;
        painted.fillRect(0, 0, width, height);
        undo.disabled = deeds.length === 0;
    }
    function tell() {
        const share = covered(context);
        told.textContent =
            share === 0
                ? "Nothing is painted yet: the whole picture is drawn anew."
                : `${share < 0.01 ? "Less than 1" : Math.round(share * 100)} % of the picture is drawn anew.`;
    }
    function act(deed) {
        deeds.push(deed);
        play(deed, context);
        show();
        tell();
    }
    function takeBack() {
        deeds.pop();
        playAll(deeds, context);
        show();
        tell();
    }
    const place = (event) => {
        const box = paper.getBoundingClientRect();
        return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    };
    function move(event) {
        ring.hidden = event.pointerType === "touch";
        const box = paper.getBoundingClientRect();
        ring.style.left = `${event.clientX - box.left}px`;
        ring.style.top = `${event.clientY - box.top}px`;
    }

    paper.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        paper.setPointerCapture(event.pointerId);
        const here = place(event);
        stroke = { kind: "stroke", erase: erasing, size, points: event.shiftKey && last ? [last, here] : [here] };
        deeds.push(stroke);
        play(stroke, context);
        show();
    });
    paper.addEventListener("pointermove", (event) => {
        move(event);
        if (!stroke) return;
        for (const one of event.getCoalescedEvents?.() ?? [event]) stroke.points.push(place(one));
        play(
            { ...stroke, points: stroke.points.slice(-Math.max(2, (event.getCoalescedEvents?.().length ?? 1) + 1)) },
            context,
        );
        show();
    });
    const lift = () => {
        if (!stroke) return;
        last = stroke.points.at(-1);
        stroke = null;
        tell();
    };
    paper.addEventListener("pointerup", lift);
    paper.addEventListener("pointercancel", lift);
    paper.addEventListener("pointerleave", () => (ring.hidden = true));

    const done = h("button", { type: "button", class: "primary" }, "Done");
    const dialog = h(
        "dialog",
        { class: "brush", "aria-labelledby": "brush-title" },
        h(
            "header",
            {},
            h("h2", { id: "brush-title" }, "Paint what is drawn anew"),
            h("div", { class: "group", role: "toolbar", "aria-label": "Tools" }, brush, eraser, undo),
            h("div", { class: "group" }, h("div", { class: "track" }, bar), number),
            h(
                "div",
                { class: "group" },
                h("button", { type: "button", class: "quiet", onclick: () => act({ kind: "fill" }) }, "Fill all"),
                h(
                    "button",
                    {
                        type: "button",
                        class: "quiet",
                        "aria-keyshortcuts": "I",
                        onclick: () => act({ kind: "invert" }),
                    },
                    "Invert",
                ),
                h("button", { type: "button", class: "quiet", onclick: () => act({ kind: "clear" }) }, "Clear"),
            ),
        ),
        h("div", { class: "easel" }, paper),
        h(
            "footer",
            {},
            told,
            h(
                "div",
                { class: "group" },
                h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Leave as it was"),
                done,
            ),
        ),
    );
    dialog.addEventListener("keydown", (event) => {
        const key = event.key.toLowerCase();
        event.stopPropagation();
        if ((event.ctrlKey || event.metaKey) && key === "z") takeBack();
        else if (event.ctrlKey || event.metaKey || event.altKey) return;
        else if (key === "e") erase(true);
        else if (key === "b") erase(false);
        else if (key === "i") act({ kind: "invert" });
        else if (key === "[") resize(size / 1.2);
        else if (key === "]") resize(size * 1.2 + 1);
        else return;
        event.preventDefault();
    });

    document.body.append(dialog);
    playAll(deeds, context);
    dialog.showModal();
    erase(false);
    resize(size);
    show();
    tell();
    brush.focus();
    return new Promise((resolve, reject) => {
        done.addEventListener("click", async () => {
            try {
                const share = covered(context);
                resolve(
                    share === 0
                        ? { deeds: [], share }
                        : { deeds, share, canvas: paint, blob: await toBlob(mask), width, height },
                );
            } catch (error) {
                reject(error);
            }
            dialog.close();
        });
        dialog.addEventListener("close", () => {
            resolve(null);
            dialog.remove();
        });
    });
}
