/*
 * models.js - the choice of the model, as cards: what is here is chosen, what is not says how to get it.
 */
import { h, icon, newId } from "../dom.js";
import { chooseModel, modelChoices } from "../settings.js";
import { set, watch } from "../store.js";
import { bytes, modelName } from "../words.js";

function words(model) {
    if (!model.present) return model.bytes ? `Not here, ${bytes(model.bytes)}` : "Not here";
    const steps = model.defaults?.steps;
    return `${steps ? `${steps} steps, ` : ""}${model.family === "base" ? "finer" : "fast"}`;
}

export function models() {
    const name = newId("model");
    const set_ = h("fieldset", { class: "choices", "aria-labelledby": `${name}-label` });
    let shown = "";
    watch(["generate.model", "models"], (chosen) => {
        const choices = modelChoices();
        const now = JSON.stringify(choices.map((model) => [model.name, model.present, model.bytes]));
        if (now !== shown) {
            shown = now;
            set_.replaceChildren(...choices.map(card));
        }
        for (const input of set_.querySelectorAll("input")) input.checked = input.value === chosen;
    });

    function card(model) {
        if (!model.present) {
            return h(
                "button",
                {
                    type: "button",
                    class: "choice",
                    "data-absent": true,
                    onclick: () => set({ dialog: { missing: model } }),
                },
                icon("away"),
                h("b", {}, modelName(model.name)),
                h("small", {}, words(model)),
            );
        }
        return h(
            "label",
            { class: "choice" },
            h("input", { type: "radio", name, value: model.name, onchange: () => chooseModel(model.name) }),
            h("b", {}, modelName(model.name)),
            h("small", {}, words(model)),
        );
    }

    return h(
        "div",
        { class: "field", "data-field": "model" },
        h("span", { class: "label", id: `${name}-label` }, "Model"),
        set_,
        h(
            "p",
            { class: "links" },
            h(
                "a",
                { href: "https://github.com/Tongyi-MAI/Z-Image#-model-zoo", target: "_blank", rel: "noreferrer" },
                "Edit \u2197",
            ),
            " \u00b7 ",
            h(
                "a",
                { href: "https://github.com/Tongyi-MAI/Z-Image#-model-zoo", target: "_blank", rel: "noreferrer" },
                "Omni Base \u2197",
            ),
            " (coming soon)",
        ),
    );
}
