// `oidc-provider` as a tenant: Auth0's paths, Auth0's habits (refresh tokens rotate, `/v2/logout` takes `returnTo`,
// claims stand in the ID token), and a login that asks nothing: whoever comes is `johndoe`.
//
// Tells its address with a final slash, as Auth0 writes its issuer; hears {"clients": […], "issuer": "https://…/"}, the latter
// where the name must differ from the address; tells that it serves.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';
import { hear, tell } from './parent.mjs';

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${server.address().port}/`;
tell(address);
const { clients, issuer } = await hear();

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(issuer ?? address, {
  clients,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'foreign' }] },
  cookies: { keys: ['a key of this run'] },
  routes: {
    authorization: '/authorize',
    token: '/oauth/token',
    userinfo: '/userinfo',
    revocation: '/oauth/revoke',
    jwks: '/.well-known/jwks.json',
    end_session: '/oidc/logout',
  },
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = `<!DOCTYPE html><title>logout</title>${form}<script>
          const yes = Object.assign(document.createElement('input'), { type: 'hidden', name: 'logout', value: 'yes' });
          const form = document.querySelector('form'); form.append(yes); form.submit();</script>`;
      },
    },
  },
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  // Its own page asks another site for a font.
  renderError: (ctx, out) => {
    ctx.type = 'txt';
    ctx.body = JSON.stringify(out);
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: async (ctx, sub) => ({
    accountId: sub,
    claims: async () => ({ sub, name: 'John Doe', email: `${sub}@foreign.example`, email_verified: true }),
  }),
  ttl: { AccessToken: 3600, IdToken: 3600, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, AuthorizationCode: 60 },
});
// What it would render, told to the test instead.
provider.on('server_error', (ctx, error) => console.error(error));
for (const event of ['authorization.error', 'grant.error', 'end_session.error']) {
  provider.on(event, (ctx, error) => console.error(event, error.error, error.error_detail ?? error.error_description));
}
provider.use(async (ctx, next) => {
  if (ctx.path === '/authorize' && ctx.query.scope?.includes('offline_access') && !ctx.query.prompt) {
    // OpenID Connect Core §11 wants consent for `offline_access`; Auth0 asks for none for a tenant's own applications.
    ctx.query = { ...ctx.query, prompt: 'consent' };
  }
  if (ctx.path.startsWith('/interaction/')) {
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, await decide(await provider.interactionDetails(ctx.req, ctx.res)));
  }
  if (ctx.path === '/v2/logout') {
    const query = new URLSearchParams({ client_id: ctx.query.client_id, post_logout_redirect_uri: ctx.query.returnTo });
    return ctx.redirect(`/oidc/logout?${query}`);
  }
  return next();
});
/** Yes to everything: a login of `johndoe`, then a grant of all that was asked for. */
async function decide({ prompt, params, session }) {
  if (prompt.name === 'login') return { login: { accountId: 'johndoe' } };
  const grant = new provider.Grant({ clientId: params.client_id, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  return { consent: { grantId: await grant.save() } };
}
server.on('request', provider.callback());
tell('serving');
