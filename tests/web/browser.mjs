/*
 * browser.mjs - what the browser tests share: Chromium, the real `zis serve`, axe, screenshots.
 *
 * Environment: ZIS (the program), ZIS_NODE_MODULES (where playwright-core and axe-core are), ZIS_SHOTS (folder
 * of screenshots, kept as artefacts), CHROMIUM (default /usr/bin/chromium): tools/web.sh sets them. ZIS_WEB: a folder
 * that is served instead of the page in the program, while working on it.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(
    `${path.resolve(process.env.ZIS_NODE_MODULES ?? `${ROOT}/build-test/browser/node_modules`)}/`,
);
const { chromium } = require("playwright-core");
const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const SHOTS = path.resolve(process.env.ZIS_SHOTS ?? `${ROOT}/build-test/browser/shots`);
const zis = process.env.ZIS ?? `${ROOT}/build-test/zis`;
export const picture = (name) => path.join(ROOT, "docs/gallery", `${name}.png`);

let browser;
const servers = new Set();
export async function openBrowser() {
    fs.mkdirSync(SHOTS, { recursive: true });
    browser = await chromium.launch({
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
}
/* Also ends the servers that a test which failed has left: they would keep the run from its end. */
export async function closeBrowser() {
    await browser?.close();
    for (const child of servers) child.kill();
}

/*
 * A fresh page, without motion unless asked for: a test clicks faster than things come to rest. What the console says that nobody expected is an error of the test (see closePage).
 */
export async function openPage(url, { width = 1280, height = 800, hash = "", init, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, reducedMotion: "reduce", ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: url });
    const page = await context.newPage();
    if (init) await page.addInitScript(init);
    page.troubles = [];
    page.on("pageerror", (error) => page.troubles.push(error.stack));
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) page.troubles.push(message.text());
    });
    await page.goto(`${url}/${hash}`, { waitUntil: "domcontentloaded" });
    return page;
}

/* expects: patterns of troubles that belong to the test, such as a server that went away. */
export async function closePage(page, expects = []) {
    const wrong = page.troubles.filter((text) => !expects.some((pattern) => pattern.test(text)));
    await page.context().close();
    assert.deepEqual(wrong, []);
}

export const isReady = (page) => page.locator('#status[data-state="ready"]').waitFor();
export const form = (page, tab) => page.locator(`#panel-${tab}`);
export const promptOf = (page, tab = "generate") => form(page, tab).locator(".prompt textarea").first();
export const button = (page, tab = "generate") => form(page, tab).locator(".generate");
/* The picture on the canvas, once it is done. */
export const isDone = (page) => page.locator('.frame[data-state="done"]').waitFor({ timeout: 60000 });

export async function draw(page, tab, prompt) {
    if (prompt !== undefined) await promptOf(page, tab).fill(prompt);
    await button(page, tab).click();
    await isDone(page);
}

/* Gives a file to a well by clicking it. */
export async function choose(page, tab, file) {
    const [chooser] = await Promise.all([
        page.waitForEvent("filechooser"),
        form(page, tab).locator(".well .drop").first().click(),
    ]);
    await chooser.setFiles(file);
}

/* Drops a file somewhere, as the desktop would. */
export async function drop(page, selector, file) {
    const bytes = fs.readFileSync(file).toString("base64");
    const transfer = await page.evaluateHandle(
        ([base64, name]) => {
            const data = new DataTransfer();
            const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
            data.items.add(new File([raw], name, { type: "image/png" }));
            return data;
        },
        [bytes, path.basename(file)],
    );
    await page.dispatchEvent(selector, "dragenter", { dataTransfer: transfer });
    await page.dispatchEvent(selector, "drop", { dataTransfer: transfer });
}

export async function shot(page, name) {
    await page.screenshot({ path: path.join(SHOTS, `${name}.png`), animations: "disabled" });
}

/* No violation of any rule of axe-core, best practices included. */
export async function isAccessible(page, where, { rules = {} } = {}) {
    /* by the debugger's door: the page's policy allows no script of others */
    const client = await page.context().newCDPSession(page);
    await client.send("Runtime.evaluate", { expression: AXE });
    const found = await page.evaluate(async (rules) => {
        const { violations } = await window.axe.run(document, { resultTypes: ["violations"], rules });
        return violations.flatMap(({ id, nodes }) =>
            nodes.map(({ html, any }) => `${id}: ${html.slice(0, 200)} ${any[0]?.message ?? ""}`),
        );
    }, rules);
    assert.deepEqual(found, [], `axe-core, ${where}`);
}

/* The same picture by the command line, to know how fast this machine is just now. */
export function drawByCommand(prompt) {
    const { status, stderr } = spawnSync(zis, ["generate", prompt, "-o", "-"], { stdio: ["ignore", "ignore", "pipe"] });
    assert.equal(status, 0, String(stderr));
}

/* The real server on a port of its own. stop() ends it as a service manager would, start() brings it back there. key: it wants one. */
export async function serve({ port = 0, key = "" } = {}) {
    const state = fs.mkdtempSync(path.join(os.tmpdir(), "zis-web-"));
    const web = process.env.ZIS_WEB ? ["--web", process.env.ZIS_WEB] : [];
    const server = { url: "", port };
    server.start = () =>
        new Promise((resolve, reject) => {
            server.child = spawn(zis, ["serve", "--port", String(server.port), "--data", state, ...web], {
                stdio: ["ignore", "pipe", "pipe"],
                env: { ...process.env, ...(key && { ZIS_API_KEY: key }) },
            });
            servers.add(server.child);
            server.child.once("exit", () => servers.delete(server.child));
            let said = "";
            const hear = (chunk) => {
                said += chunk;
                const [, port] = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
                if (!port) return;
                Object.assign(server, { port: Number(port), url: `http://127.0.0.1:${port}` });
                resolve(server);
            };
            server.child.stdout.on("data", hear);
            server.child.stderr.on("data", hear);
            server.child.on("exit", (code) => reject(new Error(`zis serve ended with ${code}: ${said}`)));
        });
    server.stop = (signal = "SIGTERM") =>
        new Promise((resolve) => {
            server.child.once("exit", resolve);
            server.child.kill(signal);
        });
    server.close = async () => {
        await server.stop();
        fs.rmSync(state, { recursive: true, force: true });
    };
    return server.start();
}
