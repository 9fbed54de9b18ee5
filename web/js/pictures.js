/*
 * pictures.js - pictures that go in: reading a file, saying in words why one cannot be read, and
 * bringing it to the server once.
 *
 * A picture is { blob, name, url, width, height, ref, boot }: url is local to the page; ref is null, or
 * what the server calls a result ("job:ID/0") as long as its "boot" is the same.
 */
import * as api from "./api.js";
import { get, set } from "./store.js";

export const ACCEPT = "image/png,image/jpeg,image/webp,.png,.jpg,.jpeg,.webp";

const ANEW = "Save it anew, or choose another.";

/* What a file is by its first bytes; what cannot be taken has an article for the sentence. */
const KINDS = [
    [/^\x89PNG\r\n\x1a\n/s, "png"],
    [/^\xff\xd8\xff/s, "jpeg"],
    [/^RIFF....WEBP/s, "webp"],
    [/^....ftyp(heic|heix|hevc|mif1|msf1)/s, "a HEIC file"],
    [/^....ftypavi[fs]/s, "an AVIF file"],
    [/^GIF8/s, "a GIF file"],
    [/^(II\*\0|MM\0\*)/s, "a TIFF file"],
    [/^BM/s, "a BMP file"],
    [/^(\xff\n|\0\0\0\x0cJXL )/s, "a JPEG XL file"],
    [/^%PDF/s, "a PDF file"],
    [/^\s*(<\?xml|<svg|<!DOCTYPE)/is, "an SVG or text file"],
];

export async function kindOf(blob) {
    const head = String.fromCharCode(...new Uint8Array(await blob.slice(0, 64).arrayBuffer()));
    return KINDS.find(([pattern]) => pattern.test(head))?.[1] ?? (head ? "no picture" : "an empty file");
}

/* Reads a file as a picture, or throws an Error with a sentence; what: "control picture". */
export async function open(blob, name, what = "picture") {
    const kind = await kindOf(blob);
    if (kind.includes(" ")) {
        const cure = /^(no picture|an empty)/.test(kind)
            ? "Choose a PNG, JPEG or WebP file."
            : "Save it as PNG or JPEG.";
        throw new Error(`The ${what} could not be read: it is ${kind}. ${cure}`);
    }
    const url = URL.createObjectURL(blob);
    const img = new Image();
    img.src = url;
    try {
        await img.decode();
    } catch {
        URL.revokeObjectURL(url);
        throw new Error(`The ${what} could not be read: the ${kind.toUpperCase()} file is damaged. ${ANEW}`);
    }
    return { blob, name, url, width: img.naturalWidth, height: img.naturalHeight, ref: null, boot: null };
}

/* A result of this session as a picture to start from. */
export function fromJob(job) {
    const { blob, url, width, height, ref, boot, seed } = job.image;
    return { blob, name: `${seed}.png`, url, width, height, ref, boot };
}

/* What was sent to which server ("boot"), by its bytes, so that a copy of a picture is not sent again. */
const sent = new WeakMap();

/*
 * What the server could not read although it looks like a picture: "x.png: the PNG is damaged (...)". called: how
 * the server's sentence calls it; shown: how a person does.
 */
export function refused(error, called, shown = "The picture") {
    if (error.code === "bad_format") {
        const why = error.message.startsWith(`${called}: `) ? error.message.slice(called.length + 2) : error.message;
        error.message = `${shown} could not be read: ${why} ${ANEW}`;
    }
    throw error;
}

/* The server's name of a picture; sends it when the server does not know it (any more). */
export async function ensure(picture) {
    if (picture.ref && picture.boot === get("boot")) return picture.ref;
    return (await send(picture)).ref;
}

function send(picture) {
    const boot = get("boot");
    let one = sent.get(picture.blob);
    if (one?.boot !== boot) {
        one = { boot, told: api.upload(picture.blob, picture.name).catch((error) => refused(error, picture.name)) };
        one.told.catch(() => sent.delete(picture.blob));
        sent.set(picture.blob, one);
    }
    return one.told;
}

/* Whether the file says how it was made. */
export async function carriesRecipe(picture) {
    return (await send(picture)).recipe === true;
}

/* Uploads live a day: what the server threw away is sent again next time. */
export function forget(picture) {
    if (picture) sent.delete(picture.blob);
}

/* The first picture among files and pasted things, or null. */
export function pictureIn(transfer) {
    const files = [...(transfer?.files ?? [])];
    return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

/* A line of the page's own that takes no room: shown as a toast. */
export function tellError(error) {
    set({ notice: { text: error.message, bad: true } });
}
