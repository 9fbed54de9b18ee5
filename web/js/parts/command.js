/*
 * command.js - a command to run where the server runs, with a button that copies it.
 */
import { h, iconButton } from "../dom.js";
import { set } from "../store.js";

export function commandLine(command, props = {}) {
    const copy = iconButton("copy", "Copy", () => set({ copy: { text: command, what: "Command" } }), props);
    copy.querySelector(".tip").classList.add("left");
    return h("div", { class: "command" }, h("code", {}, command), copy);
}
