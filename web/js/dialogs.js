/*
 * dialogs.js - what asks for attention in the middle: a model that is not here and the command that
 * fetches it, the list of keys, the door of a server that wants a key.
 *
 * "dialog" in the store is null, "keys", { missing: a model or an error } or { locked: what to do when
 * opened }.
 */
import * as api from "./api.js";
import { h, iconButton } from "./dom.js";
import { commandLine } from "./parts/command.js";
import { set, watch } from "./store.js";
import { bytes, modelName } from "./words.js";

const KEYS = [
    [["Ctrl", "Enter"], "Generate"],
    [["Shift", "Enter"], "Queue another while one is drawn"],
    [["Esc"], "Cancel; close"],
    [["1"], "Text to Image"],
    [["2"], "ControlNet"],
    [["3"], "Upscale"],
    [["G"], "Go to the prompt"],
    [["Alt", "\u2191"], "Earlier prompts"],
    [["\u2190", "\u2192"], "Through the pictures"],
    [["F"], "Full screen"],
    [["D"], "Download"],
    [["K"], "Keep the seed of this picture"],
    [["R"], "Random seed"],
    [["?"], "This list"],
];

function keysSheet() {
    return [
        "Keys",
        h(
            "dl",
            { class: "keys" },
            ...KEYS.flatMap(([keys, words]) => [
                h("dt", {}, ...keys.map((key) => h("kbd", {}, key))),
                h("dd", {}, words),
            ]),
        ),
    ];
}

/* missing: a model of the list (name, what, bytes, fetch, missing) or an error (message, fetch). */
function missingSheet(missing) {
    const isModel = Boolean(missing.name) && "present" in missing;
    const command = missing.fetch;
    return [
        isModel ? `${modelName(missing.name)} is not on this machine` : "Something is not on this machine",
        h("p", {}, isModel ? api.sentence(missing.what ?? "") : missing.message),
        isModel &&
            h(
                "dl",
                { class: "facts" },
                missing.hub_id && [h("dt", {}, "From"), h("dd", {}, missing.hub_id)],
                missing.bytes && [h("dt", {}, "Size"), h("dd", {}, bytes(missing.bytes))],
            ),
        command &&
            h(
                "p",
                { class: "hint" },
                "Run this where the server runs; it can be stopped and goes on later. Then reload this page.",
            ),
        command && commandLine(command, { autofocus: true }),
    ];
}

function lockedSheet(open) {
    const box = h("input", { type: "password", class: "box", id: "key", autocomplete: "current-password" });
    const wrong = h(
        "p",
        { class: "error", role: "alert", hidden: true },
        "This key is not the server's. Look into the file or variable it was started with.",
    );
    const form = h(
        "form",
        {
            class: "field",
            onsubmit: async (event) => {
                event.preventDefault();
                try {
                    await api.openSession(box.value);
                    set({ dialog: null });
                    open();
                } catch (error) {
                    wrong.hidden = false;
                    if (error.code !== "unauthorized") wrong.textContent = error.message;
                    box.select();
                }
            },
        },
        h("label", { for: "key" }, "Key of the server"),
        h("div", { class: "row" }, box, h("button", { type: "submit", class: "primary" }, "Open")),
        wrong,
    );
    return ["This studio is locked", form];
}

export function buildDialogs() {
    const title = h("h2", { id: "dialog-title", tabIndex: -1 });
    const body = h("div", { class: "sheet" });
    const close = iconButton("close", "Close", () => dialog.close());
    close.classList.add("close");
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, body, close);
    document.body.append(dialog);
    /* the event comes late: the next sheet may be open by then */
    dialog.addEventListener("close", () => dialog.open || set({ dialog: null }));
    dialog.addEventListener("click", (event) => event.target === dialog && !close.hidden && dialog.close());
    dialog.addEventListener("cancel", (event) => close.hidden && event.preventDefault());
    watch(["dialog"], (what) => {
        if (!what) {
            if (dialog.open) dialog.close();
            return;
        }
        const [heading, ...parts] =
            what === "keys" ? keysSheet() : what.missing ? missingSheet(what.missing) : lockedSheet(what.locked);
        title.textContent = heading;
        body.replaceChildren(title, ...parts.filter(Boolean));
        close.hidden = Boolean(what.locked);
        /* else Close has the focus, and its tip lies open beside the title */
        title.autofocus = !close.hidden && !body.querySelector("[autofocus]");
        if (!dialog.open) dialog.showModal();
    });
}
