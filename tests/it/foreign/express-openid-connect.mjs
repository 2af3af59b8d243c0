// `express-openid-connect` as an application behind the gateway: login, its user, an API with its token, refresh, logout.
import assert from 'node:assert/strict';
import express from 'express';
import openid from 'express-openid-connect';
import { hear, run, tell } from './parent.mjs';
import { follow, visit } from './visitor.mjs';

const app = express();
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.on('listening', resolve));
const origin = `http://localhost:${server.address().port}`;
tell(origin);
const { gateway, issuer, client_id } = await hear();

app.use(
  openid.auth({
    // The document's whole address: the issuer in it is Auth0's, and its endpoints are the gateway's.
    issuerBaseURL: `${gateway}/.well-known/openid-configuration`,
    baseURL: origin,
    clientID: client_id,
    clientSecret: 'never leaves the gateway', // the library asks for one
    secret: 'a secret of the application alone',
    authRequired: false,
    idpLogout: true,
    authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
  }),
);
app.get('/', async (request, answer) => {
  if (!request.oidc.isAuthenticated()) return answer.status(401).end();
  const before = request.oidc.accessToken.access_token;
  const { access_token } = await request.oidc.accessToken.refresh();
  answer.json({ user: request.oidc.user, userinfo: await request.oidc.fetchUserInfo(), renewed: access_token !== before });
});
app.use((error, request, answer, next) => {
  console.error(error);
  answer.status(500).end();
});

await run(async () => {
  const home = await follow(`${origin}/login`, `${origin}/callback`).then(async (back) => {
    const answer = await visit(back);
    assert.equal(answer.status, 302, await answer.text());
    return visit(new URL(answer.headers.get('location'), origin));
  });
  assert.equal(home.status, 200);
  const { user, userinfo, renewed } = await home.json();
  assert.equal(user.email, 'johndoe@foreign.example');
  assert.deepEqual([userinfo.sub, renewed], ['johndoe', true]);
  const leaving = await visit(new URL(`${origin}/logout`));
  assert.ok(leaving.headers.get('location').startsWith(`${gateway}/oidc/logout?`), leaving.headers.get('location'));
  const onward = await visit(new URL(leaving.headers.get('location')));
  assert.equal(onward.status, 302, await onward.text());
  assert.ok(onward.headers.get('location').startsWith(issuer), onward.headers.get('location'));
  assert.equal((await visit(new URL(origin))).status, 401);
});
