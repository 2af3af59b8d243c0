// A browser at `oidc-provider` by the gateway's own flow: a session, who am I, logout. Nobody is asked for a password.
import assert from 'node:assert/strict';
import { inChromium, shown } from './chromium.mjs';
import { argument, run } from './parent.mjs';

const { host, client_id } = argument;
// The host's default client is another: the page names its own.
const userinfo = `${host}/userinfo?client_id=${client_id}`;
const query = new URLSearchParams({ client_id, redirect: userinfo });

await run(() =>
  inChromium('foreign-session', async (page) => {
    await page.goto(`${host}/authorize?${query}`);
    await page.waitForURL(userinfo);
    assert.equal((await shown(page)).email, 'johndoe@foreign.example');
    const renewed = await page.evaluate(async () => {
      const answer = await fetch('/refreshtoken', { method: 'POST', headers: { 'client-type': 'web' } });
      return { status: answer.status, members: Object.keys(await answer.json()) };
    });
    assert.deepEqual(renewed, { status: 200, members: ['expires_in'] }, 'renewed on the server, and no token in the page');
    assert.equal((await page.reload()).status(), 200);
    await page.goto(`${host}/logout?${query}`);
    await page.waitForURL(userinfo);
    assert.equal((await page.reload()).status(), 401);
  }),
);
