// A strict OpenID client (npm `openid-client`), driven over lines of JSON: it is told of a provider, says its question,
// is told where the browser came back to, and says what it took the person for. One sign-in, then it ends.
import { createInterface } from 'node:readline';
import * as client from 'openid-client';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);
const say = (found) => process.stdout.write(`${JSON.stringify(found)}\n`);

try {
  const { issuer, name, secret, back, pkce } = await next();
  const config = await client.discovery(
    new URL(issuer), name, undefined, client.ClientSecretBasic(secret), { execute: [client.allowInsecureRequests] },
  );
  client.enableNonRepudiationChecks(config); // the signature too, though the token comes from the endpoint itself
  const verifier = pkce ? client.randomPKCECodeVerifier() : undefined;
  const state = client.randomState();
  const nonce = client.randomNonce();
  const asked = { redirect_uri: back, scope: 'openid', state, nonce };
  if (pkce) {
    asked.code_challenge = await client.calculatePKCECodeChallenge(verifier);
    asked.code_challenge_method = 'S256';
  }
  say({ question: client.buildAuthorizationUrl(config, asked).href });
  const { location } = await next();
  const tokens = await client.authorizationCodeGrant(config, new URL(location), {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  });
  const claims = tokens.claims();
  say({ claims, userinfo: await client.fetchUserInfo(config, tokens.access_token, claims.sub) });
} catch (error) {
  say({ error: `${error.code ?? ''} ${error.error ?? ''} ${error.message}` });
}
process.exit(0);
