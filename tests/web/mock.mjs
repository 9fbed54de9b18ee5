/*
 * mock.mjs - a server that speaks docs/http-api.md and draws nothing: for working on the page, and for the
 * tests of states that the real server reaches only by bad luck (no preview, failures, absent models).
 *
 *     node tests/web/mock.mjs [PORT] [WEB-DIR]
 *
 * Words in a prompt steer it: "slow" (half a second a step), "blind" (no preview), "break" (fails half way),
 * "hold-load", "hold-3" (stays in that stage or step until it is cancelled or POST /mock/go). POST /mock/restart forgets everything, as a new process would.
 */
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import zlib from "node:zlib";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const TYPES = {
    html: "text/html; charset=utf-8",
    css: "text/css",
    js: "text/javascript",
    svg: "image/svg+xml",
    woff2: "font/woff2",
    txt: "text/plain",
};
const CSP =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function png(width, height, color) {
    const chunk = (type, data) => {
        const body = Buffer.concat([Buffer.from(type), data]);
        const out = Buffer.alloc(body.length + 8);
        out.writeUInt32BE(data.length);
        body.copy(out, 4);
        out.writeUInt32BE(zlib.crc32 ? zlib.crc32(body) : crc(body), out.length - 4);
        return out;
    };
    const head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 2, 0, 0, 0], 8);
    const rows = Buffer.alloc((width * 3 + 1) * height);
    for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
            const at = y * (width * 3 + 1) + 1 + x * 3;
            for (let c = 0; c < 3; c++) rows[at + c] = color(x / width, y / height, c);
        }
    return Buffer.concat([
        Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
        chunk("IHDR", head),
        chunk("IDAT", zlib.deflateSync(rows)),
        chunk("IEND", Buffer.alloc(0)),
    ]);
}
function crc(buffer) {
    let value = ~0;
    for (const byte of buffer) {
        value ^= byte;
        for (let i = 0; i < 8; i++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    }
    return ~value >>> 0;
}
/* A ball on a ground, in colours of the seed; noise takes its place as t goes to 0. */
function ball(width, height, seed, t = 1) {
    const hue = (c) => 0.5 + 0.5 * Math.sin(seed * 1.7 + c * 2.1);
    return png(width, height, (x, y, c) => {
        const d = Math.hypot(x - 0.5, y - 0.52);
        const light = 1 - Math.hypot(x - 0.4, y - 0.4);
        const clean = d < 0.3 ? 255 * (0.25 + 0.75 * hue(c)) * light : 200 + 40 * hue(c + 1);
        return Math.max(0, Math.min(255, clean * t + (1 - t) * 255 * Math.random()));
    });
}

const model = (name, family, present, extra) => ({
    name,
    family,
    present,
    hub_id: null,
    loaded: false,
    default: name === "nano-turbo",
    what: "tiny, ships with zis: glossy objects",
    bytes: 81e6,
    type: "bf16",
    defaults: { width: 256, height: 256, steps: family === "base" ? 25 : 8, cfg: family === "base" ? 3 : 1, shift: 3 },
    sizes: [128, 512],
    example: "a red apple on a mint green background",
    fetch: null,
    missing: null,
    ...extra,
});
const real = {
    what: "The published model of 6.15 billion parameters: photographs, text, anything.",
    sizes: [384, 2048],
    example: null,
};
const MODELS = {
    models: [
        model("nano-turbo", "turbo", true),
        model("nano-base", "base", true),
        model("turbo", "turbo", false, {
            ...real,
            hub_id: "Tongyi-MAI/Z-Image-Turbo",
            bytes: 20.5e9,
            fetch: "zis fetch turbo",
        }),
        model("base", "base", false, { ...real, hub_id: "Tongyi-MAI/Z-Image", bytes: 20.5e9, fetch: "zis fetch base" }),
    ],
    loras: [{ name: "sepia", present: true, bytes: 123456, base: "turbo" }],
    control_nets: [{ name: "nano-controlnet-union-2.1", present: true, for: ["nano-turbo"], fetch: null, bytes: 1 }],
    upscalers: [{ name: "nano_x4", present: true, scale: 4, fetch: null, bytes: 1 }],
    preprocessors: [
        { name: "canny", label: "Canny", present: true },
        { name: "depth", label: "Depth", present: false, fetch: "zis fetch depth" },
        { name: "pose", label: "Pose", present: true },
        { name: "none", label: "Pre-processed", present: true },
    ],
};
const range = (minimum, maximum, step, standard) => ({ minimum, maximum, step, default: standard });
const DEFAULTS = {
    version: "0.1.0",
    default_model: "nano-turbo",
    pairs: [{ turbo: "nano-turbo", base: "nano-base" }],
    fields: [],
    models: {},
    tabs: {
        generate: { models: ["nano-turbo", "nano-base"], fields: { steps: range(1, 50, 1, null) } },
        control: {
            model: "nano-turbo",
            fields: { control_strength: range(0, 2, 0.05, 1) },
            preprocessors: ["canny", "depth", "pose", "none"],
            preprocess: "canny",
        },
        upscale: { model: "nano-turbo", fields: { steps: range(1, 20, 1, 5) }, prompt: "masterpiece, 8k" },
    },
    limits: { prompt_tokens: 512 },
};

/* Starts it; answers { url, restart(), close() }. */
export function serve({ port = 0, web = path.join(HERE, "../../web") } = {}) {
    let boot, jobs, uploads, streams, queue, running, eventId, next;
    const fresh = () => {
        boot = Math.random().toString(16).slice(2, 8);
        for (const [, all] of streams ?? []) for (const stream of all) stream.destroy();
        [jobs, uploads, streams, queue, running, eventId, next] = [new Map(), new Map(), new Map(), [], null, 0, 1];
    };
    fresh();
    const send = (res, status, body, type = "application/json") => {
        res.writeHead(status, { "Content-Type": type });
        res.end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
    };
    const fail = (res, status, code, message, extra = {}) =>
        send(res, status, {
            error: { code, message, type: "invalid_request_error", param: null, fetch: null, ...extra },
        });
    const publish = (job, event, data) => {
        const line = `id: ${++eventId}\nevent: ${event}\ndata: ${JSON.stringify({ job: job.id, ...data })}\n\n`;
        for (const stream of streams.get(job.session) ?? []) stream.write(line);
    };
    const plain = ({ png: _, ...job }) => job;

    function pump() {
        if (running || !queue.length) return;
        running = queue.shift();
        queue.forEach((job, i) => publish(job, "queued", { position: i, estimate: 60 }));
        const job = running;
        const { request } = job;
        const steps = request.steps ?? 8;
        const mine = boot;
        const slow = /slow/.test(request.prompt ?? "") ? 500 : 60;
        const stages = [
            ["load", 30],
            ["text", 30],
            ...Array.from({ length: steps }, (_, i) => ["denoise", slow, i + 1]),
            ["decode", 40],
        ];
        Object.assign(job, { state: "running", started: Date.now() / 1000 });
        publish(job, "started", { attempt: 1, request });
        const end = (event, extra) => {
            Object.assign(job, { state: event, ...extra });
            publish(job, event, { object: plain(job), error: job.error });
            running = null;
            pump();
        };
        const step = (at) => {
            if (mine !== boot) return;
            if (job.stop) return end("cancelled", {});
            if (/break/.test(request.prompt ?? "") && at > stages.length / 2)
                return end("failed", {
                    error: {
                        code: "out_of_memory",
                        message:
                            "the model needs 25.4 GB of memory and 8.0 GB are free; choose a smaller size, or --memory 8G to stream the weights",
                    },
                });
            if (at === stages.length) {
                const scale = request.task === "upscale" ? 2 : 1;
                const [w, h] = [(request.width ?? 256) * scale, (request.height ?? 256) * scale];
                job.png = ball(w, h, Number(job.request.seed));
                return end("done", {
                    images: [
                        {
                            index: 0,
                            url: `/api/v1/jobs/${job.id}/images/0`,
                            width: w,
                            height: h,
                            seed: Number(job.request.seed),
                            format: "png",
                            bytes: job.png.length,
                            parameters: `${request.prompt}\nSteps: ${steps}`,
                            recipe: request,
                        },
                    ],
                    model: request.model,
                    device: "cpu",
                    dtype: "f32",
                    seconds: { total: Date.now() / 1000 - job.started },
                });
            }
            const [stage, ms, n = 0] = stages[at];
            const left = stages.slice(at).reduce((all, one) => all + one[1], 0) / 1000;
            publish(job, "progress", {
                stage,
                step: Math.max(0, n - 1),
                of: stage === "denoise" ? steps : 0,
                fraction: 0,
                overall: at / stages.length,
                picture: 0,
                pictures: 1,
                seconds_left: stage === "load" ? null : left,
            });
            if (n && !/blind/.test(request.prompt ?? ""))
                publish(job, "preview", {
                    picture: 0,
                    step: n,
                    of: steps,
                    width: 32,
                    height: 32,
                    image: `data:image/png;base64,${ball(32, 32, Number(job.request.seed), n / steps).toString("base64")}`,
                });
            const hold = /hold-(\w+)/.exec(request.prompt ?? "")?.[1];
            const wait = () => {
                if (mine !== boot) return;
                if ((hold === stage || hold === String(n)) && !job.stop && !job.go) setTimeout(wait, 30);
                else step(at + 1);
            };
            setTimeout(wait, ms);
        };
        step(0);
    }

    function create(res, body) {
        const request = JSON.parse(body);
        if (request.prompt?.length > 20000) return fail(res, 413, "too_large", "the prompt is too long");
        const { session } = request;
        delete request.session;
        if (Number(request.seed ?? -1) < 0) request.seed = Math.floor(Math.random() * 1e9);
        const shape = uploads.get((request.control_image ?? request.image ?? "").slice(7));
        if (shape && !request.width) Object.assign(request, { width: shape.width, height: shape.height });
        const job = {
            id: `${boot}${next++}`,
            state: "queued",
            task: request.task,
            session,
            created: Date.now() / 1000,
            position: queue.length,
            estimate: 60,
            progress: null,
            request,
            images: [],
            error: null,
        };
        jobs.set(job.id, job);
        queue.push(job);
        send(res, 202, plain(job));
        publish(job, "queued", { position: job.position, estimate: 60 });
        setTimeout(pump, 5);
    }

    const api = {
        "GET session": (res) => send(res, 200, { required: false, open: true }),
        "GET defaults": (res) => send(res, 200, DEFAULTS),
        "GET models": (res) => send(res, 200, MODELS),
        "GET status": (res) =>
            send(res, 200, {
                version: "0.1.0",
                boot,
                device: "cpu",
                isa: "avx2",
                threads: 2,
                state: "ready",
                model: null,
                running: running?.id ?? null,
                queued: queue.length,
            }),
        "POST tokens": (res, body) => {
            const { prompt } = JSON.parse(body);
            const words = [...prompt.matchAll(/\S+/g)];
            send(res, 200, {
                tokens: words.length + 13,
                limit: 512,
                cut_at: words.length > 499 ? words[499].index : null,
            });
        },
        "POST jobs": create,
        "GET jobs": (res, _, url) =>
            send(res, 200, {
                jobs: [...jobs.values()]
                    .filter((job) => job.session === url.searchParams.get("session"))
                    .map(plain)
                    .reverse(),
            }),
        "POST uploads": (res, body, url) => {
            const id = `u${next++}`;
            const isPng = body.subarray(1, 4).toString() === "PNG";
            const lora = url.searchParams.get("kind") === "lora";
            const told = lora
                ? {
                      name: url.searchParams.get("name"),
                      ok: true,
                      matched: 84,
                      modules: 84,
                      rank: 8,
                      summary: "84 of 84 modules, rank 8",
                      left_over: [],
                      warning: null,
                      base: "turbo",
                  }
                : {
                      kind: "picture",
                      width: isPng ? body.readUInt32BE(16) : 256,
                      height: isPng ? body.readUInt32BE(20) : 256,
                      recipe: body.includes("parameters"),
                  };
            uploads.set(id, { ...told, body });
            send(res, 200, { id, ref: `upload:${id}`, ...told, expires: 0 });
        },
        "POST loras/check": (res, body) => {
            const { name } = JSON.parse(body);
            if (name === "broken") return fail(res, 400, "bad_format", "broken.safetensors: no tensors in file");
            send(res, 200, {
                name,
                ok: true,
                summary: "84 of 84 modules, rank 8",
                warning: null,
                left_over: [],
                ref: name,
            });
        },
        "POST preprocess": (res, body) => {
            const { kind } = JSON.parse(body);
            if (kind === "depth")
                return fail(
                    res,
                    409,
                    "conflict",
                    "the depth preprocessor's weights (dpt_hybrid-midas-501f0c75.pt) are not here; get them with `zis fetch depth`",
                    { fetch: "zis fetch depth" },
                );
            setTimeout(
                () =>
                    send(
                        res,
                        200,
                        png(256, 256, (x, y) => (Math.abs(Math.hypot(x - 0.5, y - 0.52) - 0.3) < 0.008 ? 255 : 0)),
                        "image/png",
                    ),
                150,
            );
        },
        "POST recipe": (res, body) =>
            body.includes("parameters")
                ? send(res, 200, {
                      source: "zis",
                      request: {
                          task: "generate",
                          prompt: "a golden teapot",
                          model: "nano-base",
                          steps: 20,
                          cfg: 3.5,
                          seed: 77,
                          width: 256,
                          height: 320,
                      },
                      ignored: [],
                  })
                : fail(res, 404, "not_found", "the picture carries no recipe"),
    };

    const server = http.createServer(async (req, res) => {
        const url = new URL(req.url, "http://x");
        const chunks = [];
        for await (const chunk of req) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        if (url.pathname === "/mock/go") {
            if (running) running.go = true;
            return send(res, 200, {});
        }
        if (url.pathname === "/mock/restart") {
            fresh();
            return send(res, 200, {});
        }
        if (!url.pathname.startsWith("/api/v1/")) {
            const file = path.join(web, path.normalize(url.pathname === "/" ? "index.html" : url.pathname));
            if (!file.startsWith(web) || !fs.existsSync(file) || fs.statSync(file).isDirectory())
                return fail(res, 404, "not_found", "no such file");
            res.writeHead(200, {
                "Content-Type": TYPES[file.split(".").pop()] ?? "application/octet-stream",
                "Content-Security-Policy": CSP,
                "Cache-Control": "no-cache",
            });
            return res.end(fs.readFileSync(file));
        }
        const route = url.pathname.slice(8);
        if (route === "events") {
            const session = url.searchParams.get("session");
            res.writeHead(200, { "Content-Type": "text/event-stream" });
            res.write(
                `retry: 1000\nevent: hello\ndata: ${JSON.stringify({ boot, version: "0.1.0", jobs: [...jobs.values()].filter((job) => job.session === session).map((job) => job.id) })}\n\n`,
            );
            streams.set(session, [...(streams.get(session) ?? []), res]);
            res.on("close", () =>
                streams.set(
                    session,
                    (streams.get(session) ?? []).filter((one) => one !== res),
                ),
            );
            return;
        }
        const [, id, rest] = /^jobs\/([^/]+)(.*)$/.exec(route) ?? [];
        if (id) {
            const job = jobs.get(id);
            if (!job) return fail(res, 404, "not_found", `there is no job '${id}'`);
            if (rest.startsWith("/image")) return send(res, 200, job.png, "image/png");
            if (req.method === "DELETE") {
                job.stop = true;
                if (queue.includes(job)) {
                    queue.splice(queue.indexOf(job), 1);
                    job.state = "cancelled";
                    publish(job, "cancelled", { object: plain(job) });
                }
                return send(res, 202, plain(job));
            }
            return send(res, 200, plain(job));
        }
        const act = api[`${req.method} ${route}`];
        return act ? act(res, body, url) : fail(res, 404, "not_found", `there is no ${req.method} ${url.pathname}`);
    });
    return new Promise((resolve) =>
        server.listen(port, "127.0.0.1", () =>
            resolve({
                url: `http://127.0.0.1:${server.address().port}`,
                restart: fresh,
                close: () => (fresh(), server.closeAllConnections(), new Promise((done) => server.close(done))),
            }),
        ),
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const { url } = await serve({
        port: Number(process.argv[2] ?? 7861),
        ...(process.argv[3] && { web: path.resolve(process.argv[3]) }),
    });
    console.log(url);
}
