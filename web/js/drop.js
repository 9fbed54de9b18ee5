/*
 * drop.js - files dropped or pasted anywhere on the page. On a well they belong to the well. Elsewhere,
 * on Text to Image, a picture that carries settings restores them; every other picture goes into the
 * well of the tab.
 */
import { isTyping, h } from "./dom.js";
import { PICTURE_OF } from "./fields.js";
import { carriesRecipe, kindOf, pictureIn, tellError } from "./pictures.js";
import { reveal } from "./parts/field.js";
import { put } from "./parts/well.js";
import * as recipe from "./recipe.js";
import { get, set, watch } from "./store.js";

const WHAT = { generate: "picture", control: "control picture", upscale: "picture" };
const HINT = {
    generate: "Drop a picture: its settings are restored, or it becomes the picture to start from.",
    control: "Drop a picture: it becomes the control picture.",
    upscale: "Drop a picture: it becomes the picture to enlarge.",
};

async function take(file) {
    const tab = get("tab");
    const field = PICTURE_OF[tab];
    try {
        if (tab === "generate" && get("link") === "online" && /^(png|jpeg|webp)$/.test(await kindOf(file))) {
            const told = await recipe.read(file);
            if (told) {
                recipe.restore(told, file.name || "the picture");
                return;
            }
        }
        if (tab === "generate") set({ "generate.start": true });
        const picture = await put(tab, field, WHAT[tab], file);
        const wrong = get(`${tab}.errors`)?.[field];
        if (get("tab") === tab) reveal(tab, field);
        else if (wrong) tellError(wrong);
        if (picture && tab !== "generate" && (await carriesRecipe(picture))) {
            set({
                notice: {
                    text: `${picture.name} carries settings`,
                    action: {
                        words: "Restore them",
                        act: async () => recipe.restore(await recipe.read(file), picture.name),
                    },
                },
            });
        }
    } catch (error) {
        tellError(error);
    }
}

export function listenDrops() {
    const veil = h("div", { class: "dragging", hidden: true }, h("p", {}));
    document.body.append(veil);
    let depth = 0;
    const isFile = (event) =>
        [...(event.dataTransfer?.types ?? [])].includes("Files") && !document.querySelector("dialog[open]");
    addEventListener("dragenter", (event) => {
        if (!isFile(event)) return;
        if (++depth === 1) set({ dragging: true });
    });
    addEventListener("dragleave", (event) => {
        if (!isFile(event)) return;
        depth = Math.max(0, depth - 1);
        if (!depth) set({ dragging: false });
    });
    addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
    addEventListener(
        "drop",
        () => {
            depth = 0;
            set({ dragging: false });
        },
        true,
    );
    addEventListener("drop", (event) => {
        if (!isFile(event) || event.defaultPrevented) return;
        event.preventDefault();
        const file = pictureIn(event.dataTransfer);
        if (file) take(file);
    });
    addEventListener("paste", (event) => {
        const file = pictureIn(event.clipboardData);
        if (!file || document.querySelector("dialog[open]")) return;
        /* text that is pasted along with a picture goes where the cursor is */
        if (isTyping(event.target) && event.clipboardData.getData("text/plain")) return;
        event.preventDefault();
        take(file);
    });
    watch(["dragging", "tab"], (on, tab) => {
        veil.hidden = !on;
        veil.firstElementChild.textContent = HINT[tab];
    });
}
