// npm `atlassian-crowd-client`, driven over lines of JSON: it is told of a Crowd server and of calls by their name and
// arguments, and says of each what came of it. Then it ends.
import { createInterface } from 'node:readline';
import CrowdClient from 'atlassian-crowd-client';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, name, password, calls } = JSON.parse((await lines.next()).value);
const client = new CrowdClient({ baseUrl: url, application: { name, password } });
const models = {
  factors: (value) => ({ toCrowd: () => value }), // its class for them is not exported
  user: (value) => new client.userModel('N', 'N', 'N N', 'n@example.com', value, 'secret'),
};
const given = (argument) => {
  const [kind] = Object.keys(argument ?? {}).filter((key) => key in models && typeof argument === 'object');
  return kind === undefined ? argument : models[kind](argument[kind]);
};
const found = [];
for (const [path, ...parts] of calls) {
  const method = path.split('.').reduce((at, key) => at[key], client);
  try {
    found.push({ value: (await method(...parts.map(given))) ?? null });
  } catch (error) {
    found.push({ error: error.type ?? error.message });
  }
}
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0);
