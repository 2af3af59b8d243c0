// A visitor of an application that stands behind one host with the gateway: login page, back, who am I, logout.
import assert from 'node:assert/strict';
import { inChromium, logIn } from './chromium.mjs';
import { argument, run, tell } from './parent.mjs';
import { serve } from './site.mjs';

const { gateway, host, username, password } = argument;
// The application's one page. It asks the gateway who is there, as pages do.
const home = `<!DOCTYPE html><title>home</title><p>…</p><script>
  fetch('/userinfo').then(async (it) => {
    window.claims = it.ok ? await it.json() : {};
    document.querySelector('p').textContent = it.status + ' ' + (window.claims.email ?? 'nobody');
  });
</script>`;
const site = await serve(host, { '/': home });
site.proxyTo(gateway);

await run(() =>
  inChromium(`cookie-session-${host}`, async (page) => {
    const shows = (text) => page.getByText(text, { exact: true }).waitFor();
    await page.goto(`${site.origin}/`);
    await shows('401 nobody');

    await page.goto(`${site.origin}/authorize?redirect=${encodeURIComponent(`${site.origin}/?from=login`)}`);
    await logIn(page, { username, password });
    await page.waitForURL(`${site.origin}/?from=login`);
    await shows(`200 ${username}`);
    const claims = await page.evaluate(() => window.claims);

    const cookies = await page.context().cookies(site.origin);
    assert.deepEqual(cookies.map(({ name }) => name), ['sid'], 'the transaction is gone, the session is there');
    const [{ httpOnly, sameSite, path, domain, expires }] = cookies;
    assert.deepEqual({ httpOnly, sameSite, path, domain }, { httpOnly: true, sameSite: 'Lax', path: '/', domain: host });
    assert.ok(expires > Date.now() / 1000 + 6 * 86_400, 'it lives as long as the session may');
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads it');

    // Auth0's own session is there: no form the second time, and another session of the gateway.
    await page.goto(`${site.origin}/authorize`);
    await page.waitForURL(`${site.origin}/`);
    await shows(`200 ${username}`);
    const [again] = await page.context().cookies(site.origin);
    assert.notEqual(again.value, cookies[0].value);

    await page.goto(`${site.origin}/logout`);
    await page.waitForURL(`${site.origin}/`);
    await shows('401 nobody');
    assert.deepEqual(await page.context().cookies(site.origin), []);
    for (const { value } of [cookies[0], again]) {
      await page.context().addCookies([{ name: 'sid', value, url: site.origin }]);
      await page.reload();
      await shows('401 nobody');
    }
    // Auth0's session is gone too: the form again.
    await page.goto(`${site.origin}/authorize`);
    await page.locator('input[name=password]').waitFor();
    tell(claims);
  }),
);
