// A visitor of the production host who edits `connection` on Auth0's address, and logs in with a user of the other environment.
import assert from 'node:assert/strict';
import { inChromium, logIn } from './chromium.mjs';
import { argument, run } from './parent.mjs';

const { host, from, to, username, password } = argument;

await run(() =>
  inChromium('edited-connection', async (page) => {
    const login = await page.goto(`${host}/authorize?redirect=${encodeURIComponent(`${host}/`)}`);
    const hops = [];
    for (let hop = login.request(); hop; hop = hop.redirectedFrom()) hops.unshift(hop.url());
    assert.ok(hops[1].includes(`connection=${from}`), hops[1]);
    await page.goto(hops[1].replace(from, to));
    const landing = page.waitForResponse((it) => it.url().startsWith(`${host}/callback?`));
    await logIn(page, { username, password });
    const landed = await landing;
    assert.ok(new URL(landed.url()).searchParams.has('code'), 'Auth0 let the visitor in');
    assert.equal(landed.status(), 401, 'the gateway does not');
    assert.deepEqual((await page.context().cookies(host)).map(({ name }) => name), []);
    assert.equal((await page.goto(`${host}/userinfo`)).status(), 401);
  }),
);
