// Rage clicks in a file of events with PostHog's own detector, one for each session, as a browser has one for each page.
//
//   node rage_clicks.cjs FOLDER FILE TIMES      FOLDER: where posthog-js is installed; looks for them so many times
"use strict";
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const { resolve } = require("node:path");

const [folder, file, times] = process.argv.slice(2);
const RageClick = createRequire(resolve(folder, "package.json"))("posthog-js/lib/src/extensions/rageclick").default;

const sessions = new Map();
for (const line of readFileSync(file, "utf8").split("\n")) {
  if (!line) continue;
  const event = JSON.parse(line);
  if (event.eventType !== "ui.click") continue;
  const press = { at: Date.parse(event.occurredAt), x: event.element.x, y: event.element.y };
  const presses = sessions.get(event.sessionId);
  if (presses) presses.push(press);
  else sessions.set(event.sessionId, [press]);
}
for (const presses of sessions.values()) presses.sort((a, b) => a.at - b.at);

let found = 0;
for (let time = 0; time < Number(times); time += 1) {
  found = 0;
  for (const presses of sessions.values()) {
    const detector = new RageClick({});
    for (const { x, y, at } of presses) found += detector.isRageClick(x, y, at) ? 1 : 0;
  }
}
console.log(found);
