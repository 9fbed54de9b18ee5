/*
 * words.js - numbers, times and sizes as a person reads them, and what stages and devices are
 * called.
 */
const STAGES = {
    load: "Loading the model",
    text: "Reading the prompt",
    encode: "Reading the picture",
    control: "Reading the control picture",
    denoise: "Drawing",
    decode: "Finishing",
    upscale: "Enlarging",
    refine: "Refining",
};

/* 2.1 s, 48 s, 1 min 20 s, 2 h 5 min */
export function seconds(value) {
    if (value < 9.95) return `${value.toFixed(1)} s`;
    const whole = Math.round(value);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
    const minutes = Math.round(whole / 60);
    return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

export function bytes(value) {
    const units = ["bytes", "KB", "MB", "GB", "TB"];
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
        value /= 1000;
        unit++;
    }
    return `${unit && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function plural(n, one, many = `${one}s`) {
    return `${n} ${n === 1 ? one : many}`;
}

/* nano-turbo -> Nano Turbo; Tongyi-MAI/Z-Image -> Z Image */
export function modelName(name) {
    if (!name) return "";
    return name
        .replace(/^.*\//, "")
        .split(/[-_]/)
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join(" ");
}

export function deviceName(device) {
    return device
        ? device.replace(/^cpu$/i, "CPU").replace(/^cuda(:?)(\d*)$/i, (_, __, n) => `GPU${n ? ` ${n}` : ""}`)
        : "";
}

/* The server tells how many steps are done; people count the one that is being done. */
export const stepNow = ({ step, of }) => Math.min(step + 1, of);

/* What a job is doing: "Step 3 of 8", "Loading the model", "Refining, step 2 of 5" */
export function stageWords(progress) {
    if (!progress) return "Starting";
    const { stage, of } = progress;
    if (stage === "denoise" && of > 0) return `Step ${stepNow(progress)} of ${of}`;
    const words = STAGES[stage] ?? stage;
    return stage === "refine" && of > 1 ? `${words}, step ${stepNow(progress)} of ${of}` : words;
}

/*
 * What an open job is doing, in full. Seconds are those left, or, where nobody knows them, those that
 * went by since it started.
 */
export function jobWords(job, isOnline) {
    if (job.stopping) return "Stopping";
    if (job.state === "waiting" || (!isOnline && job.state !== "sending")) return "Waiting for the server";
    if (job.state === "sending") return "Sending";
    if (job.state === "queued") return queueWords(job.position);
    const left = job.progress?.seconds_left ?? null;
    const since = (Date.now() - job.startedAt) / 1000;
    const time =
        left !== null
            ? `${seconds(Math.max(left, 0))} left`
            : since >= 1
              ? seconds(Math.floor(since) + 0.0001).replace(".0", "")
              : "";
    return [stageWords(job.progress), time].filter(Boolean).join(" \u00b7 ");
}

export function queueWords(position) {
    if (!position) return "Next in the queue";
    return `Waiting, ${plural(position, "picture")} before this one`;
}

/* A long name that still shows its ending: "a-very-long-na....safetensors" */
export function shortName(name, most = 36) {
    if (name.length <= most) return name;
    const dot = name.lastIndexOf(".");
    const ending = dot > 0 && name.length - dot <= 13 ? name.slice(dot) : "";
    return `${name.slice(0, most - ending.length - 3)}...${ending}`;
}
