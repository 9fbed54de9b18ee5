/*
 * studio.test.mjs - the page with the real server and the nano models, as a person uses them: a picture in each
 * tab, cancel, a mask, settings from a picture, a restart of the server, a phone, the keyboard alone; then
 * what is promised of weight and quiet.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import {
    button,
    choose,
    closeBrowser,
    closePage,
    draw,
    drawByCommand,
    drop,
    form,
    isAccessible,
    isDone,
    isReady,
    openBrowser,
    openPage,
    picture,
    promptOf,
    serve,
    shot,
} from "./browser.mjs";

const GONE = [/ERR_CONNECTION_REFUSED/, /ERR_INCOMPLETE_CHUNKED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/];
let server;
before(async () => {
    await openBrowser();
    server = await serve();
});
after(async () => {
    await closeBrowser();
    await server?.close();
});

/* Mean colour of a part of the picture on the canvas, 0 to 255 each. */
const colour = (page, part = [0, 0, 1, 1]) =>
    page.locator(".frame img.on").evaluate(async (img, [x, y, w, h]) => {
        await img.decode();
        const canvas = new OffscreenCanvas(1, 1);
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        const { naturalWidth: W, naturalHeight: H } = img;
        context.drawImage(img, x * W, y * H, w * W, h * H, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }, part);
const size = (page) => page.locator(".frame img.on").evaluate((img) => [img.naturalWidth, img.naturalHeight]);

test("text to image: preview and progress move, the picture comes within 4 s of the press", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await promptOf(page).fill("a red apple on a mint green background");
    await form(page, "generate").getByText("16 of 512 tokens").waitFor();
    await page.evaluate(() => {
        window.seen = { previews: 0, fractions: [] };
        new MutationObserver((all) => {
            for (const { target } of all) {
                if (target.tagName === "IMG" && target.src.startsWith("data:")) window.seen.previews++;
                if (target.tagName === "I") window.seen.fractions.push(Number(target.style.getPropertyValue("--done")));
            }
        }).observe(document.getElementById("canvas"), {
            subtree: true,
            attributes: true,
            attributeFilter: ["src", "style"],
        });
    });
    /* where others keep the machine busy, both take longer: at rest the command line takes half a second */
    const alone = Date.now();
    drawByCommand("a red apple on a mint green background");
    const most = Math.max(4000, 4 * (Date.now() - alone));
    const from = Date.now();
    await button(page).click();
    await isDone(page);
    const took = Date.now() - from;
    const { previews, fractions } = await page.evaluate(() => window.seen);
    console.log(`# picture after ${took} ms, ${previews} previews, ${fractions.length} moves of the line`);
    assert.ok(took < most, `${took} ms of ${most}`);
    assert.ok(previews >= 2);
    assert.ok(
        fractions.length >= 4 && fractions.every((one, i) => one === 0 || i === 0 || one >= fractions[i - 1]),
        fractions.join(),
    );
    assert.deepEqual(await size(page), [256, 256]);
    assert.match(await page.locator("#words").innerText(), /Seed \d+\s*·\s*256x256\s*·\s*\d/);
    assert.match(await page.locator("#device").innerText(), /^Nano Turbo on CPU, \d+ threads?$/);
    await shot(page, "studio-text");
    await isAccessible(page, "text to image");
    await closePage(page);
});

test("the same seed draws the same picture; copy, download, full screen", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await page.getByRole("button", { name: /^Advanced/ }).click();
    await form(page, "generate").getByLabel("Seed", { exact: true }).fill("42");
    await draw(page, "generate", "a blue cat");
    const print = () =>
        page.evaluate(async () => {
            const image = await createImageBitmap(document.querySelector(".frame img.on"));
            const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            const { data } = canvas.getImageData(0, 0, image.width, image.height);
            return [...new Uint8Array(await crypto.subtle.digest("SHA-256", data))].join(" ");
        });
    const first = await print();
    await page.getByRole("button", { name: "Copy recipe" }).click();
    await page.locator(".toast", { hasText: "Recipe copied" }).waitFor();
    assert.match(
        await page.evaluate(() => navigator.clipboard.readText()),
        /^a blue cat\n[\s\S]*Steps: 8[\s\S]*Seed: 42/,
    );
    const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: "Download" }).click(),
    ]);
    assert.equal(file.suggestedFilename(), "a-blue-cat-42.png");
    assert.equal(fs.readFileSync(await file.path()).readUInt32BE(16), 256);
    await page.keyboard.press("f");
    await page.locator("dialog.viewer[open]").waitFor();
    await shot(page, "viewer");
    await isAccessible(page, "viewer");
    await page.keyboard.press("Escape");
    await button(page).click();
    await page.locator(".square-job[data-state=done]").nth(1).waitFor();
    assert.equal(await print(), first);
    await closePage(page);
});

