// The official openai client, unchanged, against zis serve: models, generations, edits, streams, errors.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const require = createRequire(join(process.env.ZIS_NODE_MODULES, "x.js"));
const { default: OpenAI, toFile } = await import(require.resolve("openai"));
const root = process.env.ZIS_ROOT;
const key = "0123456789abcdef0123456789abcdef";
const data = mkdtempSync(join(tmpdir(), "zis-openai-"));
let server;
let client;

before(async () => {
    server = spawn(process.env.ZIS, ["serve", "--port", "0", "--data", data, "-q"], {
        env: { ...process.env, ZIS_MODELS: join(root, "models"), ZIS_API_KEY: key },
        stdio: ["ignore", "pipe", "inherit"],
    });
    const address = await new Promise((resolve, reject) => {
        server.stdout.on("data", (text) => {
            const found = /http:\S+/.exec(text.toString());
            if (found) resolve(found[0]);
        });
        server.on("exit", () => reject(new Error("the server ended")));
    });
    client = new OpenAI({ apiKey: key, baseURL: `${address}/v1`, maxRetries: 0 });
});

after(async () => {
    const ended = new Promise((resolve) => server.on("exit", resolve));
    server.kill("SIGTERM");
    await ended;
    rmSync(data, { recursive: true });
});

function assertPng(b64, width, height) {
    const bytes = Buffer.from(b64, "base64");
    assert.equal(bytes.subarray(1, 4).toString(), "PNG");
    assert.equal(bytes.readUInt32BE(16), width);
    assert.equal(bytes.readUInt32BE(20), height);
}

test("models are listed", async () => {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes("nano-turbo"));
    assert.equal((await client.models.retrieve("nano-base")).id, "nano-base");
});

test("pictures are generated", async () => {
    const made = await client.images.generate({ model: "nano-turbo", prompt: "a red apple", n: 2, size: "128x96" });
    assert.equal(made.data.length, 2);
    for (const picture of made.data) assertPng(picture.b64_json, 128, 96);
    assert.notEqual(made.data[0].b64_json, made.data[1].b64_json);
});

test("fields of our own are taken: the same seed gives the same picture", async () => {
    const ask = { model: "gpt-image-1", prompt: "a cat", size: "64x64", steps: 2, seed: 7, negative_prompt: "dog", cfg_scale: 1 };
    const one = await client.images.generate(ask);
    const two = await client.images.generate(ask);
    assert.equal(one.data[0].b64_json, two.data[0].b64_json);
});

test("a picture by its address", async () => {
    const made = await client.images.generate({ prompt: "x", size: "64x64", response_format: "url", steps: 1 });
    const answer = await fetch(made.data[0].url, { headers: { Authorization: `Bearer ${key}` } });
    assert.equal(answer.headers.get("content-type"), "image/png");
});

test("a stream with partial pictures", async () => {
    const stream = await client.images.generate({ prompt: "a cat", size: "128x128", stream: true, partial_images: 2, steps: 8 });
    const types = [];
    let last;
    for await (const event of stream) {
        types.push(event.type);
        if (event.type === "image_generation.partial_image") {
            assert.equal(event.partial_image_index, types.length - 1);
            assert.equal(Buffer.from(event.b64_json, "base64").subarray(0, 2).toString("hex"), "ffd8");
        }
        last = event;
    }
    assert.equal(types.at(-1), "image_generation.completed");
    assert.ok(types.length >= 2 && types.length <= 3);
    assertPng(last.b64_json, 128, 128);
});

test("a picture is edited, with a mask, and streamed", async () => {
    const image = join(root, "docs/gallery/apple.png");
    const made = await client.images.edit({
        image: createReadStream(image),
        mask: await toFile(readFileSync(join(root, "docs/gallery/frog.png")), "mask.png", { type: "image/png" }),
        prompt: "a green apple",
        steps: 2,
        size: "128x128",
    });
    assertPng(made.data[0].b64_json, 128, 128);
    const several = await client.images.edit({
        image: [await toFile(readFileSync(image), "apple.png", { type: "image/png" })],
        prompt: "a green apple",
        stream: true,
        partial_images: 1,
        size: "64x64",
    });
    let type;
    for await (const event of several) type = event.type;
    assert.equal(type, "image_edit.completed");
});

test("errors are those of the client's own classes, with our sentence", async () => {
    await assert.rejects(client.images.generate({ prompt: "x", size: "0x64" }), (e) => {
        assert.ok(e instanceof OpenAI.BadRequestError);
        assert.match(e.message, /must be a whole number from 1/);
        return true;
    });
    await assert.rejects(client.images.generate({ prompt: "x", n: 17 }), (e) => {
        assert.deepEqual([e.status, e.type, e.code, e.param], [400, "invalid_request_error", "bad_argument", "n"]);
        assert.match(e.message, /n must be a whole number from 1 to 16, not '17'/);
        return true;
    });
    await assert.rejects(client.images.generate({ prompt: "x", model: "sdxl" }), (e) => {
        assert.ok(e instanceof OpenAI.NotFoundError);
        assert.equal(e.param, "model");
        return true;
    });
    const stranger = new OpenAI({ apiKey: "sk-wrong", baseURL: client.baseURL, maxRetries: 0 });
    await assert.rejects(stranger.images.generate({ prompt: "x" }), OpenAI.AuthenticationError);
});

test("an aborted request cancels its job when it asked for that", async () => {
    const control = new AbortController();
    setTimeout(() => control.abort(), 700);
    await assert.rejects(
        client.images.generate({ prompt: "x", steps: 1000, size: "256x256" }, { signal: control.signal, headers: { "X-Zis-On-Disconnect": "cancel" } }),
    );
    for (let i = 0; i < 100; i++) {
        const status = await (await fetch(`${client.baseURL}/../api/v1/status`, { headers: { Authorization: `Bearer ${key}` } })).json();
        if (status.state === "ready") return;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail("the job still runs");
});
