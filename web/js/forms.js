/*
 * forms.js - the three forms, put together from their parts in the order in which people read them.
 */
import { h } from "./dom.js";
import { TAB_NAMES } from "./fields.js";
import { controlMap, preprocessorChoice } from "./parts/controlmap.js";
import { disclosure, fold } from "./parts/field.js";
import { generateBar } from "./parts/generate.js";
import { lora } from "./parts/lora.js";
import { models } from "./parts/models.js";
import { prompt } from "./parts/prompt.js";
import { seed } from "./parts/seed.js";
import { slider } from "./parts/slider.js";
import { start } from "./parts/start.js";
import { well } from "./parts/well.js";
import { controlSize, isBase } from "./settings.js";
import { get } from "./store.js";

const seedWords = (value) => (value === "" ? "Seed random" : `Seed ${value}`);

function advanced(tab, ...parts) {
    const sizes = tab === "generate" ? ["generate.width", "generate.height"] : [];
    return disclosure(
        `${tab}.advanced`,
        "Advanced",
        (value, width, height) => [width && `${width}x${height}`, seedWords(value)].filter(Boolean).join(" \u00b7 "),
        [`${tab}.seed`, ...sizes],
        ...parts,
        seed(tab),
    );
}

const FORMS = {
    generate: () => [
        prompt("generate", "prompt"),
        models(),
        fold(
            ["generate.model", "models"],
            (model) => isBase(model),
            prompt("generate", "negative_prompt", { counts: false }),
            slider("generate", "cfg"),
        ),
        lora("generate"),
        slider("generate", "steps"),
        start(),
        advanced("generate", slider("generate", "width"), slider("generate", "height")),
    ],
    control: () => [
        prompt("control", "prompt"),
        h(
            "div",
            { class: "wells" },
            well("control", "control_image", {
                label: "Control image",
                what: "control picture",
                invites: "Drop a picture, paste it, or click to choose",
                sizeWords: (picture) => {
                    const { used } = controlSize(picture);
                    const same = used.width === picture.width && used.height === picture.height;
                    return `${picture.width}x${picture.height}${same ? "" : `, used as ${used.width}x${used.height}`}`;
                },
            }),
            controlMap(),
        ),
        h(
            "div",
            { class: "field", "data-field": "preprocess" },
            h("label", { for: "preprocess" }, "Preprocessor"),
            preprocessorChoice("preprocess"),
        ),
        slider("control", "control_strength"),
        lora("control"),
        slider("control", "steps"),
        advanced("control"),
    ],
    upscale: () => [
        well("upscale", "image", {
            label: "Input image",
            what: "picture",
            tall: true,
            invites: "Drop the picture to enlarge, paste it, or click to choose",
            sizeWords: (picture) =>
                `${picture.width}x${picture.height}, becomes ${picture.width * 2}x${picture.height * 2}`,
        }),
        prompt("upscale", "prompt"),
        slider("upscale", "steps"),
        slider("upscale", "strength"),
        advanced("upscale"),
    ],
};

export function buildForms() {
    for (const tab of TAB_NAMES) {
        const bar = generateBar(tab);
        const form = h(
            "form",
            {
                novalidate: true,
                "aria-label": get(`${tab}.label`) ?? null,
                onsubmit: (event) => {
                    event.preventDefault();
                    bar.press();
                },
                /* Enter in a number is the number's own; only the button and Ctrl+Enter draw */
                onkeydown: (event) => {
                    if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault();
                },
            },
            h("div", { class: "fields" }, ...FORMS[tab]().flat()),
            bar,
        );
        document.getElementById(`panel-${tab}`).append(form);
    }
}
