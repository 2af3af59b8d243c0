// `auth0-spa-js` on a page of its own origin: login, user, a token by refresh, the API with it, logout. The gateway's
// preflights are the browser's. The same by `auth0-react`, which wraps it.
import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { inChromium } from './chromium.mjs';
import { hear, run, tell } from './parent.mjs';
import { installed, serve } from './site.mjs';

const html = (script) => `<!DOCTYPE html><title>spa</title><div id="root"></div><script src="${script}"></script>`;
const application = `
  import { createElement as h } from 'react';
  import { createRoot } from 'react-dom/client';
  import { Auth0Provider, useAuth0 } from '@auth0/auth0-react';
  function Application() {
    const auth0 = useAuth0();
    window.react = auth0;
    if (auth0.error) return String(auth0.error);
    return auth0.isLoading ? 'loading' : auth0.isAuthenticated ? 'user ' + auth0.user.email : 'nobody';
  }
  window.start = (options) => createRoot(document.getElementById('root')).render(h(Auth0Provider, options, h(Application)));
`;
const bundle = await build({
  stdin: { contents: application, resolveDir: new URL('.', import.meta.url).pathname },
  bundle: true, write: false, outfile: new URL('./target/react.js', import.meta.url).pathname, minify: true,
  define: { 'process.env.NODE_ENV': '"production"' },
});
const react = `<!DOCTYPE html><title>react</title><div id="root"></div><script>${bundle.outputFiles[0].text.replaceAll('</script', '<\\/script')}</script>`;
const site = await serve('spa.globex.localhost', {
  '/callback': html('/spa.js'),
  '/spa.js': installed('@auth0/auth0-spa-js/dist/auth0-spa-js.production.js'),
  '/react': react,
});
tell(site.origin);
const { gateway, issuer, client_id, audience } = await hear();

const options = (path) => ({
  domain: gateway,
  issuer,
  clientId: client_id,
  useRefreshTokens: true,
  authorizationParams: { redirect_uri: `${site.origin}${path}`, audience, scope: 'openid profile email offline_access' },
});

await run(async () => {
  await inChromium('spa-js', async (page) => {
    const create = (more) => page.evaluate(async (options) => { window.client = await auth0.createAuth0Client(options); }, { ...options('/callback'), ...more });
    for (const cacheLocation of ['memory', 'localstorage']) {
      const start = `${site.origin}/callback`;
      await page.goto(start);
      await create({ cacheLocation });
      await page.evaluate(() => void window.client.loginWithRedirect({ appState: { from: 'here' } }));
      await page.waitForURL((url) => url.href.startsWith(start) && url.searchParams.has('code'));
      await create({ cacheLocation });
      const login = await page.evaluate(async () => {
        const { appState } = await window.client.handleRedirectCallback();
        const first = await window.client.getTokenSilently();
        const second = await window.client.getTokenSilently({ cacheMode: 'off' });
        return { appState, first, second, user: await window.client.getUser() };
      });
      assert.equal(login.user.sub, 'johndoe');
      assert.equal(login.user.email, 'johndoe@foreign.example');
      assert.equal(login.appState.from, 'here');
      assert.notEqual(login.first, login.second, 'a refresh brought another');
      const who = await page.evaluate(async ([gateway, token]) => {
        const answer = await fetch(`${gateway}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
        return answer.json();
      }, [gateway, login.second]);
      assert.equal(who.sub, 'johndoe');
      // Without a silent login in a frame, tokens in memory end with the page.
      await page.goto(start);
      await create({ cacheLocation });
      assert.equal(await page.evaluate(() => window.client.isAuthenticated()), cacheLocation === 'localstorage');
      await page.evaluate((returnTo) => void window.client.logout({ logoutParams: { returnTo } }), `${start}?gone`);
      await page.waitForURL(`${start}?gone`);
      await create({ cacheLocation });
      assert.equal(await page.evaluate(() => window.client.isAuthenticated()), false);
    }
  });
  await inChromium('react', async (page) => {
    const { authorizationParams, ...rest } = options('/react');
    const start = () => page.evaluate((options) => window.start(options), { ...rest, authorizationParams });
    await page.goto(`${site.origin}/react`);
    await start();
    await page.getByText('nobody').waitFor();
    await page.evaluate(() => void window.react.loginWithRedirect());
    await page.waitForURL((url) => url.searchParams.has('code'));
    await start();
    await page.getByText('user johndoe@foreign.example').waitFor();
    const [first, second] = await page.evaluate(async () => [await window.react.getAccessTokenSilently(), await window.react.getAccessTokenSilently({ cacheMode: 'off' })]);
    assert.notEqual(first, second);
  });
});
