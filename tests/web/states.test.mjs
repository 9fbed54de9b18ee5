/*
 * states.test.mjs - every state of the page that design.md lists, on a server that draws nothing (mock.mjs), so
 * that each is reached for sure: a screenshot of each, what it says, and no violation of axe-core.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
    button,
    choose,
    closeBrowser,
    closePage,
    draw,
    drop,
    form,
    isAccessible,
    isDone,
    isReady,
    openBrowser,
    openPage,
    picture,
    promptOf,
    shot,
} from "./browser.mjs";
import { serve } from "./mock.mjs";

let mock;
before(async () => {
    await openBrowser();
    mock = await serve();
});
beforeEach(() => mock.restart());
after(async () => {
    await closeBrowser();
    await mock.close();
});

const press = async (page, prompt) => {
    await promptOf(page).fill(prompt);
    await promptOf(page).press("Control+Enter");
};
const step = (page, n) => page.locator("#words", { hasText: `Step ${n} of` }).waitFor();

test("first visit: a quiet frame, one sentence, the example as placeholder", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    assert.match(
        await page.locator(".frame").innerText(),
        /Describe a picture and press Generate\. Ctrl\+Enter works too\./,
    );
    assert.equal(await promptOf(page).getAttribute("placeholder"), "a red apple on a mint green background");
    /* nothing is counted of an empty prompt */
    const below = form(page, "generate").locator(".below").first();
    await promptOf(page).fill("apple");
    await below.filter({ hasText: "14 of 512 tokens" }).waitFor();
    await promptOf(page).fill("");
    await below.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
    await shot(page, "first-visit");
    await isAccessible(page, "first visit");
    for (const tab of ["control", "upscale"]) {
        await page.locator(`#tab-${tab}`).click();
        await shot(page, `first-visit-${tab}`);
        await isAccessible(page, tab);
    }
    await closePage(page);
});

test("the page does not scroll on 1280x800, and is one font", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    const { scrolls, loads } = await page.evaluate(() => ({
        scrolls:
            document.documentElement.scrollHeight > innerHeight || document.documentElement.scrollWidth > innerWidth,
        loads: [...document.fonts].filter((font) => font.status === "loaded").map((font) => font.family),
    }));
    assert.equal(scrolls, false);
    assert.deepEqual([...new Set(loads)], ["Inter"]);
    await closePage(page);
});

test("loading, queued, without preview, with preview, cancelled", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    const squares = page.locator(".square-job");
    await press(page, "hold-load blind one");
    await page.locator(".frame", { hasText: /Loading the model · \d+ s/ }).waitFor();
    await shot(page, "loading");
    await isAccessible(page, "loading");
    await press(page, "hold-2 blind two");
    await press(page, "hold-3 three");
    assert.equal(await squares.count(), 3);
    await squares.first().locator(".pick").click();
    await page.locator(".frame", { hasText: "Waiting, 1 picture before this one" }).waitFor();
    await shot(page, "queued");
    await squares.nth(2).locator(".pick").click();
    await squares.nth(2).locator(".stop").click();
    await page.locator(".square-job[data-state=cancelled]").waitFor();
    /* the canvas follows the queue: the next one takes it */
    await step(page, 2);
    assert.match(await button(page).innerText(), /Cancel\s*Step 2 of 8 · [\d.]+ s left/);
    await shot(page, "working-without-preview");
    await isAccessible(page, "working");
    await page.keyboard.press("Escape");
    await step(page, 3);
    await page.locator(".frame img.on").waitFor();
    assert.equal(await page.title(), "3/8 · Z-Image Studio");
    await shot(page, "working-with-preview");
    await page.keyboard.press("Escape");
    await page.locator("#words", { hasText: "Cancelled at step 3 of 8" }).waitFor();
    await shot(page, "cancelled");
    await isAccessible(page, "cancelled");
    await isReady(page);
    await closePage(page);
});

