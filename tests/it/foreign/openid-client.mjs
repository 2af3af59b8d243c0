// `openid-client` as an application behind the gateway: its own PKCE, state and nonce; refresh, userinfo, logout.
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import { argument, run } from './parent.mjs';
import { follow, visit } from './visitor.mjs';

const { gateway, issuer, client_id, callback, goodbye } = argument;

/** A whole login; the client is named by its id, and by a header too where a type is given. */
async function login(client_type) {
  // The document's whole address: the issuer in it is Auth0's, and its endpoints are the gateway's.
  const document = new URL('/.well-known/openid-configuration', gateway);
  const withClientType = (url, options) => fetch(url, { ...options, headers: { ...options.headers, 'client-type': client_type } });
  const config = await oidc.discovery(document, client_id, undefined, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
    ...(client_type && { [oidc.customFetch]: withClientType }),
  });
  const server = config.serverMetadata();
  assert.equal(server.issuer, issuer);
  for (const endpoint of ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'end_session_endpoint']) {
    assert.ok(server[endpoint]?.startsWith(gateway), `${endpoint}: ${server[endpoint]}`);
  }

  // The provider has it, and the gateway does not pass it on: a library that believed it would get a bearer it cannot use.
  assert.equal(server.dpop_signing_alg_values_supported, undefined);

  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const start = oidc.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  });
  const back = await follow(start, callback);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await oidc.authorizationCodeGrant(config, back, checks);
  const { sub } = tokens.claims();
  assert.equal(sub, 'johndoe');

  const claims = await oidc.fetchUserInfo(config, tokens.access_token, sub);
  assert.equal(claims.email, 'johndoe@foreign.example');

  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(renewed.access_token, tokens.access_token);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token, 'the provider rotates');
  assert.equal((await oidc.fetchUserInfo(config, renewed.access_token, sub)).sub, sub);

  const end = oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: goodbye, id_token_hint: renewed.id_token ?? tokens.id_token });
  const leaving = await visit(end);
  assert.equal(leaving.status, 302, await leaving.text());
  const upstream = new URL(leaving.headers.get('location'));
  assert.ok(upstream.href.startsWith(issuer), upstream.href);

  const again = oidc.authorizationCodeGrant(config, back, checks);
  await assert.rejects(again, (error) => error.error === 'invalid_grant', 'a code works once');
}

await run(async () => {
  await login();
  await login('app');
});
