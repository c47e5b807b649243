// The distribution's Chromium, which the tests of pages drive.

import { chromium } from "playwright-core";
import { systemProgram } from "../../scripts/setup.mjs";

/** Starts it. */
export function startChromium() {
  const executablePath =
    process.env.CHROMIUM ?? systemProgram(["chromium", "chromium-browser", "google-chrome"], "chromium");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}
