// An OpenID provider that nobody here wrote, on Auth0's paths, as long as its parent lives.
import { OAuth2Server } from 'oauth2-mock-server';

const endpoints = { token: '/oauth/token', jwks: '/.well-known/jwks.json', userinfo: '/userinfo', revoke: '/oauth/revoke' };
const server = new OAuth2Server(undefined, undefined, { endpoints });
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${server.address().port}`;
console.log(server.issuer.url);
