/*
 * well.js - a place for a picture: drop, paste, click or Enter; shows it, its size and what it is
 * used as; replace and remove.
 *
 * "TAB.FIELD" in the store holds the picture (pictures.js) or null.
 */
import { h, icon, iconButton, newId, says } from "../dom.js";
import { ACCEPT, ensure, open, pictureIn } from "../pictures.js";
import { set, watch } from "../store.js";
import { errorLine, setError } from "./field.js";

/*
 * Puts a file into a well; wrong files are said at the well. Uploads at once, so that what the server
 * refuses is known before anything is started.
 */
export async function put(tab, name, what, file) {
    try {
        const picture = await open(file, file.name || "pasted picture", what);
        set({ [`${tab}.${name}`]: picture });
        setError(tab, name, null);
        await ensure(picture);
        return picture;
    } catch (error) {
        if (error.code === "offline") return null; // it is sent with the job
        if (error.code) set({ [`${tab}.${name}`]: null });
        setError(tab, name, error);
        return null;
    }
}

/* what: "control picture"; sizeWords(picture): the line below, which also follows sizeKeys; tools: more buttons while it is full. */
export function well(
    tab,
    name,
    { label, what, invites, sizeWords, sizeKeys = [], tall = false, tools = [], under = null },
) {
    const key = `${tab}.${name}`;
    const id = newId("well");
    const chooser = h("input", {
        type: "file",
        accept: ACCEPT,
        hidden: true,
        onchange: () => {
            if (chooser.files[0]) put(tab, name, what, chooser.files[0]);
            chooser.value = "";
        },
    });
    const choose = () => chooser.click();
    const words = h("span", {}, invites);
    const drop = h(
        "button",
        { type: "button", class: "drop", id, onclick: choose, "aria-describedby": `${id}-size` },
        h("span", { class: "unseen" }, `${label}: `),
        icon("picture"),
        words,
    );
    const img = h("img", { alt: "", hidden: true, draggable: false });
    const bar = h(
        "div",
        { class: "tools", hidden: true },
        ...tools,
        iconButton("replace", "Replace", choose, { quiet: false }),
        iconButton("close", "Remove", () => (set({ [key]: null }), drop.focus()), { quiet: false }),
    );
    const box = h("div", { class: tall ? "well tall" : "well", "data-well": name }, drop, img, under, bar, chooser);
    const size = h("p", { class: "hint", id: `${id}-size` });

    let over = 0;
    box.addEventListener("dragenter", () => box.classList.toggle("aim", ++over > 0));
    box.addEventListener("dragleave", () => box.classList.toggle("aim", --over > 0));
    box.addEventListener("dragover", (event) => event.preventDefault());
    box.addEventListener("drop", (event) => {
        over = 0;
        box.classList.remove("aim");
        const file = pictureIn(event.dataTransfer);
        if (!file) return;
        event.preventDefault();
        event.stopPropagation();
        set({ dragging: false });
        put(tab, name, what, file);
    });

    watch([key, "ranges", ...sizeKeys], (picture) => {
        box.toggleAttribute("data-full", Boolean(picture));
        img.hidden = bar.hidden = !picture;
        drop.querySelector(".icon").style.display = picture ? "none" : "";
        words.textContent = picture ? picture.name : invites;
        words.className = picture ? "unseen" : "";
        if (picture) {
            if (img.src !== picture.url) img.src = picture.url;
            drop.title = picture.name;
        } else {
            img.removeAttribute("src");
            drop.removeAttribute("title");
        }
        says(size, picture ? sizeWords(picture) : "\u00a0");
    });
    return h(
        "div",
        { class: "field", "data-field": name },
        h("span", { class: "label" }, label),
        box,
        size,
        errorLine(tab, name, drop, size),
    );
}
