// A certified OpenID provider for the whole-journey tests. Never shipped.
//
// `tests/e2e/rigs.py` starts it. The first line on standard input is the configuration, each later
// line is a command; each is one JSON object and gets one JSON line on standard output. What happened
// inside (errors with their true cause, logout tokens sent) goes to standard error, a JSON line each.
// It listens on a port that the system picks and ends when its standard input ends,
// so it cannot outlive the test that started it.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

// Standard output carries answers only; the library prints its notices there.
console.info = console.error;
console.log = console.error;

const { Provider } = await import('oidc-provider');

const COOKIE_KEYS = [randomUUID()];
const KINDS = ['urn:demo:password', 'urn:demo:key'];
const MAX_FORM_BYTES = 16_384;

/** Everything the provider remembers. The library's own store forgets beyond 1000 entries. */
class Shelf {
  static entries = new Map();

  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    Shelf.entries.set(this.key(id), payload);
  }

  async find(id) {
    return Shelf.entries.get(this.key(id));
  }

  async findByUid(uid) {
    return this.first((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode) {
    return this.first((payload) => payload.userCode === userCode);
  }

  async consume(id) {
    Shelf.entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Shelf.entries.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, payload] of Shelf.entries) {
      if (payload.grantId === grantId) Shelf.entries.delete(key);
    }
  }

  first(wanted) {
    const prefix = this.key('');
    for (const [key, payload] of Shelf.entries) {
      if (key.startsWith(prefix) && wanted(payload)) return payload;
    }
    return undefined;
  }
}

const people = new Map(); // login → claims, `sub` among them

function putPerson(login, claims) {
  if (claims === null) people.delete(login);
  else people.set(login, { sub: `sub-${login}`, ...claims });
}

function putClient(metadata) {
  // A cross-check at once: the library would report a bad client only at the first sign-in.
  if (!metadata.client_id) throw new Error('a client needs a client_id');
  Shelf.entries.set(`Client:${metadata.client_id}`, metadata);
}

/** The library asks by `sub`, and wants exactly that value back as `accountId`. */
async function findAccount(ctx, sub) {
  for (const claims of people.values()) {
    if (claims.sub === sub) return { accountId: sub, claims: async () => claims };
  }
  return undefined;
}

function makeKeys() {
  const pairs = [
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ];
  return pairs.map(([alg, pair]) => ({
    ...pair.privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID(),
  }));
}

function tell(event, details) {
  process.stderr.write(`${JSON.stringify({ event, ...details })}\n`);
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** A page that loads nothing: an own icon keeps the browser from asking for one. */
function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">`
    + `<title>${title}</title><h1>${title}</h1>${body}</html>`;
}

function sendPage(response, status, text) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; img-src data:",
    'cache-control': 'no-store',
  });
  response.end(text);
}

function loginPage(note) {
  const buttons = [...people.keys()].map((login) => (
    `<li><button name="login" value="${escape(login)}">${escape(login)}</button></li>`));
  return page('Sign in', `<p id="note">${note}</p>`
    + `<form method="post"><ul>${buttons.join('')}</ul></form>`
    + '<form method="post"><input name="login" aria-label="login"><input type="password" name="password"'
    + ' aria-label="password"><button id="go">Go</button></form>'
    + '<form method="post"><button name="cancel" value="yes">Cancel</button></form>');
}

async function readForm(request) {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_FORM_BYTES) throw new Error('the form is too long');
  }
  return new URLSearchParams(text);
}

async function interact(provider, request, response) {
  const { prompt } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result);
  // Whoever asks for consent gets it; the grant itself is written by `loadExistingGrant`.
  if (prompt.name === 'consent') return finish({ consent: {} });
  if (request.method !== 'POST') return sendPage(response, 200, loginPage('Who are you?'));
  const form = await readForm(request);
  if (form.has('cancel')) {
    return finish({ error: 'access_denied', error_description: 'End-User aborted interaction' });
  }
  const claims = people.get(form.get('login'));
  if (!claims) return sendPage(response, 401, loginPage('Nobody has that name.'));
  // A sign-in here is worth what was asked for, if that is one of the kinds that there are.
  const { params } = await provider.interactionDetails(request, response);
  const kind = (params.acr_values ?? '').split(' ').find((value) => KINDS.includes(value));
  return finish({ login: { accountId: claims.sub, ...(kind && { acr: kind }) } });
}

/** Consent without asking: the grant always covers what the client asks for. */
async function grantEverything(ctx) {
  const { client, session, requestParamOIDCScopes, requestParamClaims } = ctx.oidc;
  const { Grant } = ctx.oidc.provider;
  const known = session.grantIdFor(client.clientId);
  const found = known && await Grant.find(known);
  const grant = found?.accountId === session.accountId && found
    ? found : new Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope([...requestParamOIDCScopes].join(' '));
  grant.addOIDCClaims([...requestParamClaims]);
  for (const [api, server] of Object.entries(ctx.oidc.resourceServers ?? {})) grant.addResourceScope(api, server.scope);
  await grant.save();
  return grant;
}

