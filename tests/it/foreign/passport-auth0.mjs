// `passport-auth0` as an application behind the gateway: login with PKCE, profile from `/userinfo`.
import assert from 'node:assert/strict';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import Auth0Strategy from 'passport-auth0';
import { hear, run, tell } from './parent.mjs';
import { follow, visit } from './visitor.mjs';

const app = express();
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.on('listening', resolve));
const origin = `http://localhost:${server.address().port}`;
tell(origin);
const { gateway, issuer, client_id } = await hear();

const strategy = new Auth0Strategy(
  {
    domain: new URL(issuer).host,
    expectedIssuer: issuer,
    authorizationURL: `${gateway}/authorize`,
    tokenURL: `${gateway}/oauth/token`,
    userInfoURL: `${gateway}/userinfo`,
    clientID: client_id,
    clientSecret: 'never leaves the gateway',
    callbackURL: `${origin}/callback`,
    state: true,
    pkce: true,
  },
  (accessToken, refreshToken, extra, profile, done) => done(null, { id: profile.id, email: profile.emails[0].value, refreshToken }),
);
// Else the token goes to `/userinfo` in the query, where the gateway takes it only with `token_in_query: true`.
strategy._oauth2.useAuthorizationHeaderforGET(true);
passport.use(strategy);
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));
app.use(session({ secret: 'a secret of the application alone', resave: false, saveUninitialized: false }));
app.use(passport.session());
app.get('/login', passport.authenticate('auth0', { scope: 'openid profile email offline_access' }));
app.get('/callback', passport.authenticate('auth0', { failureMessage: true, successRedirect: '/me' }));
app.get('/me', (request, answer) => answer.status(request.user ? 200 : 401).json(request.user ?? {}));
app.use((error, request, answer, next) => {
  console.error(error);
  answer.status(500).end();
});

await run(async () => {
  await follow(`${origin}/login`, `${origin}/me`);
  const me = await visit(new URL(`${origin}/me`));
  assert.equal(me.status, 200);
  const { id, email, refreshToken } = await me.json();
  assert.deepEqual([id, email, typeof refreshToken], ['johndoe', 'johndoe@foreign.example', 'string']);
});