test("cancel at once: by Esc and by the button, before the server has named the job; a double click starts one", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    const running = async () => (await (await fetch(`${mock.url}/api/v1/status`)).json()).running;
    const isIdle = async () => {
        for (let i = 0; i < 100 && (await running()); i++) await page.waitForTimeout(20);
        assert.equal(await running(), null);
        await page.locator(".generate:not([data-busy])").first().waitFor();
    };
    const begun = async () => {
        for (let i = 0; i < 100 && !(await running()); i++) await page.waitForTimeout(20);
    };
    await press(page, "hold-load one");
    await begun();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await isIdle();
    await press(page, "hold-load two");
    await begun();
    await button(page).click();
    await isIdle();

    let pass;
    await page.route("**/api/v1/jobs", async (route) => {
        await new Promise((resolve) => (pass = resolve));
        await route.continue();
    });
    await press(page, "hold-load three");
    for (let i = 0; i < 100 && !pass; i++) await page.waitForTimeout(20);
    await page.keyboard.press("Escape");
    const [answer] = await Promise.all([page.waitForResponse((one) => one.request().method() === "DELETE"), pass()]);
    assert.ok(answer.ok());
    await isIdle();
    await page.unroute("**/api/v1/jobs");

    await promptOf(page).fill("hold-load four");
    let sent = 0;
    page.on("request", (one) => one.method() === "POST" && one.url().endsWith("/jobs") && sent++);
    await button(page).dblclick();
    await begun();
    assert.equal(sent, 1);
    assert.match(await button(page).innerText(), /^Cancel/);
    await page.keyboard.press("Escape");
    await isIdle();
    await closePage(page);
});

test("failed: the sentence, what to do, details to copy", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    await press(page, "break");
    await page.locator(".trouble", { hasText: "The model needs 25.4 GB of memory" }).waitFor();
    await shot(page, "failed");
    await isAccessible(page, "failed");
    await page.getByRole("button", { name: "Copy details" }).click();
    await page.locator(".toast", { hasText: "Details copied" }).waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /out_of_memory/);
    await closePage(page);
});

test("a prompt over the limit: how much is cut, and which part", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    await promptOf(page).fill("word ".repeat(520).trim());
    await page.locator(".below", { hasText: "The last 21 words are cut." }).waitFor();
    assert.equal(await form(page, "generate").locator(".shadow del").first().innerText(), "word ".repeat(21).trim());
    await shot(page, "long-prompt");
    await isAccessible(page, "long prompt");
    await closePage(page);
});

test("models that are not here: what is missing, the size, the command", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    await page.locator(".choice[data-absent]", { hasText: "Turbo" }).click();
    await page.locator("dialog", { hasText: "zis fetch turbo" }).waitFor();
    await shot(page, "missing-model");
    await isAccessible(page, "missing model");
    await page.locator("dialog[open] .command button").click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "zis fetch turbo");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("dialog[open]").count(), 0);
    /* the next sheet, opened before the end of this one was told, stays */
    await page.locator(".choice[data-absent]", { hasText: "Turbo" }).click();
    await page.locator("dialog[open]").waitFor();
    await page.evaluate(() => {
        document.querySelector("dialog[open]").close();
        dispatchEvent(new KeyboardEvent("keydown", { key: "?" }));
    });
    await page.locator("dialog[open]", { hasText: "Queue another" }).waitFor();
    assert.equal(await page.locator("dialog > .close .tip").isVisible(), false);
    await shot(page, "keys");
    await isAccessible(page, "keys");
    await closePage(page);
});

