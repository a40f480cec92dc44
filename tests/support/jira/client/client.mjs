// Calls operations of Jira Cloud's REST API by the client jira.js, and prints what it makes of each answer.
//
// Standard input holds JSON: `host`, `email`, `apiToken`, and `calls`, a list of `[group, operation, arguments]`.
// Standard output gets a JSON list: for each call its `result` or its `error`. An answer that does not fit the client's schemas, which are
// made from Atlassian's description, is an error.
import { pathToFileURL } from 'node:url';

// The package has no entry for `require`, and NODE_PATH counts for that alone.
const { createCloudClient } = await import(pathToFileURL(`${process.argv[2]}/node_modules/jira.js/dist/index.js`));

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { host, email, apiToken, calls } = JSON.parse(Buffer.concat(chunks).toString());
const auth = { type: 'basic', email, apiToken };
const client = createCloudClient({ host, auth, onSchemaMismatch: 'throw', retry: { maxAttempts: 1 } });
const outcomes = [];
for (const [group, operation, parameters] of calls) {
  try {
    outcomes.push({ result: (await client[group][operation](parameters)) ?? null });
  } catch (error) {
    outcomes.push({ error: { name: error.name, message: error.message, status: error.status ?? null, body: error.body ?? null } });
  }
}
process.stdout.write(JSON.stringify(outcomes));
