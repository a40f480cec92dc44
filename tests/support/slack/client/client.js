// Calls methods of the Web API by Slack's own client, and prints what it makes of each answer.
//
// Standard input holds JSON: `url` (the API's address, with a slash at its end), `token`, `retries`, and
// `calls`, a list of `[method, arguments]`.
// Standard output gets a JSON list: for each call its `result` or its `error`, what the client logged, and the waits that it was asked for.
'use strict';

const { WebClient, WebClientEvent } = require('@slack/web-api');

async function call({ url, token, retries }, [method, options]) {
  const logged = [];
  const waits = [];
  const log = (level) => (...parts) => logged.push(`${level}: ${parts.join(' ')}`);
  const logger = {
    debug() {}, info() {}, warn: log('warn'), error: log('error'), setLevel() {}, getLevel: () => 'info', setName() {},
  };
  const client = new WebClient(token, { slackApiUrl: url, logger, timeout: 10_000, retryConfig: { retries, minTimeout: 0, maxTimeout: 1 } });
  client.on(WebClientEvent.RATE_LIMITED, (seconds) => waits.push(seconds));
  // `chat.postMessage` is the function `postMessage` of the client's `chat`.
  const path = method.split('.');
  const receiver = path.slice(0, -1).reduce((object, name) => object[name], client);
  try {
    return { result: await receiver[path.at(-1)](options), logged, waits };
  } catch (error) {
    return { error: { code: error.code, message: error.message, data: error.data, status: error.statusCode }, logged, waits };
  }
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const request = JSON.parse(Buffer.concat(chunks).toString());
  const outcomes = [];
  for (const one of request.calls) outcomes.push(await call(request, one));
  process.stdout.write(JSON.stringify(outcomes));
}

main();