test("the control map, live; a preprocessor that fails says why", async () => {
    const page = await openPage(mock.url, { hash: "#controlnet" });
    await isReady(page);
    await button(page, "control").click();
    await form(page, "control").locator(".error", { hasText: "A control picture is missing." }).waitFor();
    await shot(page, "control-without-picture");
    await choose(page, "control", picture("frog"));
    await page.locator('[data-well="map"] img:not([hidden])').waitFor();
    await shot(page, "control-map");
    await isAccessible(page, "control map");
    await page.locator("#preprocess").selectOption("depth");
    const map = page.locator('[data-well="map"]');
    await map.locator(".error", { hasText: "Depth needs weights that are not on this machine." }).waitFor();
    assert.equal(await map.locator("code").innerText(), "zis fetch depth");
    assert.equal(await page.getByText("What is followed").isVisible(), false);
    for (const width of [1280, 900, 360]) {
        await page.setViewportSize({ width, height: 800 });
        assert.equal(await map.evaluate((el) => el.scrollHeight <= el.clientHeight), true, `cut at ${width} px`);
    }
    await shot(page, "control-map-failed-360");
    await page.setViewportSize({ width: 1280, height: 800 });
    await map.getByRole("button", { name: "Copy" }).click();
    await page.locator(".toast", { hasText: "Command copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "zis fetch depth");
    await shot(page, "control-map-failed");
    await isAccessible(page, "control map failed");
    await closePage(page, [/409/]);
});

test("a file that is no picture is refused in words", async () => {
    const page = await openPage(mock.url, { hash: "#upscale" });
    await isReady(page);
    await choose(page, "upscale", {
        name: "IMG_0001.heic",
        mimeType: "image/heic",
        buffer: Buffer.from("\0\0\0\x18ftypheic\0\0\0\0", "latin1"),
    });
    await form(page, "upscale")
        .locator(".error", { hasText: "The picture could not be read: it is a HEIC file. Save it as PNG or JPEG." })
        .waitFor();
    await shot(page, "not-a-picture");
    await closePage(page);
});

test("dropped on the canvas: the place of the picture, and what is wrong with it, come into view", async () => {
    for (const width of [1280, 360]) {
        const page = await openPage(mock.url, { width });
        await isReady(page);
        const isSeen = (selector) =>
            page.waitForFunction((selector) => {
                const el = document.querySelector(selector);
                const { left, top, bottom, height } = el?.getBoundingClientRect() ?? {};
                if (!height) return false;
                return [top + 1, bottom - 1].every((y) => el.contains(document.elementFromPoint(left + 4, y)));
            }, `#panel-generate [data-field="image"] ${selector}`);
        await drop(page, "#stage", new URL(import.meta.url).pathname);
        await form(page, "generate").locator(".error", { hasText: "it is no picture. Choose a PNG" }).waitFor();
        await isSeen(".error span");
        if (width === 1280) await shot(page, "dropped-no-picture");
        await page
            .locator(".fields")
            .first()
            .evaluate((el) => (el.scrollTop = 0));
        await page.evaluate(() => scrollTo(0, 0));
        await drop(page, "#stage", picture("house-drawing"));
        await page.locator("[data-well=image] img:not([hidden])").first().waitFor();
        await isSeen(".well");
        await closePage(page, [/404/]); // it carries no recipe
    }
});

test("before and after in Upscale, by pointer and by keys", async () => {
    const page = await openPage(mock.url, { hash: "#upscale" });
    await isReady(page);
    await choose(page, "upscale", picture("frog"));
    await draw(page, "upscale");
    const bar = page.locator(".compare input");
    await shot(page, "upscale-compare");
    await isAccessible(page, "compare");
    await bar.focus();
    await bar.press("ArrowLeft");
    assert.equal(await page.locator(".compare").evaluate((el) => el.style.getPropertyValue("--cut")), "49%");
    await closePage(page);
});

test("every part that opens: Base, LoRA, a picture to start from, Advanced", async () => {
    const page = await openPage(mock.url, { height: 1700 });
    await isReady(page);
    assert.equal(await page.getByLabel("Negative prompt").isVisible(), false);
    await page.getByLabel("Nano Base").check();
    await page.getByLabel("Negative prompt").waitFor();
    assert.equal(await form(page, "generate").getByLabel("Steps", { exact: true }).inputValue(), "25");
    await form(page, "generate").getByRole("switch").check();
    await page.getByText("Use a LoRA (compatible with Z-Image)").waitFor();
    await form(page, "generate").getByLabel("LoRA file").selectOption("sepia");
    await page.getByText("84 of 84 modules, rank 8").waitFor();
    await page.getByRole("button", { name: "Start from a picture" }).click();
    await choose(page, "generate", picture("frog"));
    await page.getByRole("button", { name: /^Advanced/ }).click();
    await page.waitForTimeout(300);
    await shot(page, "all-open");
    await isAccessible(page, "all open");
    await closePage(page);
});

test("offline: controls stay usable, Generate waits; a restarted server says what was lost", async () => {
    const own = await serve();
    const port = Number(new URL(own.url).port);
    const page = await openPage(own.url);
    await isReady(page);
    await press(page, "hold-2 one");
    await step(page, 2);
    await own.close();
    await page.locator('#status[data-state="offline"]').waitFor();
    await press(page, "two");
    await page.locator(".square-job[data-state=waiting]").waitFor();
    await shot(page, "offline");
    await isAccessible(page, "offline");
    const again = await serve({ port });
    await page.locator(".square-job[data-state=failed]").waitFor();
    await page.locator(".square-job[data-state=done]").waitFor();
    await page.locator(".square-job[data-state=failed] .pick").click();
    await page.locator(".trouble", { hasText: "The server was restarted and this picture was lost." }).waitFor();
    await shot(page, "restarted");
    await closePage(page, [
        /ERR_CONNECTION_REFUSED/,
        /ERR_INCOMPLETE_CHUNKED/,
        /ERR_CONNECTION_RESET/,
        /ERR_EMPTY_RESPONSE/,
    ]);
    await again.close();
});

test("pictures of 1x20 and 20x1, very long names", async () => {
    const page = await openPage(mock.url);
    await isReady(page);
    for (const [width, height] of [
        [16, 320],
        [320, 16],
    ]) {
        await page.evaluate(
            async ([w, h]) => {
                const { set } = await import("/js/store.js");
                set({ "generate.width": w, "generate.height": h });
            },
            [width, height],
        );
        await press(page, "hold-2 slim");
        await step(page, 2);
        const { w, h } = await page.locator(".frame").evaluate((el) => ({ w: el.clientWidth, h: el.clientHeight }));
        assert.ok(Math.abs(w / h / (width / height) - 1) < 0.1, `${w}x${h}`);
        await shot(page, `slim-${width}x${height}`);
        await fetch(`${mock.url}/mock/go`, { method: "POST" });
        await isDone(page);
    }
    await page.locator("#tab-upscale").click();
    await choose(page, "upscale", {
        name: `${"a-very-long-name-".repeat(14)}.png`,
        mimeType: "image/png",
        buffer: await (
            await fetch(
                "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC",
            )
        )
            .arrayBuffer()
            .then(Buffer.from),
    });
    await form(page, "upscale").getByText("1x1, becomes 2x2").waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
    await shot(page, "long-name");
    await closePage(page);
});

for (const [name, options] of Object.entries({
    360: { width: 360, height: 740, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
    1000: { width: 1000, height: 700 },
    "4k": { width: 3840, height: 2160 },
    "zoom-200": { width: 640, height: 400, deviceScaleFactor: 2 },
    "forced-colours": { forcedColors: "active" },
    motion: { reducedMotion: "no-preference" },
})) {
    /* in forced colours the system's own colours are shown, which axe does not know of */
    const rules = options.forcedColors ? { "color-contrast": { enabled: false } } : {};
    test(`${name}: nothing wider than the window, all three tabs, a picture`, async () => {
        const page = await openPage(mock.url, options);
        await isReady(page);
        for (const tab of ["control", "upscale", "generate"]) {
            await page.locator(`#tab-${tab}`).click();
            assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, tab);
            await shot(page, `${name}-${tab}`);
            await isAccessible(page, `${name} ${tab}`, { rules });
        }
        assert.ok(await button(page).isVisible());
        await draw(page, "generate", "an apple");
        await page.evaluate(() => scrollTo(0, 0));
        await shot(page, `${name}-done`);
        await isAccessible(page, `${name} done`, { rules });
        await closePage(page);
    });
}

test("without JavaScript there is one sentence", async () => {
    const page = await openPage(mock.url, { javaScriptEnabled: false });
    assert.match(
        await page.locator("body").innerText(),
        /needs JavaScript: switch it on for this page and reload it\./,
    );
    await shot(page, "no-javascript");
    await closePage(page);
});