test("cancel takes effect at once, the last preview stays", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await page.getByLabel("Nano Base").check();
    await form(page, "generate").getByLabel("Steps, as a number").fill("50");
    await promptOf(page).fill("three purple robots");
    await button(page).click();
    await page.locator("#words", { hasText: /Step \d+ of 50/ }).waitFor();
    await page.locator(".frame img.on").waitFor();
    const from = Date.now();
    await button(page).click();
    await page.locator("#words", { hasText: /^Cancelled at step \d+ of 50$/ }).waitFor();
    console.log(`# cancelled after ${Date.now() - from} ms`);
    assert.ok(Date.now() - from < 1500);
    assert.equal(await page.locator(".frame img.on").count(), 1);
    await shot(page, "studio-cancelled");
    await closePage(page);
});

test("ControlNet: the map is live, the picture follows it; a result can be used as control", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await draw(page, "generate", "a golden star on a navy blue background");
    await page.getByRole("button", { name: "Use as control" }).click();
    assert.equal(new URL(page.url()).hash, "#controlnet");
    await page.locator('[data-well="map"] img:not([hidden])').waitFor();
    const lit = await page.locator('[data-well="map"] img').evaluate(async (img) => {
        await img.decode();
        const context = new OffscreenCanvas(img.naturalWidth, img.naturalHeight).getContext("2d");
        context.drawImage(img, 0, 0);
        const { data } = context.getImageData(0, 0, img.naturalWidth, img.naturalHeight);
        return data.filter((value, i) => i % 4 === 0 && value > 127).length;
    });
    assert.ok(lit > 200, `${lit} points of edges`);
    await promptOf(page, "control").fill("a red star on a yellow background");
    await button(page, "control").click();
    await page.locator(".square-job[data-state=done]").nth(1).waitFor({ timeout: 60000 });
    await isDone(page);
    assert.deepEqual(await size(page), [256, 256]);
    await shot(page, "studio-control");
    await isAccessible(page, "ControlNet");
    await closePage(page);
});

test("Upscale: twice the size, before and after", async () => {
    const page = await openPage(server.url, { hash: "#upscale" });
    await isReady(page);
    await choose(page, "upscale", picture("frog"));
    await form(page, "upscale").getByText("256x256, becomes 512x512").waitFor();
    await draw(page, "upscale");
    assert.deepEqual(await size(page), [512, 512]);
    assert.equal(await page.locator(".compare").count(), 1);
    const [r, g, b] = await colour(page, [0.02, 0.02, 0.1, 0.1]);
    assert.ok(r > g && b > g, `the purple ground stays purple: ${[r, g, b]}`);
    await shot(page, "studio-upscale");
    await isAccessible(page, "Upscale");
    await closePage(page);
});

test("start from a picture: only what the mask covers is drawn anew", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await page.getByRole("button", { name: "Start from a picture" }).click();
    await choose(page, "generate", picture("frog"));
    await page.getByRole("button", { name: "Paint what is drawn anew" }).click();
    const paper = await page.locator(".sheet-of-paint").boundingBox();
    const at = (x, y) => [paper.x + paper.width * x, paper.y + paper.height * y];
    await page.locator("dialog.brush").getByLabel("Brush size").fill("40");
    await page.mouse.move(...at(0.3, 0.3));
    await page.mouse.down();
    await page.mouse.move(...at(0.7, 0.35), { steps: 12 });
    await page.mouse.up();
    await page.mouse.move(...at(0.5, 0.9));
    await page.mouse.down();
    await page.mouse.up();
    await page.keyboard.press("Control+z");
    await shot(page, "brush");
    await isAccessible(page, "brush");
    await page.locator("dialog.brush").getByRole("button", { name: "Done" }).click();
    await form(page, "generate")
        .getByText(/^\d+ % is drawn anew\.$/)
        .waitFor();
    await form(page, "generate").getByLabel("Strength, as a number", { exact: true }).fill("0.9");
    await form(page, "generate").getByLabel("Strength, as a number", { exact: true }).press("Tab");
    await draw(page, "generate", "a green frog with large yellow eyes on a purple background");
    const [r, g, b] = await colour(page, [0.02, 0.85, 0.1, 0.1]);
    assert.ok(r > g && b > g, `what is not painted stays: ${[r, g, b]}`);
    await shot(page, "studio-mask");
    await closePage(page);
});

