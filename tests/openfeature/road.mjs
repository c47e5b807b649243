// The road between a client and the worker: everything goes through as it comes, and is held to OFREP's own schema.

import { existsSync, readFileSync } from "node:fs";
import { request as ask, createServer } from "node:http";
import { join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import { parse } from "yaml";

const FLAGS = "/ofrep/v1/evaluate/flags";
const data = process.env.SORTITION_CONFORMANCE;
const file = data && join(data, "takeover", "ofrep", "openapi.yaml");

/** Why answers are not validated; undefined where they are. */
export const unvalidated =
  file && existsSync(file) ? undefined : "SORTITION_CONFORMANCE names no folder with takeover/ofrep/openapi.yaml";
if (unvalidated) console.log(`Requests and answers are not held to OFREP's schema: ${unvalidated}`);

/** What is wrong with an exchange, by the schema; nothing where that is not there. */
const problemsOf = unvalidated ? () => [] : validator(parse(readFileSync(file, "utf8")));

function validator(document) {
  const { schemas } = document.components;
  // why: 10 is an integer and a number at once, so `oneOf` over the kinds of value refuses every whole number
  const [of, kinds] = schemas.evaluationSuccess.allOf;
  schemas.evaluationSuccess.allOf = [of, { anyOf: kinds.oneOf }];
  schemas.bulkEvaluationSuccess.properties.flags.items = {
    anyOf: schemas.bulkEvaluationSuccess.properties.flags.items.oneOf,
  };
  // why: OpenFeature's reason for who is not in an experiment, which its own scenarios expect and the list leaves out
  of.properties.reason.enum.push("DEFAULT");
  const ajv = new Ajv({ strict: false, formats: { uri: true, "date-time": true, float: true } });
  ajv.addSchema(document, "ofrep");
  const compiled = new Map();
  const check = (path, value) => {
    if (!compiled.has(path)) compiled.set(path, ajv.compile({ $ref: `ofrep#/${path}` }));
    const validate = compiled.get(path);
    return validate(value) ? [] : validate.errors.map((error) => `${error.instancePath} ${error.message}`);
  };
  return ({ path, status, sent, answered, type }) => {
    const name = path.endsWith(FLAGS) ? FLAGS : `${FLAGS}/{key}`;
    const place = `paths/${name.replaceAll("~", "~0").replaceAll("/", "~1").replace(/[{}]/g, encodeURIComponent)}/post`;
    const { responses } = document.paths[name].post;
    if (!responses[status]) return [`the status ${status} is none of OFREP's`];
    const problems =
      status < 300 ? check(`${place}/requestBody/content/application~1json/schema`, JSON.parse(sent)) : [];
    if (!responses[status].content) return problems;
    if (!/^application\/json\b/.test(type ?? "")) problems.push(`the answer is ${type}`);
    const schema = `${place}/responses/${status}/content/application~1json/schema`;
    return [...problems, ...check(schema, JSON.parse(answered))];
  };
}

/** Starts a road to a worker. */
export async function startRoad(url) {
  const exchanges = [];
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const sent = Buffer.concat(parts);
      const { method, headers, url: path } = request;
      const onward = ask({ host: url.hostname, port: url.port, method, path, headers, agent: false }, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const body = Buffer.concat(chunks);
          if (method === "POST" && path.includes(FLAGS)) {
            const { statusCode: status } = answer;
            const exchange = { path, status, sent: sent.toString(), answered: body.toString() };
            Object.assign(exchange, { type: answer.headers["content-type"], headers, told: answer.headers });
            exchanges.push({ ...exchange, problems: problemsOf(exchange) });
          }
          response.writeHead(answer.statusCode, answer.rawHeaders);
          response.end(body);
        });
      });
      onward.on("error", () => response.destroy());
      onward.end(sent);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** What went over it: path, status, what was sent and answered, and what the schema says against it. */
    exchanges,
    /** Everything that the schema says against what went over it. */
    problems: () =>
      exchanges.flatMap(({ path, status, answered, problems }) =>
        problems.map((problem) => `${path} ${status}: ${problem}: ${answered.slice(0, 500)}`),
      ),
    close: () => server.close(),
  };
}
