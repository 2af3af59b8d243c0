// Pages of another site, and of another host of the same site, against a visitor who is logged in.
import assert from 'node:assert/strict';
import { inChromium, logIn } from './chromium.mjs';
import { argument, run } from './parent.mjs';
import { serve } from './site.mjs';

const { gateway, username, password, other } = argument;
const evil = await serve('evil.localhost', { '/': '<!DOCTYPE html><title>evil</title>' });
const sibling = await serve('test.acme.localhost', { '/': '<!DOCTYPE html><title>sibling</title>' });

/** A form of the page, sent as a navigation; the status of what comes back. */
async function form(page, action, members) {
  const answer = page.waitForResponse((it) => it.url() === action);
  // 204 leaves the page where it is.
  const there = Promise.race([page.waitForURL(action), answer.then((it) => (it.status() === 204 ? undefined : new Promise(() => {})))]);
  await page.evaluate(
    ([action, members]) => {
      const form = Object.assign(document.createElement('form'), { method: 'post', action });
      for (const [name, value] of Object.entries(members)) form.append(Object.assign(document.createElement('input'), { name, value }));
      document.body.append(form);
      form.submit();
    },
    [action, members],
  );
  await there;
  return (await answer).status();
}

await run(() =>
  inChromium('cross-site', async (page) => {
    const sids = async () => (await page.context().cookies(gateway)).filter(({ name }) => name === 'sid').map(({ value }) => value);
    const who = async () => {
      await page.goto(`${gateway}/-/healthz`);
      return page.evaluate(async () => (await fetch('/userinfo')).json());
    };
    for (const { origin } of [evil, sibling]) {
      // Nobody is logged in as the attacker (login CSRF, RFC 6819 §4.4.1.8) …
      await page.goto(origin);
      const attacker = { grant_type: 'password', client_id: 'acme-web', username: other.username, password: other.password };
      assert.equal(await form(page, `${gateway}/oauth/token`, attacker), 403, origin);
      assert.deepEqual(await sids(), [], origin);
    }
    await page.goto(`${gateway}/authorize`);
    await logIn(page, { username, password });
    await page.waitForURL(`${gateway}/`);
    const [sid] = await sids();
    for (const { origin } of [evil, sibling]) {
      // … nor out, nor into another session, and nobody reads who it is.
      await page.goto(origin);
      await form(page, `${gateway}/logout`, {});
      assert.deepEqual(await sids(), [sid], origin);
      await page.goto(origin);
      assert.equal(await form(page, `${gateway}/oauth/token`, { grant_type: 'password', client_id: 'acme-web', ...other }), 403, origin);
      await page.goto(origin);
      const read = await page.evaluate(async (url) => {
        try {
          return await (await fetch(url, { credentials: 'include' })).text();
        } catch (error) {
          return error.name;
        }
      }, `${gateway}/userinfo`);
      assert.equal(read, 'TypeError', origin);
      await page.evaluate(async (url) => {
        await new Promise((end) => Object.assign(new Image(), { onload: end, onerror: end, src: url }));
        await fetch(url, { mode: 'no-cors', credentials: 'include', redirect: 'manual' }).catch(() => {});
      }, `${gateway}/logout`);
      assert.deepEqual(await sids(), [sid], origin);
      assert.equal((await who()).email, username, origin);
    }
  }),
);