test("the mask by keyboard alone: fill, invert, undo", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await page.getByRole("button", { name: "Start from a picture" }).click();
    await choose(page, "generate", picture("frog"));
    await page.getByRole("button", { name: "Paint what is drawn anew" }).focus();
    await page.keyboard.press("Enter");
    const told = page.locator("dialog.brush footer .hint");
    await page.locator("dialog.brush").getByRole("button", { name: "Fill all" }).press("Enter");
    assert.equal(await told.innerText(), "100 % of the picture is drawn anew.");
    await page.keyboard.press("i");
    assert.match(await told.innerText(), /^Nothing is painted yet/);
    await page.keyboard.press("Control+z");
    assert.equal(await told.innerText(), "100 % of the picture is drawn anew.");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("dialog[open]").count(), 0);
    await closePage(page);
});

test("settings come back from a picture, and go again by Undo", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await promptOf(page).fill("something else");
    await drop(page, "#stage", picture("hearts"));
    await page.locator(".toast", { hasText: "Settings restored from hearts.png" }).waitFor();
    assert.equal(await promptOf(page).inputValue(), "two hearts");
    assert.equal(await page.getByLabel("Nano Base").isChecked(), true);
    assert.equal(await form(page, "generate").getByLabel("Seed", { exact: true }).inputValue(), "7");
    const cfg = form(page, "generate").getByLabel("CFG", { exact: true });
    const steps = form(page, "generate").getByLabel("Steps", { exact: true });
    assert.equal(await cfg.inputValue(), "3");
    await shot(page, "restored");
    /* the defaults are those of the picture's model */
    for (const [slider, standard] of [
        [cfg, "3"],
        [steps, "25"],
    ]) {
        await slider.fill("7");
        await slider.dblclick();
        assert.equal(await slider.inputValue(), standard);
    }
    await page.getByRole("button", { name: "Undo" }).click();
    await page.waitForFunction(() => document.querySelector("#panel-generate textarea").value === "something else");
    assert.equal(await page.getByLabel("Nano Turbo").isChecked(), true);
    assert.equal(await steps.inputValue(), "8");
    await steps.dblclick();
    assert.equal(await steps.inputValue(), "8");
    await closePage(page);
});

test("a picture that ends early, dropped: its name, what is wrong, what to do", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "zis-web-"));
    fs.writeFileSync(path.join(folder, "half.png"), fs.readFileSync(picture("frog")).subarray(0, 20000));
    await drop(page, "#stage", path.join(folder, "half.png"));
    await page
        .locator(".toast.bad", {
            hasText:
                "half.png could not be read: the PNG is damaged (the file ends early). Save it anew, or choose another.",
        })
        .waitFor();
    fs.rmSync(folder, { recursive: true });
    await closePage(page, [/400/]);
});

test("a LoRA of the server: the check's words, and a picture that differs", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await form(page, "generate").getByRole("switch").check();
    const box = form(page, "generate").getByLabel("LoRA file");
    await page.waitForFunction((el) => el.options.length > 1, await box.elementHandle());
    await box.selectOption({ index: 1 });
    await form(page, "generate")
        .getByText(/\d+ of \d+ modules, rank \d+/)
        .waitFor();
    await form(page, "generate").getByLabel("LoRA strength, as a number").fill("1");
    await draw(page, "generate", "a blue cat on a green background");
    const [r, , b] = await colour(page);
    assert.ok(r > b, `sepia: ${r} against ${b}`);
    await shot(page, "studio-lora");
    await closePage(page);
});

