/*
 * start.js - "Start from a picture" of Text to Image: the picture, how far to leave it, and the
 * mask of what is drawn anew.
 */
import { h, icon } from "../dom.js";
import { tellError } from "../pictures.js";
import { fitSize, sizesOf } from "../settings.js";
import { get, set, watch } from "../store.js";
import { paintMask } from "./brush.js";
import { disclosure, fold } from "./field.js";
import { slider } from "./slider.js";
import { well } from "./well.js";

const KEY = "generate.image";

/* A new picture gives its shape to the sizes; the mask was of the old one. */
function watchPicture() {
    let last = get(KEY)?.url;
    watch([KEY], (picture) => {
        if (picture?.url === last) return;
        last = picture?.url;
        set({ "generate.mask": null });
        if (!picture) return;
        const { width, height } = fitSize(picture.width, picture.height, sizesOf("generate"), 16);
        set({ "generate.width": width, "generate.height": height, "generate.start": true });
    });
}

async function paint() {
    const picture = get(KEY);
    try {
        const result = await paintMask(picture, get("generate.mask")?.deeds);
        if (!result || get(KEY)?.url !== picture.url) return;
        const { blob, width, height } = result;
        set({
            "generate.mask": result.deeds.length
                ? { ...result, name: "mask.png", blob, width, height, ref: null, boot: null }
                : null,
        });
    } catch (error) {
        tellError(error);
    }
}

export function start() {
    watchPicture();
    const overlay = h("canvas", { class: "paint", hidden: true });
    const told = h("span", { class: "hint" });
    const button = h(
        "button",
        { type: "button", class: "plain", onclick: paint },
        icon("brush"),
        "Paint what is drawn anew",
    );
    const clear = h(
        "button",
        { type: "button", class: "quiet", onclick: () => (set({ "generate.mask": null }), button.focus()) },
        "Clear",
    );

    watch(["generate.mask"], (mask) => {
        overlay.hidden = clear.hidden = !mask;
        told.textContent = mask
            ? `${mask.share < 0.01 ? "Less than 1" : Math.round(mask.share * 100)} % is drawn anew.`
            : "Without a mask the whole picture is.";
        if (!mask?.canvas) return;
        overlay.width = mask.width;
        overlay.height = mask.height;
        overlay.getContext("2d").drawImage(mask.canvas, 0, 0);
    });

    const place = well("generate", "image", {
        label: "Picture",
        what: "picture",
        invites: "Drop a picture, paste it, or click to choose",
        sizeWords: (picture) => {
            const used = `${get("generate.width")}x${get("generate.height")}`;
            const own = `${picture.width}x${picture.height}`;
            return own === used ? own : `${own}, used as ${used}`;
        },
        sizeKeys: ["generate.width", "generate.height"],
        under: overlay,
    });

    return disclosure(
        "generate.start",
        "Start from a picture",
        (picture, mask) => (picture ? `${picture.name}${mask ? ", with a mask" : ""}` : ""),
        [KEY, "generate.mask"],
        place,
        fold(
            [KEY],
            Boolean,
            slider("generate", "strength"),
            h("div", { class: "field" }, h("div", { class: "row" }, button, clear), told),
        ),
    );
}