function configuration(options) {
  const seconds = { AccessToken: 3600, IdToken: 3600, RefreshToken: 86_400, ...options.ttl };
  return {
    adapter: Shelf,
    findAccount,
    loadExistingGrant: grantEverything,
    jwks: { keys: makeKeys() },
    cookies: { keys: COOKIE_KEYS },
    pkce: { required: () => true }, // the library knows S256 only
    scopes: ['openid', 'offline_access'],
    acrValues: KINDS,
    claims: {
      openid: ['sub', ...(options.openidClaims ?? [])],
      profile: ['name', 'preferred_username', 'updated_at'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    conformIdTokenClaims: options.conformIdTokenClaims ?? false,
    rotateRefreshToken: () => true,
    extraTokenClaims: async (ctx, token) => {
      const claims = token.aud && [...people.values()].find(({ sub }) => sub === token.accountId);
      return claims ? { preferred_username: claims.preferred_username, groups: claims.groups } : undefined;
    },
    // The standard wants `prompt=consent` before `offline_access` counts. Many providers do not.
    ...(options.alwaysRefresh && {
      issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    }),
    // The library's own dispatcher cuts connections to loopback without a word, logout tokens too.
    fetch: (url, { dispatcher, ...rest }) => fetch(url, rest),
    ttl: { Session: 86_400, Grant: 86_400, Interaction: 600, ...seconds },
    features: {
      pushedAuthorizationRequests: {
        enabled: options.push !== 'never', requirePushedAuthorizationRequests: options.push === 'always',
      },
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Whatever a program asks for is an API of its own; its tokens are JWTs (RFC 9068), opaque ones are for userinfo.
        getResourceServerInfo: (ctx, api) => ({ scope: 'api', audience: api, accessTokenFormat: 'jwt' }),
      },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (ctx, form) => {
          ctx.body = page('Sign out?', `${form}<button form="op.logoutForm" name="logout" value="yes">Yes</button>`
            + '<button form="op.logoutForm">No</button>');
        },
        postLogoutSuccessSource: async (ctx) => { ctx.body = page('Signed out', ''); },
      },
    },
    renderError: async (ctx, out) => {
      ctx.type = 'html';
      ctx.body = page('Error', `<pre>${escape(JSON.stringify(out, null, 1))}</pre>`);
    },
  };
}

function report(provider) {
  const errors = ['authorization.error', 'grant.error', 'pushed_authorization_request.error', 'userinfo.error', 'end_session.error', 'revocation.error',
    'discovery.error', 'jwks.error', 'server_error'];
  for (const name of errors) {
    // The answer to the client is vague by design; the detail says what really went wrong.
    provider.on(name, (ctx, error) => tell(name, {
      error: error.message, detail: error.error_detail ?? error.error_description ?? error.stack,
    }));
  }
  provider.on('backchannel.success', (ctx, client, sub, sid) => (
    tell('backchannel.success', { client: client.clientId, sub, sid })));
  provider.on('backchannel.error', (ctx, error, client, sub, sid) => (
    tell('backchannel.error', { client: client.clientId, sub, sid, error: error.message })));
}

let renew; // makes the provider anew, with keys that nobody has seen; everything else it remembers

async function start(options) {
  for (const client of options.clients ?? []) putClient(client);
  for (const [login, claims] of Object.entries(options.people ?? {})) putPerson(login, claims);
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  // The issuer holds the port, so the provider is made after the port is known; behind a proxy it holds the proxy's.
  const address = `http://${options.host ?? 'localhost'}:${server.address().port}`;
  const issuer = options.issuer ?? address;
  let provider;
  let callback;
  renew = () => {
    provider = new Provider(issuer, configuration(options));
    report(provider);
    callback = provider.callback();
  };
  renew();
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) return callback(request, response);
    return interact(provider, request, response).catch((error) => {
      tell('interaction.error', { error: error.message });
      sendPage(response, error.statusCode ?? 500, page('Error', escape(error.message)));
    });
  });
  return { issuer, address };
}

function obey(command) {
  if (command.client) putClient(command.client);
  else if (command.person) putPerson(command.person.login, command.person.claims);
  else if (command.rotate) renew();
  else throw new Error('unknown command');
  return { done: true };
}

let started = false;
const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
for await (const line of lines) {
  let answer;
  try {
    const message = JSON.parse(line);
    answer = started ? obey(message) : await start(message);
    started = true;
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