test("a picture that is damaged inside: what is wrong, what to do; the next one is taken", async () => {
    const page = await openPage(server.url, { hash: "#upscale" });
    await isReady(page);
    const buffer = fs.readFileSync(picture("frog"));
    buffer.fill(0, 3000, 3200);
    const [chooser] = await Promise.all([
        page.waitForEvent("filechooser"),
        form(page, "upscale").locator(".well .drop").first().click(),
    ]);
    await chooser.setFiles({ name: "frog.png", mimeType: "image/png", buffer });
    await form(page, "upscale")
        .locator(".error", {
            hasText: /^The picture could not be read: .*PNG .*damaged.*\. Save it anew, or choose another\.$/,
        })
        .waitFor();
    await shot(page, "damaged");
    await choose(page, "upscale", picture("frog"));
    await form(page, "upscale").getByText("256x256, becomes 512x512").waitFor();
    await draw(page, "upscale");
    await closePage(page, [/400/]);
});

test("a server that is restarted: results stay, the page goes on by itself", async () => {
    const own = await serve();
    const page = await openPage(own.url);
    await isReady(page);
    await draw(page, "generate", "a rocket");
    await own.stop("SIGKILL");
    await page.locator('#status[data-state="offline"]').waitFor();
    await promptOf(page).fill("an octopus");
    await button(page).click();
    await page.locator(".square-job[data-state=waiting]").waitFor();
    assert.equal(await page.locator(".square-job[data-state=done] img").evaluate((img) => img.naturalWidth), 144);
    await own.start();
    await page.locator(".square-job[data-state=done]").nth(1).waitFor({ timeout: 60000 });
    await closePage(page, GONE);
    await own.close();
});

test("a reload keeps what was typed and the pictures of the session", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await draw(page, "generate", "a golden teapot");
    await page.reload();
    await isDone(page);
    assert.equal(await promptOf(page).inputValue(), "a golden teapot");
    assert.equal(await page.locator(".square-job").count(), 1);
    await closePage(page);
});

test("a locked studio asks for its key, and opens", async () => {
    const own = await serve({ key: "open-sesame-open-sesame" });
    const page = await openPage(own.url);
    const box = page.getByLabel("Key of the server");
    await box.fill("wrong");
    await box.press("Enter");
    await page.locator("dialog[open] .error", { hasText: "This key is not the server's." }).waitFor();
    await shot(page, "locked");
    await isAccessible(page, "locked");
    await box.fill("open-sesame-open-sesame");
    await box.press("Enter");
    await isReady(page);
    await page.getByLabel("Nano Turbo").waitFor();
    assert.equal(await page.locator("dialog[open], .toast").count(), 0);
    await draw(page, "generate", "a rocket");
    await closePage(page, [/401/]);
    await own.close();
});

