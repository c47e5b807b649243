#!/usr/bin/env node
// The command `sortition`: runs the native binary of this platform's package. Written so that an old Node can read it, to
// say that it is too old.

"use strict";

var NEEDED = 22;
var found = process.versions.node;
if (parseInt(found, 10) < NEEDED) {
  console.error(
    "error: sortition needs Node " + NEEDED + " or newer, as wrangler does, and this is Node " + found +
      ": install one from https://nodejs.org, or beside it with `npm install --save-dev node@" + NEEDED + "`"
  );
  process.exit(1);
}

var spawn = require("child_process").spawn;
var path = require("path");

function binary() {
  if (process.env.SORTITION_BINARY) return process.env.SORTITION_BINARY;
  var name = "@sortition/" + process.platform + "-" + process.arch;
  var file = process.platform === "win32" ? "sortition.exe" : "sortition";
  try {
    return require.resolve(name + "/bin/" + file);
  } catch (_) {
    console.error(
      "error: the package " + name + " is not installed: install without `--omit=optional`, on the platform that runs it; " +
        "of a platform that has none, build it with `cargo install sortition` and set SORTITION_BINARY"
    );
    process.exit(1);
  }
}

var child = spawn(binary(), process.argv.slice(2), {
  stdio: "inherit",
  env: Object.assign({}, process.env, { SORTITION_HOME: path.join(__dirname, ".."), SORTITION_NODE: process.execPath }),
});
child.on("error", function (error) {
  console.error("error: " + error.message);
  process.exit(1);
});
// why: a signal for this process is meant for the command; Ctrl-C on a terminal reaches both
["SIGINT", "SIGTERM", "SIGHUP"].forEach(function (signal) {
  process.on(signal, function () {
    child.kill(signal);
  });
});
child.on("exit", function (code, signal) {
  process.exit(signal ? 128 + require("os").constants.signals[signal] : code);
});
