// Auth0's Node SDKs behind the gateway: `AuthenticationClient` of `auth0`, and `auth0-auth-js` below the newer ones. They
// speak https alone; the TLS proxy that stands before the gateway is played by their `fetch`.
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { AuthClient } from '@auth0/auth0-auth-js';
import { AuthenticationClient, UserInfoClient } from 'auth0/legacy';
import { argument, run } from './parent.mjs';
import { follow } from './visitor.mjs';

const { direct, issuer, client_id, callback } = argument;
const front = 'shop.example';

/** Takes what is for the front, or for Auth0 by name, to the gateway, as a TLS proxy does. */
const proxied = (to, options) => {
  const url = new URL(to instanceof Request ? to.url : to);
  assert.ok([front, new URL(issuer).host].includes(url.host), url.href);
  const headers = new Headers(options?.headers);
  headers.set('x-forwarded-host', front);
  headers.set('x-forwarded-proto', 'https');
  return fetch(new URL(url.pathname + url.search, direct), { ...options, headers, dispatcher: undefined });
};

/** The visitor's way from the gateway to Auth0 and back to the application. */
const code = async (authorize) => {
  const answer = await proxied(authorize, { redirect: 'manual' });
  assert.equal(answer.status, 302, await answer.text());
  return follow(answer.headers.get('location'), callback);
};

await run(async () => {
  const client = new AuthClient({
    domain: new URL(issuer).host, // Auth0's: what `iss` must say
    clientId: client_id,
    clientSecret: 'never leaves the gateway',
    customFetch: proxied, // … while the requests go to the gateway
    authorizationParams: { redirect_uri: callback, scope: 'openid profile email offline_access' },
  });
  const { authorizationUrl, codeVerifier } = await client.buildAuthorizationUrl();
  assert.equal(authorizationUrl.host, front);
  const tokens = await client.getTokenByCode(await code(authorizationUrl), { codeVerifier });
  assert.equal(tokens.claims.email, 'johndoe@foreign.example');
  const renewed = await client.getTokenByRefreshToken({ refreshToken: tokens.refreshToken });
  assert.notEqual(renewed.accessToken, tokens.accessToken);

  // It fetches the key set past its `fetch`, by `agent`.
  const agent = Object.assign(new Agent(), { protocol: 'https:', createConnection: () => connect(new URL(direct).port, '127.0.0.1') });
  const headers = { 'x-forwarded-host': front, 'x-forwarded-proto': 'https' };
  const options = { domain: new URL(issuer).host, clientId: client_id, clientSecret: 'never leaves the gateway', fetch: proxied, agent, headers };
  const legacy = new AuthenticationClient(options);
  const again = await legacy.oauth.refreshTokenGrant({ refresh_token: renewed.refreshToken });
  assert.equal(again.status, 200);
  const who = await new UserInfoClient(options).getUserInfo(again.data.access_token);
  assert.equal(who.data.sub, 'johndoe');
});
