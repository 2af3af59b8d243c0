// The application's own page takes the code and posts it as JSON, once behind one host with the gateway and once from
// another origin of the same site.
import assert from 'node:assert/strict';
import { inChromium, logIn } from './chromium.mjs';
import { hear, run, tell } from './parent.mjs';
import { serve } from './site.mjs';

const site = await serve('shop.localhost', { '/login': '<!DOCTYPE html><title>login</title>the page of the application' });
tell(site.origin);
const { gateway, username, password } = await hear();
site.proxyTo(gateway);
const page_url = `${site.origin}/login`;

/** What the page does with what came back in its address. */
const post = (page, host, credentials) =>
  page.evaluate(
    async ([host, credentials]) => {
      const { code, state } = Object.fromEntries(new URLSearchParams(location.search));
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${host}/oauth/token`, { method: 'POST', credentials, headers, body: JSON.stringify({ code, state }) });
      return { status: answer.status, location: answer.headers.get('location'), body: await answer.json() };
    },
    [host, credentials],
  );

await run(() =>
  inChromium('page-flow', async (page) => {
    for (const host of [site.origin, gateway]) {
      const wanted = `${host}/userinfo`;
      const query = new URLSearchParams({ redirect_uri: page_url, state: 'a state of the page', redirect: wanted });
      await page.goto(`${host}/authorize?${query}`);
      if (new URL(page.url()).origin !== site.origin) await logIn(page, { username, password });
      await page.waitForURL((url) => url.href.startsWith(`${page_url}?`));
      assert.equal(new URL(page.url()).searchParams.get('state'), 'a state of the page');

      const without = await post(page, host, 'omit');
      assert.deepEqual([without.status, without.body.error], [403, 'invalid_grant']);
      const answer = await post(page, host, 'include');
      assert.deepEqual([answer.status, answer.location], [200, wanted], `${host}: ${JSON.stringify(answer.body)}`);
      assert.ok(answer.body.cookie_sid, 'the session id, as the original shows it');
      const who = await page.evaluate(async (url) => (await fetch(url, { credentials: 'include' })).json(), wanted);
      assert.equal(who.email, username);
      const replayed = await post(page, host, 'include');
      assert.equal(replayed.status, 403, 'the transaction is used');
      await page.context().clearCookies({ name: 'sid' });
    }
  }),
);
