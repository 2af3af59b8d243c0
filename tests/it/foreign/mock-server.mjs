// `oauth2-mock-server` on Auth0's paths: a provider that takes every user and every password.
import { OAuth2Server } from 'oauth2-mock-server';
import { tell } from './parent.mjs';

const endpoints = { token: '/oauth/token', jwks: '/.well-known/jwks.json', userinfo: '/userinfo', revoke: '/oauth/revoke' };
const server = new OAuth2Server(undefined, undefined, { endpoints });
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${server.address().port}`;
tell(server.issuer.url);