test("360 px wide: a picture with a finger", async () => {
    const page = await openPage(server.url, {
        width: 360,
        height: 740,
        hasTouch: true,
        isMobile: true,
        deviceScaleFactor: 2,
    });
    await isReady(page);
    await promptOf(page).fill("a rocket on a beige background");
    await button(page).tap();
    await isDone(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const small = await page.evaluate(() =>
        [...document.querySelectorAll("a, button, select, .choice")]
            .filter((el) => el.checkVisibility({ visibilityProperty: true }) && !el.closest(".track"))
            .map((el) => [el, el.getBoundingClientRect()])
            .filter(([el, box]) => box.height < 44 - 0.5 && !el.matches(".stop, .skip"))
            .map(([el, box]) => `${el.className} ${el.innerText} ${box.height}`),
    );
    assert.deepEqual(small, []);
    await shot(page, "studio-360");
    await isAccessible(page, "360 px");
    await closePage(page);
});

test("by keyboard alone: tab, prompt, Generate, strip, seed, full screen", async () => {
    const page = await openPage(server.url);
    await isReady(page);
    await page.keyboard.press("3");
    assert.equal(new URL(page.url()).hash, "#upscale");
    await page.keyboard.press("1");
    await page.keyboard.press("g");
    await page.keyboard.type("a green frog");
    await page.keyboard.press("Control+Enter");
    await isDone(page);
    await page.keyboard.press("Alt+ArrowUp");
    assert.equal(await promptOf(page).inputValue(), "a green frog");
    await page.keyboard.type(" and a star");
    await page.keyboard.press("Control+Enter");
    await page.locator(".square-job[data-state=done]").nth(1).waitFor({ timeout: 60000 });
    await page.keyboard.press("Escape");
    const chosen = () =>
        page.locator(".pick[aria-current=true]").evaluate((el) => [...document.querySelectorAll(".pick")].indexOf(el));
    assert.equal(await chosen(), 0);
    await page.keyboard.press("ArrowRight");
    assert.equal(await chosen(), 1);
    await page.keyboard.press("k");
    const seed = form(page, "generate").locator('[data-field="seed"] input');
    assert.match(await seed.inputValue(), /^\d+$/);
    await page.keyboard.press("r");
    assert.equal(await seed.inputValue(), "");
    await page.keyboard.press("f");
    await page.locator("dialog.viewer[open]").waitFor();
    await page.keyboard.press("Escape");
    /* every control can be reached by Tab, in the order of the page, with a ring to be seen */
    await page.locator("#tab-generate").focus();
    const visited = [];
    for (let i = 0; i < 40; i++) {
        await page.keyboard.press("Tab");
        const name = await page.evaluate(() => {
            const el = document.activeElement;
            if (el === document.body) return null;
            const ring = getComputedStyle(el.closest(".choice, .prompt, .compare") ?? el);
            return `${el.id || el.className || el.tagName}${ring.outlineStyle === "none" ? " WITHOUT RING" : ""}`;
        });
        if (name === null) break;
        visited.push(name);
    }
    assert.deepEqual(
        visited.filter((name) => name.endsWith("WITHOUT RING")),
        [],
    );
    assert.ok(
        visited.some((name) => name.startsWith("prompt")) && visited.includes("generate") && visited.includes("pick"),
        visited.join(),
    );
    await closePage(page);
});

test("the first load is under 250 KB: one stylesheet, one script, and no other host", async () => {
    const seen = [];
    const fresh = await openPage(server.url);
    fresh.on("request", (request) => seen.push(request.url()));
    const client = await fresh.context().newCDPSession(fresh);
    let bytes = 0;
    await client.send("Network.enable");
    await client.send("Network.setCacheDisabled", { cacheDisabled: true });
    client.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await fresh.reload({ waitUntil: "load" });
    await isReady(fresh);
    await fresh.waitForTimeout(500);
    const paint = await fresh.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    console.log(
        `# first load ${(bytes / 1000).toFixed(1)} KB in ${seen.length} requests, first paint after ${paint?.toFixed(0)} ms`,
    );
    assert.ok(bytes < 250e3, `${bytes} bytes`);
    assert.deepEqual(
        seen.filter((url) => !url.startsWith(server.url) && !/^(blob|data):/.test(url)),
        [],
    );
    /* a folder is served as it is */
    if (!process.env.ZIS_WEB)
        assert.deepEqual(
            seen
                .filter((url) => /\.(css|js)$/.test(url))
                .map((url) => new URL(url).pathname)
                .sort(),
            ["/css/page.css", "/js/main.js"],
        );
    await closePage(fresh);
});

test("an idle page asks nothing and uses no CPU; nothing moved by itself", async () => {
    const page = await openPage(server.url, {
        init: () => {
            window.shift = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
            }).observe({ type: "layout-shift", buffered: true });
        },
    });
    await isReady(page);
    await page.waitForTimeout(1500);
    const client = await page.context().newCDPSession(page);
    await client.send("Performance.enable");
    const tasks = async () =>
        (await client.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
    let requests = 0;
    page.on("request", () => requests++);
    const before = await tasks();
    await page.waitForTimeout(4000);
    const busy = (await tasks()) - before;
    const shift = await page.evaluate(() => window.shift);
    console.log(`# idle: ${(busy * 1000).toFixed(1)} ms of work in 4 s, layout shift ${shift.toFixed(4)}`);
    assert.equal(requests, 0);
    assert.ok(busy < 0.04, `${busy} s of work in 4 s`);
    assert.ok(shift < 0.01, `layout shift ${shift}`);
    await closePage(page);
});
