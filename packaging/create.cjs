#!/usr/bin/env node
// `npm create sortition`: what `sortition init` does.

"use strict";

process.argv.splice(2, 0, "init");
require("sortition/bin/sortition.cjs");
