// A web site of the test: pages and scripts by path. What it does not know goes to the gateway, as behind a reverse proxy.
import { createServer, request } from 'node:http';
import { readFile } from 'node:fs/promises';

const types = { html: 'text/html; charset=utf-8', js: 'text/javascript' };

/** Serves `{path: text or URL of a file}` on the host; gives its origin and a way to say where the gateway is. */
export async function serve(host, pages) {
  let gateway;
  const server = createServer(async (incoming, answer) => {
    const page = pages[new URL(incoming.url, 'http://any').pathname];
    if (page !== undefined) {
      const isFile = page instanceof URL;
      answer.setHeader('content-type', isFile ? types.js : types.html);
      return answer.end(isFile ? await readFile(page) : page);
    }
    if (!gateway) return answer.writeHead(404).end();
    const headers = { ...incoming.headers, 'x-forwarded-host': incoming.headers.host, 'x-forwarded-proto': 'http' };
    const onward = request({ ...gateway, path: incoming.url, method: incoming.method, headers }, (reply) => {
      answer.writeHead(reply.statusCode, reply.headers);
      reply.pipe(answer);
    });
    onward.on('error', () => answer.writeHead(502).end());
    incoming.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxyTo = (url) => (gateway = { host: '127.0.0.1', port: new URL(url).port });
  return { origin: `http://${host}:${server.address().port}`, proxyTo };
}

/** The file of an installed package. */
export const installed = (path) => new URL(`./node_modules/${path}`, import.meta.url);
