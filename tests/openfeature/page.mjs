// What a page needs of OpenFeature, bundled for the browser.

import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature } from "@openfeature/web-sdk";
import { exposureHook, fromBrowser, withTracking } from "../../clients/openfeature/index.js";

window.app = { OFREPWebProvider, OpenFeature, exposureHook, fromBrowser, withTracking };
