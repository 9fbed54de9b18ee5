/*
 * api.js - the HTTP API (docs/http-api.md), as functions that return what the server said or throw
 * an ApiError with its sentence. Nothing here touches the page.
 */
const ROOT = "api/v1";

/* code: the server's, or "offline" when it did not answer at all. */
export class ApiError extends Error {
    constructor(code, message, { status = 0, param = null, fetch = null } = {}) {
        super(message);
        this.code = code;
        this.status = status;
        this.param = param;
        this.fetch = fetch;
    }
}

/* Body: a Blob is sent as it is, anything else as JSON. Answers the Response. */
async function ask(method, path, body, signal) {
    const isFile = body instanceof Blob;
    let answer;
    try {
        answer = await fetch(`${ROOT}/${path}`, {
            method,
            signal,
            body: body === undefined || isFile ? body : JSON.stringify(body),
            headers:
                body === undefined
                    ? {}
                    : { "Content-Type": isFile ? body.type || "application/octet-stream" : "application/json" },
        });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new ApiError(
            "offline",
            "The server does not answer. Start it with `zis serve`; this page goes on by itself.",
        );
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => null);
    const error = told?.error ?? {};
    throw new ApiError(
        error.code ?? "internal",
        sentence(error.message ?? `The server answered ${answer.status} ${answer.statusText}`),
        {
            status: answer.status,
            param: error.param ?? null,
            fetch: error.fetch ?? null,
        },
    );
}

/* The command line's sentences begin small and end bare; on a page they stand alone. Names keep their letters. */
export function sentence(text) {
    const bare = text.trim();
    if (!bare) return "";
    const isName = /^\S*[._/]\S/.test(bare);
    return (isName ? bare[0] : bare[0].toUpperCase()) + bare.slice(1) + (/[.!?]$/.test(bare) ? "" : ".");
}

const json = async (...args) => (await ask(...args)).json();

export const session = () => json("GET", "session");
export const openSession = (key) => json("POST", "session", { key });
export const defaults = () => json("GET", "defaults");
export const models = () => json("GET", "models");
export const status = () => json("GET", "status");
export const tokens = (prompt, model, signal) => json("POST", "tokens", { prompt, model }, signal);

export const submit = (request) => json("POST", "jobs", request);
export const job = (id) => json("GET", `jobs/${id}`);
export const jobs = (name) => json("GET", `jobs?session=${name}`);
export const cancel = (id) => json("DELETE", `jobs/${id}`);
export const eventsUrl = (name) => `${ROOT}/events?session=${name}`;

/* A finished picture, kept in the page so that it outlives the server. url: as the job says it. */
export async function picture(url) {
    return (await ask("GET", url.replace(/^\/?api\/v1\//, ""))).blob();
}

export const upload = (blob, name, signal) => json("POST", `uploads?name=${encodeURIComponent(name)}`, blob, signal);
export const uploadLora = (blob, name) => json("POST", `uploads?kind=lora&name=${encodeURIComponent(name)}`, blob);
export const checkLora = (name, model) => json("POST", "loras/check", { name, model });
export const preprocess = async (kind, image, signal) =>
    (await ask("POST", "preprocess", { kind, image }, signal)).blob();
export const recipe = (blob) => json("POST", "recipe", blob);
