/*
 * store.js - the one state of the page: a flat map from key to value.
 *
 * Whoever shows something watches the keys it shows; whoever changes something calls set. Watchers
 * run once after the current task, however many keys changed, in the order in which they were
 * made, and only when one of their keys holds another value than before. Values are never changed
 * in place: a changed list is a new list.
 *
 * Keys: "tab", "link", "jobs", ... are listed in main.js (INITIAL); fields of forms are
 * "TAB.FIELD", for example "generate.steps".
 */
const values = new Map();
const watchers = [];
const changed = new Set();
let waiting = false;

export function get(key) {
    return values.get(key);
}

export function set(patch) {
    for (const [key, value] of Object.entries(patch)) {
        if (Object.is(values.get(key), value)) continue;
        values.set(key, value);
        changed.add(key);
    }
    if (changed.size && !waiting) {
        waiting = true;
        queueMicrotask(flush);
    }
}

/* Calls show(values of keys...) now and whenever one of them changed. Returns the way to stop. */
export function watch(keys, show) {
    const one = { keys, show };
    watchers.push(one);
    show(...keys.map(get));
    return () => watchers.splice(watchers.indexOf(one), 1);
}

/* All keys that begin with the prefix, as an object: a snapshot to put back with set. */
export function snapshot(prefix) {
    const out = {};
    for (const [key, value] of values) if (key.startsWith(prefix)) out[key] = value;
    return out;
}

function flush() {
    waiting = false;
    const now = new Set(changed);
    changed.clear();
    for (const { keys, show } of [...watchers]) if (keys.some((key) => now.has(key))) show(...keys.map(get));
}
