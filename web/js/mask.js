/*
 * mask.js - a mask as a list of what was done to it: strokes, fill, invert, clear.
 *
 * Undo takes the last entry away and plays the rest again, so memory stays small whatever the size
 * of the picture. Coordinates are those of the picture. White is painted anew, black stays.
 */

/* One thing done: { kind: "stroke", erase, size, points: [[x, y], ...] } or { kind: "fill" | "clear" | "invert" }. */
export function play(deed, context) {
    const { width, height } = context.canvas;
    context.globalCompositeOperation = "source-over";
    context.fillStyle = context.strokeStyle = "#fff";
    if (deed.kind === "clear") context.clearRect(0, 0, width, height);
    else if (deed.kind === "fill") context.fillRect(0, 0, width, height);
    else if (deed.kind === "invert") {
        context.globalCompositeOperation = "xor";
        context.fillRect(0, 0, width, height);
    } else {
        if (deed.erase) context.globalCompositeOperation = "destination-out";
        context.lineCap = context.lineJoin = "round";
        context.lineWidth = deed.size;
        context.beginPath();
        deed.points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        if (deed.points.length === 1) context.lineTo(deed.points[0][0] + 0.01, deed.points[0][1]);
        context.stroke();
    }
    context.globalCompositeOperation = "source-over";
}

export function playAll(deeds, context) {
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    for (const deed of deeds) play(deed, context);
}

/* Share of the picture that is painted, 0 to 1, from every fourth pixel each way. */
export function covered(context) {
    const { width, height } = context.canvas;
    const { data } = context.getImageData(0, 0, width, height);
    let painted = 0;
    let all = 0;
    for (let y = 0; y < height; y += 4)
        for (let x = 0; x < width; x += 4) {
            all++;
            if (data[(y * width + x) * 4 + 3] > 127) painted++;
        }
    return painted / all;
}

/* The mask as the server wants it: a PNG, white on black. */
export function toBlob(canvas) {
    const out = document.createElement("canvas");
    out.width = canvas.width;
    out.height = canvas.height;
    const context = out.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, out.width, out.height);
    context.drawImage(canvas, 0, 0);
    return new Promise((resolve, reject) =>
        out.toBlob(
            (blob) =>
                blob
                    ? resolve(blob)
                    : reject(new Error("The mask is too large for this browser. Start from a smaller picture.")),
            "image/png",
        ),
    );
}
