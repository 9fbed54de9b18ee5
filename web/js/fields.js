/*
 * fields.js - the one table of what each tab asks for: names as the API has them, words, ranges and
 * defaults. Ranges and defaults here hold until the server has told its own (GET defaults); a
 * default of null is the model's, and until it is known "first".
 */
export const TABS = {
    generate: { hash: "text", label: "Text to Image" },
    control: { hash: "controlnet", label: "ControlNet" },
    upscale: { hash: "upscale", label: "Upscale" },
};
export const TAB_NAMES = Object.keys(TABS);

const lora = {
    lora_on: { default: false },
    lora: { default: null },
    lora_strength: {
        label: "LoRA strength",
        minimum: 0,
        maximum: 1.5,
        step: 0.05,
        default: 0.8,
        hint: "0.6 to 1.0 is typical.",
    },
};
const seed = {
    label: "Seed",
    default: "",
    hint: "Empty draws another picture each time; the same number draws the same one.",
};

export const FIELDS = {
    generate: {
        prompt: { label: "Prompt", default: "", rows: 4 },
        model: { label: "Model", default: null },
        negative_prompt: {
            label: "Negative prompt",
            default: "",
            rows: 2,
            placeholder: "blurry, lowres, distorted",
            hint: "What to keep out of the picture. Base only.",
        },
        cfg: {
            label: "CFG",
            minimum: 0.5,
            maximum: 12,
            step: 0.1,
            default: null,
            first: 1,
            hint: "How strictly the prompt is followed; 3 to 5 is typical.",
        },
        ...lora,
        steps: {
            label: "Steps",
            minimum: 1,
            maximum: 50,
            step: 1,
            default: null,
            first: 8,
            hint: "Turbo 6 to 10, Base 20 to 30. More is finer and slower.",
        },
        width: { label: "Width", minimum: 384, maximum: 2048, step: 16, default: null, first: 1024 },
        height: { label: "Height", minimum: 384, maximum: 2048, step: 16, default: null, first: 1024 },
        seed,
        image: { default: null },
        mask: { default: null },
        strength: {
            label: "Strength",
            minimum: 0,
            maximum: 1,
            step: 0.01,
            default: 0.6,
            hint: "How far the result may leave the picture: 0.3 keeps most, 0.8 little.",
        },
    },
    control: {
        prompt: { label: "Prompt", default: "", rows: 3 },
        control_image: { label: "Control image", default: null },
        preprocess: { label: "Preprocessor", default: "canny" },
        control_strength: {
            label: "ControlNet scale",
            minimum: 0,
            maximum: 2,
            step: 0.05,
            default: 1,
            hint: "How strictly the map is followed; 0.6 to 1.2 is typical.",
        },
        ...lora,
        steps: { label: "Steps", minimum: 1, maximum: 30, step: 1, default: 9, hint: "More is finer and slower." },
        seed,
    },
    upscale: {
        prompt: { label: "Refinement prompt", default: "masterpiece, 8k", rows: 2 },
        image: { label: "Input image", default: null },
        steps: { label: "Refine steps", minimum: 1, maximum: 20, step: 1, default: 5, hint: "3 to 8 is typical." },
        strength: {
            label: "Refine denoise",
            minimum: 0,
            maximum: 1,
            step: 0.01,
            default: 0.33,
            hint: "0.2 to 0.4 is typical; higher changes more.",
        },
        seed,
    },
};

/* What the preprocessors are called, and what they make. */
export const PREPROCESSORS = {
    canny: { label: "Canny", makes: "edges" },
    depth: { label: "Depth", makes: "depth map" },
    pose: { label: "Pose", makes: "pose" },
    none: { label: "Pre-processed", makes: "picture as it is" },
};

/* Where the picture of a tab comes from. */
export const PICTURE_OF = { generate: "image", control: "control_image", upscale: "image" };
